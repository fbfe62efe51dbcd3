/** G4: what was recorded in 90 days, any minute of it, up to four cameras in step; what is missing is said and never covered up. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import "../style/playback.css";
import { me, save } from "../api";
import { tried, trouble } from "../deeds";
import { isWriting, useAct } from "../keys";
import { words } from "../parts/camera";
import { Told } from "../parts/where";
import { Axis, Band, moment } from "../playback/band";
import { KEPT_MS, band, cameras, type Band as BandTold, type CameraRow } from "../playback/data";
import { Deck, type Showing } from "../playback/deck";
import { go, route } from "../route";
import { DAY_MS, HOUR_MS, LEVELS, MINUTE_MS, SECOND_MS, around, next, shuttle, span, speed, within, zoom, type Happening, type View } from "../state/timeline";
import { gatewayNow } from "../stream/page";
import { named, t, type Key } from "../words";

/** In step; a browser has six connections to one host, and alarms need one of them. */
export const TOGETHER_MOST = 4;
const FRAME_MS = 40;
/** A camera's clock that is off by less is right. */
const OFFSET_LEAST_MS = 500;
const BEFORE_MS = 10 * SECOND_MS;
const LATE_MS = 4 * SECOND_MS;
const SETTLE_MS = 120;
const AGAIN_MS = 15_000;
const REASONS: readonly Key[] = ["playback.why.alarm", "playback.why.person", "playback.why.thing", "playback.why.device"];
const LEVEL_WORDS: readonly Key[] = ["playback.all", "playback.day", "playback.hour", "playback.minute"];

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
  useKeys({
    j: () => setRate(shuttle(rate, "j")),
    k: () => setRate(0),
    l: () => setRate(shuttle(rate, "l")),
    ArrowLeft: () => jump(atMs - SECOND_MS),
    ArrowRight: () => jump(atMs + SECOND_MS),
    "[": () => toEvent(-1),
    "]": () => toEvent(1),
    ",": () => (setRate(0), jump(atMs - FRAME_MS)),
    ".": () => (setRate(0), jump(atMs + FRAME_MS)),
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
          <Screen key={camera.id} camera={camera} deck={decks[place] ?? null} showing={showing[place] ?? { is: "waiting" }} isAsked={reason !== ""} />
        ))}
      </div>
      <div class="transport" role="group" aria-label={t("playback.transport")}>
        <button type="button" title="[" onClick={() => toEvent(-1)}><kbd>[</kbd> {t("playback.event.before")}</button>
        <button type="button" onClick={() => jump(atMs - BEFORE_MS)}>{t("playback.before")}</button>
        <button type="button" title="," onClick={() => (setRate(0), jump(atMs - FRAME_MS))}>{t("playback.frame.back")}</button>
        <button type="button" title="J" aria-pressed={rate < 0} onClick={() => setRate(shuttle(rate, "j"))}>◀ <kbd>J</kbd></button>
        <button type="button" class="big" title="K" aria-pressed={rate === 0} onClick={() => setRate(rate === 0 ? 1 : 0)}>
          {rate === 0 ? `▶ ${t("playback.play")}` : `⏸ ${t("playback.pause")}`} <kbd>K</kbd>
        </button>
        <button type="button" title="L" aria-pressed={rate > 0} onClick={() => setRate(shuttle(rate, "l"))}>▶ <kbd>L</kbd></button>
        <button type="button" title="." onClick={() => (setRate(0), jump(atMs + FRAME_MS))}>{t("playback.frame.on")}</button>
        <button type="button" aria-label={t("playback.slower")} onClick={() => setRate(Math.sign(rate || 1) * speed(rate, -1))}>−</button>
        <output class="rate">{rate === 0 ? t("playback.stands") : `${rateWords(rate)}×`}</output>
        <button type="button" aria-label={t("playback.faster")} onClick={() => setRate(Math.sign(rate || 1) * speed(rate, 1))}>+</button>
        <button type="button" title="]" onClick={() => toEvent(1)}><kbd>]</kbd> {t("playback.event.next")}</button>
        <When atMs={atMs} jump={jump} />
        {LEVELS.map((length, number) => (
          <button key={length} type="button" aria-pressed={Math.abs(span(view) - Math.min(length, span(limits))) < SECOND_MS} onClick={() => level(number)}>
            <kbd>{number + 1}</kbd> {t(LEVEL_WORDS[number] ?? "playback.all")}
          </button>
        ))}
      </div>
      {shown.map((camera, place) => (
        <section key={camera.id} class="of-camera" data-camera={camera.id}>
          <h2><Told text={nameOf(camera)} most={40} /></h2>
          <Band
            name={nameOf(camera)}
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

function nameOf(camera: CameraRow): string {
  return `${camera.place} ${camera.name}`.trim() || camera.id;
}

function parse(text: string | null): number | null {
  const at = text === null ? NaN : Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

function first(all: readonly CameraRow[], asked: string): string[] {
  const wanted = asked.split(",").filter((id) => all.some((each) => each.id === id));
  return wanted.length > 0 ? wanted.slice(0, TOGETHER_MOST) : all.slice(0, 1).map((each) => each.id);
}

function rateWords(rate: number): string {
  const size = Math.abs(rate);
  return `${rate < 0 ? "−" : ""}${size >= 1 ? size : `1/${1 / size}`}`;
}

/** Bands of what is on the screen; while newer ones are asked for the old ones stay where their times are. */
function useBands(chosen: readonly string[], view: View): (BandTold | null)[] {
  const [told, setTold] = useState<ReadonlyMap<string, BandTold>>(new Map());
  const [turn, setTurn] = useState(0);
  const key = chosen.join();
  useEffect(() => {
    let over = false;
    const timer = setTimeout(() => {
      for (const camera of chosen) {
        band(camera, view, window.innerWidth).then(
          (found) => over || setTold((before) => new Map(before).set(camera, found)),
          (error: unknown) => over || (trouble.value = { zh: words(error), en: words(error), next: "" }),
        );
      }
    }, SETTLE_MS);
    const again = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => {
      over = true;
      clearTimeout(timer);
      clearTimeout(again);
    };
  }, [key, view.fromMs, view.toMs, turn]);
  return chosen.map((camera) => told.get(camera) ?? null);
}

/** Alarms of all that is kept, for going from one to the next. */
function useEvents(chosen: readonly string[], limits: View): readonly Happening[] {
  const [found, setFound] = useState<readonly Happening[]>([]);
  const key = chosen.join();
  useEffect(() => {
    let over = false;
    void Promise.all(chosen.map((camera) => band(camera, limits, 1))).then(
      (bands) => over || setFound(bands.flatMap((each) => each.alarms)),
      () => undefined, // the bands themselves say what is the matter
    );
    return () => {
      over = true;
    };
  }, [key]);
  return found;
}

function useDecks(shown: readonly CameraRow[], reason: string): readonly Deck[] {
  const kept = useRef(new Map<string, Deck>());
  const key = shown.map((camera) => camera.id).join();
  const decks = useMemo(() => {
    const before = kept.current;
    kept.current = new Map(
      shown.map((camera) => {
        const known = before.get(camera.id);
        const isSame = known !== undefined && known.reason === reason;
        return [camera.id, isSame ? known : new Deck(camera.id, camera.streams.some((each) => each.name === "sub"), reason)];
      }),
    );
    for (const deck of before.values()) if (kept.current.get(deck.camera) !== deck) deck.end();
    return [...kept.current.values()];
  }, [key, reason]);
  useEffect(
    () => () => {
      for (const deck of kept.current.values()) deck.end();
    },
    [],
  );
  return decks;
}

/** The clock goes on as time does, and waits for a picture that is on its way; a gap is no reason to wait. */
function useClock(decks: readonly Deck[], atMs: number, setAt: (at: number) => void, rate: number, setRate: (rate: number) => void, nowMs: number): readonly Showing[] {
  const [showing, setShowing] = useState<readonly Showing[]>([]);
  const now = useRef({ atMs, rate, nowMs });
  now.current = { atMs, rate, nowMs };
  useEffect(() => {
    let asked = 0;
    let lastMs = performance.now();
    let at = now.current.atMs;
    let said = at;
    const turn = (): void => {
      const ms = performance.now();
      const passed = Math.min(ms - lastMs, 250);
      lastMs = ms;
      const { rate: going, nowMs: latest } = now.current;
      if (Math.abs(now.current.atMs - said) > 1) at = now.current.atMs; // somebody moved it
      const seen = decks.map((deck) => (deck.reason === "" ? ({ is: "waiting" } as const) : deck.follow(at, going)));
      if (going !== 0 && decks.some((deck) => deck.reason !== "") && seen.every((each) => each.is !== "waiting")) {
        at += passed * going;
        if (at >= latest - LATE_MS || at <= latest - KEPT_MS) {
          at = Math.min(Math.max(at, latest - KEPT_MS), latest - LATE_MS);
          setRate(0);
        }
      }
      if (Math.abs(at - said) >= 100 || (going === 0 && at !== said)) {
        said = at;
        now.current.atMs = at;
        setAt(at);
      } else said = now.current.atMs;
      setShowing((before) => (isSame(before, seen) ? before : seen));
      asked = requestAnimationFrame(turn);
    };
    asked = requestAnimationFrame(turn);
    return () => cancelAnimationFrame(asked);
  }, [decks]);
  return showing;
}

function isSame(before: readonly Showing[], seen: readonly Showing[]): boolean {
  return before.length === seen.length && before.every((each, place) => JSON.stringify(each) === JSON.stringify(seen[place]));
}

function useKeys(keys: Record<string, () => void>): void {
  const held = useRef(keys);
  held.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.altKey || event.metaKey || isWriting(event.target)) return;
      const deed = held.current[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (deed === undefined) return;
      event.preventDefault();
      deed();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function Choice({ all, chosen, choose }: { all: readonly CameraRow[]; chosen: readonly string[]; choose: (ids: string[]) => void }) {
  const [isOpen, setOpen] = useState(false);
  const turn = (id: string): void => choose(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id].slice(-TOGETHER_MOST));
  return (
    <nav class="choice" aria-label={t("playback.cameras")}>
      <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t("playback.cameras")} {chosen.length}/{TOGETHER_MOST}
      </button>
      {(isOpen ? all : all.filter((each) => chosen.includes(each.id))).map((camera) => (
        <button key={camera.id} type="button" aria-pressed={chosen.includes(camera.id)} onClick={() => turn(camera.id)}>
          <Told text={nameOf(camera)} most={30} />
        </button>
      ))}
    </nav>
  );
}

/** Asked once for each viewing; the gateway writes it down before the first picture leaves. */
function Why({ given }: { given: (reason: string) => void }) {
  const [text, setText] = useState("");
  const may = me.value?.rights.includes("video") ?? false;
  if (!may) return <p class="quiet">{t("playback.not_allowed")}</p>;
  return (
    <form
      class="why"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "") given(text.trim());
      }}
    >
      <label>
        {t("playback.reason")}
        <input maxLength={200} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={text.trim() === ""}>{t("act.confirm")}</button>
      {REASONS.map((key) => (
        <button key={key} type="button" onClick={() => given(t(key))}>{t(key)}</button>
      ))}
    </form>
  );
}

function Screen({ camera, deck, showing, isAsked }: { camera: CameraRow; deck: Deck | null; showing: Showing; isAsked: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    deck?.attach(video.current);
  }, [deck]);
  const offset = camera.state?.["offset_ms"];
  return (
    <figure class={`camera seen-${showing.is}`} data-camera={camera.id}>
      <video ref={video} muted playsInline preload="auto" onError={() => deck?.broken()} />
      {showing.is === "gap" && isAsked ? (
        <p class="covered" role="status">
          {t("video.gap", { from: moment(showing.gap.fromMs), to: moment(showing.gap.toMs), reason: named("gap", showing.gap.reason) })}
        </p>
      ) : null}
      {showing.is === "trouble" ? <p class="covered" role="status">{showing.why === "broken" ? t("video.broken") : showing.why}</p> : null}
      <figcaption>
        <Told text={nameOf(camera)} most={60} />
        {typeof offset === "number" && Math.abs(offset) >= OFFSET_LEAST_MS ? ` · ${t("playback.offset", { seconds: (offset / 1000).toFixed(1) })}` : ""}
        {deck?.stream === "sub" ? ` · ${t("playback.sub")}` : ""}
        {showing.is === "waiting" && isAsked ? ` · ${t("playback.waiting")}` : ""}
      </figcaption>
    </figure>
  );
}

/** The moment, to be read and to be typed, in the reader's zone. */
function When({ atMs, jump }: { atMs: number; jump: (at: number) => void }) {
  const local = new Date(atMs - new Date(atMs).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 19);
  return (
    <input
      class="when"
      type="datetime-local"
      step={1}
      value={local}
      aria-label={t("playback.at")}
      onChange={(event) => {
        const at = Date.parse(event.currentTarget.value);
        if (!Number.isNaN(at)) jump(at);
      }}
    />
  );
}

interface ExportOf {
  cameras: readonly CameraRow[];
  marks: { fromMs: number | null; toMs: number | null };
  marked: View | null;
  setMarks: (marks: { fromMs: number | null; toMs: number | null }) => void;
  atMs: number;
  reason: string;
}

/** A package of evidence for each camera: whole original segments, never encoded again. */
function Export({ cameras: shown, marks, marked, setMarks, atMs, reason }: ExportOf) {
  const [isBusy, setBusy] = useState(false);
  if (!(me.value?.rights.includes("export") ?? false)) return null;
  const run = async (): Promise<void> => {
    if (marked === null) return;
    setBusy(true);
    for (const camera of shown) {
      await tried(() => save("/api/v1/evidence", { camera: camera.id, from: new Date(marked.fromMs).toISOString(), to: new Date(marked.toMs).toISOString(), reason }));
    }
    setBusy(false);
  };
  const isLong = marked !== null && span(marked) > 2 * HOUR_MS;
  return (
    <div class="transport">
      <button type="button" onClick={() => setMarks({ ...marks, fromMs: atMs })}><kbd>I</kbd> {t("playback.mark.from")} {marks.fromMs === null ? "" : moment(marks.fromMs)}</button>
      <button type="button" onClick={() => setMarks({ ...marks, toMs: atMs })}><kbd>O</kbd> {t("playback.mark.to")} {marks.toMs === null ? "" : moment(marks.toMs)}</button>
      <button type="button" class="main" disabled={marked === null || marked.fromMs === marked.toMs || isBusy || reason === ""} onClick={() => void run()}>
        {isBusy ? t("playback.exporting") : t("playback.export")}
      </button>
      {isLong ? <span class="quiet">{t("playback.export.long")}</span> : null}
      <button type="button" onClick={() => go("duty")}>{t("act.back")}</button>
    </div>
  );
}
