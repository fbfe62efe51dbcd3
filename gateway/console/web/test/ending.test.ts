import { describe, expect, it } from "vitest";
import { unfinished } from "../src/state/ending";
import type { Device } from "../src/state/model";
import type { PlanStep } from "../src/state/plans";
import { T0, alarm, at, delivery } from "./rows";

function sensor(active: boolean | null, nature: "measurement" | "momentary" = "measurement"): Device {
  const point = { name: "gas", kind: "gas", nature, active, value: 31, unit: "%LEL", quality: "good", at: at(0) } as const;
  return { id: "gas-1", name: "燃气", place: "后厨", profile: "p", family: "gas", link: "l", state: "online", last_seen: at(0), points: [point] };
}

const LEAK = alarm("a", { kind: "gas", point: "gas", latched: false });
const STEP: PlanStep = { number: 2, zh: "疏散", en: "Evacuate", isMandatory: true, told: null };

describe("what is not over", () => {
  it("is a sensor that still says so, and not one that was restored, is gone, or is a button", () => {
    const later = T0 + 3_000;
    expect(unfinished(LEAK, [], sensor(true), later).isStill).toBe(true);
    expect(unfinished(LEAK, [], sensor(false), later).isStill).toBe(false);
    expect(unfinished(LEAK, [], sensor(null), later).isStill).toBe(false);
    expect(unfinished(LEAK, [], undefined, later).isStill).toBe(false);
    expect(unfinished({ ...LEAK, restored_at: at(5) }, [], sensor(true), later).isStill).toBe(false);
    expect(unfinished(LEAK, [], sensor(true, "momentary"), later).isStill).toBe(false);
  });

  it("is a sensor whose row may be older than its alarm", () => {
    expect(unfinished(LEAK, [], sensor(false), T0 + 500).isStill).toBe(true);
  });

  it("is a mandatory step that nobody did or left out", () => {
    const told = { step: 1, text: "", state: "skipped", reason: "r", by: "b", at: at(1) } as const;
    const steps = [{ ...STEP, number: 1, told }, STEP, { ...STEP, number: 3, isMandatory: false }];
    expect(unfinished(LEAK, steps, undefined, T0).steps).toEqual([2]);
  });

  it("is a receiver that has it neither by wire nor by telephone", () => {
    const deliveries = [delivery("received", { receiver: "a" }), delivery("pending", { receiver: "b" }), delivery("parked", { receiver: "c" }), delivery("pending", { receiver: "d" })];
    const telephoned = [{ receiver: "d", note: "", by: "b", at: at(3) }];
    expect(unfinished({ ...LEAK, deliveries, telephoned }, [], undefined, T0 + 60_000).receivers).toEqual(["b", "c"]);
  });
});
