/** I3: what one device says now, as it came and as it is understood; which bit moved since the person began to look. */
import { useEffect, useRef, useState } from "preact/hooks";
import { live, moved, progress, search, stirred, type Heard, type Live as Now } from "../../install/house";
import { EMPTY, joined, type Trace } from "../../install/trace";
import type { Point } from "../../state/model";
import { house } from "../../stream/page";
import { named, t } from "../../words";
import { Edit } from "./edit";
import { Measured, PointReading, ValueReading } from "./reading";
import { Readings, Wrong, oneOf } from "./said";

const EVERY_MS = 1_000;

export function Live({ id }: { id: string }) {
  const [chosen, setChosen] = useState(id);
  const devices = [...house.devices.value.values()].sort((a, b) => a.place.localeCompare(b.place));
  return (
    <section class="live">
      <label>
        {t("setup.device")}
        <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
          <option value="">—</option>
          {devices.map((device) => (
            <option key={device.id} value={device.id}>
              {device.place} · {device.name} ({device.id})
            </option>
          ))}
        </select>
      </label>
      {chosen === "" ? null : <Values key={chosen} id={chosen} />}
      {chosen === "" ? null : <Edit key={`edit ${chosen}`} id={chosen} />}
    </section>
  );
}

function Values({ id }: { id: string }) {
  const [now, setNow] = useState<Now | null>(null);
  const [trace, setTrace] = useState<Trace>(EMPTY);
  const [heard, setHeard] = useState<Heard[]>([]);
  const [isListening, setListening] = useState(false);
  const [wrong, setWrong] = useState<unknown>(null);
  const first = useRef(new Map<string, number[] | null>());
  const touched = useRef(new Map<string, Set<string>>());
  /** Points as they were when the person began to look; null until then. */
  const [before, setBefore] = useState<ReadonlyMap<string, Point> | null>(null);
  const points = house.devices.value.get(id)?.points ?? [];
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isHere = true;
    let kept = EMPTY;
    const look = async (): Promise<void> => {
      try {
        const found = await live(id, kept.at.at(-1) ?? 0);
        if (!isHere) return;
        for (const value of found.values) {
          if (!first.current.has(value.name) && value.words !== null) first.current.set(value.name, value.words);
          const bits = touched.current.get(value.name) ?? new Set<string>();
          for (const bit of moved(first.current.get(value.name) ?? null, value.words, value.function <= 2)) bits.add(bit);
          touched.current.set(value.name, bits);
        }
        kept = joined(kept, found.trace);
        setTrace(kept);
        setNow(found);
        setWrong(null);
      } catch (error) {
        if (isHere) setWrong(error);
      }
      if (isHere) timer = setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      isHere = false;
      clearTimeout(timer);
    };
  }, [id]);
  const begin = (): void => {
    // What is on the screen now is what everything is compared with: who presses at once is seen, too.
    first.current = new Map((now?.values ?? []).filter((value) => value.words !== null).map((value) => [value.name, value.words]));
    touched.current.clear();
    setBefore(new Map(points.map((point) => [point.name, point])));
  };
  const listen = async (): Promise<void> => {
    setListening(true);
    setWrong(null);
    try {
      let found = await search({ what: "topics", device: id, seconds: 15 });
      while (found.state === "running") found = await progress(found.next_line);
      setHeard(found.result?.topics ?? []);
    } catch (error) {
      setWrong(error);
    } finally {
      setListening(false);
    }
  };
  if (now === null) return <Wrong error={wrong} />;
  const strip = (name: string, unit: string | null) => <Measured name={name} unit={unit} trace={trace} />;
  return (
    <>
      <p>
        {named("state", now.state)} {now.age_seconds === null ? t("health.never") : t("setup.age", { seconds: now.age_seconds })}
      </p>
      {now.problem === null ? null : <p class="caution">{oneOf(now.problem)}</p>}
      <Wrong error={wrong} />
      {now.topics.length === 0 ? null : (
        <p>
          {now.topics.map((topic) => (
            <bdi key={topic}>{topic} </bdi>
          ))}
        </p>
      )}
      <div class="doing">
        <button type="button" class="big" onClick={begin}>
          {t("setup.press")}
        </button>
        {now.driver === "mqtt" ? (
          <button type="button" class="big" disabled={isListening} onClick={() => void listen()}>
            {t(isListening ? "setup.listening" : "setup.listen")}
          </button>
        ) : null}
      </div>
      <Readings heard={heard} />
      <ul class="readings" aria-label={t("setup.values")}>
        {now.values.map((value) => (
          <ValueReading key={value.name} value={value} keys={now.order_keys} bits={[...(touched.current.get(value.name) ?? [])]} strip={strip(value.name, value.unit ?? null)} />
        ))}
        {/* What is asked says its points by the values they are made of. */}
        {now.values.length > 0
          ? null
          : points.map((point) => <PointReading key={point.name} point={point} isMoved={before !== null && stirred(before.get(point.name), point)} strip={strip(point.name, point.unit)} />)}
      </ul>
    </>
  );
}
