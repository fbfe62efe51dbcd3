/** Priority and state of one alarm: colour, shape and word together, never colour alone. */
import type { Alarm } from "../state/model";
import { isAcknowledged } from "../state/queue";
import { named, t } from "../words";
import { Told } from "./where";

const SHAPES: Record<number, string> = { 1: "⬣", 2: "▲", 3: "◆", 4: "•" };
const LETTERS: Record<string, string> = { drill: "演", selftest: "检", commissioning: "测", historical: "补" };

export function Chip({ alarm }: { alarm: Alarm }) {
  const isOther = alarm.mode !== "live";
  const mark = isOther ? (LETTERS[alarm.mode] ?? "测") : `${SHAPES[alarm.priority] ?? "•"}${alarm.priority}`;
  return (
    <span class={`chip p${alarm.priority} ${alarm.state}${isOther ? " drill" : ""}${isAcknowledged(alarm) ? "" : " calling"}`}>
      <span aria-hidden="true">{mark}</span>
      <span class="unseen">{isOther ? named("mode", alarm.mode) : named("priority", String(alarm.priority))}</span>
    </span>
  );
}

/** The state in words, with who has it. */
export function StateWords({ alarm }: { alarm: Alarm }) {
  const isOpen = alarm.closed_at === null;
  return (
    <span class="state-words">
      {alarm.acknowledged_by === null || !isOpen ? (
        named("state", alarm.state)
      ) : (
        <>
          <Told text={alarm.acknowledged_by} most={20} /> {t("alarm.has")}
        </>
      )}
      {isOpen && alarm.latched && alarm.restored_at === null ? ` · ${t("alarm.latched")}` : ""}
      {isOpen && alarm.restored_at !== null ? ` · ${t("state.rtn_ack")}` : ""}
    </span>
  );
}
