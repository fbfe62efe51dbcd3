/** One camera's picture: what it shows at the moment that the clock says, or why it shows nothing. Never black. */
import { useEffect, useRef } from "preact/hooks";
import { Told } from "../parts/where";
import { clock } from "../state/time";
import type { Gap } from "../state/timeline";
import { named, t } from "../words";
import { moment } from "./band";
import { nameOf, type CameraRow } from "./data";
import type { Deck, Showing } from "./deck";

/** Nothing is missing of a time in which nothing was recorded yet. */
function isBefore(gap: Gap, camera: CameraRow): boolean {
  return gap.reason === "unknown" && (camera.oldest === null || gap.toMs <= Date.parse(camera.oldest));
}

/** A camera's clock that is off by less is right. */
const OFFSET_LEAST_MS = 500;

export function Screen({ camera, deck, showing, isAsked }: { camera: CameraRow; deck: Deck | null; showing: Showing; isAsked: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    deck?.attach(video.current);
  }, [deck]);
  const offset = camera.state?.["offset_ms"];
  return (
    <figure class={`camera seen-${showing.is}`} data-camera={camera.id}>
      <video ref={video} muted playsInline preload="auto" onError={() => deck?.broken()} />
      {showing.is === "stills" && showing.url !== "" ? <img src={showing.url} alt={nameOf(camera)} /> : null}
      {showing.is === "waiting" && showing.isBlank && isAsked ? <p class="opening">{t("playback.waiting")}</p> : null}
      {showing.is === "gap" && isAsked ? (
        <p class="covered" role="status">
          {isBefore(showing.gap, camera) ? t("playback.none") : t("video.gap", { from: moment(showing.gap.fromMs), to: moment(showing.gap.toMs), reason: named("gap", showing.gap.reason) })}
        </p>
      ) : null}
      {showing.is === "trouble" ? <p class="covered" role="status">{showing.why === "broken" ? t("video.broken") : showing.why}</p> : null}
      <figcaption>
        <Told text={nameOf(camera)} most={60} />
        {typeof offset === "number" && Math.abs(offset) >= OFFSET_LEAST_MS ? ` · ${t("playback.offset", { seconds: (offset / 1000).toFixed(1) })}` : ""}
        {deck?.stream === "sub" ? ` · ${t("playback.sub")}` : ""}
        {showing.is === "stills" ? ` · ${clock(showing.at)} · ${t(showing.isCrowded ? "video.crowded" : "video.stills")}` : ""}
        {showing.is === "waiting" && !showing.isBlank && isAsked ? ` · ${t("playback.waiting")}` : ""}
      </figcaption>
    </figure>
  );
}
