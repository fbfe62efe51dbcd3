/** G3: every device, the worst first; what is not known is hatched and never green. */
import { useState } from "preact/hooks";
import type { Device, Point } from "../state/model";
import { Since } from "../parts/time";
import { house, isLive } from "../stream/page";
import { Told } from "../parts/where";
import { later } from "../parts/later";
import { named, t } from "../words";

const Spark = later(() => import("../charts/spark").then((found) => found.Spark));
const CameraTiles = later(() => import("../charts/cameras").then((found) => found.CameraTiles));

export type Health = "offline" | "fault" | "unknown" | "stale" | "online";
const MARKS: Record<Health, string> = { offline: "✖", fault: "▲", unknown: "?", stale: "?", online: "✔" };
const WORST: readonly Health[] = ["offline", "fault", "unknown", "stale", "online"];

export function healthOf(device: Device, faults: ReadonlySet<string>, isHeard: boolean): Health {
  if (!isHeard) return "unknown";
  if (device.state !== "online") return device.state;
  if (faults.has(device.id)) return "fault";
  return device.points.some((point) => point.quality === "stale") ? "stale" : device.points.some((point) => point.quality === "unknown") ? "unknown" : "online";
}

/** What is not known, or not any more, is shown as that and not as the last that was heard. */
function shown(point: Point, isHeard: boolean): string {
  if (!isHeard || point.quality === "unknown") return "?";
  if (point.value !== null && typeof point.value !== "boolean") return `${point.value} ${point.unit ?? ""}`;
  return point.active === null ? "" : t(point.active ? "point.active" : "point.rest");
}

export function HealthWall() {
  const [badOnly, setBadOnly] = useState(false);
  const [chart, setChart] = useState("");
  const faults = new Set([...house.value.faults.values()].map((fault) => fault.device.id));
  const tiles = [...house.value.devices.values()]
    .map((device) => ({ device, health: healthOf(device, faults, isLive.value) }))
    .sort((a, b) => WORST.indexOf(a.health) - WORST.indexOf(b.health) || (a.device.place < b.device.place ? -1 : 1));
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
            <strong>
              <Told text={device.place} most={40} />
            </strong>{" "}
            <Told text={device.name} most={60} />
            <em>
              <span class={`mark ${health}`} aria-hidden="true">
                {MARKS[health]}
              </span>{" "}
              {named("state", health)}
            </em>
            <small>
              {device.last_seen === null ? (
                t("health.never")
              ) : (
                <>
                  {t("health.seen")} <Since at={device.last_seen} />
                </>
              )}
            </small>
            <ul>
              {device.points.slice(0, 6).map((point) => (
                <li key={point.name} class={isLive.value ? point.quality : "unknown"}>
                  {named("kind", point.kind)} <Told text={shown(point, isLive.value)} most={40} />
                  {typeof point.value === "number" ? (
                    <button type="button" class="small" aria-expanded={chart === `${device.id} ${point.name}`} onClick={() => setChart(chart === `${device.id} ${point.name}` ? "" : `${device.id} ${point.name}`)}>
                      {t("chart.show")}
                    </button>
                  ) : null}
                  {chart === `${device.id} ${point.name}` ? <Spark device={device.id} point={point.name} unit={point.unit} /> : null}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
      {badOnly || house.value.cameras.length === 0 ? null : (
        <>
          <h2>{t("chart.cameras")}</h2>
          <CameraTiles />
        </>
      )}
    </section>
  );
}
