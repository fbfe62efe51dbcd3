/** The response plan of one alarm: what there is to do, what was done, and what is next. Pure. */
import type { Alarm, Plan, Step } from "./model";

export interface PlanStep {
  /** Its number in the plan, from 1 on. */
  number: number;
  zh: string;
  en: string;
  isMandatory: boolean;
  /** What became of it; null while nobody said. */
  told: Step | null;
}

/** A step counts as done for the words that were done; a plan that was written anew makes nobody's work another's. */
export function stepsOf(plan: Plan | undefined, alarm: Alarm): PlanStep[] {
  const told = alarm.steps ?? [];
  return (plan?.steps ?? []).map((step, index) => ({
    number: index + 1,
    zh: step.zh,
    en: step.en,
    isMandatory: step.mandatory,
    told: told.find((each) => each.step === index + 1 && each.text === step.zh) ?? null,
  }));
}

/** What F3 does: the first that nobody has done or left out; null when all is done. */
export function nextStep(steps: readonly PlanStep[]): PlanStep | null {
  return steps.find((step) => step.told === null) ?? null;
}
