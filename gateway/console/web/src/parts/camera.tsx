/** Pictures: stills that are always possible, and moving ones where the browser can play them. */
import { useEffect, useState } from "preact/hooks";
import { Refused, post } from "../api";
import { clock } from "../state/time";
import { either, t } from "../words";

interface Address {
  url: string;
  expires_at: string;
}

export type Medium = "video.mp4" | "live.mp4" | "snapshot.jpg";

/** A short-lived address for one medium; the gateway writes down who asked and why. */
export async function addressOf(camera: string, medium: Medium, reason: string, range: { from?: string; to?: string } = {}): Promise<string> {
  const found = await post<Address>(`/api/v1/cameras/${encodeURIComponent(camera)}/address`, { media: medium, reason, ...range });
  return found.url;
}

function words(error: unknown): string {
  return error instanceof Refused ? either(error.zh, error.en) : String(error);
}

/** A still that renews itself; it says its age, and is hatched when there is none. */
export function Still({ camera, name, everyMs }: { camera: string; name: string; everyMs: number }) {
  const [shown, setShown] = useState<{ url: string; atMs: number } | null>(null);
  const [why, setWhy] = useState("");
  useEffect(() => {
    let over = false;
    let address = "";
    async function renew(): Promise<void> {
      try {
        if (address === "") address = await addressOf(camera, "snapshot.jpg", "duty");
        const answer = await fetch(address, { cache: "no-store" });
        if (!answer.ok) {
          address = "";
          throw new Refused(answer.status, "still", String(answer.status), String(answer.status), "");
        }
        const url = URL.createObjectURL(await answer.blob());
        if (over) return URL.revokeObjectURL(url);
        setShown((old) => {
          if (old !== null) URL.revokeObjectURL(old.url);
          return { url, atMs: Date.now() };
        });
        setWhy("");
      } catch (error) {
        if (!over) setWhy(words(error));
      }
    }
    void renew();
    const timer = setInterval(() => void renew(), everyMs);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [camera, everyMs]);
  return (
    <figure class={why === "" && shown !== null ? "camera" : "camera none"}>
      {shown === null ? null : <img src={shown.url} alt={name} />}
      <figcaption>
        {name} {shown === null ? "" : clock(shown.atMs)} {why === "" ? "" : t("video.unavailable", { why })}
      </figcaption>
    </figure>
  );
}

/** Moving pictures from an address; the still takes over where they cannot be played. */
export function Moving({ camera, name, medium, range, reason }: { camera: string; name: string; medium: Medium; range?: { from: string; to: string }; reason: string }) {
  const [url, setUrl] = useState("");
  const [why, setWhy] = useState("");
  const from = range?.from ?? "";
  const to = range?.to ?? "";
  useEffect(() => {
    let over = false;
    setUrl("");
    setWhy("");
    addressOf(camera, medium, reason, from === "" ? {} : { from, to }).then(
      (found) => over || setUrl(found),
      (error: unknown) => over || setWhy(words(error)),
    );
    return () => {
      over = true;
    };
  }, [camera, medium, from, to, reason]);
  if (why !== "") return <Still camera={camera} name={`${name} ${why}`} everyMs={2_000} />;
  return (
    <figure class="camera">
      {url === "" ? null : <video src={url} autoplay muted playsInline controls={medium === "video.mp4"} loop={medium === "video.mp4"} onError={() => setWhy(t("video.unavailable", { why: "" }))} />}
      <figcaption>{name}</figcaption>
    </figure>
  );
}
