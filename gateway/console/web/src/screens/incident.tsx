/** G2: one incident, one screen, one next step. */
import { useEffect, useState } from "preact/hooks";
import { DISPOSITIONS, acknowledge, dispose, type Disposition } from "../deeds";
import { onAct } from "../keys";
import { Moving, Still } from "../parts/camera";
import { Chip, StateWords } from "../parts/chip";
import { Phones } from "../parts/frame";
import { Lamps } from "../parts/lamps";
import { go, route } from "../route";
import type { Alarm, Entry } from "../state/model";
import { isAcknowledged } from "../state/queue";
import { clock, elapsed } from "../state/time";
import { gatewayNow, house, isLive } from "../stream/page";
import { named, t } from "../words";

const BEFORE_MS = 10_000;
const AFTER_MS = 120_000;

export function Incident() {
  const id = route.value.id;
  const { alarms, faults, closed } = house.value;
  const alarm = alarms.get(id) ?? faults.get(id) ?? closed.find((each) => each.alarm_id === id);
  const [disposing, setDisposing] = useState(false);
  const [isCard, setCard] = useState(false);
  useEffect(
    () =>
      onAct((act) => {
        if (alarm === undefined) return act === "back" && (go("duty"), true);
        if (act === "ack") void acknowledge(alarm);
        else if (act === "dispose") setDisposing(true);
        else if (act === "card") setCard(!isCard);
        else if (act === "back") disposing ? setDisposing(false) : go("duty");
        else return false;
        return true;
      }),
    [alarm, disposing, isCard],
  );
  if (alarm === undefined) {
    return (
      <p class="quiet">
        {t("queue.empty")} <button type="button" onClick={() => go("duty")}>{t("act.back")}</button>
      </p>
    );
  }
  const raisedMs = Date.parse(alarm.raised_at);
  return (
    <article class={`incident p${alarm.priority}${alarm.mode === "live" ? "" : " drill"}`}>
      <h1>
        <Chip alarm={alarm} />
        <span class="where">
          {alarm.device.place} · {alarm.device.name}
        </span>
        <span class="what">
          {named("kind", alarm.kind)} {alarm.text}
        </span>
        <time>
          {clock(alarm.raised_at)} · {elapsed(raisedMs, gatewayNow.value)}
        </time>
        <StateWords alarm={alarm} />
      </h1>
      <section class="next">
        <button type="button" class="big" disabled={isAcknowledged(alarm) || !isLive.value} onClick={() => void acknowledge(alarm)}>
          F2 {t("alarm.ack")}
        </button>
        <button type="button" class="big" disabled={alarm.closed_at !== null || !isLive.value} onClick={() => setDisposing(true)}>
          F8 {t("alarm.dispose")}
        </button>
        <button type="button" class="big" aria-pressed={isCard} onClick={() => setCard(!isCard)}>
          F9 {t("alarm.card")}
        </button>
        {alarm.closed_at === null ? null : <strong>{t("disp.done", { what: named("disp", alarm.disposition ?? "") })}</strong>}
      </section>
      {disposing ? <Disposing alarm={alarm} over={() => setDisposing(false)} /> : null}
      {isCard ? <Card alarm={alarm} /> : null}
      <Pictures alarm={alarm} raisedMs={raisedMs} />
      <Lamps alarm={alarm} />
      <section class="contacts">
        <h2>{t("phones.title")}</h2>
        <Phones />
      </section>
      <TimeLine alarm={alarm} log={house.value.log} />
    </article>
  );
}

function Pictures({ alarm, raisedMs }: { alarm: Alarm; raisedMs: number }) {
  const camera = alarm.cameras[0];
  if (camera === undefined) return <p class="quiet">{t("video.none")}</p>;
  const known = house.value.cameras.find((each) => each.id === camera);
  const name = known === undefined ? camera : `${known.place} ${known.name}`.trim();
  const untilMs = Math.min(raisedMs + AFTER_MS, Math.max(gatewayNow.peek() - 4_000, raisedMs));
  const range = { from: new Date(raisedMs - BEFORE_MS).toISOString(), to: new Date(untilMs).toISOString() };
  return (
    <section class="pictures">
      <Moving camera={camera} name={t("video.live", { camera: name })} medium="live.mp4" reason={`alarm ${alarm.alarm_id}`} />
      <Moving key={`${alarm.alarm_id}-clip`} camera={camera} name={t("video.clip")} medium="video.mp4" range={range} reason={`alarm ${alarm.alarm_id}`} />
      {alarm.cameras.slice(1, 3).map((other) => (
        <Still key={other} camera={other} name={other} everyMs={2_000} />
      ))}
    </section>
  );
}

function Disposing({ alarm, over }: { alarm: Alarm; over: () => void }) {
  const [note, setNote] = useState("");
  const close = async (how: Disposition): Promise<void> => {
    if (await dispose(alarm, how, note)) over();
  };
  return (
    <form class="disposing" onSubmit={(event) => event.preventDefault()}>
      <label>
        {t("disp.cause")}
        <textarea maxLength={500} value={note} onInput={(event) => setNote(event.currentTarget.value)} autoFocus />
      </label>
      {DISPOSITIONS.map((how, index) => (
        <button key={how} type="button" class="big" onClick={() => void close(how)}>
          {index + 1} {t(`disp.${how}`)}
        </button>
      ))}
      <button type="button" onClick={over}>
        {t("act.cancel")}
      </button>
    </form>
  );
}

/** The six things the fire centre asks for, in its order. */
function Card({ alarm }: { alarm: Alarm }) {
  const site = house.value.site;
  const parts: [string, string][] = [
    [t("card.address"), site.name],
    [t("card.part"), alarm.device.place],
    [t("card.what"), named("kind", alarm.kind)],
    [t("card.size"), "____"],
    [t("card.caller"), "____"],
    [t("card.number"), "____"],
  ];
  return (
    <section class="card">
      <h2>{t("card.title")}</h2>
      <dl>
        {parts.map(([what, value]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function TimeLine({ alarm, log }: { alarm: Alarm; log: readonly Entry[] }) {
  const entries = log.filter((entry) => entry.data.alarm_id === alarm.alarm_id);
  const deliveries = alarm.deliveries.filter((each) => each.at !== null).map((each) => ({ at: each.at ?? "", what: `${named("receiver.name", each.receiver)} ${t(`lamp.${each.state}` as "lamp.received")}` }));
  const told = entries.map((entry) => ({ at: entry.time, what: `${entry.type.split(".").at(-2) ?? ""} ${entry.data.text ?? ""}` }));
  return (
    <section class="time-line">
      <h2>{t("time.line")}</h2>
      <ol>
        {[...told, ...deliveries]
          .sort((a, b) => a.at.localeCompare(b.at))
          .map((line) => (
            <li key={`${line.at}${line.what}`}>
              <time>{clock(line.at, true)}</time> {line.what}
            </li>
          ))}
      </ol>
    </section>
  );
}
