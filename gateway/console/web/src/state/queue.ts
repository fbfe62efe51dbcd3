/** The queue: what waits for a person, in the order in which it should be done. Pure. */
import type { Alarm } from "./model";

export const FLOOD_COUNT = 10;
export const FLOOD_MS = 600_000;
/** A queue that is longer is read by nobody. */
export const LINES_MOST = 30;

/** One line of the queue: an alarm, or many of the same cause folded into one. */
export interface Line {
  first: Alarm;
  /** All of it, oldest first; one member when nothing is folded. */
  all: readonly Alarm[];
}

/** Live before drill, priority, unacknowledged before acknowledged, then the oldest first. */
export function byUrgency(a: Alarm, b: Alarm): number {
  return (
    Number(a.mode !== "live") - Number(b.mode !== "live") ||
    a.priority - b.priority ||
    Number(isAcknowledged(a)) - Number(isAcknowledged(b)) ||
    inOrder(a.raised_at, b.raised_at) ||
    inOrder(a.alarm_id, b.alarm_id)
  );
}

/** By code unit: these are times of one form and ids, and a language's order costs a hundred times as much. */
function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function isAcknowledged(alarm: Alarm): boolean {
  return alarm.acknowledged_at !== null;
}

/** Duress is told to those who can help, and shown nowhere in the guard room (console.md section 4). */
export function isSilent(alarm: Alarm): boolean {
  return alarm.kind === "duress";
}

/**
 * Lines of the queue. FLOOD_COUNT alarms of one kind and place within FLOOD_MS become one line; where that leaves more than
 * LINES_MOST, those of one kind do, wherever they are. Priority 1 never does, nor what is no live alarm.
 */
export function lines(alarms: Iterable<Alarm>): Line[] {
  const shown = [...alarms].filter((alarm) => !isSilent(alarm)).sort(byUrgency);
  const near = folded(shown, (alarm) => `${alarm.priority}|${alarm.kind}|${isAcknowledged(alarm)}|${alarm.device.place}`);
  return near.length <= LINES_MOST ? near : folded(shown, (alarm) => `${alarm.priority}|${alarm.kind}|${isAcknowledged(alarm)}`);
}

function folded(shown: readonly Alarm[], cause: (alarm: Alarm) => string): Line[] {
  const groups = new Map<string, Alarm[]>();
  for (const alarm of shown) {
    if (alarm.priority === 1 || alarm.mode !== "live") continue;
    const key = cause(alarm);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [alarm]);
    else group.push(alarm);
  }
  const heads = new Map<string, Line>();
  const inside = new Set<string>();
  for (const group of groups.values()) {
    const first = group[0];
    if (first === undefined || !isFlood(group)) continue;
    heads.set(first.alarm_id, { first, all: group });
    for (const alarm of group.slice(1)) inside.add(alarm.alarm_id);
  }
  return shown.filter((alarm) => !inside.has(alarm.alarm_id)).map((alarm) => heads.get(alarm.alarm_id) ?? { first: alarm, all: [alarm] });
}

function isFlood(group: readonly Alarm[]): boolean {
  if (group.length < FLOOD_COUNT) return false;
  const times = group.map((alarm) => Date.parse(alarm.raised_at)).sort((a, b) => a - b);
  return times.some((at, index) => {
    const last = times[index + FLOOD_COUNT - 1];
    return last !== undefined && last - at <= FLOOD_MS;
  });
}
