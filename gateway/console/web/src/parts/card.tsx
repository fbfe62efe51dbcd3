/** The call card (F9): what the fire centre asks for, in its order, filled in as far as it is known, to be read out. */
import { me } from "../api";
import type { Alarm } from "../state/model";
import { house } from "../stream/page";
import { named, t } from "../words";
import { Phones } from "./frame";
import { useSeen } from "./seen";
import { Told, factOf } from "./where";

/** What the fire brigade is asked to come to; anything else is told in the words of 110 and 120. */
const BURNS = new Set(["fire", "smoke", "gas", "electrical", "temperature"]);

export function Card({ alarm }: { alarm: Alarm | undefined }) {
  const seen = useSeen<HTMLElement>();
  const device = alarm?.device;
  const site = house.site.value;
  const burns = alarm !== undefined && BURNS.has(alarm.kind);
  const parts: [string, string][] = [
    [t("card.address"), `${site.address ?? ""} ${site.name}`.trim()],
    [t(burns ? "card.part" : "card.place"), device === undefined ? "" : `${device.place} ${device.name}`.trim()],
    [t(burns ? "card.what" : "card.happened"), alarm === undefined ? "" : `${named("kind", alarm.kind)} ${factOf(alarm)}`.trim()],
    [t(burns ? "card.size" : "card.hurt"), ""],
    [t("card.caller"), me.value?.name ?? ""],
    [t("card.number"), site.phone ?? ""],
  ];
  return (
    <section ref={seen} class="card" aria-label={t("card.title")}>
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
