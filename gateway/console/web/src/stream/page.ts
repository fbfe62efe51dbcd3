/** The page's end of the stream: what the house is now, and whether it can be believed. */
import { batch, computed, effect, signal } from "@preact/signals";
import { EMPTY, reduce, type House } from "../state/reduce";
import { Carrier } from "./carrier";
import { SILENT_MS, type LinkNow } from "./link";
import type { ToPage, ToWorker } from "./talk";

export const house = signal<House>(EMPTY);
export const link = signal<LinkNow>({ up: false, heardMs: 0, signedOut: false });
/** This browser's time, twice a second: what ages on the page follows it. */
export const tick = signal(Date.now());

const aheadMs = signal(0);

/** The gateway's time now, ms since 1970. */
export const gatewayNow = computed(() => tick.value + aheadMs.value);

/** False as soon as nothing was heard for SILENT_MS, also when the worker itself is gone. */
export const isLive = computed(() => link.value.up && tick.value - lastHeard.value <= SILENT_MS + 1_000);
const lastHeard = signal(0);

/** When the gateway was last heard, this browser's clock; 0 for never. */
export const heardMs = computed(() => lastHeard.value);

let say: (message: ToWorker) => void = () => {};

export function start(): void {
  setInterval(() => (tick.value = Date.now()), 500);
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module", name: "campus" });
    worker.port.onmessage = (event: MessageEvent<ToPage>) => take(event.data);
    worker.port.start();
    say = (message) => worker.port.postMessage(message);
    addEventListener("pagehide", () => say({ is: "bye" }));
    return;
  }
  const carrier = new Carrier();
  carrier.join(take);
  say = (message) => message.is === "again" && carrier.again();
}

/** Somebody signed on or off: read anew. */
export function again(): void {
  say({ is: "again" });
}

function take(message: ToPage): void {
  batch(() => {
    tick.value = Date.now();
    if (message.is === "house") {
      house.value = message.house;
      link.value = message.link;
      lastHeard.value = message.link.heardMs;
      if (message.house.nowMs > 0) aheadMs.value = message.house.nowMs - Math.max(message.link.heardMs, 1);
      return;
    }
    if (message.is === "link") {
      link.value = message.link;
      return;
    }
    lastHeard.value = message.heardMs;
    house.value = reduce(house.value, message.news);
    if (message.news.type === "beat" || message.news.type === "snapshot") {
      aheadMs.value = house.value.nowMs - message.heardMs;
    }
  });
}

/** Phone numbers outlive the connection and the page: they are kept in this browser. */
const PHONES = "campus.phones";
effect(() => {
  if (house.value.phones.length > 0) localStorage.setItem(PHONES, JSON.stringify(house.value.phones));
});

export function phones(): House["phones"] {
  if (house.value.phones.length > 0) return house.value.phones;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PHONES) ?? "[]");
    return Array.isArray(kept) ? (kept as House["phones"]) : [];
  } catch {
    return [];
  }
}
