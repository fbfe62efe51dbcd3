/** A camera's live picture: its small stream, else its large one, else stills; and when it is gone, its last still with its age. */
import { useEffect, useRef, useState } from "preact/hooks";
import { NotPlayable, playLive, release } from "../playback/live";
import { leaves } from "../playback/flip";
import { clock, elapsed } from "../state/time";
import { gatewayNow } from "../stream/page";
import { t } from "../words";
import { addressOf, stillOf, words } from "./camera";
import { Told } from "./where";

export interface LiveOf {
  camera: string;
  name: string;
  reason: string;
  hasSub: boolean;
  /** Told whenever the camera is lost or seen again. */
  lost?: (isLost: boolean) => void;
}

type Shows = "coming" | "video" | "stills" | "lost";

const AGAIN_MS = 4_000;
const WIDTH = 960;

export function Live({ camera, name, reason, hasSub, lost }: LiveOf) {
  const video = useRef<HTMLVideoElement>(null);
  const [shows, setShows] = useState<Shows>("coming");
  const [why, setWhy] = useState("");
  const still = useStill();
  useEffect(() => {
    const stop = new AbortController();
    const tell = (next: Shows, because = ""): void => {
      if (stop.signal.aborted) return;
      setShows(next);
      setWhy(because);
      lost?.(next === "lost");
    };
    const first = async (): Promise<void> => {
      // The newest still stands there at once, until something moves; and it is what is left when nothing does.
      const found = await stillOf(camera, reason, { width: WIDTH, stream: hasSub ? "sub" : "main" }).catch(() => null);
      if (found !== null && !stop.signal.aborted) still.show(found);
    };
    const playing = async (again: boolean): Promise<void> => {
      for (const stream of hasSub ? (["sub", "main"] as const) : (["main"] as const)) {
        try {
          const url = await addressOf(camera, "live.mp4", reason, { stream, sound: "no" });
          if (video.current !== null) await playLive(video.current, url, stop.signal, again, () => tell("video"));
        } catch (error) {
          if (!(error instanceof NotPlayable)) throw error;
        }
      }
      const url = await addressOf(camera, "live.mjpeg", reason, { width: WIDTH });
      let isFirst = again;
      for await (const leaf of leaves(url, stop.signal)) {
        if (isFirst) isFirst = false;
        else {
          still.show(leaf);
          tell("stills");
        }
      }
      throw new Error(t("video.stuck"));
    };
    const run = async (): Promise<void> => {
      void first();
      for (let again = false; !stop.signal.aborted; again = true) {
        let hadPicture = false;
        try {
          await playing(again);
        } catch (error) {
          hadPicture = video.current !== null && video.current.currentTime > 1;
          release(video.current);
          if (stop.signal.aborted) return;
          tell("lost", error instanceof Error && error.name === "Error" ? t("video.stuck") : words(error));
        }
        if (hadPicture) void first(); // what it saw last
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    };
    void run();
    return () => {
      stop.abort();
      release(video.current);
    };
  }, [camera, reason, hasSub]);
  const isLost = shows === "lost";
  return (
    <figure class={`camera is-${shows}${isLost ? " none" : ""}`} data-shows={shows}>
      <video ref={video} muted playsInline />
      {shows !== "video" && still.url !== "" ? <img src={still.url} alt={name} /> : null}
      {isLost ? <p class="covered" role="status">{t("video.unavailable", { why })}<Age at={still.at} /></p> : null}
      <figcaption>
        <Told text={name} most={60} />
        {shows === "video" ? null : <Since shows={shows} at={still.at} />}
      </figcaption>
    </figure>
  );
}

function Since({ shows, at }: { shows: Shows; at: string }) {
  if (shows === "stills") return <> {clock(at)} · {t("video.stills")}</>;
  return shows === "coming" ? <> {clock(at)} · {t("video.coming")}</> : null;
}

function Age({ at }: { at: string }) {
  return at === "" ? null : <span class="age">{t("video.last", { at: clock(at), age: elapsed(Date.parse(at), gatewayNow.value) })}</span>;
}

/** One still that is shown; the one before it is let go. */
function useStill(): { url: string; at: string; show: (found: { blob: Blob; at: string }) => void } {
  const [shown, setShown] = useState({ url: "", at: "" });
  const held = useRef("");
  useEffect(() => () => URL.revokeObjectURL(held.current), []);
  const show = (found: { blob: Blob; at: string }): void => {
    const before = held.current;
    held.current = URL.createObjectURL(found.blob);
    setShown({ url: held.current, at: found.at });
    if (before !== "") setTimeout(() => URL.revokeObjectURL(before), 1_000); // it may still be on its way to the screen
  };
  return { ...shown, show };
}
