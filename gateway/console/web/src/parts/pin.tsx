/** The PIN once more, in place: a bar that covers nothing. F2 and the silence key work while it is open. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, me, post, type Me } from "../api";
import { useAct } from "../keys";
import { waiting, type Waiting } from "../pin";
import { either, t } from "../words";
import { Digits } from "./digits";
import { Told } from "./where";

export function PinBar() {
  const now = waiting.value;
  return now === null ? null : <Ask now={now} />;
}

function Ask({ now }: { now: Waiting }) {
  const [pin, setPin] = useState("");
  const [why, setWhy] = useState("");
  const [isBusy, setBusy] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    box.current?.focus(); // whoever is asked has just pressed something: no sentence is being typed
    return () => now.over(false); // signed off meanwhile: the command is left
  }, []);
  useAct((act) => (act === "back" ? (now.over(false), true) : false));
  const give = async (): Promise<void> => {
    setBusy(true);
    try {
      me.value = await post<Me>("/api/v1/session/pin", { secret: pin });
      now.over(true);
    } catch (error) {
      setWhy(error instanceof Refused ? either(error.zh, error.en) : String(error));
      setPin("");
      box.current?.focus();
    }
    setBusy(false);
  };
  return (
    <form
      class="bar pin"
      aria-label={t("pin.ask")}
      onSubmit={(event) => {
        event.preventDefault();
        if (pin !== "" && !isBusy) void give();
      }}
    >
      <label>
        <Told text={me.value?.name ?? ""} most={20} /> {t("pin.ask")}
        <input ref={box} type="password" value={pin} maxLength={128} autoComplete="current-password" onInput={(event) => setPin(event.currentTarget.value)} />
      </label>
      <Digits press={(digit) => setPin(digit === "" ? pin.slice(0, -1) : pin + digit)} />
      {why === "" ? null : <strong role="alert">{why}</strong>}
      <button type="submit" disabled={pin === "" || isBusy}>
        {t("act.confirm")}
      </button>
      <button type="button" onClick={() => now.over(false)}>
        {t("act.cancel")}
      </button>
    </form>
  );
}
