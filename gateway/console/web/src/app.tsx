/** The console: who is here, which screen, and what must happen whatever screen it is. */
import { useEffect, useState } from "preact/hooks";
import { get, me, post, remove, type Me } from "./api";
import { trouble } from "./deeds";
import { isWriting, onAct } from "./keys";
import { Chip } from "./parts/chip";
import { Frame } from "./parts/frame";
import { go, route } from "./route";
import { Duty } from "./screens/duty";
import { HealthWall } from "./screens/health";
import { Incident } from "./screens/incident";
import { Log } from "./screens/log";
import { SignOn } from "./screens/sign-on";
import { wanted } from "./sound/patterns";
import { canSound, follow, silence } from "./sound/player";
import type { Alarm } from "./state/model";
import { isAcknowledged, lines } from "./state/queue";
import { again, gatewayNow, house, isLive, link, tick } from "./stream/page";
import { either, t } from "./words";

export function App() {
  const [isAsked, setAsked] = useState(false);
  useEffect(() => {
    get<Me>("/api/v1/session")
      .then((found) => (me.value = found))
      .catch(() => undefined) // nobody is signed on: the screen asks
      .finally(() => setAsked(true));
  }, []);
  if (!isAsked) return null;
  if (me.value === null || link.value.signedOut) return <SignOn ready={(found) => (me.value = found)} />;
  return <Signed />;
}

function Signed() {
  const open = [...house.value.alarms.values(), ...house.value.faults.values()];
  useAlarms(open);
  useSound(open);
  useEffect(() => onAct((act) => (act === "silence" ? (silence(Date.now()), true) : act === "back" ? (go("duty"), true) : false)), []);
  const signOff = (): void => {
    void remove("/api/v1/session").then(() => {
      me.value = null;
      again();
    });
  };
  const urgent = lines(open).filter((line) => line.first.priority === 1 && !isAcknowledged(line.first));
  return (
    <Frame signOff={signOff}>
      {urgent.length > 0 && route.value.screen !== "duty" ? <Top alarms={urgent.map((line) => line.first)} /> : null}
      {trouble.value === null ? null : (
        <section class="trouble" role="alert">
          <strong>{t("error.title")}</strong> {either(trouble.value.zh, trouble.value.en)}
          {trouble.value.next === "" ? null : <span>{t("error.next", { next: trouble.value.next })}</span>}
          <button type="button" onClick={() => (trouble.value = null)}>
            {t("act.confirm")}
          </button>
        </section>
      )}
      {screen()}
    </Frame>
  );
}

function screen() {
  switch (route.value.screen) {
    case "incident":
      return <Incident />;
    case "health":
      return <HealthWall />;
    case "log":
      return <Log />;
    default:
      return <Duty />;
  }
}

/** Urgent alarms stand on top of every screen; none covers another. */
function Top({ alarms }: { alarms: readonly Alarm[] }) {
  return (
    <section class="top" role="alert">
      {alarms.map((alarm) => (
        <button key={alarm.alarm_id} type="button" class={route.value.id === alarm.alarm_id ? "here" : ""} onClick={() => go("incident", alarm.alarm_id)}>
          <Chip alarm={alarm} /> {alarm.device.place} · {alarm.device.name}
        </button>
      ))}
    </section>
  );
}

const opened = new Set<string>();
const receipted = new Set<string>();

/** A new urgent alarm opens by itself unless somebody is writing; that it was painted is told to the gateway. */
function useAlarms(open: readonly Alarm[]): void {
  const urgent = open.filter((alarm) => alarm.priority === 1 && !isAcknowledged(alarm) && alarm.kind !== "duress");
  const key = urgent.map((alarm) => `${alarm.alarm_id}:${alarm.count}`).join();
  useEffect(() => {
    const fresh = urgent.filter((alarm) => !opened.has(alarm.alarm_id));
    for (const alarm of fresh) opened.add(alarm.alarm_id);
    const first = fresh[0];
    const isFree = !isWriting(document.activeElement) && route.value.screen !== "incident";
    if (first !== undefined && isFree && fresh.length === 1 && urgent.length === 1) go("incident", first.alarm_id);
    requestAnimationFrame(() => requestAnimationFrame(() => void receipts(urgent)));
  }, [key]);
}

/** Painted: two frames have gone by since the alarm was in the page. */
async function receipts(alarms: readonly Alarm[]): Promise<void> {
  if (document.visibilityState !== "visible") return;
  const fresh = alarms.filter((alarm) => !receipted.has(`${alarm.alarm_id}:${canSound.value}`));
  if (fresh.length === 0) return;
  for (const alarm of fresh) receipted.add(`${alarm.alarm_id}:${canSound.value}`);
  try {
    await post("/api/v1/console/shown", { alarms: fresh.map((alarm) => alarm.alarm_id), sounding: canSound.value });
  } catch {
    for (const alarm of fresh) receipted.delete(`${alarm.alarm_id}:${canSound.value}`); // told again with the next one
  }
}

function useSound(open: readonly Alarm[]): void {
  useEffect(() => {
    follow(wanted(open, isLive.value, gatewayNow.value), tick.value);
  }, [tick.value, open.length]);
}
