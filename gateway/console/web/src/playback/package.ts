/** A package of evidence on its way: made by the gateway, then fetched; how far it is, is told. */
import { Refused, asked } from "../api";
import { takeSeat } from "./seats";

/** Handed to the browser's own store in pieces of this size: a large package is not held in the page. */
const PIECE_BYTES = 8 << 20;
const LET_GO_MS = 60_000;

/** null while the gateway makes it; then the part that is here, 0 to 1. */
export type Progress = (part: number | null) => void;

/** Ask for a package and have the browser keep it; returns its name, null when it was stopped. No time limit: it is made while we wait. Throws Refused. */
export async function savePackage(body: unknown, progress: Progress, stop: AbortSignal): Promise<string | null> {
  progress(null);
  const seat = await takeSeat("package", stop);
  try {
    const answer = await asked("POST", "/api/v1/evidence", body, undefined, stop);
    const name = /filename="([^"/\\]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "evidence.zip";
    keep(await gathered(answer, progress), name);
    return name;
  } catch (error) {
    if (stop.aborted) return null;
    if (error instanceof Refused) throw error;
    throw new Refused(0, "gone", "证据包没有传完，未保存", "the package did not arrive whole and was not saved", "ask for it again");
  } finally {
    seat?.leave();
  }
}

function keep(whole: Blob, name: string): void {
  const url = URL.createObjectURL(whole);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), LET_GO_MS);
}

async function gathered(answer: Response, progress: Progress): Promise<Blob> {
  const size = Number(answer.headers.get("Content-Length") ?? NaN);
  if (answer.body === null) return answer.blob();
  const reader = answer.body.getReader();
  const pieces: Blob[] = [];
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let [held, got] = [0, 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    held += value.length;
    got += value.length;
    progress(size > 0 ? got / size : 0);
    if (held < PIECE_BYTES) continue;
    pieces.push(new Blob(chunks));
    [chunks, held] = [[], 0];
  }
  // What ended short is no evidence: nobody is given half of it.
  if (size > 0 && got !== size) throw new TypeError(`${got} of ${size} bytes`);
  return new Blob([...pieces, ...chunks], { type: "application/zip" });
}
