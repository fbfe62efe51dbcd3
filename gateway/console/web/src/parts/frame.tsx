/** What is around every screen: head, the bars that say what cannot be relied on, the keys as buttons. */
import type { ComponentChildren } from "preact";
import { isDrill, silent, urgent } from "../alarms";
import { me } from "../api";
import { mayAct, news, trouble } from "../deeds";
import { perform, type Act } from "../keys";
import { isLarge, isNightNow, look } from "../looks";
import { go, route, type Screen } from "../route";
import { canSound, silentUntilMs, wake } from "../sound/player";
import { heardMs, house, isLive, phones, tick } from "../stream/page";
import { either, guide, language, named, speak, t } from "../words";
import { Chip } from "./chip";
import { PinBar } from "./pin";
import { Now, SinceHere, untilOf } from "./time";
import { Told, Where } from "./where";

const PLACES: readonly Screen[] = ["duty", "health", "playback", "log", "setup"];
const TABS_MOST = 6;

export function Frame({ children, signOff }: { children: ComponentChildren; signOff: () => void }) {
  const mode = urgent.value.length > 0 ? " urgent" : isDrill.value ? " in-drill" : "";
  return (
    <div class={`frame${isLive.value ? "" : " stale"}${mode}`}>
      <Head signOff={signOff} />
      <Lost />
      <Mute />
      {isDrill.value ? <Drill /> : null}
      <Top />
      <Said />
      <PinBar />
      <main id="main">{children}</main>
      <Foot />
    </div>
  );
}

function Head({ signOff }: { signOff: () => void }) {
  return (
    <header>
      <Now />
      <strong class="site">
        <Told text={house.site.value.name} most={30} />
      </strong>
      <nav aria-label={t("nav.title")}>
        {PLACES.filter((screen) => screen !== "setup" || me.value?.rights.includes("install") === true).map((screen) => (
          <button key={screen} type="button" aria-current={route.value.screen === screen ? "page" : undefined} onClick={() => go(screen)}>
            {t(`nav.${screen}` as "nav.duty")}
          </button>
        ))}
      </nav>
      <Receivers />
      <span class="tools">
        <button type="button" class="who" aria-current={route.value.screen === "account" ? "page" : undefined} onClick={() => go("account")}>
          <Told text={me.value?.name ?? ""} most={20} /> {untilOf(me.value)}
        </button>
        <button type="button" onClick={() => (look.value = isNightNow.value ? "day" : "night")}>
          {t(isNightNow.value ? "look.day" : "look.night")}
        </button>
        <button type="button" aria-pressed={isLarge.value} onClick={() => (isLarge.value = !isLarge.value)}>
          {t("look.large")}
        </button>
        <button type="button" onClick={() => speak(language.value === "zh" ? "en" : "zh")}>
          {t("look.language")}
        </button>
        <button type="button" onClick={signOff}>
          {t("sign.off")}
        </button>
      </span>
    </header>
  );
}

const SIGNS = { ok: "●", failing: "✖", down: "✖" } as const;

/** Whom alarms reach; and the clock, once it cannot be believed: order holds, times may not. */
function Receivers() {
  return (
    <ul class="receivers" aria-label={t("receiver.title")}>
      {house.receivers.value.map((receiver) => {
        const state = isLive.value ? receiver.state : "unknown";
        return (
          <li key={receiver.name} class={`receiver ${state}`}>
            <span aria-hidden="true">{state === "unknown" ? "?" : (SIGNS[state] ?? "?")}</span> {named("receiver.name", receiver.name)}{" "}
            {state === "ok" ? null : state === "unknown" ? t("state.unknown") : t(`receiver.${state}`)}
            {receiver.queue_depth > 0 && state !== "unknown" ? ` · ${t("receiver.waiting", { count: receiver.queue_depth })}` : ""}
          </li>
        );
      })}
      {isLive.value && house.clock.value !== null && house.clock.value !== "trusted" ? (
        <li class="receiver doubtful">
          <span aria-hidden="true">▲</span> {t("clock.doubtful")}
        </li>
      ) : null}
    </ul>
  );
}

/** The whole width, and no button that pretends to work: what the page knows is old. */
export function Lost() {
  if (isLive.value) return null;
  return (
    <section class="bar lost" role="alert">
      <strong>
        {heardMs.value === 0 ? t("lost.never") : t("lost.title")} {heardMs.value === 0 ? null : <SinceHere atMs={heardMs.value} />}
      </strong>
      <span>{t("lost.hint")}</span>
      <Phones />
    </section>
  );
}

/** This browser is not heard: whoever is on duty must know, and the gateway's own siren stands in. */
function Mute() {
  if (canSound.value) return null;
  return (
    <button type="button" class="bar mute" onClick={() => void wake()}>
      {t("sound.none")}
    </button>
  );
}

/** A drill looks different from across the room; what is real breaks through it. */
function Drill() {
  const isReal = urgent.value.length > 0;
  return (
    <section class={`bar ${isReal ? "real" : "drill"}`} role="status">
      <strong>{t(isReal ? "drill.real" : "drill.on")}</strong>
    </section>
  );
}

/** Urgent alarms stand on top of every screen but the queue; none covers another, the newest is never before an older one. */
function Top() {
  const found = urgent.value;
  if (found.length === 0 || route.value.screen === "duty") return null;
  if (found.length === 1 && route.value.id === found[0]?.alarm_id) return null; // it fills the screen already
  const rest = found.length - TABS_MOST;
  return (
    <section class="top" role="alert" aria-label={t("priority.1")}>
      {found.slice(0, TABS_MOST).map((alarm) => (
        <button key={alarm.alarm_id} type="button" data-alarm={alarm.alarm_id} class={route.value.id === alarm.alarm_id ? "here" : ""} onClick={() => go("incident", alarm.alarm_id)}>
          <Chip alarm={alarm} /> <Where place={alarm.device.place} name={alarm.device.name} />
        </button>
      ))}
      {rest > 0 ? (
        <button type="button" onClick={() => go("duty")}>
          {t("top.rest", { count: rest })}
        </button>
      ) : null}
    </section>
  );
}

/** What the gateway refused, and what others did first; it stays until somebody has read it. */
function Said() {
  return (
    <>
      {trouble.value === null ? null : (
        <section class="trouble" role="alert">
          <strong>{t("error.title")}</strong> <span>{either(trouble.value.zh, trouble.value.en)}</span>
          {trouble.value.next === "" || language.value === "zh" ? null : <span>{t("error.next", { next: trouble.value.next })}</span>}
          <button type="button" onClick={() => (trouble.value = null)}>
            {t("act.confirm")}
          </button>
        </section>
      )}
      {news.value === "" ? null : (
        <section class="trouble news" role="status">
          <strong>{news.value}</strong>
          <button type="button" onClick={() => (news.value = "")}>
            {t("act.confirm")}
          </button>
        </section>
      )}
    </>
  );
}

export function Phones() {
  const found = phones();
  if (found.length === 0) return <p>{t("phones.none")}</p>;
  return (
    <ul class="phones" aria-label={t("phones.title")}>
      {found.map((phone) => (
        <li key={`${phone.name}${phone.number}`}>
          <Told text={phone.name} most={20} />{" "}
          <a class="number" href={`tel:${phone.number.replace(/[^\d+*#]/g, "")}`}>
            {phone.number}
          </a>
        </li>
      ))}
    </ul>
  );
}

const KEYS: readonly [string, Act, "alarm.ack"][] = [
  ["F2", "ack", "alarm.ack"],
  ["F3", "next", "alarm.next" as "alarm.ack"],
  ["F4", "map", "alarm.map" as "alarm.ack"],
  ["F6", "video", "alarm.video" as "alarm.ack"],
  ["F7", "note", "alarm.note" as "alarm.ack"],
  ["F8", "dispose", "alarm.dispose" as "alarm.ack"],
  ["F9", "card", "alarm.card" as "alarm.ack"],
];

const DECIDING: ReadonlySet<Act> = new Set(["ack", "next", "note", "dispose"]);

function Foot() {
  return (
    <footer>
      {KEYS.filter(([, act]) => mayAct.value || !DECIDING.has(act)).map(([key, act, words]) => (
        <button key={key} type="button" onClick={() => perform(act)}>
          <kbd>{key}</kbd> {t(words)}
        </button>
      ))}
      <Silence />
      {/* In a page of its own: this one goes on ringing. */}
      <a href={guide()} target="_blank" rel="noopener">
        {t("nav.guide")}
      </a>
      <a href="/basic">{t("nav.basic")}</a>
      <OnDuty />
    </footer>
  );
}

/** A full stop and a filled dot: whoever may know that somebody is threatened sees it, and nobody else would. */
function OnDuty() {
  const isThreatened = silent.value.some((alarm) => alarm.acknowledged_at === null);
  return (
    <span class="at-post">
      {t(isThreatened ? "duty.here.threatened" : "duty.here")} <span aria-hidden="true">{isThreatened ? "●" : "○"}</span>
    </span>
  );
}

function Silence() {
  const silentS = Math.ceil((silentUntilMs.value - tick.value) / 1000);
  return (
    <button type="button" class="silence" onClick={() => perform("silence")}>
      <kbd>{t("key.space")}</kbd> {silentS > 0 ? t("alarm.silenced", { seconds: silentS }) : t("alarm.silence")}
    </button>
  );
}
