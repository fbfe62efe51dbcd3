/**
 * What nobody has acknowledged flashes, all of it in step, by a clock of the page's own: an animation of the style sheet has
 * the browser draw every page anew sixty times a second for as long as one mark calls, and an old computer does nothing else then.
 *
 * Keeps  1. Twice a second, and once in two seconds for what is over: never more than three flashes a second.
 *        2. Nothing flashes for whoever asked for stillness; the thick border of page.css stands in for it.
 *        3. A page on which nothing calls has no such clock.
 */
import { computed, effect } from "@preact/signals";
import { open } from "./alarms";
import { lampOf } from "./state/lamps";
import type { Alarm } from "./state/model";
import { isAcknowledged } from "./state/queue";
import { gatewayNow } from "./stream/page";

const STEP_MS = 250;
/** How many steps each stays lit, and dark, by the name it has in the style sheet. */
const STEPS = { fast: 1, sending: 2, slow: 4 } as const;

const isCalling = computed(() => open.value.some((alarm) => !isAcknowledged(alarm) || isBeingSent(alarm)));

function isBeingSent({ raised_at, deliveries }: Alarm): boolean {
  return deliveries.some((each) => lampOf(each, Date.parse(raised_at), gatewayNow.value) === "sending");
}

/** Which marks are dark at this step. */
export function dark(step: number): string {
  return Object.entries(STEPS)
    .filter(([, steps]) => Math.floor(step / steps) % 2 === 1)
    .map(([name]) => name)
    .join(" ");
}

export function flash(): void {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const { dataset } = document.documentElement;
  effect(() => {
    if (!isCalling.value) return undefined;
    let step = 0;
    const timer = setInterval(() => {
      step += 1;
      dataset["dark"] = still.matches ? "" : dark(step);
    }, STEP_MS);
    return () => {
      clearInterval(timer);
      delete dataset["dark"];
    };
  });
}
