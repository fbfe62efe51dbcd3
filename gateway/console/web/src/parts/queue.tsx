/** What waits for a person: place first, then what it is, since when, and who has it. */
import type { Line } from "../state/queue";
import { elapsed } from "../state/time";
import { gatewayNow } from "../stream/page";
import { named, t } from "../words";
import { Chip, StateWords } from "./chip";

export function Queue({ found, chosen, open }: { found: readonly Line[]; chosen: number; open: (line: Line) => void }) {
  if (found.length === 0) return <p class="quiet">{t("queue.empty")}</p>;
  return (
    <ol class="queue">
      {found.map((line, index) => {
        const alarm = line.first;
        return (
          <li key={alarm.alarm_id} class={index === chosen ? "chosen" : ""}>
            <button type="button" onClick={() => open(line)} data-alarm={alarm.alarm_id}>
              <Chip alarm={alarm} />
              <span class="where">
                <strong>{alarm.device.place || alarm.device.name}</strong> {alarm.device.place ? alarm.device.name : ""}
              </span>
              <span class="what">
                {named("kind", alarm.kind)} {alarm.text}
                {line.all.length > 1 ? ` · ${t("queue.more", { count: line.all.length })}` : ""}
              </span>
              <StateWords alarm={alarm} />
              <time>{elapsed(Date.parse(alarm.raised_at), gatewayNow.value)}</time>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
