/** One line for each receiver: how far the alarm is with it, since when, and what to do when it is not. */
import { mayAct, telephoned } from "../deeds";
import type { Alarm, Delivery } from "../state/model";
import { MARKS, lampOf, type LampState } from "../state/lamps";
import { clock } from "../state/time";
import { gatewayNow, isLive, phones } from "../stream/page";
import { named, t } from "../words";
import { Told, factIn } from "./where";

export function Lamps({ alarm }: { alarm: Alarm }) {
  const raisedMs = Date.parse(alarm.raised_at);
  return (
    <section class="lamps" aria-label={t("lamp.title")}>
      <h2>{t("lamp.title")}</h2>
      {alarm.deliveries.length === 0 ? <p class="quiet">{t("lamp.nobody")}</p> : null}
      <ul>
        {alarm.deliveries.map((delivery) => (
          <Lamp key={delivery.receiver} alarm={alarm} delivery={delivery} lamp={isLive.value ? lampOf(delivery, raisedMs, gatewayNow.value) : "unknown"} />
        ))}
      </ul>
    </section>
  );
}

function Lamp({ alarm, delivery, lamp }: { alarm: Alarm; delivery: Delivery; lamp: LampState | "unknown" }) {
  const failed = lamp === "failed" || lamp === "rejected";
  const number = phones()[0]?.number;
  const call = (alarm.telephoned ?? []).find((each) => each.receiver === delivery.receiver);
  return (
    <li class={`lamp ${lamp}${call === undefined ? "" : " told-by-phone"}`}>
      <span class="mark" aria-hidden="true">
        {lamp === "unknown" ? "?" : MARKS[lamp]}
      </span>
      <strong>{named("receiver.name", delivery.receiver)}</strong>
      <span class="how">
        {lamp === "unknown" ? t("state.unknown") : t(`lamp.${lamp}`)} {clock(delivery.at)}
        {delivery.reference ? <span class="reference"> · {t("lamp.reference", { number: delivery.reference.slice(0, 40) })}</span> : null}
        {failed && delivery.reason ? (
          <>
            {" · "}
            <Told text={factIn(delivery.words, delivery.reason, undefined)} most={60} />
          </>
        ) : null}
      </span>
      {call === undefined ? null : (
        <span class="instead">
          ☎ {t("lamp.told")} {clock(call.at)} <Told text={call.by} most={20} />
        </span>
      )}
      {failed && call === undefined ? (
        <span class="instead">
          {number === undefined ? null : <b class="number">{number}</b>}
          {mayAct.value ? (
            <button type="button" onClick={() => void telephoned(alarm, delivery.receiver)}>
              {t("lamp.telephoned")}
            </button>
          ) : null}
        </span>
      ) : null}
    </li>
  );
}
