/**
 * This browser's own time, for how long ago something was: never back, and never less than what went by.
 *
 * A wall clock that is set (a time server after a week without one, a hand) would hold a silenced alarm silent for an hour, or
 * call a gateway that fell silent alive; a running clock stands still while a laptop sleeps. So both are read: what runs is
 * believed, and a leap of the wall clock forwards counts as time that was slept through.
 */
const SLEPT_MS = 1_000;

let runMs = 0;
let wallMs = 0;
let atMs = 0;

/** Milliseconds; near to Date.now() when the page began, and its own from then on. */
export function here(): number {
  const [run, wall] = [performance.now(), Date.now()];
  if (atMs === 0) atMs = wall;
  else {
    const ran = run - runMs;
    const slept = wall - wallMs - ran;
    atMs += slept > SLEPT_MS ? ran + slept : ran;
  }
  [runMs, wallMs] = [run, wall];
  return atMs;
}
