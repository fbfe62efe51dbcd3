/** G3: every device, the worst first; what is not known is hatched and never green. */
import { useState } from "preact/hooks";
import type { Device } from "../state/model";
import { elapsed } from "../state/time";
import { gatewayNow, house, isLive } from "../stream/page";
import { named, t } from "../words";

export type Health = "offline" | "fault" | "unknown" | "stale" | "online";
const WORST: readonly Health[] = ["offline", "fault", "unknown", "stale", "online"];

export function healthOf(device: Device, faults: ReadonlySet<string>, isHeard: boolean): Health {
  if (!isHeard) return "unknown";
  if (device.state !== "online") return device.state;
  if (faults.has(device.id)) return "fault";
  return device.points.some((point) => point.quality === "stale") ? "stale" : device.points.some((point) => point.quality === "unknown") ? "unknown" : "online";
}

export function HealthWall() {
  const [badOnly, setBadOnly] = useState(false);
  const faults = new Set([...house.value.faults.values()].map((fault) => fault.device.id));
  const tiles = [...house.value.devices.values()]
    .map((device) => ({ device, health: healthOf(device, faults, isLive.value) }))
    .sort((a, b) => WORST.indexOf(a.health) - WORST.indexOf(b.health) || a.device.place.localeCompare(b.device.place));
  const bad = tiles.filter((tile) => tile.health !== "online");
  return (
    <section class="health">
      <h1>
        <button type="button" aria-pressed={!badOnly} onClick={() => setBadOnly(false)}>
          {t("health.all")} {tiles.length}
        </button>
        <button type="button" aria-pressed={badOnly} onClick={() => setBadOnly(true)}>
          {t("health.bad", { count: bad.length })}
        </button>
      </h1>
      <ul class="tiles">
        {(badOnly ? bad : tiles).map(({ device, health }) => (
          <li key={device.id} class={`tile ${health}`}>
            <strong>{device.place}</strong> {device.name}
            <em>{named("state", health)}</em>
            <small>
              {device.last_seen === null ? t("health.never") : t("health.seen", { age: elapsed(Date.parse(device.last_seen), gatewayNow.value) })}
            </small>
            <ul>
              {device.points.slice(0, 6).map((point) => (
                <li key={point.name} class={point.quality}>
                  {named("kind", point.kind)} {point.quality === "unknown" ? "?" : String(point.value ?? point.active ?? "")} {point.unit ?? ""}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </section>
  );
}
