/** From ten seconds before an alarm on, again and again, longer each time there is more of it; as stills where the browser cannot play it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { plays, refusal, release } from "../playback/live";
import { takeSeat } from "../playback/seats";
import { clock } from "../state/time";
import { isGap } from "../state/timeline";
import { gatewayNow } from "../stream/page";
import { t } from "../words";
import { addressOf, stillOf, words } from "./camera";
import { Told } from "./where";

const BEFORE_MS = 10_000;
const BEHIND_MS = 120_000;
/** Asked for again when there is so much more of it. */
const MORE_MS = 5_000;
const AGAIN_MS = 2_000;
/** Two stills in a second, and half as wide as they are recorded, at most. */
const LEAF_MS = 500;
const LEAF_WIDTH = 960;

interface ClipOf {
  camera: string;
  name: string;
  reason: string;
  raisedMs: number;
  hasSub: boolean;
}

interface Loaded {
  /** "" when only stills can be shown, and why. */
  url: string;
  why: string;
  endMs: number;
  gaps: boolean;
}

export function Clip(of: ClipOf) {
  const { camera, raisedMs, reason, hasSub } = of;
  const video = useRef<HTMLVideoElement>(null);
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [why, setWhy] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      const seat = await takeSeat("alarm", stop.signal);
      try {
        const found = await clipOf(camera, reason, raisedMs, hasSub);
        if (stop.signal.aborted) return;
        setWhy("");
        setLoaded(seat === null ? { ...found, url: "", why: t("video.crowded") } : found);
        if (found.url === "") seat?.leave();
        else seat?.over.addEventListener("abort", () => stop.signal.aborted || (release(video.current), setLoaded(null), setTurn(turn + 1)));
      } catch (error) {
        seat?.leave();
        if (stop.signal.aborted) return;
        setWhy(words(error));
        timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS); // its first pictures may be on their way to the disk
      }
    };
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [camera, raisedMs, reason, hasSub, turn]);
  useEffect(() => () => release(video.current), [camera]);
  const ended = (): void => {
    const reachedMs = Math.min(gatewayNow.peek(), raisedMs + BEHIND_MS);
    if (loaded !== null && reachedMs >= loaded.endMs + MORE_MS) setTurn(turn + 1);
    else if (video.current !== null) {
      video.current.currentTime = 0;
      void video.current.play().catch(() => undefined); // it is being taken away
    }
  };
  const isStills = loaded?.url === "";
  return (
    <figure class={`camera clip${loaded === null && why !== "" ? " none" : ""}`} data-shows={loaded === null ? "coming" : isStills ? "stills" : "video"}>
      {loaded !== null && !isStills ? (
        <video key={loaded.url} ref={video} src={loaded.url} autoplay muted playsInline controls onEnded={ended} onError={() => setLoaded({ ...loaded, url: "", why: t("video.stills") })} />
      ) : null}
      {loaded !== null && isStills ? <Leaves of={of} toMs={loaded.endMs} ended={() => setTurn(turn + 1)} /> : null}
      {loaded === null && why !== "" ? <p class="covered" role="status">{t("video.unavailable", { why })}</p> : null}
      <figcaption>
        <Told text={of.name} most={60} /> {isStills ? loaded?.why : ""} {loaded?.gaps === true ? t("video.gaps") : ""} {loaded === null && why === "" ? t("video.coming") : ""}
      </figcaption>
    </figure>
  );
}

/** The large stream where the browser plays it, else the small one, else none. Throws Refused. */
async function clipOf(camera: string, reason: string, raisedMs: number, hasSub: boolean): Promise<Loaded> {
  const from = new Date(raisedMs - BEFORE_MS).toISOString();
  const to = new Date(Math.min(Math.max(gatewayNow.peek(), raisedMs + 1_000), raisedMs + BEHIND_MS)).toISOString();
  let endMs = Date.parse(to);
  for (const stream of hasSub ? (["main", "sub"] as const) : (["main"] as const)) {
    const url = await addressOf(camera, "video.mp4", reason, { from, to, stream });
    const head = await fetch(url, { method: "HEAD", cache: "no-store" });
    if (!head.ok) throw await refusal(head);
    endMs = Date.parse(head.headers.get("Campus-End") ?? to);
    if (plays(head.headers.get("Campus-Codecs"))) return { url, why: "", endMs, gaps: isGap(head.headers.get("Campus-Gaps")) };
  }
  return { url: "", why: t("video.stills"), endMs, gaps: false };
}

/** The clip as stills, at the speed of time. */
function Leaves({ of, toMs, ended }: { of: ClipOf; toMs: number; ended: () => void }) {
  const [shown, setShown] = useState<{ url: string; at: string } | null>(null);
  useEffect(() => {
    let over = false;
    let held = "";
    const run = async (): Promise<void> => {
      const begunMs = performance.now();
      for (let atMs = of.raisedMs - BEFORE_MS; atMs < toMs && !over; atMs = of.raisedMs - BEFORE_MS + performance.now() - begunMs) {
        const asked = { at: new Date(atMs).toISOString(), width: LEAF_WIDTH };
        const found = await stillOf(of.camera, of.reason, asked).catch(() => null); // one that is missing is passed over
        if (over) return;
        if (found !== null) {
          const before = held;
          held = URL.createObjectURL(found.blob);
          setShown({ url: held, at: found.at });
          if (before !== "") URL.revokeObjectURL(before);
        }
        await new Promise((done) => setTimeout(done, LEAF_MS));
      }
      if (!over) ended();
    };
    void run();
    return () => {
      over = true;
      if (held !== "") URL.revokeObjectURL(held);
    };
  }, [of.camera, of.raisedMs, toMs]);
  return shown === null ? null : (
    <>
      <img src={shown.url} alt={of.name} />
      <span class="at">{clock(shown.at)}</span>
    </>
  );
}
