/**
 * What each class of event sounds like (console.md section 4): rhythm differs, so that neither pitch nor a good speaker is
 * needed to tell them apart. Pure.
 */
import type { Alarm, Delivery } from "../state/model";
import { isAcknowledged, isSilent } from "../state/queue";
import { lampOf, isDelivered } from "../state/lamps";

/** One tone: frequency in hertz, start and length in milliseconds. */
export type Tone = readonly [hz: number, atMs: number, forMs: number];

export interface Pattern {
  tones: readonly Tone[];
  /** After this it begins again; null when it sounds once. */
  everyMs: number | null;
}

export const PATTERNS = {
  urgent: { tones: [[660, 0, 350], [990, 350, 450]], everyMs: 4_000 },
  fire: { tones: [[880, 0, 180], [880, 260, 180], [880, 520, 180]], everyMs: 2_000 },
  warning: { tones: [[740, 0, 150], [740, 250, 150]], everyMs: 10_000 },
  attention: { tones: [[620, 0, 220]], everyMs: 1_800_000 },
  undelivered: { tones: [[880, 0, 250], [740, 280, 250], [587, 560, 400]], everyMs: 8_000 },
  lost: { tones: [[220, 0, 80], [220, 140, 80]], everyMs: 10_000 },
  test: { tones: [[660, 0, 400], [990, 500, 400]], everyMs: null },
} as const satisfies Record<string, Pattern>;

export type Sound = keyof typeof PATTERNS;

/** Until the last tone has ended, milliseconds. */
export function lengthMs(pattern: Pattern): number {
  return Math.max(...pattern.tones.map(([, atMs, forMs]) => atMs + forMs));
}

/** A drill sounds the same, lower, so that nobody takes one for the other. */
export const DRILL_RATIO = 0.6;
/** An acknowledged alarm of priority 1 that nobody disposed of sounds again. */
export const AGAIN_MS = 180_000;

/** Where several are as urgent, their places are spoken in turn, each for so long. */
export const TURN_MS = 8_000;

export interface Wanted {
  sound: Sound;
  isDrill: boolean;
  /** Whose it is; "" for none. */
  alarm: string;
  /** Where the spoken text of it is, without the language; "" for none. */
  spoken: string;
}

/** What should sound now: the most urgent thing only. null for silence. */
export function wanted(alarms: Iterable<Alarm>, isLive: boolean, nowMs: number): Wanted | null {
  const open = [...alarms].filter((alarm) => !isSilent(alarm));
  const calls = open.filter((alarm) => isCalling(alarm, nowMs));
  const live = calls.filter((alarm) => alarm.mode === "live");
  for (const group of [live, calls.filter((alarm) => alarm.mode !== "live")]) {
    const isDrill = group !== live;
    const most = Math.min(...group.map((alarm) => alarm.priority));
    const urgent = group.filter((alarm) => alarm.priority === most);
    const first = urgent[Math.floor(nowMs / TURN_MS) % urgent.length];
    if (first === undefined) continue;
    if (first.priority === 1) {
      const sound = first.kind === "fire" ? "fire" : "urgent";
      return { sound, isDrill, alarm: first.alarm_id, spoken: isDrill ? "" : spokenOf(first) };
    }
    if (!isDrill && open.some((alarm) => hasFailed(alarm, nowMs))) break;
    return { sound: first.priority === 2 ? "warning" : "attention", isDrill, alarm: first.alarm_id, spoken: "" };
  }
  const undelivered = open.find((alarm) => hasFailed(alarm, nowMs));
  if (undelivered !== undefined) return { sound: "undelivered", isDrill: false, alarm: undelivered.alarm_id, spoken: "" };
  return isLive ? null : { sound: "lost", isDrill: false, alarm: "", spoken: "" };
}

/** A drill has no spoken text: one that begins like a live alarm's would be taken for one. */
function spokenOf(alarm: Alarm): string {
  return `/api/v1/speech/${encodeURIComponent(alarm.device.id)}/${encodeURIComponent(alarm.point)}`;
}

function isCalling(alarm: Alarm, nowMs: number): boolean {
  if (alarm.priority > 3 || alarm.mode === "historical") return false;
  if (!isAcknowledged(alarm)) return true;
  return alarm.priority === 1 && alarm.restored_at === null && nowMs - Date.parse(alarm.acknowledged_at ?? "") > AGAIN_MS;
}

/** Nobody who can help has it, by wire or by telephone, and somebody should have by now. */
function hasFailed(alarm: Alarm, nowMs: number): boolean {
  if ((alarm.telephoned ?? []).length > 0) return false;
  if (alarm.priority !== 1 || alarm.mode !== "live" || alarm.deliveries.length === 0) return false;
  const raisedMs = Date.parse(alarm.raised_at);
  const lamps = alarm.deliveries.map((delivery: Delivery) => lampOf(delivery, raisedMs, nowMs));
  return lamps.includes("failed") && !lamps.some(isDelivered);
}
