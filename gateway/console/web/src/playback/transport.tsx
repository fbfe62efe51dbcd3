/** Play, pause, slower, faster, one picture on, the next alarm, how much of time is on the screen; each has its key beside it. */
import { LEVELS, MINUTE_MS, SECOND_MS, shuttle, span, speed, type View } from "../state/timeline";
import { t, type Key } from "../words";

const FRAME_MS = 40;
const BEFORE_MS = 10 * SECOND_MS;
const LEVEL_WORDS: readonly Key[] = ["playback.all", "playback.day", "playback.hour", "playback.minute"];

export interface TransportOf {
  atMs: number;
  rate: number;
  view: View;
  limits: View;
  jump: (atMs: number) => void;
  setRate: (rate: number) => void;
  toEvent: (way: 1 | -1) => void;
  level: (number: number) => void;
}

/** What the keys do; the buttons do the same. */
export function deedsOf({ atMs, rate, jump, setRate, toEvent }: TransportOf): Record<string, () => void> {
  const stepBy = (ms: number) => (): void => (setRate(0), jump(atMs + ms));
  return {
    j: () => setRate(shuttle(rate, "j")),
    k: () => setRate(0),
    l: () => setRate(shuttle(rate, "l")),
    ArrowLeft: () => jump(atMs - SECOND_MS),
    ArrowRight: () => jump(atMs + SECOND_MS),
    "[": () => toEvent(-1),
    "]": () => toEvent(1),
    ",": stepBy(-FRAME_MS),
    ".": stepBy(FRAME_MS),
  };
}

export function Transport(of: TransportOf) {
  const { atMs, rate, view, limits, jump, setRate, toEvent, level } = of;
  return (
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
  );
}

function rateWords(rate: number): string {
  const size = Math.abs(rate);
  return `${rate < 0 ? "−" : ""}${size >= 1 ? size : `1/${1 / size}`}`;
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
