/** G3's camera tiles: whether each is recorded now, since when it can be seen, what is missing of 90 days. */
import { useEffect, useRef, useState } from "preact/hooks";
import "../style/charts.css";
import { Told } from "../parts/where";
import { KEPT_MS, band, cameras, type CameraRow } from "../playback/data";
import { go } from "../route";
import { elapsed } from "../state/time";
import { MINUTE_MS, lookOf, missing, type Cell, type View } from "../state/timeline";
import { gatewayNow, isLive } from "../stream/page";
import { t } from "../words";
import { figures, type CameraFigures } from "./figures";

const AGAIN_MS = 10_000;
/** A cell a day. */
const CELLS = 90;
const LATE_MS = 30_000;

export function CameraTiles() {
  const [found, setFound] = useState<readonly CameraRow[]>([]);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    cameras().then(setFound, () => undefined); // the bar of the page says when the gateway is gone
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [turn]);
  const nowMs = gatewayNow.value;
  const tiles = found.map((camera) => ({ camera, told: figures(camera, nowMs) })).sort((a, b) => rank(a.told) - rank(b.told));
  if (tiles.length === 0) return null;
  return (
    <ul class="tiles">
      {tiles.map(({ camera, told }) => (
        <Tile key={camera.id} camera={camera} told={told} />
      ))}
    </ul>
  );
}

function health(told: CameraFigures): "offline" | "unknown" | "stale" | "online" {
  if (!isLive.value || told.isRecording === null) return "unknown";
  if (!told.isRecording) return "offline";
  return told.ageMs === null || told.ageMs > LATE_MS ? "stale" : "online";
}

function rank(told: CameraFigures): number {
  return ["offline", "unknown", "stale", "online"].indexOf(health(told));
}

function Tile({ camera, told }: { camera: CameraRow; told: CameraFigures }) {
  const is = health(told);
  const unknown = t("chart.unknown");
  return (
    <li class={`tile ${is}`} data-camera={camera.id}>
      <strong>
        <Told text={camera.place} most={40} />
      </strong>{" "}
      <Told text={camera.name || camera.id} most={60} />
      <em>
        <span class={`mark ${is}`} aria-hidden="true">
          {is === "online" ? "✔" : is === "offline" ? "✖" : "?"}
        </span>{" "}
        {t(is === "online" ? "chart.recorded" : is === "offline" ? "chart.not_recorded" : is === "stale" ? "chart.late" : "state.unknown")}
      </em>
      <dl>
        <Line name={t("chart.age")} value={told.ageMs === null ? unknown : elapsed(0, told.ageMs)} />
        <Line name={t("chart.rate")} value={told.mbitPerS === null ? unknown : `${told.mbitPerS.toFixed(1)} Mbit/s`} />
        <Line name={t("chart.oldest")} value={told.keptDays === null ? unknown : t("chart.days", { days: told.keptDays.toFixed(1) })} />
        <Line name={t("chart.wanted")} value={told.wantedGb === null ? unknown : t("chart.gigabytes", { days: told.wantedDays ?? "", size: Math.ceil(told.wantedGb) })} />
      </dl>
      <Missing camera={camera} told={told} />
      <button type="button" onClick={() => go("playback", camera.id)}>
        {t("nav.playback")}
      </button>
    </li>
  );
}

function Line({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Asked for when the tile is seen, and once: the index is not to be asked 64 times at each look at this screen. */
function Missing({ camera, told }: { camera: CameraRow; told: CameraFigures }) {
  const box = useRef<HTMLParagraphElement>(null);
  const [cells, setCells] = useState<readonly Cell[] | null>(null);
  useEffect(() => {
    const place = box.current;
    if (place === null) return;
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      const nowMs = gatewayNow.peek();
      // From the oldest picture on, for before it nothing could be missing; and to the newest, while they come.
      const comes = told.isRecording === true && told.ageMs !== null && told.ageMs <= LATE_MS;
      const fromMs = Math.max(nowMs - KEPT_MS, camera.oldest === null ? 0 : Date.parse(camera.oldest));
      const toMs = Math.max(fromMs + MINUTE_MS, comes ? nowMs - (told.ageMs ?? 0) : nowMs);
      const view: View = { fromMs, toMs };
      band(camera.id, view, CELLS).then(
        (found) => setCells(found.cells),
        () => undefined, // it stays unknown
      );
    });
    seen.observe(place);
    return () => seen.disconnect();
  }, [camera.id]);
  const nowMs = gatewayNow.peek();
  const oldestMs = camera.oldest === null ? null : Date.parse(camera.oldest);
  const minutes = cells === null ? null : Math.ceil(missing(cells, oldestMs, nowMs) / MINUTE_MS);
  return (
    <p class="missing" ref={box}>
      {minutes === null ? t("chart.unknown") : t("chart.missing", { minutes })}
      <span class="days" aria-hidden="true">
        {(cells ?? []).map((cell) => (
          <i key={cell.fromMs} class={lookOf(cell, oldestMs, nowMs)} style={{ flexGrow: cell.toMs - cell.fromMs }} />
        ))}
      </span>
    </p>
  );
}
