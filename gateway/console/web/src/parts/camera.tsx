/** Pictures: stills that are always possible, and moving ones where the browser can play them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, post } from "../api";
import { clock } from "../state/time";
import { either, t } from "../words";
import { Told } from "./where";

interface Address {
  url: string;
  expires_at: string;
}

export type Medium = "video.mp4" | "live.mp4" | "snapshot.jpg";

/** Members of an address besides the medium; what is "" is left out. */
export interface Asked {
  from?: string;
  to?: string;
  at?: string;
  stream?: "main" | "sub";
}

/** A short-lived address for one medium; the gateway writes down who asked and why. */
export async function addressOf(camera: string, medium: Medium, reason: string, asked: Asked = {}): Promise<string> {
  const found = await post<Address>(`/api/v1/cameras/${encodeURIComponent(camera)}/address`, { media: medium, reason, ...asked });
  return found.url;
}

export function words(error: unknown): string {
  return error instanceof Refused ? either(error.zh, error.en) : String(error);
}

interface StillOf {
  camera: string;
  name: string;
  reason: string;
  /** How often it is renewed; 0 for a still of one moment. Each one is a view that is written down. */
  everyMs: number;
  at?: string | undefined;
  /** Why there is no moving picture; "" when nobody wanted one. */
  instead?: string;
}

/** A still that renews itself; it says from when it is, and is hatched when there is none. */
export function Still({ camera, name, reason, everyMs, at = "", instead = "" }: StillOf) {
  const [shown, setShown] = useState<{ url: string; at: string } | null>(null);
  const [why, setWhy] = useState("");
  useEffect(() => {
    let over = false;
    let address = "";
    let held = "";
    async function renew(): Promise<void> {
      try {
        if (address === "") address = await addressOf(camera, "snapshot.jpg", reason, at === "" ? {} : { at });
        const answer = await fetch(address, { cache: "no-store" });
        if (!answer.ok) throw await refusal(answer);
        const url = URL.createObjectURL(await answer.blob());
        if (held !== "") URL.revokeObjectURL(held);
        if (over) return URL.revokeObjectURL(url);
        held = url;
        setShown({ url, at: answer.headers.get("Campus-At") ?? "" });
        setWhy("");
      } catch (error) {
        address = "";
        if (!over) setWhy(words(error));
      }
    }
    void renew();
    const timer = everyMs > 0 ? setInterval(() => void renew(), everyMs) : 0;
    return () => {
      over = true;
      clearInterval(timer);
      if (held !== "") URL.revokeObjectURL(held);
    };
  }, [camera, everyMs, at, reason]);
  return (
    <figure class={why === "" && shown !== null ? "camera" : "camera none"}>
      {shown === null ? null : <img src={shown.url} alt={name} />}
      <figcaption>
        <Told text={name} most={60} /> {shown === null ? "" : clock(shown.at)} {why === "" ? instead : t("video.unavailable", { why })}
      </figcaption>
    </figure>
  );
}

async function refusal(answer: Response): Promise<Refused> {
  const told = (await answer.json().catch(() => null)) as { error?: { message_zh?: string; message?: string } } | null;
  const plain = `HTTP ${answer.status}`;
  return new Refused(answer.status, "still", told?.error?.message_zh ?? plain, told?.error?.message ?? plain, "");
}

interface MovingOf {
  camera: string;
  name: string;
  medium: Medium;
  reason: string;
  from?: string;
  to?: string;
}

/** Nothing moved for so long: the picture is not live, whatever the browser says. */
const STUCK_MS = 8_000;
const AGAIN_MS = 15_000;

/** Moving pictures from an address; a still takes over where they cannot be had, and they are tried again. */
export function Moving({ camera, name, medium, reason, from = "", to = "" }: MovingOf) {
  const [url, setUrl] = useState("");
  const [why, setWhy] = useState("");
  const [turn, setTurn] = useState(0);
  const video = useRef<HTMLVideoElement>(null);
  const isLive = medium === "live.mp4";
  useEffect(() => {
    let over = false;
    setUrl("");
    addressOf(camera, medium, reason, from === "" ? {} : { from, to }).then(
      (found) => {
        if (over) return;
        setWhy("");
        setUrl(found);
      },
      (error: unknown) => over || setWhy(words(error)),
    );
    return () => {
      over = true;
      const playing = video.current;
      if (playing !== null) {
        playing.removeAttribute("src");
        playing.load(); // or the browser holds the connection, of which it has six
      }
    };
  }, [camera, medium, from, to, reason, turn]);
  useEffect(() => {
    if (why === "") return;
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [why, turn]);
  useEffect(() => (isLive && url !== "" ? guard(video.current, () => setWhy(t("video.stuck"))) : undefined), [isLive, url]);
  if (why !== "") {
    return <Still camera={camera} name={name} reason={reason} everyMs={isLive ? 5_000 : 0} at={isLive ? undefined : from} instead={`(${t("video.unavailable", { why })})`} />;
  }
  return (
    <figure class="camera">
      {url === "" ? null : <video ref={video} src={url} autoplay muted playsInline controls={!isLive} loop={!isLive} onError={() => setWhy(t("video.broken"))} />}
      <figcaption>
        <Told text={name} most={60} />
      </figcaption>
    </figure>
  );
}

function guard(video: HTMLVideoElement | null, stuck: () => void): () => void {
  let lastS = -1;
  const timer = setInterval(() => {
    if (video === null) return;
    if (video.currentTime === lastS) stuck();
    lastS = video.currentTime;
  }, STUCK_MS);
  return () => clearInterval(timer);
}
