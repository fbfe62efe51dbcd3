/** How an alarm ended (F8): a digit for what it was, another one for the cause. It stays within reach while it is chosen. */
import { useState } from "preact/hooks";
import { CAUSES, DISPOSITIONS, dispose, type Disposition } from "../deeds";
import { useAct } from "../keys";
import { planOf } from "../plans";
import { unfinished, type Unfinished } from "../state/ending";
import type { Alarm } from "../state/model";
import { stepsOf } from "../state/plans";
import { gatewayNow, house, isLive } from "../stream/page";
import { named, t } from "../words";
import { useSeen, writeHere } from "./seen";

export function Disposing({ alarm, over }: { alarm: Alarm; over: () => void }) {
  const seen = useSeen<HTMLFormElement>({ takesKeys: true }); // F8 in the middle of a note: the digits that follow are an answer
  const [how, setHow] = useState<Disposition | null>(null);
  const [cause, setCause] = useState("");
  const [ending, setEnding] = useState<{ how: Disposition; why: string } | null>(null);
  const left = unfinished(alarm, stepsOf(planOf(alarm.kind), alarm), house.devices.value.get(alarm.device.id), gatewayNow.value);
  const close = async (chosen: Disposition, why: string): Promise<void> => {
    if (left.isStill && ending === null) setEnding({ how: chosen, why });
    else if (await dispose(alarm, chosen, why)) over();
  };
  const choose = (chosen: Disposition): void => (chosen === "real" ? void close("real", cause) : setHow(chosen));
  const causes = how === null ? [] : Array.from({ length: CAUSES[how] }, (_, n) => t(`disp.cause.${how}.${n + 1}` as "disp.cause"));
  useAct((act) => {
    const digit = "12345".indexOf(act);
    if (act.length !== 1 || digit < 0 || ending !== null) return false;
    if (how === null) {
      const chosen = DISPOSITIONS[digit];
      if (chosen !== undefined) choose(chosen);
    } else {
      const why = causes[digit];
      if (why !== undefined) void close(how, why);
    }
    return true;
  });
  if (ending !== null) return <Still how={ending.how} back={() => setEnding(null)} end={(reason) => void close(ending.how, [ending.why, reason].filter((each) => each !== "").join("；"))} />;
  return (
    <form
      ref={seen}
      class="disposing"
      aria-label={t("alarm.dispose")}
      onSubmit={(event) => {
        event.preventDefault();
        if (how !== null) void close(how, cause);
      }}
    >
      <h2>{how === null ? t("disp.ask") : t("disp.cause.ask", { what: t(`disp.${how}`) })}</h2>
      <Left left={left} />
      {how === null
        ? DISPOSITIONS.map((each, index) => (
            <button key={each} type="button" class="big" disabled={!isLive.value} onClick={() => choose(each)}>
              <kbd>{index + 1}</kbd> {t(`disp.${each}`)}
            </button>
          ))
        : causes.map((each, index) => (
            <button key={each} type="button" class="big" disabled={!isLive.value} onClick={() => void close(how, each)}>
              <kbd>{index + 1}</kbd> {each}
            </button>
          ))}
      <label>
        {how === null ? t("disp.remark") : t("disp.cause.other")}
        <input maxLength={500} value={cause} onInput={(event) => setCause(event.currentTarget.value)} />
      </label>
      {how === null ? null : (
        <button type="submit" class="big" disabled={!isLive.value || cause.trim() === ""}>
          {t("act.confirm")}
        </button>
      )}
      <button type="button" onClick={() => (how === null ? over() : setHow(null))}>
        {t(how === null ? "act.cancel" : "act.back")}
      </button>
    </form>
  );
}

/** What is not done yet: said, and left to whoever is there. */
function Left({ left }: { left: Unfinished }) {
  return (
    <>
      {left.steps.length === 0 ? null : <p class="caution">{t("disp.left.steps", { steps: left.steps.join(" ") })}</p>}
      {left.receivers.length === 0 ? null : <p class="caution">{t("disp.left.receivers", { names: left.receivers.map((each) => named("receiver.name", each)).join(" ") })}</p>}
    </>
  );
}

/** Closed it would be in no queue any more, and sound nowhere: whoever ends it while it burns or leaks says why. */
function Still({ how, back, end }: { how: Disposition; back: () => void; end: (reason: string) => void }) {
  const seen = useSeen<HTMLFormElement>({ takesKeys: true });
  const [reason, setReason] = useState("");
  return (
    <form
      ref={seen}
      class="disposing still"
      aria-label={t("alarm.dispose")}
      onSubmit={(event) => {
        event.preventDefault();
        if (reason.trim() !== "") end(reason.trim());
      }}
    >
      <p role="alert" class="caution">
        <strong>{t("disp.still", { what: t(`disp.${how}`) })}</strong>
      </p>
      <label>
        {t("disp.still.why")}
        <input maxLength={200} ref={writeHere} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="submit" class="big" disabled={!isLive.value || reason.trim() === ""}>
        {t("disp.still.end")}
      </button>
      <button type="button" class="big" onClick={back}>
        {t("act.back")}
      </button>
    </form>
  );
}
