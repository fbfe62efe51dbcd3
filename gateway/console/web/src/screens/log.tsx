/** Everything that was written down while this page was open, newest first; only what is in sight is in the page. */
import { useState } from "preact/hooks";
import type { Entry } from "../state/model";
import { clock } from "../state/time";
import { house } from "../stream/page";
import { named, t } from "../words";

const ROW_PX = 32;
const AROUND = 10;

export function Log() {
  const [top, setTop] = useState(0);
  const log = house.value.log;
  const height = 600;
  const first = Math.max(0, Math.floor(top / ROW_PX) - AROUND);
  const shown: Entry[] = [];
  for (let row = first; row < Math.min(log.length, first + height / ROW_PX + 2 * AROUND); row += 1) {
    const entry = log[log.length - 1 - row];
    if (entry !== undefined) shown.push(entry);
  }
  if (log.length === 0) return <p class="quiet">{t("log.empty")}</p>;
  return (
    <section class="log">
      <h1>{t("log.shown", { count: log.length })}</h1>
      <div class="rows" tabIndex={0} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div class="all" ref={(box) => box?.style.setProperty("height", `${log.length * ROW_PX}px`)}>
          <ol class="window" ref={(box) => box?.style.setProperty("transform", `translateY(${first * ROW_PX}px)`)}>
            {shown.map((entry) => (
              <li key={entry.seq}>
                <time>{clock(entry.time, true)}</time>
                <b>{entry.mode === "live" ? "" : named("mode", entry.mode)}</b>
                <span>
                  {entry.data.device?.place ?? ""} {entry.data.device?.name ?? ""} {named("kind", entry.data.kind ?? "")} {entry.data.text ?? ""}
                </span>
              </li>
            ))}
          </ol>
        </div>
      </div>
    </section>
  );
}
