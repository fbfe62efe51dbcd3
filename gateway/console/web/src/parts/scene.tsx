/** What cameras see and saw of an incident: live, from ten seconds before on, and the moment itself. F6 enlarges one after another. */
import { useEffect, useState } from "preact/hooks";
import { useAct } from "../keys";
import type { Alarm } from "../state/model";
import { gatewayNow, house } from "../stream/page";
import { t } from "../words";
import { Moving, Still } from "./camera";

const BEFORE_MS = 10_000;
/** How far behind the alarm the clip goes; it is asked for again when there is more of it. */
const STAGES_MS = [0, 10_000, 30_000, 60_000, 120_000] as const;
/** What was filmed so long ago is on the gateway's disk. */
const ON_DISK_MS = 5_000;
const OTHERS_MOST = 2;

export function cameraName(id: string): string {
  const known = house.value.cameras.find((each) => each.id === id);
  return known === undefined ? id : `${known.place} ${known.name}`.trim();
}

export function Scene({ alarm }: { alarm: Alarm }) {
  const [large, setLarge] = useState(-1);
  const raisedMs = Date.parse(alarm.raised_at);
  const to = useEnd(raisedMs);
  const camera = alarm.cameras[0];
  const others = alarm.cameras.slice(1, 1 + OTHERS_MOST);
  const count = camera === undefined ? 0 : 2 + others.length;
  useAct((act) => {
    if (act === "back" && large >= 0) setLarge(-1);
    else if (act === "video" && count > 0) setLarge(large + 1 >= count ? -1 : large + 1);
    else return false;
    return true;
  });
  if (camera === undefined) return <p class="quiet scene">{t("video.none")}</p>;
  const reason = `alarm ${alarm.alarm_id}`;
  const is = (n: number): string => (large === n ? "picture large" : "picture");
  return (
    <section class="scene" aria-label={t("video.title")}>
      <div class={is(0)}>
        <Moving camera={camera} name={t("video.live", { camera: cameraName(camera) })} medium="live.mp4" reason={reason} />
      </div>
      <div class={is(1)}>
        {to === null ? (
          <Still camera={camera} name={t("video.still")} reason={reason} everyMs={0} at={alarm.raised_at} />
        ) : (
          <Moving camera={camera} name={t("video.clip")} medium="video.mp4" from={new Date(raisedMs - BEFORE_MS).toISOString()} to={to} reason={reason} />
        )}
      </div>
      {others.map((other, index) => (
        <div key={other} class={is(2 + index)}>
          <Still camera={other} name={cameraName(other)} reason={reason} everyMs={10_000} />
        </div>
      ))}
    </section>
  );
}

/** Until when there is a clip by now; null while its first ten seconds are not on the disk yet. */
function useEnd(raisedMs: number): string | null {
  const reached = (): number => STAGES_MS.filter((stageMs) => gatewayNow.peek() >= raisedMs + stageMs + ON_DISK_MS).length - 1;
  const [stage, setStage] = useState(reached);
  useEffect(() => {
    setStage(reached());
    const timer = setInterval(() => setStage(reached()), 1_000);
    return () => clearInterval(timer);
  }, [raisedMs]);
  const endMs = STAGES_MS[stage];
  return endMs === undefined ? null : new Date(raisedMs + Math.max(endMs, 1)).toISOString();
}
