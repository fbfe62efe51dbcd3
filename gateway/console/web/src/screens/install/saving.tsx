/** A change on its way: what it would do, why it is made, what came of it; and what somebody else did meanwhile. */
import { useState } from "preact/hooks";
import { Refused } from "../../api";
import { apply, check, trial, type Change, type Done, type Fault, type Proposal, type Tried } from "../../install/house";
import { t } from "../../words";
import { Came, Difference, Faults, Wrong } from "./said";

export interface Saving {
  proposal: Proposal | null;
  tried: Tried | null;
  done: Done | null;
  wrong: unknown;
  faults: readonly Fault[];
  look: (change: Change) => void;
  attempt: (change: Change) => void;
  save: (reason: string) => void;
  forget: () => void;
  fail: (error: unknown) => void;
}

/** after: once a change is made. */
export function useSaving(after: (done: Done) => void = () => undefined): Saving {
  const [asked, setAsked] = useState<{ change: Change; proposal: Proposal } | null>(null);
  const [tried, setTried] = useState<Tried | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const run = (what: () => Promise<void>): void => {
    setWrong(null);
    setDone(null);
    what().catch(setWrong);
  };
  return {
    proposal: asked?.proposal ?? null,
    tried,
    done,
    wrong,
    faults: asked?.proposal.faults ?? faultsIn(wrong),
    look: (change) => run(async () => setAsked({ change, proposal: await check(change) })),
    attempt: (change) =>
      run(async () => {
        setTried(null);
        const { found, ...proposal } = await trial(change);
        setTried(found);
        setAsked({ change, proposal });
      }),
    save: (reason) =>
      run(async () => {
        if (asked === null) return;
        const came = await apply(asked.change, asked.proposal.version, reason);
        setAsked(null);
        setTried(null);
        setDone(came);
        after(came);
      }),
    forget: () => {
      setAsked(null);
      setDone(null);
    },
    fail: setWrong,
  };
}

function faultsIn(error: unknown): Fault[] {
  const told = error instanceof Refused ? (error.told as { faults?: Fault[] } | null) : null;
  return told?.faults ?? [];
}

/** What is shown below a form: what is wrong with no field of it, the difference, and the last step. */
export function Deciding({ saving, loose }: { saving: Saving; loose: readonly Fault[] }) {
  const [reason, setReason] = useState("");
  const { proposal, done, wrong } = saving;
  return (
    <>
      <Wrong error={wrong} />
      <Faults faults={loose} />
      {proposal === null ? null : (
        <>
          <Difference diff={proposal.diff} />
          {saving.faults.length > 0 ? null : (
            <form class="doing" onSubmit={(event) => (event.preventDefault(), saving.save(reason))}>
              <label>
                {t("setup.reason")}
                <input required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
              </label>
              <button type="submit" class="big">
                {t("setup.save")}
              </button>
            </form>
          )}
        </>
      )}
      {done === null ? null : <Came outcome={done.outcome} />}
    </>
  );
}
