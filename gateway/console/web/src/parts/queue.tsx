/** What waits for a person: place first, then what it is, since when, and who has it. */
import { useState } from "preact/hooks";
import type { Alarm } from "../state/model";
import type { Line } from "../state/queue";
import { named, t } from "../words";
import { Chip, StateWords } from "./chip";
import { Since } from "./time";
import { What, Where } from "./where";

/** Rows of an opened group that are shown; a person goes through no more than that one by one. */
const INSIDE_MOST = 100;

export function Queue({ found, chosen, open }: { found: readonly Line[]; chosen: number; open: (alarm: Alarm) => void }) {
  const [shown, setShown] = useState("");
  if (found.length === 0) return <p class="quiet">{t("queue.empty")}</p>;
  return (
    <ol class="queue">
      {found.map((line, index) => {
        const { alarm_id: id } = line.first;
        const isGroup = line.all.length > 1;
        const isOpen = isGroup && shown === id;
        return (
          <li key={id} class={index === chosen ? "chosen" : ""}>
            <Row
              alarm={line.first}
              count={line.all.length}
              isOpen={isGroup ? isOpen : undefined}
              press={() => (isGroup ? setShown(isOpen ? "" : id) : open(line.first))}
            />
            {isOpen ? (
              <ol class="inside">
                {line.all.slice(0, INSIDE_MOST).map((alarm) => (
                  <li key={alarm.alarm_id}>
                    <Row alarm={alarm} count={1} isOpen={undefined} press={() => open(alarm)} />
                  </li>
                ))}
                {line.all.length > INSIDE_MOST ? <li class="quiet">{t("queue.rest", { count: line.all.length - INSIDE_MOST })}</li> : null}
              </ol>
            ) : null}
          </li>
        );
      })}
    </ol>
  );
}

interface RowOf {
  alarm: Alarm;
  count: number;
  isOpen: boolean | undefined;
  press: () => void;
}

function Row({ alarm, count, isOpen, press }: RowOf) {
  return (
    <button type="button" class={alarm.mode === "live" ? "" : "drill"} onClick={press} data-alarm={alarm.alarm_id} aria-expanded={isOpen}>
      <Chip alarm={alarm} />
      <Where place={alarm.device.place} name={alarm.device.name} />
      <span class="what">
        {alarm.mode === "live" ? "" : `${named("mode", alarm.mode)} `}
        <What alarm={alarm} most={40} />
        {alarm.count > 1 ? ` ×${alarm.count}` : ""}
        {count > 1 ? <b class="more">{t("queue.more", { count })}</b> : null}
      </span>
      <StateWords alarm={alarm} />
      <Since at={alarm.raised_at} />
    </button>
  );
}
