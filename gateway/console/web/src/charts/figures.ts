/** What the tiles of G3 say in figures. Pure. */
import type { CameraRow } from "../playback/data";
import { DAY_MS } from "../state/timeline";

export interface CameraFigures {
  isRecording: boolean | null;
  /** Of the newest picture on the disk, ms; null when there is none. */
  ageMs: number | null;
  mbitPerS: number | null;
  keptDays: number | null;
  /** What all the days that are wanted take at this rate, GB. */
  wantedGb: number | null;
  wantedDays: number | null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** What cannot be known is null, and is shown as that. */
export function figures(camera: CameraRow, nowMs: number): CameraFigures {
  const state = camera.state;
  const newestNs = number(state?.["newest_ns"]);
  const newestMs = newestNs !== null && newestNs > 0 ? newestNs / 1e6 : camera.newest === null ? null : Date.parse(camera.newest);
  const bits = number(state?.["bit_rate_bps"]);
  const days = number(state?.["retention_days"]);
  const oldestMs = camera.oldest === null ? null : Date.parse(camera.oldest);
  return {
    isRecording: typeof state?.["recording"] === "boolean" ? state["recording"] : null,
    ageMs: newestMs === null ? null : Math.max(0, nowMs - newestMs),
    mbitPerS: bits === null ? null : bits / 1e6,
    keptDays: oldestMs === null ? null : Math.max(0, nowMs - oldestMs) / DAY_MS,
    wantedDays: days,
    wantedGb: bits === null || days === null ? null : ((bits / 8) * days * 86_400) / 1e9,
  };
}

/** Cells of the history API: [first ms, last ms, lowest, highest, mean, count]. */
export type ReadingCell = [number, number, number, number, number, number];

/** Series for a chart: times in s, lowest, highest, mean; a hole of more than `holeMs` is a hole in the line. */
export function series(cells: readonly ReadingCell[], holeMs: number): [number[], (number | null)[], (number | null)[], (number | null)[]] {
  const found: [number[], (number | null)[], (number | null)[], (number | null)[]] = [[], [], [], []];
  let lastMs: number | null = null;
  for (const [firstMs, endMs, low, high, mean] of cells) {
    if (lastMs !== null && firstMs - lastMs > holeMs) {
      found[0].push((lastMs + firstMs) / 2000);
      for (const each of [found[1], found[2], found[3]]) each.push(null);
    }
    found[0].push(firstMs / 1000);
    found[1].push(low);
    found[2].push(high);
    found[3].push(mean);
    lastMs = endMs;
  }
  return found;
}
