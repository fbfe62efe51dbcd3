/** Priority and state of one alarm: colour, shape and word together, never colour alone. */
import type { Alarm } from "../state/model";
import { isAcknowledged } from "../state/queue";
import { named, t } from "../words";

const SHAPES: Record<number, string> = { 1: "⬣", 2: "▲", 3: "◆", 4: "•" };
const LETTERS: Record<string, string> = { drill: "演", selftest: "检", commissioning: "测", historical: "补" };

export function Chip({ alarm }: { alarm: Alarm }) {
  const isDrill = alarm.mode !== "live";
  const mark = isDrill ? (LETTERS[alarm.mode] ?? "测") : `${SHAPES[alarm.priority] ?? "•"}${alarm.priority}`;
  return (
    <span class={`chip p${alarm.priority} ${alarm.state}${isDrill ? " drill" : ""}${isAcknowledged(alarm) ? "" : " calling"}`}>
      <span aria-hidden="true">{mark}</span>
      <span class="unseen">{isDrill ? named("mode", alarm.mode) : named("priority", String(alarm.priority))}</span>
    </span>
  );
}

/** The state in words, with who has it. */
export function StateWords({ alarm }: { alarm: Alarm }) {
  return (
    <span class="state-words">
      {alarm.acknowledged_by === null ? named("state", alarm.state) : t("alarm.by", { name: alarm.acknowledged_by })}
      {alarm.latched && alarm.restored_at === null ? ` · ${t("alarm.latched")}` : ""}
    </span>
  );
}
