/** The page's end of the stream: what the house is now, and whether it can be believed. */
import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { EMPTY, reduce, type House } from "../state/reduce";
import { Carrier } from "./carrier";
import { here } from "./here";
import { SILENT_MS, type LinkNow } from "./link";
import type { ToPage, ToWorker } from "./talk";

const whole = signal<House>(EMPTY);

/** The parts of the house, each a signal of its own: whoever reads one is drawn anew when that one changed, not at every word of the gateway. */
export const house = Object.fromEntries(Object.keys(EMPTY).map((key) => [key, computed(() => whole.value[key as keyof House])])) as {
  readonly [Part in keyof House]: ReadonlySignal<House[Part]>;
};
export const link = signal<LinkNow>({ up: false, heardMs: 0, signedOut: false });
/** This browser's own time (here.ts), twice a second: what ages on the page follows it. */
export const tick = signal(here());
/** What runs in this browser, whatever its clocks say; it stands still while it sleeps. */
const ran = signal(performance.now());

const aheadMs = signal(0);

/** The gateway's time now, ms since 1970: what it said last, and what ran since then. This machine's clock has no part in it. */
export const gatewayNow = computed(() => ran.value + aheadMs.value);

/** False as soon as nothing was heard for SILENT_MS, also when the worker itself is gone. */
export const isLive = computed(() => link.value.up && tick.value - lastHeard.value <= SILENT_MS + 1_000);
const lastHeard = signal(0);

/** Not heard any more, or not at all since the page has been there for so long: one that is only just coming is no loss. */
export const isLost = computed(() => !isLive.value && tick.value - (lastHeard.value === 0 ? BEGAN_MS : lastHeard.value) > SILENT_MS);
const BEGAN_MS = here();

/** When the gateway was last heard, as `tick` counts; 0 for never. */
export const heardMs = computed(() => lastHeard.value);

/** Whether any window of this browser can be heard: the gateway knows browsers, not windows. */
export const isHeard = signal(false);
let sounds = false;

let say: (message: ToWorker) => void = () => {};

export function start(): void {
  setInterval(look, 500);
  // Kept by the browser while another page was shown, and back by its "back": it said goodbye to the worker and would hear nothing.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "campus" });
    worker.port.onmessage = (event: MessageEvent<ToPage>) => take(event.data);
    worker.port.start();
    say = (message) => worker.port.postMessage(message);
    addEventListener("pagehide", () => say({ is: "bye" }));
    say({ is: "here", sounds });
    return;
  }
  const carrier = new Carrier();
  const page = carrier.join(take);
  say = (message) => (message.is === "again" ? carrier.again() : page.here(sounds));
  say({ is: "here", sounds });
}

/** Somebody signed on or off: read anew. */
export function again(): void {
  say({ is: "again" });
}

/** This window can be heard from now on, or not any more. */
export function canBeHeard(now: boolean): void {
  sounds = now;
  say({ is: "here", sounds });
}

function look(): void {
  batch(() => {
    tick.value = here();
    ran.value = performance.now();
  });
}

function take(message: ToPage): void {
  if (message.is === "there?") return say({ is: "here", sounds });
  if (message.is === "heard") {
    isHeard.value = message.heard;
    return;
  }
  batch(() => {
    look();
    if (message.is === "link") {
      link.value = message.link;
      return;
    }
    // A page that was busy or frozen takes late what was sent long ago.
    const lateMs = Math.max(0, Date.now() - message.sentMs);
    if (message.is === "house") {
      whole.value = message.house;
      link.value = message.link;
      heard(message.ageMs < 0 ? -1 : message.ageMs + lateMs, message.house.nowMs);
      return;
    }
    whole.value = message.news.reduce(reduce, whole.value);
    heard(lateMs, message.news.some((each) => each.type === "beat" || each.type === "snapshot") ? whole.value.nowMs : 0);
  });
}

/** ageMs: since the gateway was heard, -1 for never. nowMs: what it said the time was then, 0 for nothing. */
function heard(ageMs: number, nowMs: number): void {
  lastHeard.value = ageMs < 0 ? 0 : tick.value - ageMs;
  if (nowMs > 0) aheadMs.value = nowMs - (ran.value - Math.max(ageMs, 0));
}

/** Phone numbers outlive the connection and the page: they are kept in this browser. */
const PHONES = "campus.phones";
effect(() => {
  if (house.phones.value.length > 0) localStorage.setItem(PHONES, JSON.stringify(house.phones.value));
});

export function phones(): House["phones"] {
  if (house.phones.value.length > 0) return house.phones.value;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PHONES) ?? "[]");
    return Array.isArray(kept) ? (kept as House["phones"]) : [];
  } catch {
    return [];
  }
}
