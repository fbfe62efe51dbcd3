/** What is not over yet about an alarm that somebody is about to close. Pure. */
import { isDelivered, lampOf } from "./lamps";
import type { Alarm, Device, Point } from "./model";
import type { PlanStep } from "./plans";

export interface Unfinished {
  /** The sensor still says so: a person who closes it now has to say why. One that only tells of a moment says nothing of now. */
  isStill: boolean;
  /** Numbers of the mandatory steps that were neither done nor left out with a reason. */
  steps: number[];
  /** Receivers that neither have it nor were told by telephone. */
  receivers: string[];
}

/** Devices are told once a second: so long after an alarm its sensor's row may be from before it. */
const ROW_LATE_MS = 2_000;

/** device: the alarm's own, undefined when it is gone; nowMs: the gateway's time. */
export function unfinished(alarm: Alarm, steps: readonly PlanStep[], device: Device | undefined, nowMs: number): Unfinished {
  const point = device?.points.find((each) => each.name === alarm.point);
  const told = new Set((alarm.telephoned ?? []).map((each) => each.receiver));
  const raisedMs = Date.parse(alarm.raised_at);
  return {
    isStill: alarm.restored_at === null && lasts(point) && (point.active === true || nowMs - raisedMs < ROW_LATE_MS),
    steps: steps.filter((each) => each.isMandatory && each.told === null).map((each) => each.number),
    receivers: alarm.deliveries.filter((each) => !told.has(each.receiver) && !isDelivered(lampOf(each, raisedMs, nowMs))).map((each) => each.receiver),
  };
}

function lasts(point: Point | undefined): point is Point {
  return point?.nature === "state" || point?.nature === "measurement";
}
