/** What playback asks the gateway: cameras, their bands, and what exactly is around one moment. */
import { get } from "../api";
import { BINS_MOST, DAY_MS, MINUTE_MS, cellsOf, type Cell, type Gap, type Happening, type View } from "../state/timeline";

export interface StreamRow {
  name: "main" | "sub";
  oldest: string | null;
  newest: string | null;
}

/** A camera as GET /api/v1/cameras tells of it; state is the recorder's, null when it is silent. */
export interface CameraRow {
  id: string;
  name: string;
  place: string;
  streams: StreamRow[];
  oldest: string | null;
  newest: string | null;
  state: Record<string, string | number | boolean | null> | null;
}

export interface Hold extends View {
  alarmId: string;
}

/** A band: cells that meet, and what happened there. */
export interface Band {
  view: View;
  cells: Cell[];
  holds: Hold[];
  alarms: Happening[];
}

/** What exactly is around the moment that plays. */
export interface Exact {
  view: View;
  spans: View[];
  gaps: Gap[];
  holds: Hold[];
}

interface Told {
  from: string;
  to: string;
  spans?: { from: string; to: string }[];
  gaps?: { from: string; to: string; reason: string }[];
  bins?: { from: string; to: string; missing_ms: number; reason: string | null }[];
  alarms: { alarm_id: string; at: string; kind: string; mode: string; text: string }[];
  holds: { alarm_id: string; from: string; to: string }[];
  next: string | null;
}

export const KEPT_MS = 90 * DAY_MS;
const BEFORE_MS = 15 * MINUTE_MS;
const BEHIND_MS = 45 * MINUTE_MS;
/** Asked anew when the moment comes so near to the end of what is known. */
const MARGIN_MS = MINUTE_MS;

export async function cameras(): Promise<CameraRow[]> {
  return (await get<{ cameras: CameraRow[] }>("/api/v1/cameras")).cameras;
}

function path(camera: string, view: View, bins: number | null): string {
  const asked = new URLSearchParams({ from: new Date(view.fromMs).toISOString(), to: new Date(view.toMs).toISOString() });
  if (bins !== null) asked.set("bins", String(bins));
  return `/api/v1/cameras/${encodeURIComponent(camera)}/timeline?${asked.toString()}`;
}

export async function band(camera: string, view: View, columns: number): Promise<Band> {
  const bins = Math.max(1, Math.min(BINS_MOST, Math.floor(columns)));
  const told = await get<Told>(path(camera, view, bins));
  return {
    view,
    cells: cellsOf(told.bins ?? []),
    holds: told.holds.map(held),
    alarms: told.alarms.map((each) => ({ id: each.alarm_id, atMs: Date.parse(each.at), kind: each.kind, mode: each.mode, text: each.text })),
  };
}

export async function exact(camera: string, atMs: number): Promise<Exact> {
  const view = { fromMs: Math.max(0, atMs - BEFORE_MS), toMs: atMs + BEHIND_MS };
  const told = await get<Told>(path(camera, view, null));
  const times = (row: { from: string; to: string }): View => ({ fromMs: Date.parse(row.from), toMs: Date.parse(row.to) });
  const toMs = told.next === null ? view.toMs : Date.parse(told.next);
  return {
    view: { fromMs: view.fromMs, toMs },
    spans: (told.spans ?? []).map(times),
    gaps: (told.gaps ?? []).map((gap) => ({ ...times(gap), reason: gap.reason })),
    holds: told.holds.map(held),
  };
}

function held(row: Told["holds"][number]): Hold {
  return { alarmId: row.alarm_id, fromMs: Date.parse(row.from), toMs: Date.parse(row.to) };
}

/** Whether what is known is enough around a moment. What ends at about now is asked for again: it grows. */
export function knows(found: Exact | null, atMs: number): boolean {
  return found !== null && found.view.fromMs <= Math.max(0, atMs - MARGIN_MS) && atMs + MARGIN_MS <= found.view.toMs;
}

export function nameOf(camera: CameraRow): string {
  return `${camera.place} ${camera.name}`.trim() || camera.id;
}

/** A time as ms; null for none. */
export function parse(text: string | null): number | null {
  const at = text === null ? NaN : Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
