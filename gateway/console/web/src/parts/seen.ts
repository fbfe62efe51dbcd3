/** What a key opened is seen at once, wherever the page was scrolled to; the keys that follow may be its own. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { isWriting } from "../keys";

/** Bring a part on the screen when it appears. takesKeys: a note that was being written keeps its words and lets go of the keyboard. */
export function useSeen<T extends HTMLElement>({ takesKeys = false } = {}): RefObject<T | null> {
  const part = useRef<T | null>(null);
  useLayoutEffect(() => {
    const here = document.activeElement;
    if (takesKeys && here instanceof HTMLElement && isWriting(here)) here.blur();
    part.current?.scrollIntoView({ block: "center" });
  }, []);
  return part;
}

/** ref of a field that somebody opened to write in. A browser heeds `autofocus` once in the life of a page. */
export function writeHere(field: HTMLElement | null): void {
  field?.focus();
}
