/** The evidence package of an alarm, for whoever may take it away: made by the gateway, saved by the browser. */
import { useState } from "preact/hooks";
import { me, save } from "../api";
import { tried } from "../deeds";
import type { Alarm } from "../state/model";
import { isLive } from "../stream/page";
import { t } from "../words";

export function Evidence({ alarm }: { alarm: Alarm }) {
  const [reason, setReason] = useState<string | null>(null);
  const [isMaking, setMaking] = useState(false);
  if (me.value?.rights.includes("export") !== true) return null;
  const make = async (): Promise<void> => {
    setMaking(true);
    const done = await tried(() => save("/api/v1/evidence", { alarm_id: alarm.alarm_id, reason: (reason ?? "").trim() }));
    setMaking(false);
    if (done !== null) setReason(null);
  };
  if (reason === null) {
    return (
      <button type="button" class="big" onClick={() => setReason("")}>
        {t("alarm.evidence")}
      </button>
    );
  }
  return (
    <form
      class="evidence"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <input aria-label={t("alarm.evidence.reason")} placeholder={t("alarm.evidence.reason")} maxLength={200} value={reason} autoFocus onInput={(event) => setReason(event.currentTarget.value)} />
      <button type="submit" disabled={isMaking || !isLive.value || reason.trim() === ""}>
        {t(isMaking ? "evidence.making" : "alarm.evidence")}
      </button>
      <button type="button" onClick={() => setReason(null)}>
        {t("act.cancel")}
      </button>
    </form>
  );
}
