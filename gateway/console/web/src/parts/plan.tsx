/** The response plan of an incident: one next step in large letters, the rest below it, with who did what when. */
import { useState } from "preact/hooks";
import { mayAct, step } from "../deeds";
import { planOf } from "../plans";
import type { Alarm } from "../state/model";
import { nextStep, stepsOf, type PlanStep } from "../state/plans";
import { clock } from "../state/time";
import { isLive } from "../stream/page";
import { either, t } from "../words";
import { writeHere } from "./seen";
import { Told } from "./where";

export function next(alarm: Alarm): PlanStep | null {
  return nextStep(stepsOf(planOf(alarm.kind), alarm));
}

export function NextStep({ alarm }: { alarm: Alarm }) {
  const [why, setWhy] = useState<string | null>(null);
  const todo = next(alarm);
  const isOpen = alarm.closed_at === null;
  if (todo === null || !isOpen) return null;
  const skip = async (): Promise<void> => {
    if (why !== null && why.trim() !== "" && (await step(alarm, todo.number, why.trim()))) setWhy(null);
  };
  return (
    <section class="next-step" aria-label={t("alarm.next")}>
      <strong>
        <kbd>F3</kbd> {t("alarm.next")} {todo.number}
      </strong>
      <span class="todo">{either(todo.zh, todo.en)}</span>
      {!mayAct.value ? null : why === null ? (
        <>
          <button type="button" class="big" disabled={!isLive.value} onClick={() => void step(alarm, todo.number, "")}>
            {t("plan.done")}
          </button>
          <button type="button" onClick={() => setWhy("")}>
            {t("plan.skip")}
          </button>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void skip();
          }}
        >
          <input aria-label={t("plan.why")} placeholder={t("plan.why")} maxLength={200} value={why} ref={writeHere} onInput={(event) => setWhy(event.currentTarget.value)} />
          <button type="submit" disabled={!isLive.value || why.trim() === ""}>
            {t("plan.skip")}
          </button>
          <button type="button" onClick={() => setWhy(null)}>
            {t("act.cancel")}
          </button>
        </form>
      )}
    </section>
  );
}

export function PlanList({ alarm }: { alarm: Alarm }) {
  const steps = stepsOf(planOf(alarm.kind), alarm);
  const todo = nextStep(steps);
  return (
    <section class="plan">
      <h2>{t("plan.title")}</h2>
      {steps.length === 0 ? <p class="quiet">{t("plan.none")}</p> : null}
      <ol>
        {steps.map((each) => (
          <li key={each.number} class={each.told?.state ?? (each === todo ? "todo" : "")}>
            <span aria-hidden="true">{each.told === null ? (each === todo ? "▶" : "○") : each.told.state === "done" ? "✔" : "⤼"}</span> {each.number}{" "}
            {either(each.zh, each.en)}
            {each.isMandatory ? <abbr title={t("plan.mandatory")}>*</abbr> : null}
            {each.told === null ? null : (
              <small>
                {" "}
                {clock(each.told.at)} <Told text={each.told.by} most={20} /> {each.told.state === "skipped" ? <Told text={each.told.reason} most={80} /> : null}
              </small>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
