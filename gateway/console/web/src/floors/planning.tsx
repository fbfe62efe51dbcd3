/** Setting a plan up: what stands nowhere yet, how large it is, what is held, undoing, new plans. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Told } from "../parts/where";
import { Sun } from "../screens/install/sun";
import { house } from "../stream/page";
import { t } from "../words";
import { FLOORS, book, drop, measure, put, take, undo, upload } from "./book";
import type { Mark, Place, Plan } from "./marks";
import { Linking, mayLink } from "./linking";
import { nameOfCamera } from "./names";
import type { Near } from "./near";

export interface Point {
  x: number;
  y: number;
}

/** What stands nowhere yet, to be dragged onto the plan; what is held; undoing; new plans. */
export function Planning({ plan, held, points, setPoints }: { plan: string; held: Mark | null; points: readonly Point[] | null; setPoints: (points: readonly Point[] | null) => void }) {
  const [name, setName] = useState("");
  const [page, setPage] = useState("1");
  const on = book.value?.plans.find((each) => each.id === plan);
  const known = book.value;
  const isThere = (kind: string, id: string): boolean => known?.places.some((place) => place.kind === kind && place.id === id) ?? false;
  const loose = [
    ...[...house.devices.value.values()].map((each) => ({ kind: "device", id: each.id, name: `${each.place} ${each.name}`.trim() })),
    ...house.cameras.value.map((each) => ({ kind: "camera", id: each.id, name: `◉ ${nameOfCamera(each.id)}` })),
  ].filter((each) => !isThere(each.kind, each.id));
  const centre = (kind: string, id: string): void => {
    if (on !== undefined) void put({ kind: kind as Place["kind"], id, plan, x: on.width / 2, y: on.height / 2, direction: null, angle: null });
  };
  return (
    <aside class="planning">
      <div class="row">
        <p>{t("floor.hint")}</p>
        <Sun />
      </div>
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
            class="unseen"
            accept=".svg,.png,.pdf,image/svg+xml,image/png,application/pdf"
            disabled={name.trim() === ""}
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file !== undefined) void upload(file, name.trim(), Number(page)).then((done) => done && setName(""));
              event.currentTarget.value = "";
            }}
          />
        </label>
        <label class="row">
          {t("floor.page")} <input type="number" min={1} max={500} value={page} onInput={(event) => setPage(event.currentTarget.value)} />
        </label>
        {plan === "" ? null : (
          <button type="button" disabled={known?.places.some((place) => place.plan === plan)} onClick={() => void drop(plan)}>
            {t("floor.drop")}
          </button>
        )}
      </div>
      {on === undefined ? null : <Measuring plan={on} points={points} setPoints={setPoints} />}
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

/** How large the plan is: two of its points and the metres between them, or a number that the drawing says. */
function Measuring({ plan, points, setPoints }: { plan: Plan; points: readonly Point[] | null; setPoints: (points: readonly Point[] | null) => void }) {
  const [metres, setMetres] = useState("");
  const [factor, setFactor] = useState("");
  const [start, end] = points ?? [];
  const known = plan.metres_per_unit;
  const save = (): void => {
    if (start === undefined || end === undefined) return;
    void measure(plan.id, { start, end, metres: Number(metres) }).then((done) => done && setPoints(null));
  };
  return (
    <section class="measuring">
      <p>{known === null ? t("floor.scale.none") : t("floor.scale", { metres: Math.round(known * plan.width * 10) / 10 })}</p>
      <form class="row" onSubmit={(event) => (event.preventDefault(), save())}>
        <button type="button" aria-pressed={points !== null} onClick={() => setPoints(points === null ? [] : null)}>
          {t("floor.scale.points")}
        </button>
        {points === null ? null : <span role="status">{t("floor.scale.touched", { count: points.length })}</span>}
        {end === undefined ? null : (
          <>
            <label class="row">
              {t("floor.scale.metres")} <input type="number" required min={0.1} step="any" value={metres} onInput={(event) => setMetres(event.currentTarget.value)} />
            </label>
            <button type="submit">{t("floor.scale.save")}</button>
          </>
        )}
      </form>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void measure(plan.id, { metres_per_unit: Number(factor) }).then((done) => done && setFactor(""));
        }}
      >
        <label class="row">
          {t("floor.scale.factor")}
          <input
            type="number"
            required
            min={0.000001}
            max={10000}
            step="any"
            inputMode="decimal"
            placeholder={known === null ? "0.02" : String(Number(known.toPrecision(4)))}
            value={factor}
            onInput={(event) => setFactor(event.currentTarget.value)}
          />
        </label>
        <button type="submit">{t("floor.scale.use")}</button>
        {known === null ? null : (
          <button type="button" onClick={() => void measure(plan.id, null)}>
            {t("floor.scale.forget")}
          </button>
        )}
      </form>
    </section>
  );
}

/** One thing on the plan: a device with the cameras that may show it, a camera with its direction and view. */
function Held({ mark }: { mark: Mark }) {
  const [near, setNear] = useState<readonly Near[]>([]);
  const { place } = mark;
  const version = book.value?.version ?? 0;
  useEffect(() => {
    let isHere = true;
    setNear([]);
    if (place.kind !== "device") return undefined;
    get<{ cameras: Near[] }>(`${FLOORS}/nearest/${encodeURIComponent(place.id)}`)
      .then((told) => isHere && setNear(told.cameras))
      .catch(() => undefined);
    return () => (isHere = false);
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
      ) : mayLink() ? (
        <Linking key={place.id} device={place.id} near={near} />
      ) : (
        <ul aria-label={t("floor.nearest")}>
          {near.slice(0, 3).map((each) => (
            <li key={each.camera}>
              <Told text={nameOfCamera(each.camera)} most={40} /> {each.metres === null ? "" : t("floor.metres", { metres: Math.round(each.metres) })}{" "}
              {t(each.sees === null ? "floor.sees.unknown" : each.sees ? "floor.sees.yes" : "floor.sees.no")}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
