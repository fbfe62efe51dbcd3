/** Stills one after another, for cameras whose video this browser cannot play: live, or of a time that passed. */
import { refusal } from "./live";

export interface Leaf {
  blob: Blob;
  at: string;
}

const HEAD_MOST = 4_096;
const JPEG_MOST = 16 << 20;

/** The parts of live.mjpeg as they come, each with the time it was taken. Ends when the camera is silent; throws Refused. */
export async function* leaves(url: string, stop: AbortSignal): AsyncGenerator<Leaf> {
  const answer = await fetch(url, { cache: "no-store", signal: stop });
  if (!answer.ok || answer.body === null) throw await refusal(answer);
  const reader = answer.body.getReader();
  const parts = new Parts();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parts.add(value);
      for (let found = parts.next(); found !== null; found = parts.next()) yield found;
    }
  } finally {
    reader.cancel().catch(() => undefined); // it may have ended by itself
  }
}

/** A multipart answer that is taken apart as it comes. Pure; throws what is no such answer. */
export class Parts {
  #held = new Uint8Array(0);

  add(piece: Uint8Array): void {
    const joined = new Uint8Array(this.#held.length + piece.length);
    joined.set(this.#held);
    joined.set(piece, this.#held.length);
    this.#held = joined;
  }

  next(): Leaf | null {
    const text = new TextDecoder("latin1").decode(this.#held.subarray(0, HEAD_MOST));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#held.length > HEAD_MOST) throw new Error("a part without an end of its head");
      return null;
    }
    const head = text.slice(0, end);
    const size = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? NaN);
    if (!(size > 0 && size <= JPEG_MOST)) throw new Error("a part that does not say how long it is");
    const begin = end + 4;
    if (this.#held.length < begin + size + 2) return null;
    const leaf = { blob: new Blob([this.#held.slice(begin, begin + size)], { type: "image/jpeg" }), at: /campus-at: *([^\r\n]+)/i.exec(head)?.[1] ?? "" };
    this.#held = this.#held.slice(begin + size + 2);
    return leaf;
  }
}
