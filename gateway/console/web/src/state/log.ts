/**
 * The log as a console keeps it: records by their number, newest last, bounded. Pure: adding one copies a hundredth of it,
 * so that ten thousand alarms cost a page no more each than the first.
 */
import type { Entry } from "./model";

const PIECE = 256;

export interface Log {
  readonly pieces: readonly (readonly Entry[])[];
  readonly count: number;
}

export const NO_LOG: Log = { pieces: [], count: 0 };

export function newestSeq(log: Log): number {
  return log.pieces.at(-1)?.at(-1)?.seq ?? 0;
}

/** A record that is known already comes once more after a reconnect: the same log is returned. */
export function added(log: Log, entry: Entry, most: number): Log {
  if (log.count > 0 && entry.seq <= newestSeq(log)) return log;
  const last = log.pieces.at(-1);
  const pieces = last !== undefined && last.length < PIECE ? [...log.pieces.slice(0, -1), [...last, entry]] : [...log.pieces, [entry]];
  let count = log.count + 1;
  const first = pieces[0];
  if (first !== undefined && count > most) {
    pieces.shift();
    count -= first.length;
  }
  return { pieces, count };
}

/** The n-th newest, 0 for the newest; undefined beyond the oldest. */
export function newest(log: Log, n: number): Entry | undefined {
  let left = n;
  for (let at = log.pieces.length - 1; at >= 0; at -= 1) {
    const piece = log.pieces[at] ?? [];
    if (left < piece.length) return piece[piece.length - 1 - left];
    left -= piece.length;
  }
  return undefined;
}

/** Those that fit, newest first. */
export function found(log: Log, fits: (entry: Entry) => boolean): Entry[] {
  const shown: Entry[] = [];
  for (let at = log.pieces.length - 1; at >= 0; at -= 1) {
    const piece = log.pieces[at] ?? [];
    for (let n = piece.length - 1; n >= 0; n -= 1) {
      const entry = piece[n];
      if (entry !== undefined && fits(entry)) shown.push(entry);
    }
  }
  return shown;
}
