/** A command that waits until its person has given the PIN once more. The gateway says when; the bar in parts/pin.tsx asks. */
import { signal } from "@preact/signals";

export interface Waiting {
  /** True: it was given and taken. False: the person will not. */
  over: (isGiven: boolean) => void;
}

export const waiting = signal<Waiting | null>(null);

let asking: Promise<boolean> | null = null;

/** Ask for it, once for all commands that wait; whether it was given. */
export function askPin(): Promise<boolean> {
  asking ??= new Promise<boolean>((resolve) => {
    waiting.value = { over: resolve };
  }).finally(() => {
    asking = null;
    waiting.value = null;
  });
  return asking;
}
