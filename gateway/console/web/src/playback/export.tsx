/** Export of a range: a package of evidence for each camera, whole original segments, never encoded again. */
import { useEffect, useRef, useState } from "preact/hooks";
import { me } from "../api";
import { tried } from "../deeds";
import { go } from "../route";
import { HOUR_MS, span, type View } from "../state/timeline";
import { t } from "../words";
import { moment } from "./band";
import { nameOf, type CameraRow } from "./data";
import { savePackage } from "./package";

interface ExportOf {
  cameras: readonly CameraRow[];
  marks: { fromMs: number | null; toMs: number | null };
  marked: View | null;
  setMarks: (marks: { fromMs: number | null; toMs: number | null }) => void;
  atMs: number;
  reason: string;
}

export function Export({ cameras: shown, marks, marked, setMarks, atMs, reason }: ExportOf) {
  const [busy, setBusy] = useState("");
  const [done, setDone] = useState<readonly string[]>([]);
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  if (!(me.value?.rights.includes("export") ?? false)) return null;
  const run = async (): Promise<void> => {
    if (marked === null) return;
    const range = { from: new Date(marked.fromMs).toISOString(), to: new Date(marked.toMs).toISOString(), reason };
    const saved: string[] = [];
    for (const camera of shown) {
      const told = (part: number | null): void => setBusy(`${nameOf(camera)} · ${part === null ? t("evidence.making") : t("evidence.coming", { percent: Math.floor(part * 100) })}`);
      const name = await tried(() => savePackage({ camera: camera.id, ...range }, told, stop.current.signal));
      if (stop.current.signal.aborted) return;
      if (name !== null) saved.push(name);
    }
    setBusy("");
    setDone(saved);
  };
  const isLong = marked !== null && span(marked) > 2 * HOUR_MS;
  return (
    <div class="transport">
      <button type="button" onClick={() => setMarks({ ...marks, fromMs: atMs })}><kbd>I</kbd> {t("playback.mark.from")} {marks.fromMs === null ? "" : moment(marks.fromMs)}</button>
      <button type="button" onClick={() => setMarks({ ...marks, toMs: atMs })}><kbd>O</kbd> {t("playback.mark.to")} {marks.toMs === null ? "" : moment(marks.toMs)}</button>
      <button type="button" class="main" disabled={marked === null || marked.fromMs === marked.toMs || busy !== "" || reason === ""} onClick={() => void run()}>
        {busy === "" ? t("playback.export") : t("playback.exporting")}
      </button>
      {isLong ? <span class="quiet">{t("playback.export.long")}</span> : null}
      {busy === "" ? null : <span role="status">{busy}</span>}
      {busy === "" && done.length > 0 ? <span role="status">{done.map((name) => t("evidence.done", { name })).join(" · ")}</span> : null}
      <button type="button" onClick={() => go("duty")}>{t("act.back")}</button>
    </div>
  );
}
