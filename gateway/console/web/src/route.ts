/** Where the page is: in the address, so that reload and back do what people expect. */
import { computed, signal } from "@preact/signals";
import { afterPaint } from "./paint";

export type Screen = "duty" | "incident" | "health" | "playback" | "log" | "setup" | "account" | "phone";
const SCREENS: readonly Screen[] = ["duty", "incident", "health", "playback", "log", "setup", "account", "phone"];

const hash = signal(typeof location === "undefined" ? "" : location.hash);
/** Where the page is already and the address is not yet: a browser takes longer to change that than to draw the screen. */
let due: string | null = null;
if (typeof addEventListener === "function") {
  addEventListener("hashchange", () => {
    due = null;
    hash.value = location.hash;
  });
  addEventListener("pagehide", settle);
}

function settle(): void {
  if (due !== null) location.hash = due;
  due = null;
}

/** "#/incident/ID?at=…" as its parts. */
export const route = computed(() => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/").map(decodeURIComponent);
  const screen = SCREENS.find((each) => each === name) ?? "duty";
  return { screen, id: rest.join("/"), query: new URLSearchParams(query) };
});

export function go(screen: Screen, id = "", query: Record<string, string> = {}): void {
  const asked = new URLSearchParams(query).toString();
  due = `#/${screen}${id === "" ? "" : `/${encodeURIComponent(id)}`}${asked === "" ? "" : `?${asked}`}`;
  hash.value = due;
  afterPaint(settle);
}

/** The token of a link that signs on (#token=…), "" for none; it leaves the address at once, and with it the history. */
export function tokenInAddress(): string {
  const found = /^#token=([A-Za-z0-9._~%-]{1,200})$/.exec(location.hash)?.[1];
  if (found === undefined) return "";
  history.replaceState(null, "", `${location.pathname}${location.search}#/duty`);
  hash.value = location.hash;
  return decodeURIComponent(found);
}
