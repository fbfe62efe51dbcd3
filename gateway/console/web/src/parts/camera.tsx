/** Pictures of cameras: addresses that open one for minutes, and stills. Moving ones are live.tsx and clip.tsx. */
import { useEffect, useState } from "preact/hooks";
import { Refused, post } from "../api";
import { refusal } from "../playback/live";
import { clock, elapsed } from "../state/time";
import { gatewayNow } from "../stream/page";
import { either, t } from "../words";
import { Told } from "./where";

interface Address {
  url: string;
  expires_at: string;
}

export type Medium = "video.mp4" | "live.mp4" | "live.mjpeg" | "snapshot.jpg";

/** Members of an address besides the medium; what is "" is left out. */
export interface Asked {
  from?: string;
  to?: string;
  at?: string;
  stream?: "main" | "sub";
  width?: number;
  sound?: "yes" | "no";
}

/** A short-lived address for one medium; the gateway writes down who asked and why. */
export async function addressOf(camera: string, medium: Medium, reason: string, asked: Asked = {}): Promise<string> {
  const found = await post<Address>(`/api/v1/cameras/${encodeURIComponent(camera)}/address`, { media: medium, reason, ...asked });
  return found.url;
}

/** Why there is no picture; what a browser says of it is in no guard's language. */
export function words(error: unknown): string {
  if (error instanceof Refused) return either(error.zh, error.en);
  const name = error instanceof Error ? error.name : "";
  // So fetch fails when nobody answers, at once or in time; everything else is the browser's own trouble with what came.
  return t(["TypeError", "AbortError", "TimeoutError"].includes(name) ? "lost.title" : "video.broken");
}

const STILL_MOST_MS = 5_000;

/** One still and when it was taken. Throws Refused. */
export async function stillOf(camera: string, reason: string, asked: Asked = {}): Promise<{ blob: Blob; at: string }> {
  return fetched(await addressOf(camera, "snapshot.jpg", reason, asked));
}

/** A still from an address. Throws Refused. */
export async function fetched(address: string): Promise<{ blob: Blob; at: string }> {
  // Behind what a person decides; and one that takes long gives its connection back.
  const answer = await fetch(address, { cache: "no-store", priority: "low", signal: AbortSignal.timeout(STILL_MOST_MS) });
  if (!answer.ok) throw await refusal(answer);
  return { blob: await answer.blob(), at: answer.headers.get("Campus-At") ?? "" };
}

/** What was seen so long ago is not what is there now. */
const OLD_MS = 45_000;

interface StillOf {
  camera: string;
  name: string;
  reason: string;
  /** How often it is renewed; 0 for once. Each one is a view that is written down. */
  everyMs: number;
}

/** A still that renews itself; it says from when it is, and is hatched when there is none, or none of now. */
export function Still({ camera, name, reason, everyMs }: StillOf) {
  const [shown, setShown] = useState<{ url: string; at: string } | null>(null);
  const [why, setWhy] = useState("");
  useEffect(() => {
    let over = false;
    let address = "";
    let held = "";
    async function renew(): Promise<void> {
      try {
        if (address === "") address = await addressOf(camera, "snapshot.jpg", reason);
        const found = await fetched(address);
        const url = URL.createObjectURL(found.blob);
        if (held !== "") URL.revokeObjectURL(held);
        if (over) return URL.revokeObjectURL(url);
        held = url;
        setShown({ url, at: found.at });
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
  }, [camera, everyMs, reason]);
  const agedMs = shown === null || shown.at === "" ? 0 : gatewayNow.value - Date.parse(shown.at);
  const isOld = everyMs > 0 && agedMs > Math.max(OLD_MS, 3 * everyMs);
  return (
    <figure class={why === "" && shown !== null && !isOld ? "camera" : "camera none"}>
      {shown === null ? null : <img src={shown.url} alt={name} />}
      <figcaption>
        <Told text={name} most={60} /> {shown === null ? "" : isOld ? t("video.last", { at: clock(shown.at), age: elapsed(0, agedMs) }) : clock(shown.at)}{" "}
        {why === "" ? "" : t("video.unavailable", { why })}
      </figcaption>
    </figure>
  );
}
