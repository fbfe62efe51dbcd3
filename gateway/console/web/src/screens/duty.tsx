/** G1: what waits, where it is, and whether everything else can be believed. */
import { useState } from "preact/hooks";
import { queue } from "../alarms";
import { acknowledge, mayAct } from "../deeds";
import { useAct } from "../keys";
import { Still } from "../parts/camera";
import { Card } from "../parts/card";
import { later } from "../parts/later";
import { Queue } from "../parts/queue";
import { go } from "../route";
import type { Alarm } from "../state/model";
import { isAcknowledged } from "../state/queue";
import { house, isLive } from "../stream/page";
import { t } from "../words";

/** Of more pictures than four at once people see less (console.md, G1). */
const PICTURES_MOST = 4;
const STILL_MS = 15_000;
const FloorMap = later(() => import("../floors/map").then((found) => found.FloorMap));

export function Duty() {
  const found = queue.value;
  const [chosen, setChosen] = useState(0);
  const [isCard, setCard] = useState(false);
  const [isMap, setMap] = useState(false);
  const at = Math.min(chosen, Math.max(found.length - 1, 0));
  const open = (alarm: Alarm): void => go("incident", alarm.alarm_id);
  useAct((act) => {
    const line = found[at];
    if (act === "up") setChosen(Math.max(0, at - 1));
    else if (act === "down") setChosen(Math.min(found.length - 1, at + 1));
    else if (act === "enter" && line !== undefined) open(line.first);
    else if (act === "ack") void (mayAct.value && topmost());
    else if (act === "card") setCard(!isCard);
    else if (act === "map") setMap(!isMap);
    else if (act === "back" && isCard) setCard(false);
    else if (["next", "note", "dispose", "video"].includes(act) && line !== undefined) open(line.first);
    else return false;
    return true;
  });
  return (
    <div class={isMap ? "duty with-map" : "duty"}>
      <section class="waiting">
        <h1>
          {t("queue.title", { count: found.reduce((sum, line) => sum + line.all.length, 0) })}
          {isLive.value ? null : <small> {t("state.unknown")}</small>}
        </h1>
        {isCard ? <Card alarm={found[at]?.first} /> : null}
        <Queue found={found} chosen={at} open={open} />
      </section>
      <section class="beside">
        <button type="button" aria-pressed={isMap} onClick={() => setMap(!isMap)}>
          <kbd>F4</kbd> {t("floor.map")}
        </button>
        {isMap ? (
          <FloorMap />
        ) : (
          <section class="pictures" aria-label={t("video.title")}>
            {house.cameras.value.slice(0, PICTURES_MOST).map((camera) => (
              <Still key={camera.id} camera={camera.id} name={`${camera.place} ${camera.name}`.trim()} reason="duty" everyMs={STILL_MS} />
            ))}
          </section>
        )}
      </section>
    </div>
  );
}

/** F2: what is on top and not acknowledged yet; of a group all that is in it. */
async function topmost(): Promise<void> {
  const line = queue.peek().find((each) => !isAcknowledged(each.first));
  for (const alarm of line?.all ?? []) await acknowledge(alarm);
}
