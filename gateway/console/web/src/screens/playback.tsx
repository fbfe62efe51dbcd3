/** G4: what was recorded in 90 days, any minute of it, up to four cameras in step; what is missing is said and never covered up. */
import { useEffect, useState } from "preact/hooks";
import "../style/playback.css";
import { useAct } from "../keys";
import { words } from "../parts/camera";
import { Told } from "../parts/where";
import { Axis, Band } from "../playback/band";
import { Choice, TOGETHER_MOST, Why } from "../playback/choice";
import { KEPT_MS, cameras, nameOf, parse, type CameraRow } from "../playback/data";
import { Export } from "../playback/export";
import { AGAIN_MS, LATE_MS, useBands, useClock, useDecks, useEvents, useKeys } from "../playback/hooks";
import { Screen } from "../playback/screen";
import { Transport, deedsOf, type TransportOf } from "../playback/transport";
import { route } from "../route";
import { DAY_MS, LEVELS, MINUTE_MS, SECOND_MS, around, next, span, within, zoom, type View } from "../state/timeline";
import { gatewayNow } from "../stream/page";
import { t } from "../words";

export function Playback() {
  const [found, setFound] = useState<CameraRow[] | null>(null);
  const [why, setWhy] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    cameras().then(setFound, (error: unknown) => setWhy(words(error)));
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS * 4);
    return () => clearTimeout(timer);
  }, [turn]);
  if (found === null) return <p class="quiet">{why === "" ? t("playback.asking") : why}</p>;
  if (found.length === 0) return <p class="quiet">{t("playback.no_cameras")}</p>;
  return <Open key={route.value.query.toString()} all={found} />;
}

/** Which cameras, when, and at what speed: the clock of all pictures. */
function Open({ all }: { all: readonly CameraRow[] }) {
  const asked = route.peek().query;
  const nowMs = Math.floor(gatewayNow.value / SECOND_MS) * SECOND_MS;
  const limits: View = { fromMs: nowMs - KEPT_MS, toMs: nowMs + MINUTE_MS };
  const [chosen, setChosen] = useState<string[]>(() => first(all, asked.get("cameras") ?? route.peek().id));
  const [atMs, setAt] = useState(() => Math.min(parse(asked.get("at")) ?? nowMs - MINUTE_MS, nowMs));
  const [rate, setRate] = useState(0);
  const [view, setView] = useState<View>(() => around(atMs, DAY_MS, limits));
  const [reason, setReason] = useState(asked.get("reason") ?? "");
  const [marks, setMarks] = useState<{ fromMs: number | null; toMs: number | null }>({ fromMs: null, toMs: null });
  const shown = chosen.flatMap((id) => all.find((each) => each.id === id) ?? []);
  const bands = useBands(chosen, view);
  const events = useEvents(chosen, limits);
  const decks = useDecks(shown, reason);
  const showing = useClock(decks, atMs, setAt, rate, setRate, nowMs);
  const look = (wanted: View): void => setView(within(wanted, limits));
  const jump = (toMs: number): void => {
    const at = Math.min(Math.max(toMs, limits.fromMs), nowMs - LATE_MS);
    setAt(at);
    if (at < view.fromMs || at > view.toMs) setView(around(at, span(view), limits));
  };
  useEffect(() => {
    if (rate !== 0 && (atMs < view.fromMs || atMs > view.toMs)) setView(around(atMs, span(view), limits));
  }, [atMs, rate]);
  const toEvent = (way: 1 | -1): void => {
    const each = next(events, atMs, way);
    if (each !== null) jump(each.atMs);
  };
  const level = (number: number): void => setView(around(atMs, LEVELS[number] ?? DAY_MS, limits));
  const marked = marks.fromMs === null || marks.toMs === null ? null : { fromMs: Math.min(marks.fromMs, marks.toMs), toMs: Math.max(marks.fromMs, marks.toMs) };
  const transport: TransportOf = { atMs, rate, view, limits, jump, setRate, toEvent, level };
  useKeys({
    ...deedsOf(transport),
    "-": () => look(zoom(view, 2, atMs, limits)),
    "+": () => look(zoom(view, 0.5, atMs, limits)),
    i: () => setMarks({ ...marks, fromMs: atMs }),
    o: () => setMarks({ ...marks, toMs: atMs }),
  });
  useAct((act) => {
    if (act !== "1" && act !== "2" && act !== "3" && act !== "4") return false;
    level(Number(act) - 1);
    return true;
  });
  return (
    <article class="playback">
      <Choice all={all} chosen={chosen} choose={setChosen} />
      {reason === "" ? <Why given={setReason} /> : null}
      <div class={`screens of-${shown.length}`}>
        {shown.map((camera, place) => (
          <Screen key={camera.id} camera={camera} deck={decks[place] ?? null} showing={showing[place] ?? { is: "waiting", isBlank: true }} isAsked={reason !== ""} />
        ))}
      </div>
      <Transport {...transport} />
      {shown.map((camera, place) => (
        <section key={camera.id} class="of-camera" data-camera={camera.id}>
          <h2><Told text={nameOf(camera)} most={40} /></h2>
          <Band
            camera={camera.id}
            name={nameOf(camera)}
            reason={reason}
            told={bands[place] ?? null}
            view={view}
            limits={limits}
            atMs={atMs}
            oldestMs={parse(camera.oldest)}
            nowMs={nowMs}
            marked={marked}
            jump={jump}
            look={look}
          />
        </section>
      ))}
      <Axis view={view} />
      <Export cameras={shown} marks={marks} marked={marked} setMarks={setMarks} atMs={atMs} reason={reason} />
    </article>
  );
}

function first(all: readonly CameraRow[], asked: string): string[] {
  const wanted = asked.split(",").filter((id) => all.some((each) => each.id === id));
  return wanted.length > 0 ? wanted.slice(0, TOGETHER_MOST) : all.slice(0, 1).map((each) => each.id);
}
