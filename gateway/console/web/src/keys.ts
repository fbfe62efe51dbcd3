/** The keyboard of console.md section 5. Every key has a button as well; a key in a text field is the text's. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export type Digit = "1" | "2" | "3" | "4" | "5";
export type Act = "silence" | "ack" | "next" | "map" | "video" | "note" | "dispose" | "card" | "up" | "down" | "enter" | "back" | Digit;

const KEYS: Record<string, Act> = {
  " ": "silence",
  F2: "ack",
  F3: "next",
  d: "next",
  D: "next",
  F4: "map",
  F6: "video",
  F7: "note",
  F8: "dispose",
  F9: "card",
  ArrowUp: "up",
  ArrowDown: "down",
  Enter: "enter",
  Escape: "back",
  "1": "1",
  "2": "2",
  "3": "3",
  "4": "4",
  "5": "5",
};
const EVEN_WHILE_WRITING = new Set(["F2", "F3", "F4", "F6", "F7", "F8", "F9", "Escape"]);

type Handler = (act: Act) => boolean;
const handlers: { place: number; handler: { current: Handler } }[] = [];
let places = 0;

/**
 * Take keys while this part is drawn: return true for a key that was taken.
 *
 * Parts are numbered as they are drawn, and the last is asked first: what lies inside or on top comes before what holds it.
 * The handler is always that of the last drawing, and stands before the next key can come: a guard may type F8 2 3 in one go.
 */
export function useAct(handler: Handler): void {
  const held = useRef(handler);
  held.current = handler;
  const [place] = useState(() => (places += 1));
  useLayoutEffect(() => {
    const mine = { place, handler: held };
    add(mine);
    return () => void handlers.splice(handlers.indexOf(mine), 1);
  }, []);
}

/** Take keys for as long as the page lives, after every part that is drawn. */
export function onAct(handler: Handler): void {
  add({ place: 0, handler: { current: handler } });
}

function add(mine: (typeof handlers)[number]): void {
  handlers.push(mine);
  handlers.sort((a, b) => b.place - a.place);
}

/** Do what a key does: for its button. Returns whether anybody took it. */
export function perform(act: Act): boolean {
  return [...handlers].some((each) => each.handler.current(act));
}

export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function listen(): void {
  addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (act === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isWriting(event.target) && !EVEN_WHILE_WRITING.has(event.key)) return;
    // A button that has the focus is pressed with Enter and Space by the browser: that is what its owner expects.
    if ((event.key === "Enter" || event.key === " ") && event.target instanceof HTMLButtonElement) return;
    const isOurs = /^F\d$/.test(event.key); // the browser's own search or caret must not come up beside an alarm
    const isTaken = !event.repeat && perform(act);
    if (isOurs || isTaken) event.preventDefault();
  });
  // A button that was clicked gives the keyboard back: Space is for silence, not for the last button once more.
  addEventListener("click", (event) => {
    if (event.detail > 0 && event.target instanceof Element) event.target.closest("button")?.blur();
  });
}
