/** How an alarm ended (F8): a digit for what it was, another one for the cause. It stays within reach while it is chosen. */
import { useState } from "preact/hooks";
import { CAUSES, DISPOSITIONS, dispose, type Disposition } from "../deeds";
import { useAct } from "../keys";
import type { Alarm } from "../state/model";
import { isLive } from "../stream/page";
import { t } from "../words";
import { useSeen } from "./seen";

export function Disposing({ alarm, over }: { alarm: Alarm; over: () => void }) {
  const seen = useSeen<HTMLFormElement>({ takesKeys: true }); // F8 in the middle of a note: the digits that follow are an answer
  const [how, setHow] = useState<Disposition | null>(null);
  const [cause, setCause] = useState("");
  const close = async (chosen: Disposition, why: string): Promise<void> => {
    if (await dispose(alarm, chosen, why)) over();
  };
  const choose = (chosen: Disposition): void => (chosen === "real" ? void close("real", cause) : setHow(chosen));
  const causes = how === null ? [] : Array.from({ length: CAUSES[how] }, (_, n) => t(`disp.cause.${how}.${n + 1}` as "disp.cause"));
  useAct((act) => {
    const digit = "12345".indexOf(act);
    if (act.length !== 1 || digit < 0) return false;
    if (how === null) {
      const chosen = DISPOSITIONS[digit];
      if (chosen !== undefined) choose(chosen);
    } else {
      const why = causes[digit];
      if (why !== undefined) void close(how, why);
    }
    return true;
  });
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
