/** What a search found, each with what can be done about it, and what to do when there is nothing. */
import type { Search, Seen, Unit } from "../../install/house";
import { go } from "../../route";
import { either, t } from "../../words";
import { oneOf } from "./said";

type Result = NonNullable<Search["result"]>;
const FITS_MOST = 3;

export function Found({ result, link, url }: { result: Result; link: string; url: string }) {
  const next = [...(result.next ?? []), ...(result.bus?.next ?? [])];
  return (
    <>
      {link === "" && (result.bus?.units.length ?? 0) > 0 ? (
        <p>
          {t("setup.link.first")}{" "}
          <button type="button" onClick={() => go("setup", "tables/link", { kind: "modbus", url })}>
            {t("setup.link.add")}
          </button>
        </p>
      ) : null}
      {result.bus === undefined ? null : (
        <ul class="found">
          {result.bus.units.map((unit) => (
            <One key={unit.unit} unit={unit} link={link} />
          ))}
        </ul>
      )}
      {result.cameras === undefined ? null : (
        <ul class="found">
          {result.cameras.map((camera) => (
            <Camera key={`${camera.address} ${camera.url ?? ""}`} camera={camera} />
          ))}
        </ul>
      )}
      {next.length === 0 ? null : (
        <ul class="next-steps" aria-label={t("alarm.next")}>
          {next.map((step, at) => (
            <li key={at}>{oneOf(step)}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function One({ unit, link }: { unit: Unit; link: string }) {
  const add = (model: Record<string, string>): void => go("setup", "add", { link, unit: String(unit.unit), ...model });
  const taken = unit.device ?? null;
  return (
    <li data-unit={unit.unit}>
      <b>{t("setup.unit", { unit: unit.unit })}</b>
      {taken === null ? null : (
        <span class="good">
          {t("setup.known")} <bdi>{taken}</bdi>
        </span>
      )}
      {taken !== null
        ? null
        : (unit.profiles ?? []).slice(0, FITS_MOST).map((fit) => (
            <button key={fit.id} type="button" disabled={link === ""} onClick={() => add({ model: fit.id })}>
              {t("setup.fits", { model: either(fit.title, fit.title_en), sure: t(fit.sure === "likely" ? "setup.sure" : "setup.maybe") })} <small>{fit.id}</small>
            </button>
          ))}
      {taken === null ? (
        <button type="button" disabled={link === ""} onClick={() => add({})}>
          {t("setup.add")}
        </button>
      ) : (
        <button type="button" onClick={() => go("setup", `live/${taken}`)}>
          {t("setup.tab.live")}
        </button>
      )}
    </li>
  );
}

function Camera({ camera }: { camera: Seen }) {
  const title = [camera.name, camera.hardware, camera.location].filter((each) => each !== "").join(" ");
  const isThere = camera.why === null;
  const known = camera.known ?? null;
  return (
    <li data-camera={camera.address}>
      {title === "" ? null : (
        <b>
          <bdi>{title}</bdi>
        </b>
      )}
      <span>
        <bdi>{camera.url ?? camera.address}</bdi>
      </span>
      {isThere ? <Clock offsetS={camera.clock_offset_s} /> : null}
      {camera.why === null ? null : <span class="caution">{oneOf(camera.why)}</span>}
      {!isThere ? null : camera.open_to_all === true ? <span class="caution open">{t("setup.camera.open")}</span> : <span class="caution">{t("setup.camera.password")}</span>}
      {known === null ? (
        isThere || camera.url !== null ? (
          <button type="button" onClick={() => go("setup", "tables/camera", { address: camera.url ?? camera.address, name: camera.name.slice(0, 64) })}>
            {t("setup.camera.add")}
          </button>
        ) : null
      ) : (
        <span class="good">
          {t("setup.camera.known")} <bdi>{known}</bdi>
        </span>
      )}
    </li>
  );
}

/** Seconds; more is worth a person's while. */
const CLOCK_OFF_S = 10;

export function Clock({ offsetS }: { offsetS: number | null }) {
  if (offsetS === null) return <span class="quiet">{t("setup.camera.clock.unknown")}</span>;
  if (Math.abs(offsetS) > CLOCK_OFF_S) return <span class="caution">{t("setup.camera.clock", { seconds: offsetS })}</span>;
  return <span class="good">{t("setup.camera.clock.good", { seconds: offsetS })}</span>;
}
