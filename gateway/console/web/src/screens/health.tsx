/** G3: every device, the worst first; what is not known is hatched and never green. */
import { useState } from "preact/hooks";
import { knownOf } from "../state/known";
import type { Device, Point } from "../state/model";
import { Since } from "../parts/time";
import { house, isLive } from "../stream/page";
import { Told } from "../parts/where";
import { later } from "../parts/later";
import { named, t } from "../words";

const Spark = later(() => import("../charts/spark").then((found) => found.Spark));
const Commands = later(() => import("../parts/commands").then((found) => found.Commands));
const CameraTiles = later(() => import("../charts/cameras").then((found) => found.CameraTiles));

export type Health = "offline" | "fault" | "unknown" | "stale" | "partly" | "online";
const MARKS: Record<Health, string> = { offline: "✖", fault: "▲", unknown: "?", stale: "?", partly: "◐", online: "✔" };
const SAID_MOST = 6;
const WORST: readonly Health[] = ["offline", "fault", "unknown", "stale", "partly", "online"];

export function healthOf(device: Device, faults: ReadonlySet<string>, isHeard: boolean): Health {
  if (!isHeard) return "unknown";
  if (device.state !== "online") return device.state;
  if (faults.has(device.id)) return "fault";
  return knownOf(device);
}

/** What is not known, or not any more, is shown as that and not as the last that was heard. */
function shown(point: Point, isHeard: boolean): string {
  if (!isHeard || point.quality === "unknown") return "?";
  if (typeof point.value === "number") return `${point.value} ${point.unit ?? ""}`;
  if (point.active !== null) return t(point.active ? "point.active" : "point.rest");
  return typeof point.value === "string" ? point.value : "";
}

interface Said {
  kind: string;
  text: string;
  quality: string;
  /** The point whose readings make a curve; "" for none. */
  curve: string;
  unit: string | null;
}

/** What a device says, each thing once: four buttons that are all at rest are one line. */
export function saidOf(device: Device, isHeard: boolean): Said[] {
  const found = new Map<string, Said>();
  for (const point of device.points) {
    const text = shown(point, isHeard);
    const curve = typeof point.value === "number" ? point.name : "";
    const quality = isHeard ? point.quality : "unknown";
    found.set([point.kind, text, quality, curve].join("|"), { kind: point.kind, text, quality, curve, unit: point.unit });
  }
  return [...found.values()].slice(0, SAID_MOST);
}

export function HealthWall() {
  const [badOnly, setBadOnly] = useState(false);
  const [chart, setChart] = useState("");
  const faults = new Set([...house.faults.value.values()].map((fault) => fault.device.id));
  const tiles = [...house.devices.value.values()]
    .map((device) => ({ device, health: healthOf(device, faults, isLive.value) }))
    .sort((a, b) => WORST.indexOf(a.health) - WORST.indexOf(b.health) || (a.device.place < b.device.place ? -1 : 1));
  const bad = tiles.filter((tile) => tile.health !== "online" && tile.health !== "partly");
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
              {saidOf(device, isLive.value).map((said) => {
                const curve = `${device.id} ${said.curve}`;
                return (
                  <li key={`${said.kind}${said.text}${said.curve}`} class={said.quality}>
                    <span>
                      {named("kind", said.kind)} <Told text={said.text} most={40} />
                    </span>
                    {said.curve === "" ? null : (
                      <button type="button" class="small" aria-expanded={chart === curve} onClick={() => setChart(chart === curve ? "" : curve)}>
                        {t("chart.show")}
                      </button>
                    )}
                    {said.curve !== "" && chart === curve ? <Spark device={device.id} point={said.curve} unit={said.unit} /> : null}
                  </li>
                );
              })}
            </ul>
            {(device.commands ?? []).some((each) => each.allowed) ? <Commands device={device} /> : null}
          </li>
        ))}
      </ul>
      {badOnly || house.cameras.value.length === 0 ? null : (
        <>
          <h2>{t("chart.cameras")}</h2>
          <CameraTiles />
        </>
      )}
    </section>
  );
}
