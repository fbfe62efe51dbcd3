/** What is around every screen: head, the bar that says when nothing here can be believed, keys. */
import type { ComponentChildren } from "preact";
import { me } from "../api";
import { isLarge, look } from "../looks";
import { go, route, type Screen } from "../route";
import { canSound, silentUntilMs, wake } from "../sound/player";
import { clock, elapsed } from "../state/time";
import { gatewayNow, heardMs, house, isLive, phones, tick } from "../stream/page";
import { language, named, speak, t } from "../words";

const PLACES: readonly Screen[] = ["duty", "health", "playback", "log"];

export function Frame({ children, signOff }: { children: ComponentChildren; signOff: () => void }) {
  return (
    <div class={`frame${isLive.value ? "" : " stale"}`}>
      <Head signOff={signOff} />
      <Lost />
      {canSound.value ? null : (
        <button type="button" class="bar mute" onClick={() => void wake()}>
          {t("sound.none")}
        </button>
      )}
      <main>{children}</main>
      <Foot />
    </div>
  );
}

function Head({ signOff }: { signOff: () => void }) {
  return (
    <header>
      <time class="now">{clock(gatewayNow.value)}</time>
      <strong class="site">{house.value.site.name}</strong>
      <nav>
        {PLACES.map((screen) => (
          <button key={screen} type="button" aria-current={route.value.screen === screen ? "page" : undefined} onClick={() => go(screen)}>
            {t(`nav.${screen}` as "nav.duty")}
          </button>
        ))}
      </nav>
      <ul class="receivers">
        {house.value.receivers.map((receiver) => (
          <li key={receiver.name} class={isLive.value ? receiver.state : "unknown"}>
            {named("receiver.name", receiver.name)} {isLive.value ? t(`receiver.${receiver.state}`) : t("state.unknown")}
            {receiver.queue_depth > 0 ? ` · ${t("receiver.waiting", { count: receiver.queue_depth })}` : ""}
          </li>
        ))}
      </ul>
      <span class="who">{me.value?.name ?? ""}</span>
      <button type="button" onClick={() => (look.value = document.documentElement.dataset["look"] === "night" ? "day" : "night")}>
        {t(document.documentElement.dataset["look"] === "night" ? "look.day" : "look.night")}
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
    </header>
  );
}

/** The whole width, and no button that pretends to work: what the page knows is old. */
function Lost() {
  if (isLive.value) return null;
  const age = heardMs.value === 0 ? null : elapsed(heardMs.value, tick.value);
  return (
    <section class="bar lost" role="alert">
      <strong>{age === null ? t("lost.never") : t("lost.title", { age })}</strong>
      <span>{t("lost.hint")}</span>
      <Phones />
    </section>
  );
}

export function Phones() {
  const found = phones();
  if (found.length === 0) return <p>{t("phones.none")}</p>;
  return (
    <ul class="phones" aria-label={t("phones.title")}>
      {found.map((phone) => (
        <li key={phone.number}>
          {phone.name} <b>{phone.number}</b>
        </li>
      ))}
    </ul>
  );
}

function Foot() {
  const silentS = Math.ceil((silentUntilMs.value - tick.value) / 1000);
  return (
    <footer>
      <span>{t("keys.footer")}</span>
      {silentS > 0 ? <strong>{t("alarm.silenced", { seconds: silentS })}</strong> : null}
      <a href="/basic">{t("nav.basic")}</a>
    </footer>
  );
}
