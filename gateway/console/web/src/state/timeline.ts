/** The bands of G4: which time is on the screen, what of it was recorded, and what plays where. Pure. */

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** What the keys 1 to 4 show. */
export const LEVELS: readonly number[] = [90 * DAY_MS, DAY_MS, HOUR_MS, MINUTE_MS];
export const SHORTEST_MS = 10_000;
/** Cells asked for at once (GET …/timeline): more than any screen has columns. */
export const BINS_MOST = 2_000;

/** A stretch of time, ms since 1970. */
export interface View {
  fromMs: number;
  toMs: number;
}

/** A cell of the band: how much of it is missing, and why most of that is. */
export interface Cell extends View {
  missingMs: number;
  reason: string;
}

export interface Gap extends View {
  reason: string;
}

export interface Happening {
  id: string;
  atMs: number;
  kind: string;
  mode: string;
  text: string;
}

/** How a part of the band looks. `none`: nobody could have recorded it, it is not yet or no more. */
export type Look = "solid" | "partial" | "gap" | "none";

/** What was not recorded because it is not over yet. */
export const NOTHING_YET = "nothing_yet";

export function span(view: View): number {
  return view.toMs - view.fromMs;
}

/** A view of that length around a moment, as much within the limits as it can be. */
export function around(atMs: number, lengthMs: number, limits: View): View {
  return within({ fromMs: atMs - lengthMs / 2, toMs: atMs + lengthMs / 2 }, limits);
}

/** factor below 1 shows less. The moment under the pointer stays where it is. */
export function zoom(view: View, factor: number, atMs: number, limits: View): View {
  const length = Math.min(Math.max(span(view) * factor, SHORTEST_MS), span(limits));
  const part = (atMs - view.fromMs) / span(view);
  const fromMs = atMs - part * length;
  return within({ fromMs, toMs: fromMs + length }, limits);
}

export function pan(view: View, byMs: number, limits: View): View {
  return within({ fromMs: view.fromMs + byMs, toMs: view.toMs + byMs }, limits);
}

/** Moved into the limits; its length stays unless the limits are shorter. */
export function within(view: View, limits: View): View {
  const length = Math.min(span(view), span(limits));
  const fromMs = Math.min(Math.max(view.fromMs, limits.fromMs), limits.toMs - length);
  return { fromMs, toMs: fromMs + length };
}

export function xOf(view: View, atMs: number, width: number): number {
  return ((atMs - view.fromMs) / span(view)) * width;
}

export function msOf(view: View, x: number, width: number): number {
  return view.fromMs + (x / width) * span(view);
}

/** How a cell looks; oldestMs: when the oldest picture was made, null when there is none. */
export function lookOf(cell: Cell, oldestMs: number | null, nowMs: number): Look {
  if (cell.missingMs <= 0) return "solid";
  if (cell.missingMs < span(cell)) return "partial";
  if (cell.reason === NOTHING_YET && cell.toMs >= nowMs - MINUTE_MS) return "none";
  if (cell.reason === "unknown" && (oldestMs === null || cell.toMs <= oldestMs)) return "none";
  return cell.fromMs >= nowMs ? "none" : "gap";
}

const STEPS: readonly number[] = [
  SECOND_MS,
  5 * SECOND_MS,
  10 * SECOND_MS,
  30 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
  14 * DAY_MS,
];

export interface Tick {
  atMs: number;
  /** Whether the day is said, or the time of day. */
  isDay: boolean;
  withSeconds: boolean;
}

/** Round moments, at most `most`; zoneMs: what the reader's clock is ahead of UTC. */
export function ticks(view: View, most: number, zoneMs: number): Tick[] {
  const step = STEPS.find((each) => span(view) / each <= most) ?? Math.ceil(span(view) / most / DAY_MS) * DAY_MS;
  const found: Tick[] = [];
  for (let at = Math.ceil((view.fromMs + zoneMs) / step) * step; at <= view.toMs + zoneMs; at += step) {
    found.push({ atMs: at - zoneMs, isDay: at % DAY_MS === 0, withSeconds: step < MINUTE_MS });
  }
  return found;
}

/** The next happening behind a moment, or the one before it; a second of grace, so that one can go on from one. */
export function next(all: readonly Happening[], atMs: number, way: 1 | -1): Happening | null {
  let best: Happening | null = null;
  for (const each of all) {
    const ahead = (each.atMs - atMs) * way;
    if (ahead <= SECOND_MS) continue;
    if (best === null || ahead < (best.atMs - atMs) * way) best = each;
  }
  return best;
}

export function gapAt(gaps: readonly Gap[], atMs: number): Gap | null {
  return gaps.find((gap) => gap.fromMs <= atMs && atMs < gap.toMs) ?? null;
}

/** What to ask for when a moment is to be played: from there, at most `longest`; null where nothing is to be had. */
export function chunk(spans: readonly View[], atMs: number, longestMs: number): View | null {
  let end = -1;
  for (const each of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    if (end < 0 && each.fromMs <= atMs && atMs < each.toMs) end = each.toMs;
    else if (end >= 0) end = Math.max(end, each.toMs); // also behind a gap: the file has the gap in it
  }
  return end < 0 ? null : { fromMs: atMs, toMs: Math.min(end, atMs + longestMs) };
}

export const SPEEDS: readonly number[] = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16];

/** The speed one step faster or slower. */
export function speed(now: number, by: 1 | -1): number {
  const at = SPEEDS.indexOf(Math.abs(now));
  return SPEEDS[Math.min(Math.max((at < 0 ? 3 : at) + by, 0), SPEEDS.length - 1)] ?? 1;
}

/** What J, K and L make of how it plays: back, pause, forward; again is faster. */
export function shuttle(now: number, key: "j" | "k" | "l"): number {
  if (key === "k") return 0;
  const way = key === "l" ? 1 : -1;
  return now * way > 0 ? way * speed(now, 1) : way;
}

/** Cells as the gateway says them (GET …/timeline?bins=). */
export function cellsOf(rows: readonly { from: string; to: string; missing_ms: number; reason: string | null }[]): Cell[] {
  return rows.map((row) => ({ fromMs: Date.parse(row.from), toMs: Date.parse(row.to), missingMs: row.missing_ms, reason: row.reason ?? "" }));
}

/** How long is missing of what should be there, ms. */
export function missing(cells: readonly Cell[], oldestMs: number | null, nowMs: number): number {
  return cells.reduce((sum, cell) => (lookOf(cell, oldestMs, nowMs) === "none" ? sum : sum + cell.missingMs), 0);
}

/** Whether an answer's head says that something was not recorded; what is not on the disk yet is no gap. */
export function isGap(gaps: string | null): boolean {
  return (gaps ?? "").split(",").some((gap) => gap.trim() !== "" && !gap.trim().endsWith(`;${NOTHING_YET}`));
}
