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
import { FLOORS, book, drop, mayPlan, put, read, take, undo, upload } from "./book";
import { Floor } from "./floor";
import { bearing, marks, worst, type Mark, type Place } from "./marks";

interface Near {
  camera: string;
  distance: number;
  sees: boolean | null;
}

/** Read when it is first wanted, and after every other one's change that is heard of. */
function useBook(): void {
  const epoch = house.value.epoch;
  useEffect(() => void read(), [epoch]);
}

function openAlarms(): Alarm[] {
  return [...house.value.alarms.values(), ...house.value.faults.values()].filter((alarm) => !isSilent(alarm));
}

function marksOf(plan: string): Mark[] {
  return marks(book.value?.places ?? [], plan, house.value.devices, house.value.cameras, openAlarms(), isLive.value);
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
    </section>
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
          label={plan.name}
          moved={(place) => void put(place)}
          chosen={(mark) => (isPlanning ? setHeld(mark) : open(mark))}
          touched={(x, y) => {
            if (isPlanning && turn !== undefined && turn.place.kind === "camera") void put({ ...turn.place, direction: bearing(turn.place.x, turn.place.y, x, y), angle: turn.place.angle ?? 90 });
          }}
          dropped={(what, x, y) => {
            const [kind, id] = [what.slice(0, what.indexOf(" ")), what.slice(what.indexOf(" ") + 1)];
            if (kind === "device" || kind === "camera") void put({ kind, id, plan: plan.id, x: Math.min(Math.max(x, 0), plan.width), y: Math.min(Math.max(y, 0), plan.height), direction: null, angle: null });
          }}
        />
      )}
      {isPlanning ? <Planning plan={plan?.id ?? ""} held={turn ?? null} /> : null}
    </section>
  );
}

/** What stands nowhere yet, to be dragged onto the plan; what is held; undoing; new plans. */
function Planning({ plan, held }: { plan: string; held: Mark | null }) {
  const [name, setName] = useState("");
  const known = book.value;
  const isThere = (kind: string, id: string): boolean => known?.places.some((place) => place.kind === kind && place.id === id) ?? false;
  const loose = [
    ...[...house.value.devices.values()].map((each) => ({ kind: "device", id: each.id, name: `${each.place} ${each.name}`.trim() })),
    ...house.value.cameras.map((each) => ({ kind: "camera", id: each.id, name: `◉ ${nameOfCamera(each.id)}` })),
  ].filter((each) => !isThere(each.kind, each.id));
  const centre = (kind: string, id: string): void => {
    const on = known?.plans.find((each) => each.id === plan);
    if (on !== undefined) void put({ kind: kind as Place["kind"], id, plan, x: on.width / 2, y: on.height / 2, direction: null, angle: null });
  };
  return (
    <aside class="planning">
      <p>{t("floor.hint")}</p>
      <div class="row">
        <button type="button" disabled={(known?.undo ?? 0) === 0} onClick={() => void undo()}>
          {t("floor.undo")}
        </button>
        <label class="row">
          {t("floor.name")} <input maxLength={80} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label class={name.trim() === "" ? "file quiet" : "file"}>
          {t("floor.upload")}
          <input
            type="file"
            accept=".svg,.png,image/svg+xml,image/png"
            disabled={name.trim() === ""}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file !== undefined) void upload(file, name.trim()).then((done) => done && setName(""));
              event.currentTarget.value = "";
            }}
          />
        </label>
        {plan === "" ? null : (
          <button type="button" disabled={known?.places.some((place) => place.plan === plan)} onClick={() => void drop(plan)}>
            {t("floor.drop")}
          </button>
        )}
      </div>
      {held === null ? null : <Held mark={held} />}
      <ul class="loose" aria-label={t("floor.loose")}>
        {loose.map((each) => (
          <li key={`${each.kind} ${each.id}`}>
            <button type="button" draggable data-loose={each.id} disabled={plan === ""} onDragStart={(event) => event.dataTransfer?.setData("text/plain", `${each.kind} ${each.id}`)} onClick={() => centre(each.kind, each.id)}>
              <Told text={each.name} most={40} />
            </button>
          </li>
        ))}
      </ul>
    </aside>
  );
}

/** One thing on the plan: a device with the cameras that may show it, a camera with its direction and view. */
function Held({ mark }: { mark: Mark }) {
  const [near, setNear] = useState<readonly Near[]>([]);
  const { place } = mark;
  const version = book.value?.version ?? 0;
  useEffect(() => {
    if (place.kind !== "device") return setNear([]);
    get<{ cameras: Near[] }>(`${FLOORS}/nearest/${encodeURIComponent(place.id)}`).then(
      (told) => setNear(told.cameras),
      () => setNear([]),
    );
  }, [place.kind, place.id, version]);
  return (
    <div class="held">
      <strong>
        <Told text={mark.name} most={60} />
      </strong>
      <button type="button" onClick={() => void take(place)}>
        {t("floor.take")}
      </button>
      {place.kind === "camera" ? (
        <label class="row">
          {t("floor.angle")}
          <input type="number" min={1} max={360} value={place.angle ?? 90} onChange={(event) => void put({ ...place, angle: Math.min(360, Math.max(1, Number(event.currentTarget.value) || 90)) })} />
          {place.direction === null ? t("floor.direction.none") : t("floor.direction", { degrees: place.direction })}
        </label>
      ) : (
        <ul aria-label={t("floor.nearest")}>
          {near.slice(0, 3).map((each) => (
            <li key={each.camera}>
              <Told text={nameOfCamera(each.camera)} most={40} /> {t(each.sees === null ? "floor.sees.unknown" : each.sees ? "floor.sees.yes" : "floor.sees.no")}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
