/** Times for people: the gateway's clock, the reader's zone. Pure. */

/** "00:41", "12:07", "1:02:33" since a moment; never negative. */
export function elapsed(fromMs: number, nowMs: number): string {
  const s = Math.max(0, Math.floor((nowMs - fromMs) / 1000));
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const tail = `${two(minutes)}:${two(seconds)}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}

/** "14:05:07" of an RFC 3339 time, in the browser's zone; "" for none. */
export function clock(at: string | number | null, withMs = false): string {
  if (at === null) return "";
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  const plain = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return withMs ? `${plain}.${String(date.getMilliseconds()).padStart(3, "0")}` : plain;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}
