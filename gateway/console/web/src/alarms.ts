/**
 * What must happen whatever screen is shown: an urgent alarm opens, sounds, and is receipted.
 *
 * Owns   which alarms were opened and receipted (bounded: what is not open any more is forgotten).
 * Keeps  1. Nothing opens under the hands of somebody who writes or works on another alarm.
 *        2. A receipt is sent when the alarm was painted, and again when sound comes or goes.
 */
import { computed, effect } from "@preact/signals";
import { me, post } from "./api";
import { isWriting, onAct } from "./keys";
import { afterPaint } from "./paint";
import { go, route } from "./route";
import { wanted } from "./sound/patterns";
import { canSound, follow, isSilenced, silence } from "./sound/player";
import type { Alarm } from "./state/model";
import { isAcknowledged, isSilent, lines, type Line } from "./state/queue";
import { here } from "./stream/here";
import { canBeHeard, gatewayNow, house, isHeard, isLost, tick } from "./stream/page";
import { language } from "./words";

/** Open alarms and faults that are shown. */
export const open = computed<readonly Alarm[]>(() => [...house.alarms.value.values(), ...house.faults.value.values()].filter((alarm) => !isSilent(alarm)));
/** Somebody is threatened: nothing but the leader's page shows it, and only who may know is told of it at all (discreet.py). */
export const silent = computed<readonly Alarm[]>(() => (me.value?.rights.includes("duress") === true ? [...house.alarms.value.values()].filter(isSilent) : []));
export const queue = computed<readonly Line[]>(() => lines(open.value));
/** Live, urgent, and nobody has it. */
export const urgent = computed<readonly Alarm[]>(() =>
  queue.value.map((line) => line.first).filter((alarm) => alarm.priority === 1 && alarm.mode === "live" && !isAcknowledged(alarm)),
);
/** Whether something that is no live alarm is open: the frame shows it from across the room. */
export const isDrill = computed(() => open.value.some((alarm) => alarm.mode === "drill"));

const epochNow = computed(() => house.epoch.value);

const opened = new Set<string>();
const receipted = new Set<string>();
let told = "";
let toldSound: boolean | null = null;

export function watch(): void {
  effect(() => canBeHeard(canSound.value));
  effect(() => {
    if (me.value === null) return;
    const now = tick.value;
    const heard = open.value.filter((alarm) => !isSilenced(alarm.alarm_id, now));
    const want = wanted(heard, !isLost.value || isSilenced("", now), gatewayNow.value);
    follow(want === null || want.spoken === "" ? want : { ...want, spoken: `${want.spoken}.${language.value}.ogg` }, now);
  });
  effect(() => {
    // The gateway that begins anew knows nothing of what this console shows and whether it is heard.
    const epoch = epochNow.value;
    if (epoch === told && isHeard.value === toldSound) return;
    if (me.value === null || epoch === "") return;
    if (epoch !== told) receipted.clear();
    told = epoch;
    toldSound = isHeard.value;
    post("/api/v1/console/shown", { alarms: [], sounding: toldSound }).catch(() => undefined); // receipts say it again
  });
  effect(() => {
    if (me.value === null) return;
    const found = urgent.value;
    const key = isHeard.value;
    void epochNow.value;
    forget(opened, found);
    const fresh = found.filter((alarm) => !opened.has(alarm.alarm_id));
    for (const alarm of fresh) opened.add(alarm.alarm_id);
    if (found.length > 0) {
      afterPaint(() => {
        void receipts(found, key);
        openAlone(fresh);
      });
    }
  });
  onAct((act) => {
    if (act !== "silence") return false;
    silence(here(), ["", ...open.peek().map((alarm) => alarm.alarm_id)]);
    return true;
  });
}

/** Where it is stands in the queue first, and is read there: a whole screen takes a slow computer several times as long. */
function openAlone([first]: readonly Alarm[]): void {
  const now = urgent.peek();
  const isAlone = now.length === 1 && now[0]?.alarm_id === first?.alarm_id;
  if (first !== undefined && isAlone && !isWriting(document.activeElement) && route.peek().screen === "duty") go("incident", first.alarm_id);
}

function forget(known: Set<string>, found: readonly Alarm[]): void {
  const here = new Set(found.map((alarm) => alarm.alarm_id));
  for (const id of known) if (!here.has(id.replace(/[+-]$/, ""))) known.delete(id);
}

async function receipts(found: readonly Alarm[], isSounding: boolean): Promise<void> {
  if (document.visibilityState !== "visible") return;
  const mark = (alarm: Alarm): string => `${alarm.alarm_id}${isSounding ? "+" : "-"}`;
  forget(receipted, found);
  const fresh = found.filter((alarm) => !receipted.has(mark(alarm)));
  if (fresh.length === 0) return;
  for (const alarm of fresh) {
    receipted.delete(`${alarm.alarm_id}${isSounding ? "-" : "+"}`);
    receipted.add(mark(alarm));
  }
  try {
    await post("/api/v1/console/shown", { alarms: fresh.slice(0, 100).map((alarm) => alarm.alarm_id), sounding: isSounding });
  } catch {
    for (const alarm of fresh) receipted.delete(mark(alarm)); // told again with the next change
  }
}
