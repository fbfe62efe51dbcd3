/** What a device would have said to the gateway; nothing of it was stored. */
import type { Tried, Value } from "../../install/house";
import { t } from "../../words";
import { Readings, oneOf } from "./said";

export function Trial({ found }: { found: Tried }) {
  return (
    <section class="trial" aria-label={t("setup.tried")}>
      <h2>{t("setup.tried")}</h2>
      {found.why === undefined ? null : <p class="caution">{oneOf(found.why)}</p>}
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
