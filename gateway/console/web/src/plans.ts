/** Response plans, read once after signing on and kept: they change with the configuration only. */
import { signal } from "@preact/signals";
import { get } from "./api";
import type { Plan } from "./state/model";

const plans = signal<ReadonlyMap<string, Plan>>(new Map());

/** A gateway without plans has none to show; what was read before stays. */
export async function readPlans(): Promise<void> {
  try {
    const told = await get<{ plans: Plan[] }>("/api/v1/plans");
    plans.value = new Map(told.plans.map((plan) => [plan.kind, plan]));
  } catch {
    // Read again with the next connection.
  }
}

export function planOf(kind: string): Plan | undefined {
  return plans.value.get(kind);
}
