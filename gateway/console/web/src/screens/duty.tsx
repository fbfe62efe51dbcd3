/** G1: what waits, where it is, and whether everything else can be believed. */
import { useEffect, useState } from "preact/hooks";
import { acknowledge } from "../deeds";
import { onAct } from "../keys";
import { Queue } from "../parts/queue";
import { go } from "../route";
import { isAcknowledged, lines, type Line } from "../state/queue";
import { house, isLive } from "../stream/page";
import { t } from "../words";
import { Still } from "../parts/camera";

const PICTURES_MOST = 4;

export function Duty() {
  const found = lines([...house.value.alarms.values(), ...house.value.faults.values()]);
  const [chosen, setChosen] = useState(0);
  const at = Math.min(chosen, Math.max(found.length - 1, 0));
  const open = (line: Line): void => go("incident", line.first.alarm_id);
  useEffect(
    () =>
      onAct((act) => {
        const line = found[at];
        if (act === "up") setChosen(Math.max(0, at - 1));
        else if (act === "down") setChosen(Math.min(found.length - 1, at + 1));
        else if (act === "enter" && line !== undefined) open(line);
        else if (act === "ack") void topmost(found);
        else return false;
        return true;
      }),
    [found, at],
  );
  return (
    <div class="duty">
      <section class="waiting">
        <h1>
          {t("queue.title", { count: found.length })} <small>{isLive.value ? "" : t("state.unknown")}</small>
        </h1>
        <Queue found={found} chosen={at} open={open} />
      </section>
      <section class="pictures">
        {house.value.cameras.slice(0, PICTURES_MOST).map((camera) => (
          <Still key={camera.id} camera={camera.id} name={`${camera.place} ${camera.name}`.trim()} everyMs={5_000} />
        ))}
      </section>
    </div>
  );
}

/** F2: what is on top and not acknowledged yet. */
async function topmost(found: readonly Line[]): Promise<void> {
  const line = found.find((each) => !isAcknowledged(each.first));
  if (line === undefined) return;
  for (const alarm of line.all) await acknowledge(alarm);
}
