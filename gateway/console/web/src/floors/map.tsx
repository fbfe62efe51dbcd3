/** Floor plans: tabs of storeys, what stands where, and for those who set things up, putting it there. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { nameOfCamera } from "../floors/names";
import { Told } from "../parts/where";
import { go } from "../route";
import type { Alarm } from "../state/model";
import { isSilent } from "../state/queue";
import { house, isLive } from "../stream/page";
import { t } from "../words";
import "../style/floors.css";
import { FLOORS, book, mayPlan, put, read } from "./book";
import { Floor } from "./floor";
import { bearing, marks, worst, type Mark, type Place } from "./marks";
import type { Near } from "./near";
import { Planning, type Point } from "./planning";

/** Read when it is first wanted, and after every other one's change that is heard of. */
function useBook(): void {
  const epoch = house.epoch.value;
  useEffect(() => void read(), [epoch]);
}

function openAlarms(): Alarm[] {
  return [...house.alarms.value.values(), ...house.faults.value.values()].filter((alarm) => !isSilent(alarm));
}

function marksOf(plan: string): Mark[] {
  return marks(book.value?.places ?? [], plan, house.devices.value, house.cameras.value, openAlarms(), isLive.value);
}

/** Where an alarm is, large; nothing when nobody said where its device stands. */
export function Excerpt({ alarm }: { alarm: Alarm }) {
  useBook();
  const at = book.value?.places.find((place) => place.kind === "device" && place.id === alarm.device.id);
  const plan = book.value?.plans.find((each) => each.id === at?.plan);
  if (at === undefined || plan === undefined) return null;
  return (
    <section class="excerpt" aria-label={t("floor.where")}>
      <h2>
        <Told text={plan.name} most={40} />
      </h2>
      <Floor plan={plan} marks={marksOf(plan.id)} isPlanning={false} around={at} label={plan.name} chosen={(mark) => open(mark)} />
      <Nearest place={at} />
    </section>
  );
}

/** The cameras that may show it, the most useful first, with how far they are where the plan was measured. */
function Nearest({ place }: { place: Place }) {
  const [near, setNear] = useState<readonly Near[]>([]);
  const version = book.value?.version ?? 0;
  useEffect(() => {
    let isHere = true;
    get<{ cameras: Near[] }>(`${FLOORS}/nearest/${encodeURIComponent(place.id)}`)
      .then((told) => isHere && setNear(told.cameras))
      .catch(() => undefined);
    return () => (isHere = false);
  }, [place.id, version]);
  if (near.length === 0) return null;
  return (
    <ul class="near" aria-label={t("floor.near")}>
      {near.slice(0, 3).map((each) => (
        <li key={each.camera}>
          <button type="button" onClick={() => go("playback", each.camera)}>
            <Told text={nameOfCamera(each.camera)} most={30} /> {each.metres === null ? "" : t("floor.metres", { metres: Math.round(each.metres) })}
          </button>
        </li>
      ))}
    </ul>
  );
}

function open(mark: Mark): void {
  if (mark.alarm !== null) go("incident", mark.alarm.alarm_id);
  else if (mark.place.kind === "camera") go("playback", mark.place.id);
}

export function FloorMap() {
  useBook();
  const [wanted, setWanted] = useState("");
  const [isPlanning, setPlanning] = useState(false);
  const [held, setHeld] = useState<Mark | null>(null);
  /** null while nobody measures. */
  const [points, setPoints] = useState<readonly Point[] | null>(null);
  const known = book.value;
  if (known === null) return <p class="quiet">{t("later.coming")}</p>;
  const urgent = openAlarms().find((alarm) => alarm.priority === 1 && alarm.acknowledged_at === null);
  const ofAlarm = known.places.find((place) => place.kind === "device" && place.id === urgent?.device.id)?.plan;
  const plan = known.plans.find((each) => each.id === wanted) ?? known.plans.find((each) => each.id === ofAlarm) ?? known.plans[0];
  const there = plan === undefined ? [] : marksOf(plan.id);
  const turn = held === null ? undefined : there.find((mark) => mark.place.kind === held.place.kind && mark.place.id === held.place.id);
  return (
    <section class="floors">
      <nav class="row" aria-label={t("floor.plans")}>
        {known.plans.map((each) => (
          <button key={each.id} type="button" aria-current={each.id === plan?.id ? "page" : undefined} class={`storey is-${worst(marksOf(each.id))}`} onClick={() => setWanted(each.id)}>
            <Told text={each.name} most={30} />
          </button>
        ))}
        {mayPlan() ? (
          <button type="button" aria-pressed={isPlanning} onClick={() => setPlanning(!isPlanning)}>
            {t("floor.planning")}
          </button>
        ) : null}
      </nav>
      {plan === undefined ? (
        <p class="quiet">{t("floor.none")}</p>
      ) : (
        <Floor
          key={plan.id}
          plan={plan}
          marks={there}
          isPlanning={isPlanning}
          held={turn?.place ?? null}
          points={points ?? []}
          label={plan.name}
          moved={(place) => void put(place)}
          chosen={(mark) => (isPlanning ? setHeld(mark) : open(mark))}
          touched={(x, y) => {
            if (isPlanning && points !== null) setPoints([...points.slice(points.length > 1 ? 2 : 0), { x, y }]);
            else if (isPlanning && turn !== undefined && turn.place.kind === "camera") void put({ ...turn.place, direction: bearing(turn.place.x, turn.place.y, x, y), angle: turn.place.angle ?? 90 });
          }}
          dropped={(what, x, y) => {
            const [kind, id] = [what.slice(0, what.indexOf(" ")), what.slice(what.indexOf(" ") + 1)];
            if (kind === "device" || kind === "camera") void put({ kind, id, plan: plan.id, x: Math.min(Math.max(x, 0), plan.width), y: Math.min(Math.max(y, 0), plan.height), direction: null, angle: null });
          }}
        />
      )}
      {isPlanning ? <Planning key={plan?.id} plan={plan?.id ?? ""} held={turn ?? null} points={points} setPoints={setPoints} /> : null}
    </section>
  );
}
