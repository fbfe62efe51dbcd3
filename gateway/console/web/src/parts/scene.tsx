/** What cameras see and saw of an incident: live, from ten seconds before on, and the moment itself. F6 enlarges one after another. */
import { useEffect, useState } from "preact/hooks";
import "../style/scene.css";
import { me } from "../api";
import { useAct } from "../keys";
import { cameras as readCameras, exact, type CameraRow } from "../playback/data";
import { go } from "../route";
import type { Alarm } from "../state/model";
import { clock } from "../state/time";
import { house } from "../stream/page";
import { t } from "../words";
import { Still, fetched, words } from "./camera";
import { Clip } from "./clip";
import { Live } from "./live";
import { Told } from "./where";

const BEFORE_MS = 10_000;
const OTHERS_MOST = 2;
const NEIGHBOURS_MOST = 3;
const LOOK_MS = 2_000;
/** A hold and a still are made within seconds; what is not there then may come when its process is back. */
const LOOK_LATER_MS = 20_000;
const LOOKS_QUICK = 15;

export function cameraName(id: string): string {
  const known = house.cameras.value.find((each) => each.id === id);
  return known === undefined ? id : `${known.place} ${known.name}`.trim();
}

/** Another incident is another scene: nothing of the one before is left on the screen. */
export function Scene({ alarm }: { alarm: Alarm }) {
  return <Filmed key={alarm.alarm_id} alarm={alarm} />;
}

function Filmed({ alarm }: { alarm: Alarm }) {
  const [large, setLarge] = useState(-1);
  const [chosen, setChosen] = useState(alarm.cameras[0]);
  const [isLost, setLost] = useState(false);
  const rows = useCameras();
  const camera = chosen ?? alarm.cameras[0];
  const others = alarm.cameras.filter((each) => each !== camera).slice(0, OTHERS_MOST);
  const count = camera === undefined ? 0 : 3 + others.length;
  useAct((act) => {
    if (act === "back" && large >= 0) setLarge(-1);
    else if (act === "video" && count > 0) setLarge(large + 1 >= count ? -1 : large + 1);
    else return false;
    return true;
  });
  if (camera === undefined) return <p class="quiet scene">{t("video.none")}</p>;
  if (me.value?.rights.includes("video") !== true) return <p class="quiet scene">{t("playback.not_allowed")}</p>;
  const reason = `alarm ${alarm.alarm_id}`;
  const raisedMs = Date.parse(alarm.raised_at);
  const hasSub = rows?.find((each) => each.id === camera)?.streams.some((each) => each.name === "sub") ?? false;
  const is = (n: number): string => (large === n ? "picture large" : "picture");
  return (
    <section class="scene" aria-label={t("video.title")}>
      <div class={is(0)} data-picture="live">
        {rows === null ? null : <Live key={camera} camera={camera} name={t("video.live", { camera: cameraName(camera) })} reason={reason} hasSub={hasSub} lost={setLost} />}
      </div>
      <div class={is(1)} data-picture="clip">
        {rows === null ? null : <Clip key={camera} camera={camera} name={t("video.clip")} reason={reason} raisedMs={raisedMs} hasSub={hasSub} />}
      </div>
      <div class="film">
        <Held alarm={alarm} camera={camera} />
        <button type="button" onClick={() => go("playback", "", { cameras: [camera, ...others].join(","), at: new Date(raisedMs - BEFORE_MS).toISOString(), reason })}>
          {t("video.playback")}
        </button>
        {isLost ? <Neighbours alarm={alarm} camera={camera} turn={setChosen} /> : null}
      </div>
      <div class={is(2)} data-picture="moment">
        <Moment key={camera} alarm={alarm} camera={camera} reason={reason} />
      </div>
      {others.map((other, index) => (
        <div key={other} class={is(3 + index)} data-picture="other">
          <Still camera={other} name={cameraName(other)} reason={reason} everyMs={10_000} />
        </div>
      ))}
    </section>
  );
}

/** What is known of the cameras; null while it is asked for, none when it cannot be had: large streams are tried then. */
function useCameras(): readonly CameraRow[] | null {
  const [rows, setRows] = useState<readonly CameraRow[] | null>(null);
  useEffect(() => {
    readCameras().then(setRows, () => setRows([]));
  }, []);
  return rows;
}

/** Look again, quickly at first, until it is there. */
function useUntil(look: () => Promise<boolean>, of: string): void {
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (number: number): Promise<void> => {
      const isThere = await look().catch(() => false);
      if (!over && !isThere) timer = setTimeout(() => void run(number + 1), number < LOOKS_QUICK ? LOOK_MS : LOOK_LATER_MS);
    };
    void run(0);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [of]);
}

/** Whether the recorder keeps this video for the alarm, as its index says. */
function Held({ alarm, camera }: { alarm: Alarm; camera: string }) {
  const [untilMs, setUntil] = useState<number | null>(null);
  useUntil(async () => {
    const found = await exact(camera, Date.parse(alarm.raised_at));
    const hold = found.holds.find((each) => each.alarmId === alarm.alarm_id);
    setUntil(hold?.toMs ?? null);
    return hold !== undefined && alarm.closed_at !== null;
  }, `${alarm.alarm_id} ${camera} ${alarm.closed_at ?? ""}`);
  return (
    <span class={untilMs === null ? "hold quiet" : "hold"} data-held={untilMs === null ? "no" : "yes"}>
      {untilMs === null ? t("video.not_held") : t("video.held", { to: clock(untilMs) })}
    </span>
  );
}

/** The picture that was kept of the moment: it is there when the camera's disk is not. */
function Moment({ alarm, camera, reason }: { alarm: Alarm; camera: string; reason: string }) {
  const [shown, setShown] = useState<{ url: string; at: string } | null>(null);
  const [why, setWhy] = useState("");
  useUntil(async () => {
    const path = `/api/v1/alarms/${encodeURIComponent(alarm.alarm_id)}/stills/${encodeURIComponent(camera)}.jpg?${new URLSearchParams({ reason }).toString()}`;
    try {
      const found = await fetched(path);
      setShown({ url: URL.createObjectURL(found.blob), at: found.at });
      return true;
    } catch (error) {
      setWhy(words(error));
      return false;
    }
  }, `${alarm.alarm_id} ${camera}`);
  useEffect(() => () => (shown === null ? undefined : URL.revokeObjectURL(shown.url)), [shown]);
  return (
    <figure class={shown === null ? "camera none" : "camera"}>
      {shown === null ? null : <img src={shown.url} alt={t("video.still")} />}
      <figcaption>
        {t("video.still")} {shown === null ? why : clock(shown.at, true)}
      </figcaption>
    </figure>
  );
}

/** Cameras that may see it too, when this one sees nothing: the alarm's own, then those of the same place, then any. */
function Neighbours({ alarm, camera, turn }: { alarm: Alarm; camera: string; turn: (camera: string) => void }) {
  const place = house.cameras.value.find((each) => each.id === camera)?.place ?? alarm.device.place;
  const all = house.cameras.value.map((each) => each.id);
  const near = house.cameras.value.filter((each) => each.place === place || each.place === alarm.device.place).map((each) => each.id);
  const offered = [...new Set([...alarm.cameras, ...near, ...all])].filter((each) => each !== camera).slice(0, NEIGHBOURS_MOST);
  return (
    <span class="neighbours">
      {t("video.neighbours")}
      {offered.map((each) => (
        <button key={each} type="button" data-camera={each} onClick={() => turn(each)}>
          <Told text={cameraName(each)} most={40} />
        </button>
      ))}
    </span>
  );
}
