/** G2: one incident, one screen, one next step. */
import { useState } from "preact/hooks";
import { acknowledge, mayAct, step } from "../deeds";
import { useAct } from "../keys";
import { Card } from "../parts/card";
import { Chip, StateWords } from "../parts/chip";
import { Disposing } from "../parts/disposing";
import { Evidence } from "../parts/evidence";
import { Phones } from "../parts/frame";
import { Lamps } from "../parts/lamps";
import { later } from "../parts/later";
import { Notes, writeNote } from "../parts/notes";
import { NextStep, PlanList, next } from "../parts/plan";
import { Scene } from "../parts/scene";
import { Since } from "../parts/time";
import { Told, What, Where } from "../parts/where";
import { go, route } from "../route";
import { found as reached } from "../state/log";
import type { Alarm } from "../state/model";
import { isAcknowledged } from "../state/queue";
import { clock } from "../state/time";
import { house, isLive } from "../stream/page";
import { named, t } from "../words";

const Excerpt = later(() => import("../floors/map").then((found) => found.Excerpt));

export function Incident() {
  const id = route.value.id;
  const [alarms, faults, closed] = [house.alarms.value, house.faults.value, house.closed.value];
  const alarm = alarms.get(id) ?? faults.get(id) ?? closed.find((each) => each.alarm_id === id);
  if (alarm === undefined) {
    return (
      <p class="quiet">
        {t("alarm.gone")}{" "}
        <button type="button" onClick={() => go("duty")}>
          {t("act.back")}
        </button>
      </p>
    );
  }
  return <Open key={id} alarm={alarm} />;
}

function Open({ alarm }: { alarm: Alarm }) {
  const [disposing, setDisposing] = useState(false);
  const [isCard, setCard] = useState(false);
  const isClosed = alarm.closed_at !== null;
  useAct((act) => {
    if (!mayAct.value && (act === "ack" || act === "dispose" || act === "note" || act === "next")) return true;
    if (act === "ack") void acknowledge(alarm);
    else if (act === "dispose") setDisposing(!isClosed);
    else if (act === "card") setCard(!isCard);
    else if (act === "note") writeNote();
    else if (act === "next") {
      const todo = next(alarm);
      if (todo !== null && !isClosed) void step(alarm, todo.number, "");
    } else if (act === "back") {
      if (disposing) setDisposing(false);
      else if (isCard) setCard(false);
      else go("duty");
    } else return false;
    return true;
  });
  return (
    <article class={`incident p${alarm.priority} ${alarm.state}${alarm.mode === "live" ? "" : " drill"}`} data-alarm={alarm.alarm_id}>
      <Title alarm={alarm} />
      <div class="first">
        <section class="doing">
          {mayAct.value ? (
            <>
              <button type="button" class="big main" disabled={isAcknowledged(alarm) || isClosed || !isLive.value} onClick={() => void acknowledge(alarm)}>
                <kbd>F2</kbd> {t("alarm.ack")}
              </button>
              <button type="button" class="big" disabled={isClosed || !isLive.value} onClick={() => setDisposing(!disposing)}>
                <kbd>F8</kbd> {t("alarm.dispose")}
              </button>
            </>
          ) : null}
          <button type="button" class="big" aria-pressed={isCard} onClick={() => setCard(!isCard)}>
            <kbd>F9</kbd> {t("alarm.card")}
          </button>
          <Evidence alarm={alarm} />
          {isClosed ? <strong>{t("disp.done", { what: named("disp", alarm.disposition ?? "") })}</strong> : null}
        </section>
        <NextStep key={alarm.steps?.length ?? 0} alarm={alarm} />
      </div>
      {disposing && !isClosed ? <Disposing alarm={alarm} over={() => setDisposing(false)} /> : null}
      {isCard ? <Card alarm={alarm} /> : null}
      <div class="columns">
        <div class="column">
          <Scene alarm={alarm} />
          <div class="halves">
            <Excerpt alarm={alarm} />
            <div class="column">
              <PlanList alarm={alarm} />
              <Notes alarm={alarm} />
            </div>
          </div>
        </div>
        <div class="column">
          <Lamps alarm={alarm} />
          <section class="contacts">
            <h2>{t("phones.title")}</h2>
            <Phones />
          </section>
          <TimeLine alarm={alarm} />
        </div>
      </div>
    </article>
  );
}

function Title({ alarm }: { alarm: Alarm }) {
  return (
    <h1>
      <Chip alarm={alarm} />
      {alarm.mode === "live" ? null : <em>{named("mode", alarm.mode)}</em>}
      <Where place={alarm.device.place} name={alarm.device.name} />
      <span class="what">
        <What alarm={alarm} most={60} />
        {typeof alarm.value !== "number" ? null : (
          <>
            {" "}
            <Told text={`${alarm.value} ${alarm.unit ?? ""}`} most={30} />
          </>
        )}
        {alarm.count > 1 ? ` ×${alarm.count}` : ""}
      </span>
      <span class="when">
        {clock(alarm.raised_at)} · <Since at={alarm.raised_at} />
      </span>
      <StateWords alarm={alarm} />
    </h1>
  );
}

interface Moment {
  at: string;
  what: string;
  who: string;
}

/** What happened, newest first: the records of its life, how far it got with each receiver, what people did. */
function TimeLine({ alarm }: { alarm: Alarm }) {
  const told: Moment[] = [
    { at: alarm.raised_at, what: named("record", "alarm.raised"), who: "" },
    { at: alarm.acknowledged_at ?? "", what: named("record", "alarm.acknowledged"), who: alarm.acknowledged_by ?? "" },
    { at: alarm.restored_at ?? "", what: named("record", "alarm.restored"), who: "" },
    { at: alarm.closed_at ?? "", what: `${named("record", "alarm.closed")} ${named("disp", alarm.disposition ?? "")}`, who: alarm.closed_by ?? "" },
    ...reached(house.log.value, (entry) => entry.data.alarm_id === alarm.alarm_id && entry.type === "campus.alarm.repeated.v1").map((entry) => ({
      at: entry.time,
      what: named("record", "alarm.repeated"),
      who: "",
    })),
    ...alarm.deliveries.map((each) => ({
      at: each.at ?? "",
      what: `${named("receiver.name", each.receiver)} ${named("lamp", each.state)}`,
      who: "",
    })),
  ];
  return (
    <section class="time-line">
      <h2>{t("time.line")}</h2>
      <ol>
        {told
          .filter((moment) => moment.at !== "")
          .sort((a, b) => (a.at < b.at ? 1 : -1))
          .map((moment) => (
            <li key={`${moment.at}${moment.what}`}>
              <time>{clock(moment.at, true)}</time> {moment.what} {moment.who === "" ? null : <Told text={moment.who} most={20} />}
            </li>
          ))}
      </ol>
    </section>
  );
}
