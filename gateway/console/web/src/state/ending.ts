/** What is not over yet about an alarm that somebody is about to close. Pure. */
import { isDelivered, lampOf } from "./lamps";
import type { Alarm, Device } from "./model";
import type { PlanStep } from "./plans";

export interface Unfinished {
  /** The sensor still says so: a person who closes it now has to say why. A button that was pressed says so for ever. */
  isStill: boolean;
  /** Numbers of the mandatory steps that were neither done nor left out with a reason. */
  steps: number[];
  /** Receivers that neither have it nor were told by telephone. */
  receivers: string[];
}

const PRESSED = new Set(["panic", "duress"]);

/** device: the alarm's own, undefined when it is gone; nowMs: the gateway's time. */
export function unfinished(alarm: Alarm, steps: readonly PlanStep[], device: Device | undefined, nowMs: number): Unfinished {
  const point = device?.points.find((each) => each.name === alarm.point);
  const told = new Set((alarm.telephoned ?? []).map((each) => each.receiver));
  const raisedMs = Date.parse(alarm.raised_at);
  return {
    isStill: alarm.restored_at === null && !PRESSED.has(alarm.kind) && point?.active === true,
    steps: steps.filter((each) => each.isMandatory && each.told === null).map((each) => each.number),
    receivers: alarm.deliveries.filter((each) => !told.has(each.receiver) && !isDelivered(lampOf(each, raisedMs, nowMs))).map((each) => each.receiver),
  };
}
