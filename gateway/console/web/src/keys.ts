/** The keyboard of console.md section 5. Every key has a button as well; a key in a text field is the text's. */
export type Act = "silence" | "ack" | "next" | "map" | "video" | "note" | "dispose" | "card" | "up" | "down" | "enter" | "back";

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
};
const EVEN_WHILE_WRITING = new Set(["F2", "F3", "F4", "F6", "F7", "F8", "F9", "Escape"]);

type Handler = (act: Act) => boolean;
const handlers: Handler[] = [];

/** The newest handler that returns true takes the key. Returns how to stop. */
export function onAct(handler: Handler): () => void {
  handlers.unshift(handler);
  return () => {
    const at = handlers.indexOf(handler);
    if (at >= 0) handlers.splice(at, 1);
  };
}

export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function listen(): void {
  addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (act === undefined || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (isWriting(event.target) && !EVEN_WHILE_WRITING.has(event.key)) return;
    // A button that has the focus is pressed with Enter and Space by the browser: that is what its owner expects.
    if ((event.key === "Enter" || event.key === " ") && event.target instanceof HTMLButtonElement) return;
    if (handlers.some((handler) => handler(act))) event.preventDefault();
  });
}
