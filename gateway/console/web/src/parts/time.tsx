/** What follows the clock, in components of their own: only they are drawn anew twice a second. */
import { clock, elapsed } from "../state/time";
import { gatewayNow, tick } from "../stream/page";

export function Now() {
  return <time class="now">{clock(gatewayNow.value)}</time>;
}

/** How long ago, by the gateway's clock. */
export function Since({ at }: { at: string }) {
  return <time class="since">{elapsed(Date.parse(at), gatewayNow.value)}</time>;
}

/** How long ago, by this browser's clock. */
export function SinceHere({ atMs }: { atMs: number }) {
  return <span class="since">{elapsed(atMs, tick.value)}</span>;
}
