/** G0: who is on duty, and whether this browser can be heard. Signing on is the click that browsers want before any sound. */
import { useEffect, useState } from "preact/hooks";
import { queue } from "../alarms";
import { Refused, get, me, post, type Door, type Me } from "../api";
import { Digits } from "../parts/digits";
import { Lost } from "../parts/frame";
import { Queue } from "../parts/queue";
import { untilOf } from "../parts/time";
import { Told } from "../parts/where";
import { test, wake } from "../sound/player";
import { again, heardMs } from "../stream/page";
import { either, guide, language, speak, t } from "../words";

/** What waited before the gateway forgot who is on duty: it still waits, and it still sounds. */
const BEFORE_MOST = 5;
const ON_DUTY_MOST = 4;

/** Exchange a token for a session of this browser. */
export async function withToken(token: string): Promise<Me> {
  return post<Me>("/api/v1/session", { token });
}

/** isOut: somebody was signed on here, and the gateway does not know him any more. */
export function SignOn({ ready, isOut }: { ready: (me: Me) => void; isOut: boolean }) {
  const [door, setDoor] = useState<Door | null>(null);
  const [name, setName] = useState(me.peek()?.name ?? "");
  const [pin, setPin] = useState("");
  const [code, setCode] = useState("");
  const [why, setWhy] = useState("");
  const [who, setWho] = useState<Me | null>(null);
  useEffect(() => {
    get<Door>("/api/v1/session/people").then(setDoor, (error: unknown) => setWhy(words(error)));
  }, []);
  const isFirst = door?.is_first === true;
  const begin = (found: Me): void => {
    ready(found);
    again();
  };
  const enter = async (): Promise<void> => {
    void wake();
    try {
      const isToken = name.trim() === "" && code.trim() === "" && pin.length > 16; // as machines and demos have them
      if (isFirst && !isToken && [code, name, pin].some((each) => each.trim() === "")) return setWhy(t("sign.first.missing"));
      const found = isToken ? await withToken(pin) : await post<Me>(isFirst ? "/api/v1/session/first" : "/api/v1/session", isFirst ? { code, name, secret: pin } : { name, secret: pin });
      setWhy("");
      if (isOut) begin(found); // it could be heard before: nothing stands between the guard and what waits
      else setWho(found);
    } catch (error) {
      setWhy(words(error));
    }
    setPin("");
  };
  if (who !== null) return <SoundCheck done={() => begin(who)} />;
  return (
    <main class="door">
      {heardMs.value > 0 && !isOut ? <Lost /> : null}
      {isOut && queue.value.length > 0 ? (
        <section class="before stale" aria-label={t("lost.before")}>
          <h2>{t("lost.before")}</h2>
          <Queue found={queue.value.slice(0, BEFORE_MOST)} chosen={-1} open={() => undefined} />
        </section>
      ) : null}
      <form
        class="sign-on"
        onSubmit={(event) => {
          event.preventDefault();
          void enter();
        }}
      >
        <h1>{t("app.title")}</h1>
        {isOut ? <p role="alert">{t("lost.signed_out")}</p> : null}
        {(door?.on_duty ?? []).slice(0, ON_DUTY_MOST).map((each) => (
          <p key={each.name} class="on-duty">
            {t("duty.on")} <Told text={each.name} most={20} /> {untilOf(each)}
          </p>
        ))}
        {isFirst ? (
          <>
            <h2>{t("sign.first")}</h2>
            <label>
              {t("sign.first.code")}
              <input value={code} maxLength={32} inputMode="numeric" autoComplete="one-time-code" onInput={(event) => setCode(event.currentTarget.value)} />
            </label>
          </>
        ) : null}
        <label>
          {t(isFirst ? "people.name" : "sign.who")}
          <input value={name} list="people" maxLength={64} autoComplete="username" onInput={(event) => setName(event.currentTarget.value)} />
          <datalist id="people">
            {(door?.people ?? []).map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </label>
        <label>
          {t("sign.pin")}
          <input type="password" value={pin} maxLength={128} autoComplete="current-password" onInput={(event) => setPin(event.currentTarget.value)} />
        </label>
        {isFirst ? null : <Digits press={(digit) => setPin(digit === "" ? pin.slice(0, -1) : pin + digit)} />}
        {why === "" ? null : <p role="alert">{why}</p>}
        <button type="submit" class="big main">
          {t(isFirst ? "sign.first.make" : "sign.on")}
        </button>
        <p class="row">
          <button type="button" onClick={() => speak(language.value === "zh" ? "en" : "zh")}>
            {t("look.language")}
          </button>
          <a href="/basic">{t("nav.basic")}</a>
          <a href={guide()}>{t("nav.guide")}</a>
        </p>
      </form>
    </main>
  );
}

function SoundCheck({ done }: { done: () => void }) {
  const [isFixing, setFixing] = useState(false);
  useEffect(() => {
    void wake().then(test);
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "1") done();
      else if (event.key === "2") setFixing(true);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <main class="door">
      <section class="sign-on">
        <h1>{t("sign.sound")}</h1>
        <p>{t("sign.sound.ask")}</p>
        <button type="button" class="big main" onClick={done}>
          {t("sign.sound.yes")}
        </button>
        <button type="button" class="big" onClick={() => setFixing(true)}>
          {t("sign.sound.no")}
        </button>
        {isFixing ? (
          <>
            <p role="alert">{t("sign.sound.fix")}</p>
            <button type="button" onClick={() => void wake().then(test)}>
              {t("sign.sound.again")}
            </button>
            <button type="button" onClick={done}>
              {t("sign.on")}
            </button>
          </>
        ) : null}
      </section>
    </main>
  );
}

function words(error: unknown): string {
  return error instanceof Refused ? either(error.zh, error.en) : String(error);
}
