/** What a device would have said to the gateway; nothing of it was stored. */
import type { CameraTried, Tried, Value } from "../../install/house";
import { t } from "../../words";
import { Clock } from "./found";
import { Readings, oneOf } from "./said";

export function Trial({ found }: { found: Tried }) {
  if (Object.keys(found).length === 0) return null; // what is wrong with it stands at its fields
  return (
    <section class="trial" aria-label={t("setup.tried")}>
      <h2>{t("setup.tried")}</h2>
      {found.why === undefined ? null : <p class="caution">{oneOf(found.why)}</p>}
      {found.next === undefined ? null : (
        <ul class="next-steps">
          <li>{oneOf(found.next)}</li>
        </ul>
      )}
      {found.camera === undefined ? null : <CameraSaid said={found.camera} />}
      {found.topics !== undefined && (found.decoded ?? []).length === 0 ? <p>{t("setup.tried.none", { topics: found.topics.join(", ") })}</p> : null}
      <Readings heard={found.decoded ?? []} />
      {found.probe === undefined ? null : (
        <>
          <p role="status">{t(found.probe.complete ? "setup.probe.all" : "setup.probe.part", { unit: found.probe.unit })}</p>
          <ul class="advice">
            {found.probe.advice.map((line, at) => (
              <li key={at} class="caution">
                {oneOf(line)}
              </li>
            ))}
          </ul>
          <dl class="values">
            {found.probe.values.map((value) => (
              <Read key={value.name} value={value} />
            ))}
            {found.probe.points.map((point) => (
              <div key={`point ${point.name}`}>
                <dt>{t("setup.point", { name: point.name })}</dt>
                <dd>
                  {!point.known ? t("setup.unknown") : point.active === null ? "" : t(point.active ? "setup.active" : "setup.quiet")} {point.value === null || point.value === point.active ? "" : `${String(point.value)} ${point.unit ?? ""}`}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
    </section>
  );
}

/** A camera that was asked with the account that was typed. */
function CameraSaid({ said }: { said: CameraTried }) {
  const streams = [
    ["setup.camera.main", said.main, said.main_size],
    ["setup.camera.sub", said.sub, said.sub_size],
  ] as const;
  return (
    <>
      <p role="status" class="good">
        {t("setup.camera.answers")} <bdi>{said.model}</bdi>
      </p>
      <dl class="values">
        {streams.map(([name, url, size]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd>
              <b>{url === null ? t("setup.camera.no_sub") : size}</b> <bdi>{url ?? ""}</bdi>
            </dd>
          </div>
        ))}
      </dl>
      <p>
        <Clock offsetS={said.clock_offset_s} />
      </p>
    </>
  );
}

function Read({ value }: { value: Value }) {
  return (
    <div data-value={value.name}>
      <dt>
        {value.name} <small>{value.address}</small>
      </dt>
      <dd>
        <b>{value.value === null ? "?" : String(value.value)}</b> {value.unit ?? ""} <small>{value.words?.join(" ") ?? ""}</small> {value.why == null || value.why === "" ? "" : oneOf(value.why)}
      </dd>
    </div>
  );
}
