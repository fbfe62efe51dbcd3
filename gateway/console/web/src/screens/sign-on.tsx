/** G0: who is on duty, and whether this browser can be heard. Signing on is the click that browsers want before any sound. */
import { useEffect, useState } from "preact/hooks";
import { Refused, get, me, post, type Me } from "../api";
import { test, wake } from "../sound/player";
import { again } from "../stream/page";
import { either, language, speak, t } from "../words";

interface Door {
  people: string[];
  is_first: boolean;
}

export function SignOn({ ready }: { ready: (me: Me) => void }) {
  const [door, setDoor] = useState<Door | null>(null);
  const [name, setName] = useState("");
  const [pin, setPin] = useState("");
  const [code, setCode] = useState("");
  const [why, setWhy] = useState("");
  const [who, setWho] = useState<Me | null>(null);
  useEffect(() => {
    get<Door>("/api/v1/session/people").then(setDoor, (error: unknown) => setWhy(words(error)));
  }, []);
  const enter = async (): Promise<void> => {
    void wake();
    try {
      const body = door?.is_first === true ? { code, name, secret: pin } : { name, secret: pin };
      const found = await post<Me>(door?.is_first === true ? "/api/v1/session/first" : "/api/v1/session", body);
      me.value = found;
      again();
      setPin("");
      setWho(found);
    } catch (error) {
      setWhy(words(error));
      setPin("");
    }
  };
  if (who !== null) return <SoundCheck done={() => ready(who)} />;
  return (
    <form
      class="sign-on"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <h1>{t("app.title")}</h1>
      {door?.is_first === true ? (
        <>
          <h2>{t("sign.first")}</h2>
          <label>
            {t("sign.first.code")}
            <input value={code} autoComplete="one-time-code" onInput={(event) => setCode(event.currentTarget.value)} />
          </label>
        </>
      ) : null}
      <label>
        {t("sign.who")}
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
      {why === "" ? null : <p role="alert">{why}</p>}
      <button type="submit" class="big">
        {t(door?.is_first === true ? "sign.first.make" : "sign.on")}
      </button>
      <button type="button" onClick={() => speak(language.value === "zh" ? "en" : "zh")}>
        {t("look.language")}
      </button>
    </form>
  );
}

function SoundCheck({ done }: { done: () => void }) {
  const [isFixing, setFixing] = useState(false);
  useEffect(() => {
    test();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "1") done();
      else if (event.key === "2") setFixing(true);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <section class="sign-on">
      <h1>{t("sign.sound")}</h1>
      <p>{t("sign.sound.ask")}</p>
      <button type="button" class="big" onClick={done}>
        {t("sign.sound.yes")}
      </button>
      <button type="button" class="big" onClick={() => setFixing(true)}>
        {t("sign.sound.no")}
      </button>
      {isFixing ? (
        <>
          <p>{t("sign.sound.fix")}</p>
          <button type="button" onClick={() => void wake().then(test)}>
            {t("sign.sound")}
          </button>
          <button type="button" onClick={done}>
            {t("sign.on")}
          </button>
        </>
      ) : null}
    </section>
  );
}

function words(error: unknown): string {
  return error instanceof Refused ? either(error.zh, error.en) : String(error);
}
