/** What follows the clock, in components of their own: only they are drawn anew twice a second. */
import type { Me } from "../api";
import { clock, elapsed } from "../state/time";
import { gatewayNow, tick } from "../stream/page";
import { t } from "../words";

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

/** Until when somebody is signed on; who guards has a duty until then. */
export function untilOf(who: Pick<Me, "role" | "until"> | null): string {
  if (who === null || who.until === null) return "";
  const isOnDuty = who.role === "guard" || who.role === "leader";
  return t(isOnDuty ? "duty.until" : "sign.until", { time: clock(who.until).slice(0, 5) });
}
