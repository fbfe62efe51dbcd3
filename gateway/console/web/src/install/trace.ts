/** Five minutes of a device's numbers, as the gateway samples them while somebody looks. Pure. */

/** What the gateway tells: samples behind the last one that was known, by its own clock. */
export interface Told {
  now_ms: number;
  at_ms: number[];
  values: Record<string, (number | null)[]>;
}

export interface Trace {
  /** Right edge of the strip. */
  nowMs: number;
  at: readonly number[];
  values: Readonly<Record<string, readonly (number | null)[]>>;
}

export const SPAN_MS = 300_000;
/** Samples come once a second: where none came for longer there is a hole, not a line. */
const HOLE_MS = 5_000;
export const EMPTY: Trace = { nowMs: 0, at: [], values: {} };

/** What was known and what came since; older than five minutes is gone. A name that is new was unknown before, one that is gone is unknown since. */
export function joined(before: Trace, told: Told): Trace {
  const lastMs = before.at.at(-1) ?? -Infinity;
  // A clock that was set back: what lies in the future of it is of another life.
  const kept = lastMs > told.now_ms ? EMPTY : before;
  const fromMs = told.now_ms - SPAN_MS;
  const first = kept.at.findIndex((at) => at >= fromMs);
  const old = first < 0 ? [] : kept.at.slice(first);
  const fresh = told.at_ms.map((at, index) => ({ at, index })).filter(({ at }) => at >= fromMs && at > (kept.at.at(-1) ?? -Infinity));
  const at: number[] = [...old];
  const gaps: boolean[] = old.map(() => false);
  for (const each of fresh) {
    const last = at.at(-1);
    if (last !== undefined && each.at - last > HOLE_MS) {
      at.push(last + 1);
      gaps.push(true);
    }
    at.push(each.at);
    gaps.push(false);
  }
  const names = new Set([...Object.keys(kept.values), ...Object.keys(told.values)]);
  const values: Record<string, (number | null)[]> = {};
  for (const name of names) {
    const was = first < 0 ? [] : (kept.values[name]?.slice(first) ?? old.map(() => null));
    const came = fresh.map(({ index }) => told.values[name]?.[index] ?? null);
    let next = 0;
    values[name] = gaps.map((isGap, index) => (index < old.length ? (was[index] ?? null) : isGap ? null : (came[next++] ?? null)));
  }
  return { nowMs: told.now_ms, at, values };
}

/** Lowest and highest of what is shown; null while nothing is known. */
export function range(values: readonly (number | null)[]): [number, number] | null {
  const known = values.filter((value): value is number => value !== null);
  return known.length === 0 ? null : [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
}

/** A number as a person reads it aloud: seven digits at most. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(7)));
}
