/** What a person decides. Each has one key for as long as it is tried; what was refused is shown until somebody has read it. */
import { computed, effect, signal } from "@preact/signals";
import { PIN_NEEDED, Refused, me, post } from "./api";
import type { Alarm } from "./state/model";
import { isAcknowledged } from "./state/queue";
import { house, isLive } from "./stream/page";
import { t } from "./words";

export interface Trouble {
  zh: string;
  en: string;
  next: string;
}

/** What was not done, and why. */
export const trouble = signal<Trouble | null>(null);
/** What was done by somebody else already: no trouble, but to be known. */
export const news = signal("");

/** Whether whoever is here decides anything; to who only reads, no button pretends that it works. */
export const mayAct = computed(() => me.value?.rights.includes("act") === true);

const FIRST_MS = 3_000;

export type Disposition = "real" | "accidental" | "fault" | "test" | "malicious";
export const DISPOSITIONS: readonly Disposition[] = ["real", "accidental", "fault", "test", "malicious"];
/** How many causes the catalogue offers for each (words disp.cause.HOW.N): a list that is short is used. */
export const CAUSES: Record<Disposition, number> = { real: 0, accidental: 4, fault: 4, test: 3, malicious: 3 };

/** Returns what the gateway answered, null when it refused: then `trouble` says why. */
export async function tried<T>(work: () => Promise<T>): Promise<T | null> {
  if (!isLive.value) {
    trouble.value = { zh: "与网关断开，没有送出", en: "the gateway is not connected: nothing was sent", next: t("lost.telephone") };
    return null;
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === PIN_NEEDED) return null; // whoever was asked left it: he knows
    trouble.value = { zh: error.zh, en: error.en, next: error.next };
    return null;
  }
}

function of(alarm: Alarm, what: string): string {
  return `/api/v1/alarms/${encodeURIComponent(alarm.alarm_id)}/${what}`;
}

/** Of two who acknowledge at once the first one has it, and the second one is told who that is. */
export async function acknowledge(alarm: Alarm): Promise<void> {
  if (isAcknowledged(alarm)) return;
  const by = await tried(async () => {
    try {
      return (await post<Alarm>(of(alarm, "acknowledge"), {})).acknowledged_by;
    } catch (error) {
      const first = error instanceof Refused && error.code === "wrong_state" ? await whoHas(alarm.alarm_id) : null;
      if (first === null) throw error;
      return first;
    }
  });
  if (by !== null && by !== me.value?.name) news.value = t("alarm.raced", { name: by });
}

/** Who has an alarm, by the stream: what refused us may come a moment before it. null when nobody has it FIRST_MS later. */
async function whoHas(id: string): Promise<string | null> {
  let end = (): void => undefined;
  const by = await new Promise<string | null>((found) => {
    const timer = setTimeout(() => found(null), FIRST_MS);
    const stop = effect(() => {
      const [alarms, faults, closed] = [house.alarms.value, house.faults.value, house.closed.value];
      const row = alarms.get(id) ?? faults.get(id) ?? closed.find((each) => each.alarm_id === id);
      if (row !== undefined && row.acknowledged_by !== null) found(row.acknowledged_by);
    });
    end = () => (clearTimeout(timer), stop());
  });
  end();
  return by;
}

/** A cause is asked for where the alarm was no real one: false alarms that nobody explains come back. */
export async function dispose(alarm: Alarm, disposition: Disposition, note: string): Promise<boolean> {
  if (disposition !== "real" && note.trim() === "") {
    trouble.value = { zh: "请选择或写下原因", en: "A cause is needed", next: t("disp.cause") };
    return false;
  }
  return (await tried(() => post<Alarm>(of(alarm, "close"), { disposition, note }))) !== null;
}

export async function tell(alarm: Alarm, text: string): Promise<boolean> {
  return (await tried(() => post<unknown>(of(alarm, "notes"), { text }))) !== null;
}

/** reason: "" for a step that was done, why it was left out otherwise. */
export async function step(alarm: Alarm, number: number, reason: string): Promise<boolean> {
  const body = reason === "" ? { state: "done", reason: "" } : { state: "skipped", reason };
  return (await tried(() => post<unknown>(of(alarm, `steps/${number}`), body))) !== null;
}

/** Somebody told a receiver by telephone what did not reach it. */
export async function telephoned(alarm: Alarm, receiver: string): Promise<boolean> {
  return (await tried(() => post<unknown>(of(alarm, "telephoned"), { receiver, note: "" }))) !== null;
}
