/** A small still of the moment under the pointer, one for each ten seconds: of where the pointer was, since there was video there. */
import { useEffect, useState } from "preact/hooks";
import { stillOf } from "../parts/camera";
import { clock } from "../state/time";
import { SECOND_MS } from "../state/timeline";

const EACH_MS = 10 * SECOND_MS;
const WIDTH = 240;
/** A pointer that runs along asks for nothing; one that rests asks once. Each is a view that is written down. */
const REST_MS = 180;
/** What was refused because much is asked at once is asked for again, while the pointer rests. */
const AGAIN_MS = 1_500;
const TRIES = 6;
const KEPT = 60;

interface Kept {
  url: string;
  at: string;
}

/** What was asked for in this page, the oldest goes. Of one reason: another one is another view. */
const kept = new Map<string, Kept>();
let asking = false;

async function keep(key: string, camera: string, reason: string, atMs: number): Promise<void> {
  if (asking || kept.has(key)) return;
  asking = true;
  try {
    const found = await stillOf(camera, reason, { at: new Date(atMs).toISOString(), width: WIDTH });
    kept.set(key, { url: URL.createObjectURL(found.blob), at: found.at });
    for (const [old, one] of kept) {
      if (kept.size <= KEPT) break;
      kept.delete(old);
      URL.revokeObjectURL(one.url);
    }
  } finally {
    asking = false;
  }
}

export function Thumb({ camera, reason, atMs, part }: { camera: string; reason: string; atMs: number; part: number }) {
  const roundMs = Math.floor(atMs / EACH_MS) * EACH_MS;
  const key = `${camera} ${roundMs} ${reason}`;
  const [, setTurn] = useState(0);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async (tried: number): Promise<void> => {
      // What cannot be had leaves the place empty: the words beside it say what there is.
      await keep(key, camera, reason, atMs).catch(() => undefined);
      if (over) return;
      if (kept.has(key)) setTurn((turn) => turn + 1);
      else if (tried < TRIES) timer = setTimeout(() => void ask(tried + 1), AGAIN_MS);
    };
    timer = setTimeout(() => void ask(1), REST_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key]);
  const found = kept.get(key);
  if (found === undefined) return null;
  return (
    <figure class="thumb" style={{ left: `${Math.round(part * 100)}%` }} aria-hidden="true">
      <img src={found.url} alt="" />
      <figcaption>{clock(found.at)}</figcaption>
    </figure>
  );
}
