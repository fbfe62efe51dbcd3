/** One line for each receiver: how far the alarm is with it, since when, and what to do when it is not. */
import type { Alarm } from "../state/model";
import { MARKS, lampOf } from "../state/lamps";
import { clock } from "../state/time";
import { gatewayNow, phones } from "../stream/page";
import { named, t } from "../words";

export function Lamps({ alarm }: { alarm: Alarm }) {
  const raisedMs = Date.parse(alarm.raised_at);
  const numbers = phones();
  return (
    <section class="lamps" aria-label={t("lamp.title")}>
      <h2>{t("lamp.title")}</h2>
      <ul>
        {alarm.deliveries.map((delivery) => {
          const lamp = lampOf(delivery, raisedMs, gatewayNow.value);
          const failed = lamp === "failed" || lamp === "rejected";
          return (
            <li key={delivery.receiver} class={`lamp ${lamp}`}>
              <span class="mark" aria-hidden="true">{MARKS[lamp]}</span>
              <strong>{named("receiver.name", delivery.receiver)}</strong>
              <span>
                {t(`lamp.${lamp}`)} {clock(delivery.at)}
                {delivery.reference !== "" ? ` · ${t("lamp.reference", { number: delivery.reference })}` : ""}
                {delivery.reason !== "" && failed ? ` · ${delivery.reason}` : ""}
              </span>
              {failed && numbers[0] !== undefined ? <b class="number">{numbers[0].number}</b> : null}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
