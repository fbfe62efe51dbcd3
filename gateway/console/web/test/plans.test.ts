import { describe, expect, it } from "vitest";
import type { Plan, Step } from "../src/state/model";
import { nextStep, stepsOf } from "../src/state/plans";
import { alarm, at } from "./rows";

const PLAN: Plan = { kind: "panic", steps: ["看画面", "打电话", "关校门"].map((zh) => ({ zh, en: zh, mandatory: zh === "打电话" })) };

function mark(step: number, text: string, some: Partial<Step> = {}): Step {
  return { step, text, state: "done", reason: "", by: "张三", at: at(step), ...some };
}

describe("a response plan", () => {
  it("goes on with the first step that nobody did or left out", () => {
    const steps = stepsOf(PLAN, alarm("a", { steps: [mark(1, "看画面"), mark(2, "打电话", { state: "skipped", reason: "已接通" })] }));
    expect(nextStep(steps)?.number).toBe(3);
    expect(steps.map((step) => step.told?.state ?? "")).toEqual(["done", "skipped", ""]);
  });

  it("does not count what was done of another plan", () => {
    expect(nextStep(stepsOf(PLAN, alarm("a", { steps: [mark(1, "断开电源")] })))?.number).toBe(1);
  });

  it("has nothing next when all is done, and nothing at all where there is no plan", () => {
    expect(nextStep(stepsOf(PLAN, alarm("a", { steps: [mark(1, "看画面"), mark(2, "打电话"), mark(3, "关校门")] })))).toBeNull();
    expect(stepsOf(undefined, alarm("a"))).toEqual([]);
  });
});
