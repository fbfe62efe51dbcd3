/**
 * What a camera sees now, in a <video>: fed fragment by fragment, held close to what comes, and forgotten once it was shown.
 *
 * Keeps  1. It is late by one group of pictures: what has piled up is caught up with, a little faster or by a leap.
 *        2. A page that stays open for days holds KEEP_S to TRIM_S seconds of pictures and no more.
 *        3. It never stands still as if it were live: when nothing comes it ends and says so.
 */
import { Refused } from "../api";

const KEEP_S = 8;
export const TRIM_S = 24;
/** So long nothing may come; for cameras with long groups, longer. */
const SILENT_MS = 6_000;
const GROUPS_SILENT = 2.5;
const FASTER = 1.12;

/** The browser has no decoder for it. */
export class NotPlayable extends Error {}
/** It came, and comes no more. */
export class Ended extends Error {}

export async function refusal(answer: Response): Promise<Refused> {
  const told = (await answer.json().catch(() => null)) as { error?: { code?: string; message_zh?: string; message?: string; next?: string } } | null;
  const plain = `HTTP ${answer.status}`;
  return new Refused(answer.status, told?.error?.code ?? "video", told?.error?.message_zh ?? plain, told?.error?.message ?? plain, told?.error?.next ?? "");
}

/** Whether this browser plays what a file says of itself (Campus-Codecs); what says nothing is tried. */
export function plays(codecs: string | null): boolean {
  if (codecs === null || codecs === "") return true;
  return typeof MediaSource === "function" && MediaSource.isTypeSupported(`video/mp4; codecs="${codecs}"`);
}

/**
 * Play until `stop`, the stream's end (Ended) or a refusal (Refused, NotPlayable).
 *
 * again  it was lost before: its newest picture may be the one before that, so what counts is the first that comes
 * shown  called once, when there is a picture of now to be seen
 */
export async function playLive(video: HTMLVideoElement, url: string, stop: AbortSignal, again: boolean, shown: () => void): Promise<never> {
  const answer = await fetch(url, { cache: "no-store", signal: stop });
  if (!answer.ok || answer.body === null) throw await refusal(answer);
  const codecs = answer.headers.get("Campus-Codecs");
  const reader = answer.body.getReader();
  try {
    if (typeof MediaSource !== "function" || codecs === null || !plays(codecs)) throw new NotPlayable(codecs ?? "");
    const buffer = await opened(video, `video/mp4; codecs="${codecs}"`);
    if (!again) video.addEventListener("loadeddata", shown, { once: true });
    const pace = new Pace(video, buffer);
    let isSeen = !again;
    for (;;) {
      const { done, value } = await within(pace.silentMs, reader.read());
      if (done) throw new Ended("end");
      stop.throwIfAborted();
      await pace.take(value);
      if (isSeen || !pace.grew) continue;
      isSeen = true;
      shown();
    }
  } finally {
    video.removeEventListener("loadeddata", shown);
    reader.cancel().catch(() => undefined); // it may have ended by itself
  }
}

/** Let go of what a <video> holds: the browser keeps the connection and the memory otherwise. */
export function release(video: HTMLVideoElement | null): void {
  if (video === null) return;
  video.pause();
  video.removeAttribute("src");
  video.load();
}

async function opened(video: HTMLVideoElement, kind: string): Promise<SourceBuffer> {
  const source = new MediaSource();
  const address = URL.createObjectURL(source);
  const open = new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  video.src = address;
  await open;
  URL.revokeObjectURL(address);
  return source.addSourceBuffer(kind);
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const over = new Promise<never>((_done, fail) => (timer = setTimeout(() => fail(new Ended("silent")), ms)));
  return Promise.race([work, over]).finally(() => clearTimeout(timer));
}

/** How far behind what came the picture is, and what is done about it. */
class Pace {
  /** Length of the longest group of pictures of late, seconds. */
  #groupS = 0;
  #endS = 0;

  constructor(
    readonly video: HTMLVideoElement,
    readonly buffer: SourceBuffer,
  ) {}

  /** Whether anything came behind what was there at the beginning. */
  get grew(): boolean {
    return this.#groupS > 0;
  }

  get silentMs(): number {
    return Math.max(SILENT_MS, this.#groupS * GROUPS_SILENT * 1000);
  }

  async take(piece: Uint8Array<ArrayBuffer>): Promise<void> {
    this.buffer.appendBuffer(piece);
    await this.#done();
    this.#follow();
    const { buffered } = this.buffer;
    if (buffered.length > 0 && this.video.currentTime - buffered.start(0) > TRIM_S) {
      this.buffer.remove(0, this.video.currentTime - KEEP_S);
      await this.#done();
    }
  }

  #done(): Promise<void> {
    if (!this.buffer.updating) return Promise.resolve();
    return new Promise((done, fail) => {
      const ends = new AbortController();
      const end = (work: () => void) => (): void => (ends.abort(), work());
      this.buffer.addEventListener("updateend", end(done), { signal: ends.signal });
      this.buffer.addEventListener("error", end(() => fail(new NotPlayable("decode"))), { signal: ends.signal });
      this.video.addEventListener("error", end(() => fail(new NotPlayable(this.video.error?.message ?? "decode"))), { signal: ends.signal });
    });
  }

  #follow(): void {
    const { video } = this;
    const { buffered } = this.buffer;
    const last = buffered.length - 1;
    if (last < 0) return;
    const endS = buffered.end(last);
    if (endS > this.#endS) {
      if (this.#endS > 0) this.#groupS = Math.max(this.#groupS * 0.9, Math.min(endS - this.#endS, 10));
      this.#endS = endS;
    }
    const fromS = buffered.start(last);
    const behindS = endS - video.currentTime;
    if (video.currentTime < fromS || behindS > this.#groupS * 3 + 2) video.currentTime = Math.max(fromS, endS - Math.max(this.#groupS, 0.5));
    else if (behindS > this.#groupS * 1.5 + 0.6) video.playbackRate = FASTER;
    else if (behindS < this.#groupS + 0.3) video.playbackRate = 1;
    if (video.paused) void video.play().catch(() => undefined); // refused while it is taken away: the next piece asks again
  }
}
