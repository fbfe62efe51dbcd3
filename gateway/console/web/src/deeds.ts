/** What a person decides. Each has one key for as long as it is tried; what was refused is shown until somebody has read it. */
import { signal } from "@preact/signals";
import { Refused, post } from "./api";
import type { Alarm } from "./state/model";
import { isAcknowledged } from "./state/queue";
import { t } from "./words";

export interface Trouble {
  zh: string;
  en: string;
  next: string;
}

export const trouble = signal<Trouble | null>(null);

export type Disposition = "real" | "accidental" | "fault" | "test" | "malicious";
export const DISPOSITIONS: readonly Disposition[] = ["real", "accidental", "fault", "test", "malicious"];

async function done(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble.value = { zh: error.zh, en: error.en, next: error.next };
    return false;
  }
}

export async function acknowledge(alarm: Alarm): Promise<boolean> {
  if (isAcknowledged(alarm)) return true;
  return done(() => post(`/api/v1/alarms/${encodeURIComponent(alarm.alarm_id)}/acknowledge`, {}));
}

/** A cause is asked for where the alarm was no real one: false alarms that nobody explains come back. */
export async function dispose(alarm: Alarm, disposition: Disposition, note: string): Promise<boolean> {
  if (disposition !== "real" && note.trim() === "") {
    trouble.value = { zh: "请写原因", en: "A cause is needed", next: t("disp.cause") };
    return false;
  }
  return done(() => post(`/api/v1/alarms/${encodeURIComponent(alarm.alarm_id)}/close`, { disposition, note }));
}
