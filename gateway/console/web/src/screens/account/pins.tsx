/** A form for a new PIN, typed twice, and another one under duress; and what came of it. */
import { useState } from "preact/hooks";
import { Refused } from "../../api";
import { either, t, type Key } from "../../words";

/** What the gateway said to the last thing that was tried. */
export function useSaid() {
  const [said, setSaid] = useState("");
  const [wrong, setWrong] = useState(false);
  /** Returns whether it was done. */
  const tell = async (work: () => Promise<unknown>, done: string): Promise<boolean> => {
    try {
      await work();
      setSaid(done);
      setWrong(false);
      return true;
    } catch (error) {
      setSaid(error instanceof Refused ? either(error.zh, error.en) : String(error));
      setWrong(true);
      return false;
    }
  };
  return { said, wrong, tell };
}

interface Wanted {
  asksOld?: boolean;
  /** What its button says. */
  button?: Key;
  save: (old: string, secret: string, duress: string) => Promise<boolean>;
}

export function NewPin({ asksOld = false, button = "account.pin.save", save }: Wanted) {
  const [old, setOld] = useState("");
  const [secret, setSecret] = useState("");
  const [again, setAgain] = useState("");
  const [duress, setDuress] = useState("");
  const [isBusy, setBusy] = useState(false);
  const go = async (): Promise<void> => {
    setBusy(true);
    const isDone = await save(old, secret, duress);
    setBusy(false);
    setOld("");
    if (!isDone) return;
    setSecret("");
    setAgain("");
    setDuress("");
  };
  return (
    <form
      class="new-pin"
      onSubmit={(event) => {
        event.preventDefault();
        void go();
      }}
    >
      {asksOld ? <Secret label={t("account.pin.old")} value={old} set={setOld} kind="current-password" /> : null}
      <Secret label={t("account.pin.new")} value={secret} set={setSecret} />
      <Secret label={t("account.pin.again")} value={again} set={setAgain} />
      <Secret label={t("account.pin.duress")} value={duress} set={setDuress} isNeeded={false} />
      <small>{t("account.pin.hint")}</small>
      <button type="submit" disabled={isBusy || secret === "" || secret !== again || (asksOld && old === "")}>
        {t(button)}
      </button>
    </form>
  );
}

interface Field {
  label: string;
  value: string;
  set: (value: string) => void;
  kind?: string;
  isNeeded?: boolean;
}

function Secret({ label, value, set, kind = "new-password", isNeeded = true }: Field) {
  return (
    <label>
      {label}
      <input type="password" required={isNeeded} value={value} maxLength={128} autoComplete={kind} onInput={(event) => set(event.currentTarget.value)} />
    </label>
  );
}
