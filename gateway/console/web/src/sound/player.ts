/**
 * The loudspeaker of this browser.
 *
 * Owns   the audio context, what is sounding, and spoken texts that were fetched (SPOKEN_MOST).
 * Keeps  1. One pattern at a time: the next one replaces it within SLICE_MS.
 *        2. `canSound` says whether this browser makes sound: one that does not is told of on the page and to the gateway.
 *        3. Silence is for what sounded when it was asked for: what comes afterwards is heard.
 */
import { effect, signal } from "@preact/signals";
import { DRILL_RATIO, PATTERNS, lengthMs, type Sound, type Wanted } from "./patterns";

export const SILENCE_MS = 60_000;
const SPOKEN_MOST = 64;
const WAKE_MS = 1_000;
/** Spoken texts are asked for so long after the first tone: they are due behind the last one. */
const FETCH_MS = 250;

/** Whether this browser lets us be heard. */
export const canSound = signal(false);
/** Until when somebody silenced this browser, as stream/here.ts counts; 0 for not. */
export const silentUntilMs = signal(0);
/** What sounds now, "" for nothing; it stands on the document as well, for whoever looks from outside whether it does. */
export const sounding = signal("");
effect(() => {
  if (typeof document === "undefined") return;
  if (sounding.value === "") delete document.documentElement.dataset["sounding"];
  else document.documentElement.dataset["sounding"] = sounding.value;
});

let context: AudioContext | null = null;
let current = "";
let nextMs = 0;
let silenced: ReadonlySet<string> = new Set();
let playing: AudioScheduledSourceNode[] = [];
const spoken = new Map<string, AudioBuffer | null>();

/** Call it from a click or a key: browsers refuse sound before that. A browser that refuses never answers, hence the bound. */
export async function wake(): Promise<boolean> {
  context ??= new AudioContext();
  const here = context;
  here.onstatechange = () => (canSound.value = here.state === "running");
  await Promise.race([here.resume().catch(() => undefined), new Promise((done) => setTimeout(done, WAKE_MS))]);
  canSound.value = here.state === "running";
  return canSound.value;
}

/** Any touch or key is the gesture that browsers want. */
export function wakeOnGesture(): void {
  const gesture = (): void => {
    if (!canSound.value) void wake();
  };
  addEventListener("pointerdown", gesture);
  addEventListener("keydown", gesture);
}

export function test(): void {
  play("test", false);
}

/** ids: whose sound it is that somebody has heard; "" for the knock of a gateway that is gone. */
export function silence(nowMs: number, ids: Iterable<string>): void {
  silentUntilMs.value = nowMs + SILENCE_MS;
  silenced = new Set(ids);
  stop();
}

export function isSilenced(id: string, nowMs: number): boolean {
  return nowMs < silentUntilMs.value && silenced.has(id);
}

/** Called twice a second and with every change: what should sound. nowMs never goes back (stream/here.ts): a clock that is set mutes nothing. */
export function follow(want: Wanted | null, nowMs: number): void {
  if (want === null) {
    if (current !== "") stop();
    return;
  }
  const key = `${want.sound}|${want.isDrill}|${want.alarm}`;
  const every = PATTERNS[want.sound].everyMs;
  if (key === current && (every === null || nowMs < nextMs)) return;
  current = key;
  nextMs = nowMs + (every ?? 0);
  play(want.sound, want.isDrill);
  sounding.value = canSound.value ? `${want.sound}${want.isDrill ? " drill" : ""}` : "";
  if (want.spoken !== "") void say(want.spoken, key, lengthMs(PATTERNS[want.sound]));
}

function stop(): void {
  current = "";
  sounding.value = "";
  for (const source of playing) source.stop();
  playing = [];
}

function play(sound: Sound, isDrill: boolean): void {
  for (const source of playing) source.stop();
  playing = [];
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
    playing.push(tone);
  }
}

/** The place in words behind the tones, where the gateway has a file of it; the tones alone where it has none. */
async function say(url: string, key: string, afterMs: number): Promise<void> {
  const here = context;
  if (here === null || here.state !== "running") return;
  const due = here.currentTime + afterMs / 1000;
  let words = spoken.get(url);
  if (words === undefined) {
    await new Promise((done) => setTimeout(done, FETCH_MS)); // the alarm is drawn first
    words = await fetched(here, url);
    if (spoken.size >= SPOKEN_MOST) spoken.clear();
    spoken.set(url, words);
  }
  if (words === null || key !== current) return;
  const source = here.createBufferSource();
  source.buffer = words;
  source.connect(here.destination);
  source.start(Math.max(due, here.currentTime));
  playing.push(source);
}

async function fetched(here: AudioContext, url: string): Promise<AudioBuffer | null> {
  try {
    const answer = await fetch(url);
    return answer.ok ? await here.decodeAudioData(await answer.arrayBuffer()) : null;
  } catch {
    return null; // no file, or none that this browser can play: the tones have said it
  }
}
