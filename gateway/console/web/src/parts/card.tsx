/** The call card (F9): what the fire centre asks for, in its order, filled in as far as it is known, to be read out. */
import { me } from "../api";
import type { Alarm } from "../state/model";
import { house } from "../stream/page";
import { named, t } from "../words";
import { Phones } from "./frame";
import { Told, factOf } from "./where";

export function Card({ alarm }: { alarm: Alarm | undefined }) {
  const device = alarm?.device;
  const parts: [string, string][] = [
    [t("card.address"), house.value.site.name],
    [t("card.part"), device === undefined ? "" : `${device.place} ${device.name}`.trim()],
    [t("card.what"), alarm === undefined ? "" : `${named("kind", alarm.kind)} ${factOf(alarm)}`.trim()],
    [t("card.size"), ""],
    [t("card.caller"), me.value?.name ?? ""],
    [t("card.number"), ""],
  ];
  return (
    <section class="card" aria-label={t("card.title")}>
      <h2>{t("card.title")}</h2>
      <dl>
        {parts.map(([what, value]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{value === "" ? <span class="blank">{t("card.say")}</span> : <Told text={value} most={80} />}</dd>
          </div>
        ))}
      </dl>
      <Phones />
    </section>
  );
}
