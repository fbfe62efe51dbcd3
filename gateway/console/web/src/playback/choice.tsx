/** Which cameras, and why somebody looks at them. */
import { useState } from "preact/hooks";
import { me } from "../api";
import { Told } from "../parts/where";
import { t, type Key } from "../words";
import { nameOf, type CameraRow } from "./data";

/** In step; a browser has six connections to one host, and alarms need one of them. */
export const TOGETHER_MOST = 4;
const REASONS: readonly Key[] = ["playback.why.alarm", "playback.why.person", "playback.why.thing", "playback.why.device"];

export function Choice({ all, chosen, choose }: { all: readonly CameraRow[]; chosen: readonly string[]; choose: (ids: string[]) => void }) {
  const [isOpen, setOpen] = useState(false);
  const turn = (id: string): void => choose(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id].slice(-TOGETHER_MOST));
  return (
    <nav class="choice" aria-label={t("playback.cameras")}>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t("playback.cameras")} {chosen.length}/{TOGETHER_MOST}
      </button>
      {(isOpen ? all : all.filter((each) => chosen.includes(each.id))).map((camera) => (
        <button key={camera.id} type="button" aria-pressed={chosen.includes(camera.id)} onClick={() => turn(camera.id)}>
          <Told text={nameOf(camera)} most={30} />
        </button>
      ))}
    </nav>
  );
}

/** Asked once for each viewing; the gateway writes it down before the first picture leaves. */
export function Why({ given }: { given: (reason: string) => void }) {
  const [text, setText] = useState("");
  const may = me.value?.rights.includes("video") ?? false;
  if (!may) return <p class="quiet">{t("playback.not_allowed")}</p>;
  return (
    <form
      class="why"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") given(text.trim());
      }}
    >
      <label>
        {t("playback.reason")}
        <input maxLength={200} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={text.trim() === ""}>{t("act.confirm")}</button>
      {REASONS.map((key) => (
        <button key={key} type="button" onClick={() => given(t(key))}>{t(key)}</button>
      ))}
    </form>
  );
}
