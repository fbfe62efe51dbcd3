/** The device files: what was changed lately, by whom and why; each change can be undone, and what was edited by hand taken up. */
import { useEffect, useState } from "preact/hooks";
import { files, moment, reload, undo, undoing, type Files as Now, type Outcome, type Proposal } from "../../install/house";
import { t } from "../../words";
import { Came, Difference, Faults, Wrong, whatOf } from "./said";

export function Files() {
  const [now, setNow] = useState<Now | null>(null);
  const [looked, setLooked] = useState<{ number: number; told: Proposal } | null>(null);
  const [reason, setReason] = useState("");
  const [came, setCame] = useState<Outcome | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const read = (): void => void files().then(setNow).catch(setWrong);
  useEffect(read, []);
  const ask = async (what: () => Promise<{ outcome: Outcome }>): Promise<void> => {
    setWrong(null);
    try {
      setCame((await what()).outcome);
      setLooked(null);
      read();
    } catch (error) {
      setWrong(error);
    }
  };
  return (
    <section class="files">
      <label>
        {t("setup.reason")}
        <input maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="button" disabled={reason.trim() === ""} onClick={() => void ask(() => reload(reason))}>
        {t("setup.reload")}
      </button>
      <Wrong error={wrong} />
      {came === null ? null : <Came outcome={came} />}
      <ol>
        {(now?.changes ?? []).map((change) => (
          <li key={change.number}>
            <b>
              {change.number}. {whatOf(change.what)}
            </b>
            <span>
              <time>{moment(change.at)}</time> {change.who}: {change.reason}
            </span>
            <small>{change.file}</small>
            <button
              type="button"
              onClick={() => {
                setWrong(null);
                undoing(change.number)
                  .then((told) => setLooked({ number: change.number, told }))
                  .catch(setWrong);
              }}
            >
              {t("setup.undo")}
            </button>
          </li>
        ))}
      </ol>
      {looked === null ? null : (
        <>
          <Faults faults={looked.told.faults} />
          <Difference diff={looked.told.diff} />
          <button
            type="button"
            class="big"
            disabled={reason.trim() === "" || looked.told.faults.length > 0}
            onClick={() => void ask(() => undo(looked.number, looked.told.version, reason))}
          >
            {t("setup.undo.now", { number: looked.number })}
          </button>
        </>
      )}
    </section>
  );
}
