/** What a device can be told, as far as the installer allowed it. Closing goes at once; opening a valve takes a second person here or elsewhere. */
import "../style/account.css";
import { useState } from "preact/hooks";
import { me, post } from "../api";
import { tried } from "../deeds";
import type { Command, Device } from "../state/model";
import { isLive } from "../stream/page";
import { either, t } from "../words";
import { writeHere } from "./seen";

/** The gateway answers within 60 s; longer ones go on, and their record tells. */
const WAIT_MS = 75_000;

interface Came {
  state: string;
  why: string;
}

export function Commands({ device }: { device: Device }) {
  const [chosen, setChosen] = useState<Command | null>(null);
  const [said, setSaid] = useState("");
  const allowed = (device.commands ?? []).filter((each) => each.allowed);
  if (allowed.length === 0 || me.value?.rights.includes("act") !== true) return null;
  const send = async (command: Command, body: object): Promise<boolean> => {
    setSaid(t("command.sending"));
    const path = `/api/v1/devices/${encodeURIComponent(device.id)}/commands/${encodeURIComponent(command.name)}`;
    const came = await tried(() => post<Came>(path, body, crypto.randomUUID(), WAIT_MS));
    const [zh = "", en = zh] = (came?.why ?? "").split(" / ");
    setSaid(came === null ? "" : `${t(`command.${came.state}` as "command.done")} ${either(zh, en)}`);
    return came !== null;
  };
  return (
    <div class="commands">
      {allowed.map((each) => (
        <button
          key={each.name}
          type="button"
          disabled={!isLive.value}
          aria-expanded={each.effect === "close" ? undefined : chosen?.name === each.name}
          onClick={() => (each.effect === "close" ? void send(each, { reason: t("command.at_once") }) : setChosen(chosen?.name === each.name ? null : each))}
        >
          {either(each.text, each.text_en)}
        </button>
      ))}
      {said === "" ? null : <p role="status">{said}</p>}
      {chosen === null ? null : <Telling key={chosen.name} command={chosen} send={(body) => send(chosen, body)} over={() => setChosen(null)} />}
    </div>
  );
}

function Telling({ command, send, over }: { command: Command; send: (body: object) => Promise<boolean>; over: () => void }) {
  const [reason, setReason] = useState("");
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const [isBusy, setBusy] = useState(false);
  const takesTwo = command.effect === "open";
  const hasSecond = name.trim() !== "" && secret !== "";
  const go = async (): Promise<void> => {
    setBusy(true);
    const isDone = await send(takesTwo && hasSecond ? { reason, second: { name, secret } } : { reason });
    setBusy(false);
    setSecret("");
    if (isDone) over();
  };
  return (
    <form
      class="telling"
      aria-label={either(command.text, command.text_en)}
      onSubmit={(event) => {
        event.preventDefault();
        void go();
      }}
    >
      <label>
        {t("command.reason")}
        <input required maxLength={200} value={reason} ref={writeHere} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      {takesTwo ? (
        <fieldset>
          <legend>{t("command.second")}</legend>
          <label>
            {t("command.second.name")}
            <input maxLength={64} value={name} autoComplete="off" onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <label>
            {t("sign.pin")}
            <input type="password" maxLength={128} value={secret} autoComplete="off" onInput={(event) => setSecret(event.currentTarget.value)} />
          </label>
          <small>{t("command.second.hint")}</small>
        </fieldset>
      ) : null}
      <button type="submit" disabled={isBusy || !isLive.value || reason.trim() === "" || (name.trim() !== "") !== (secret !== "")}>
        {either(command.text, command.text_en)}
      </button>
      <button type="button" onClick={over}>
        {t("act.cancel")}
      </button>
    </form>
  );
}
