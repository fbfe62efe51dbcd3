/** The evidence package of an alarm, for whoever may take it away: made by the gateway, saved by the browser. */
import { useEffect, useRef, useState } from "preact/hooks";
import { me } from "../api";
import { tried } from "../deeds";
import { savePackage } from "../playback/package";
import type { Alarm } from "../state/model";
import { isLive } from "../stream/page";
import { t } from "../words";
import { writeHere } from "./seen";

type Step = { is: "asked" } | { is: "why"; reason: string } | { is: "making" } | { is: "coming"; part: number } | { is: "done"; name: string };

export function Evidence({ alarm }: { alarm: Alarm }) {
  const [step, setStep] = useState<Step>({ is: "asked" });
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  if (me.value?.rights.includes("export") !== true) return null;
  const make = async (reason: string): Promise<void> => {
    stop.current = new AbortController();
    const told = (part: number | null): void => setStep(part === null ? { is: "making" } : { is: "coming", part });
    const name = await tried(() => savePackage({ alarm_id: alarm.alarm_id, reason }, told, stop.current.signal));
    if (stop.current.signal.aborted) return;
    setStep(name === null ? { is: "why", reason } : { is: "done", name });
  };
  if (step.is === "asked" || step.is === "done") {
    return (
      <>
        <button type="button" class="big" onClick={() => setStep({ is: "why", reason: "" })}>
          {t("alarm.evidence")}
        </button>
        {step.is === "done" ? <span role="status">{t("evidence.done", { name: step.name })}</span> : null}
      </>
    );
  }
  if (step.is === "making" || step.is === "coming") {
    return (
      <span class="evidence" role="status">
        <label>
          {step.is === "making" ? t("evidence.making") : t("evidence.coming", { percent: Math.floor(step.part * 100) })}
          {step.is === "making" ? <progress /> : <progress max={1} value={step.part} />}
        </label>
        <button type="button" onClick={() => (stop.current.abort(), setStep({ is: "asked" }))}>
          {t("act.cancel")}
        </button>
      </span>
    );
  }
  return (
    <form
      class="evidence"
      onSubmit={(event) => {
        event.preventDefault();
        void make(step.reason.trim());
      }}
    >
      <input
        aria-label={t("alarm.evidence.reason")}
        placeholder={t("alarm.evidence.reason")}
        maxLength={200}
        value={step.reason}
        ref={writeHere}
        onInput={(event) => setStep({ is: "why", reason: event.currentTarget.value })}
      />
      <button type="submit" disabled={!isLive.value || step.reason.trim() === ""}>
        {t("alarm.evidence")}
      </button>
      <button type="button" onClick={() => setStep({ is: "asked" })}>
        {t("act.cancel")}
      </button>
    </form>
  );
}
