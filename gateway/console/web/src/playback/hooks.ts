/** What moves G4: bands and alarms that are asked for, one player for each camera, the clock that all of them follow, keys. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { trouble } from "../deeds";
import { isWriting } from "../keys";
import { words } from "../parts/camera";
import { SECOND_MS, type Happening, type View } from "../state/timeline";
import { KEPT_MS, band, type Band as BandTold, type CameraRow } from "./data";
import { Deck, type Showing } from "./deck";

/** What is newer than this may not be on the disk yet. */
export const LATE_MS = 4 * SECOND_MS;
export const AGAIN_MS = 15_000;
const SETTLE_MS = 120;
/** The clock goes on by so much at most between two pictures of the screen: a page that slept does not leap. */
const LEAP_MOST_MS = 250;
const SAY_MS = 100;

/** Bands of what is on the screen; while newer ones are asked for the old ones stay where their times are. */
export function useBands(chosen: readonly string[], view: View): (BandTold | null)[] {
  const [told, setTold] = useState<ReadonlyMap<string, BandTold>>(new Map());
  const [turn, setTurn] = useState(0);
  const key = chosen.join();
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      for (const camera of chosen) {
        band(camera, view, window.innerWidth).then(
          (found) => over || setTold((before) => new Map(before).set(camera, found)),
          (error: unknown) => over || (trouble.value = { zh: words(error), en: words(error), next: "" }),
        );
      }
    }, SETTLE_MS);
    const again = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => {
      over = true;
      clearTimeout(timer);
      clearTimeout(again);
    };
  }, [key, view.fromMs, view.toMs, turn]);
  return chosen.map((camera) => told.get(camera) ?? null);
}

/** Alarms of all that is kept, for going from one to the next. */
export function useEvents(chosen: readonly string[], limits: View): readonly Happening[] {
  const [found, setFound] = useState<readonly Happening[]>([]);
  const key = chosen.join();
  useEffect(() => {
    let over = false;
    void Promise.all(chosen.map((camera) => band(camera, limits, 1))).then(
      (bands) => over || setFound(bands.flatMap((each) => each.alarms)),
      () => undefined, // the bands themselves say what is the matter
    );
    return () => {
      over = true;
    };
  }, [key]);
  return found;
}

export function useDecks(shown: readonly CameraRow[], reason: string): readonly Deck[] {
  const kept = useRef(new Map<string, Deck>());
  const key = shown.map((camera) => camera.id).join();
  const decks = useMemo(() => {
    const before = kept.current;
    kept.current = new Map(
      shown.map((camera) => {
        const known = before.get(camera.id);
        const isSame = known !== undefined && known.reason === reason;
        return [camera.id, isSame ? known : new Deck(camera.id, camera.streams.some((each) => each.name === "sub"), reason)];
      }),
    );
    for (const deck of before.values()) if (kept.current.get(deck.camera) !== deck) deck.end();
    return [...kept.current.values()];
  }, [key, reason]);
  useEffect(
    () => () => {
      for (const deck of kept.current.values()) deck.end();
    },
    [],
  );
  return decks;
}

/** The clock goes on as time does, and waits for a picture that is on its way; a gap is no reason to wait. */
export function useClock(decks: readonly Deck[], atMs: number, setAt: (at: number) => void, rate: number, setRate: (rate: number) => void, nowMs: number): readonly Showing[] {
  const [showing, setShowing] = useState<readonly Showing[]>([]);
  const now = useRef({ atMs, rate, nowMs });
  now.current = { atMs, rate, nowMs };
  useEffect(() => {
    let asked = 0;
    let lastMs = performance.now();
    let at = now.current.atMs;
    let said = at;
    const turn = (): void => {
      const ms = performance.now();
      const passed = Math.min(ms - lastMs, LEAP_MOST_MS);
      lastMs = ms;
      const { rate: going, nowMs: latest } = now.current;
      if (Math.abs(now.current.atMs - said) > 1) at = now.current.atMs; // somebody moved it
      const seen = decks.map((deck) => (deck.reason === "" ? ({ is: "waiting", isBlank: true } as const) : deck.follow(at, going)));
      if (going !== 0 && decks.some((deck) => deck.reason !== "") && seen.every((each) => each.is !== "waiting")) {
        at += passed * going;
        if (at >= latest - LATE_MS || at <= latest - KEPT_MS) {
          at = Math.min(Math.max(at, latest - KEPT_MS), latest - LATE_MS);
          setRate(0);
        }
      }
      if (Math.abs(at - said) >= SAY_MS || (going === 0 && at !== said)) {
        said = at;
        now.current.atMs = at;
        setAt(at);
      } else said = now.current.atMs;
      setShowing((before) => (isSame(before, seen) ? before : seen));
      asked = requestAnimationFrame(turn);
    };
    asked = requestAnimationFrame(turn);
    return () => cancelAnimationFrame(asked);
  }, [decks]);
  return showing;
}

function isSame(before: readonly Showing[], seen: readonly Showing[]): boolean {
  return before.length === seen.length && before.every((each, place) => JSON.stringify(each) === JSON.stringify(seen[place]));
}

export function useKeys(keys: Record<string, () => void>): void {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.altKey || event.metaKey || isWriting(event.target)) return;
      const deed = held.current[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (deed === undefined) return;
      event.preventDefault();
      deed();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
