/** The lamp of one receiver for one alarm: sent, received and accepted are different marks (principle 5). Pure. */
import type { Delivery } from "./model";

export type LampState =
  | "unsent"
  | "sending"
  | "received"
  | "accepted"
  | "dispatched"
  | "on_scene"
  | "closed"
  | "failed"
  | "rejected";

/** A lamp that is still waiting after this long is one that failed: a person has to telephone. */
export const FAILED_MS = 10_000;

export const MARKS: Record<LampState, string> = {
  unsent: "○",
  sending: "◔",
  received: "●",
  accepted: "✔",
  dispatched: "➤",
  on_scene: "⚑",
  closed: "■",
  failed: "✖",
  rejected: "✋",
};

/** raisedMs: when the alarm was raised, gateway's clock; nowMs: now, by the same clock. */
export function lampOf(delivery: Delivery, raisedMs: number, nowMs: number): LampState {
  switch (delivery.state) {
    case "received":
    case "accepted":
    case "dispatched":
    case "on_scene":
    case "closed":
    case "rejected":
      return delivery.state;
    case "parked":
      return "rejected";
    default:
      if (nowMs - raisedMs > FAILED_MS) return "failed";
      return delivery.attempts > 0 ? "sending" : "unsent";
  }
}

/** Whether somebody who can help has it. */
export function isDelivered(lamp: LampState): boolean {
  return lamp === "received" || lamp === "accepted" || lamp === "dispatched" || lamp === "on_scene" || lamp === "closed";
}
