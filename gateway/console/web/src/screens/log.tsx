/** What was written down lately, newest first; only what is in sight is in the page. */
import { useMemo, useRef, useState } from "preact/hooks";
import { Told, factIn, startsWith } from "../parts/where";
import { isLarge } from "../looks";
import { go } from "../route";
import { found, newest } from "../state/log";
import type { Entry } from "../state/model";
import { clock } from "../state/time";
import { house } from "../stream/page";
import { language, named, t } from "../words";

const ROW_PX = 36;
const LARGE_ROW_PX = 54;
const AROUND = 10;
/** Rows are drawn anew after so many of them were scrolled by, not with every pixel; less than AROUND. */
const STEP = 8;
const HEIGHT_PX = 1_200;

export function Log() {
  const [top, setTop] = useState(0);
  const [wanted, setWanted] = useState("");
  const [isAlarms, setAlarms] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const log = house.log.value;
  const matches = useMemo(() => {
    const words = wanted.trim().toLowerCase();
    if (words === "" && !isAlarms) return null;
    return found(log, (entry) => (!isAlarms || entry.type.startsWith("campus.alarm.")) && textOf(entry).toLowerCase().includes(words));
  }, [log, wanted, isAlarms]);
  const count = matches?.length ?? log.count;
  const rowPx = isLarge.value ? LARGE_ROW_PX : ROW_PX;
  const first = Math.max(0, Math.floor(top / rowPx) - AROUND);
  const last = Math.min(count, first + Math.ceil((box.current?.clientHeight || HEIGHT_PX) / rowPx) + 2 * AROUND + STEP);
  const shown: Entry[] = [];
  for (let row = first; row < last; row += 1) {
    const entry = matches === null ? newest(log, row) : matches[row];
    if (entry !== undefined) shown.push(entry);
  }
  return (
    <section class="log">
      <h1>{t("log.shown", { count })}</h1>
      <div class="doing">
        <input type="search" aria-label={t("log.find")} placeholder={t("log.find")} value={wanted} maxLength={80} onInput={(event) => setWanted(event.currentTarget.value)} />
        <button type="button" aria-pressed={isAlarms} onClick={() => setAlarms(!isAlarms)}>
          {t("log.alarms")}
        </button>
      </div>
      {count === 0 ? <p class="quiet">{t("log.empty")}</p> : null}
      <div ref={box} class="rows" tabIndex={0} role="region" aria-label={t("nav.log")} onScroll={(event) => setTop(stepOf(event.currentTarget.scrollTop, STEP * rowPx))}>
        <div ref={(all) => all?.style.setProperty("height", `${count * rowPx}px`)}>
          {/* Not moved as a whole: a row that stays where it is is not painted again. */}
          <ol class="window" ref={(all) => all?.style.setProperty("padding-top", `${first * rowPx}px`)}>
            {shown.map((entry) => (
              <Row key={entry.seq} entry={entry} />
            ))}
          </ol>
        </div>
      </div>
    </section>
  );
}

function stepOf(px: number, stepPx: number): number {
  return Math.floor(px / stepPx) * stepPx;
}

function textOf(entry: Entry): string {
  const { device, text, words } = entry.data;
  return [device?.place, device?.name, named("kind", entry.data.kind ?? ""), whatOf(entry), words?.zh, words?.en, text].join(" ");
}

/** "campus.alarm.raised.v1" in words. */
function whatOf(entry: Entry): string {
  return named("record", entry.type.replace(/^campus\.|\.v1$/g, ""));
}

/** A record never changes: its row is made once for as long as it is in sight. */
function Row({ entry }: { entry: Entry }) {
  return useMemo(() => row(entry), [entry, language.value]);
}

function row(entry: Entry) {
  const { device, kind, text, words, alarm_id: id } = entry.data;
  const said = factIn(words, text ?? "", device);
  return (
    <li class={entry.type.startsWith("campus.alarm.raised") ? `raised p${entry.data.priority ?? 4}` : ""}>
      <time>{clock(entry.time, true)}</time>
      <b>
        {entry.mode === "live" ? "" : `${named("mode", entry.mode)} `}
        {whatOf(entry)}
      </b>
      <span>
        <Told text={`${device?.place ?? ""} ${device?.name ?? ""}`.trim()} most={60} /> {startsWith(said, named("kind", kind ?? "")) ? "" : named("kind", kind ?? "")} <Told text={said} most={80} />
      </span>
      {id === undefined ? null : (
        <button type="button" onClick={() => go("incident", id)}>
          {t("alarm.open")}
        </button>
      )}
    </li>
  );
}
