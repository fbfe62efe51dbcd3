/**
 * The loudspeaker of this browser.
 *
 * Owns   the audio context, and what is sounding.
 * Keeps  1. One pattern at a time: the next one replaces it within SLICE_MS.
 *        2. `state` says whether this browser makes sound: one that does not is told of on the page and to the gateway.
 */
import { signal } from "@preact/signals";
import { DRILL_RATIO, PATTERNS, type Sound, type Wanted } from "./patterns";

export const SILENCE_MS = 60_000;

/** Whether this browser lets us be heard. */
export const canSound = signal(false);
/** Until when somebody silenced this browser, Date.now(); 0 for not. */
export const silentUntilMs = signal(0);

let context: AudioContext | null = null;
let current = "";
let nextMs = 0;

/** Call it from a click or a key: browsers refuse sound before that. */
export async function wake(): Promise<boolean> {
  context ??= new AudioContext();
  context.onstatechange = () => (canSound.value = context?.state === "running");
  try {
    await context.resume();
  } catch {
    // Refused: canSound says so, and the page shows it.
  }
  canSound.value = context.state === "running";
  return canSound.value;
}

export function test(): void {
  play("test", false);
}

export function silence(nowMs: number): void {
  silentUntilMs.value = nowMs + SILENCE_MS;
  current = "";
}

/** Called twice a second with what should sound; returns whether it does. */
export function follow(want: Wanted | null, nowMs: number): boolean {
  if (want === null || nowMs < silentUntilMs.value) {
    current = "";
    return false;
  }
  const key = `${want.sound}|${want.isDrill}|${want.alarm}`;
  const every = PATTERNS[want.sound].everyMs;
  if (key === current && (every === null || nowMs < nextMs)) return canSound.value;
  current = key;
  nextMs = nowMs + (every ?? 0);
  play(want.sound, want.isDrill);
  return canSound.value;
}

function play(sound: Sound, isDrill: boolean): void {
  if (context === null || context.state !== "running") return;
  const base = context.currentTime + 0.02;
  for (const [hz, atMs, forMs] of PATTERNS[sound].tones) {
    const tone = context.createOscillator();
    const loud = context.createGain();
    tone.type = "square";
    tone.frequency.value = isDrill ? hz * DRILL_RATIO : hz;
    const from = base + atMs / 1000;
    const until = from + forMs / 1000;
    loud.gain.setValueAtTime(0, from);
    loud.gain.linearRampToValueAtTime(0.35, from + 0.01);
    loud.gain.setValueAtTime(0.35, until - 0.02);
    loud.gain.linearRampToValueAtTime(0, until);
    tone.connect(loud).connect(context.destination);
    tone.start(from);
    tone.stop(until);
  }
}
