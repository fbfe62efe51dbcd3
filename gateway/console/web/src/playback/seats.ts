/**
 * Which pictures may hold a connection: a browser has six to one host over all of its windows, and what comes seventh waits.
 *
 * Owns   SEATS of them, as locks that all windows share; a window that is closed or crashes gives its own back.
 * Keeps  1. However many windows show however many cameras, the stream of alarms and what a person decides find a connection.
 *        2. An alarm's pictures come before playback, and a package of evidence before any picture.
 *        3. A window that nobody sees holds none for pictures.
 *        4. Who finds none shows stills, and asks again.
 */
const SEATS = 4;
const NAME = "campus.seat.";
const PLAYBACK = ".playback";

export type SeatFor = "alarm" | "playback" | "package";

/** A connection that may be held open. */
export interface Seat {
  /** Aborted when it is left, needed for something else, or nobody sees this window any more: the connection is let go of at once. */
  over: AbortSignal;
  leave: () => void;
}

/** One of them, or null when none is to be had; waits while nobody sees this window. stop: it is not wanted any more. */
export async function takeSeat(what: SeatFor, stop: AbortSignal): Promise<Seat | null> {
  if (what !== "package") await seen(stop);
  const seat = (await freeSeat(what, stop)) ?? (await takenSeat(what, stop));
  if (seat !== null && what !== "package") document.addEventListener("visibilitychange", () => isHidden() && seat.leave(), { signal: seat.over });
  return seat;
}

async function freeSeat(what: SeatFor, stop: AbortSignal): Promise<Seat | null> {
  for (let number = 0; number < SEATS && !stop.aborted; number++) {
    const seat = await locked(number, what, { ifAvailable: true }, stop);
    if (seat !== null) return seat;
  }
  return null;
}

async function takenSeat(what: SeatFor, stop: AbortSignal): Promise<Seat | null> {
  if (what === "playback" || stop.aborted) return null;
  const held = (await navigator.locks.query()).held ?? [];
  const played = held.find((lock) => lock.name?.startsWith(NAME) === true && lock.name.endsWith(PLAYBACK));
  if (played === undefined && what === "alarm") return null;
  return locked(parseInt(played?.name?.slice(NAME.length) ?? "0"), what, { steal: true }, stop);
}

function locked(number: number, what: SeatFor, how: LockOptions, stop: AbortSignal): Promise<Seat | null> {
  const over = new AbortController();
  const leave = (): void => over.abort();
  stop.addEventListener("abort", leave, { signal: over.signal });
  if (!isSecureContext) return Promise.resolve({ over: over.signal, leave }); // behind a proxy without TLS: no locks there
  const { locks } = navigator;
  const name = `${NAME}${number}`;
  const left = new Promise<void>((done) => over.signal.addEventListener("abort", () => done()));
  return new Promise((given) => {
    const hold = async (lock: Lock | null): Promise<void> => {
      given(lock === null ? null : { over: over.signal, leave });
      if (lock === null || stop.aborted) return;
      await (what === "playback" ? locks.request(name + PLAYBACK, { steal: true }, () => left) : left);
    };
    locks.request(name, how, hold).then(leave, () => (leave(), given(null))); // refused: somebody took it
  });
}

function seen(stop: AbortSignal): Promise<void> {
  if (!isHidden() || stop.aborted) return Promise.resolve();
  return new Promise((done) => {
    const ends = new AbortController();
    const end = (): void => (ends.abort(), done());
    document.addEventListener("visibilitychange", () => isHidden() || end(), { signal: ends.signal });
    stop.addEventListener("abort", end, { signal: ends.signal });
  });
}

function isHidden(): boolean {
  return document.visibilityState === "hidden";
}
