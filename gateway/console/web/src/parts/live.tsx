/** A camera's live picture: its small stream, else its large one, else stills; and when it is gone, its last still with its age. */
import { useEffect, useRef, useState } from "preact/hooks";
import { NotPlayable, playLive, release } from "../playback/live";
import { leaves } from "../playback/flip";
import { takeSeat } from "../playback/seats";
import { clock, elapsed } from "../state/time";
import { gatewayNow } from "../stream/page";
import { t } from "../words";
import { addressOf, fetched, words } from "./camera";
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
/** Between two stills of a camera whose video found no connection, and how old the newest may be. */
const STILL_MS = 1_000;
const STILL_OLD_MS = 10_000;
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
    let address = "";
    // The newest still stands there at once, until something moves; and it is what is left when nothing does. Says how old it is, ms.
    const newest = async (): Promise<number> => {
      try {
        address ||= await addressOf(camera, "snapshot.jpg", reason, { width: WIDTH, stream: hasSub ? "sub" : "main" });
        const found = await fetched(address);
        if (!stop.signal.aborted) still.show(found);
        return gatewayNow.peek() - Date.parse(found.at);
      } catch {
        address = ""; // it may have ended
        return NaN;
      }
    };
    const playing = async (again: boolean, over: AbortSignal): Promise<void> => {
      for (const stream of hasSub ? (["sub", "main"] as const) : (["main"] as const)) {
        try {
          const url = await addressOf(camera, "live.mp4", reason, { stream, sound: "no" });
          if (video.current !== null) await playLive(video.current, url, over, again, () => tell("video"));
        } catch (error) {
          if (!(error instanceof NotPlayable)) throw error;
        }
      }
      const url = await addressOf(camera, "live.mjpeg", reason, { width: WIDTH });
      let isFirst = again;
      for await (const leaf of leaves(url, over)) {
        if (isFirst) isFirst = false;
        else {
          still.show(leaf);
          tell("stills", t("video.stills"));
        }
      }
      throw new Error(t("video.stuck"));
    };
    const run = async (): Promise<void> => {
      void newest();
      for (let again = false; !stop.signal.aborted; ) {
        const seat = await takeSeat("alarm", stop.signal);
        if (seat === null) {
          if ((await newest()) < STILL_OLD_MS) tell("stills", t("video.crowded"));
          else tell("lost", t("video.stuck"));
          await pause(STILL_MS);
          continue;
        }
        try {
          await playing(again, seat.over);
        } catch (error) {
          const hadPicture = video.current !== null && video.current.currentTime > 1;
          release(video.current);
          if (hadPicture && !stop.signal.aborted) void newest(); // what it saw last
          if (seat.over.aborted) tell("coming");
          else {
            tell("lost", error instanceof Error && error.name === "Error" ? t("video.stuck") : words(error));
            seat.leave();
            again = true;
            await pause(AGAIN_MS);
          }
        } finally {
          seat.leave();
        }
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
        {shows === "video" ? null : <Since shows={shows} at={still.at} why={why} />}
      </figcaption>
    </figure>
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function Since({ shows, at, why }: { shows: Shows; at: string; why: string }) {
  if (shows === "stills") return <> {clock(at)} · {why}</>;
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
