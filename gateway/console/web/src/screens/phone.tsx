/** M1: the duty leader's phone. What, where, a picture, who has it, whom to call, and one thing to say: on my way. */
import { useState } from "preact/hooks";
import { open, silent } from "../alarms";
import { acknowledge, tell } from "../deeds";
import { Still } from "../parts/camera";
import { Chip, StateWords } from "../parts/chip";
import { Lost, Phones } from "../parts/frame";
import { Lamps } from "../parts/lamps";
import { Notes } from "../parts/notes";
import { PinBar } from "../parts/pin";
import { cameraName } from "../parts/scene";
import { Now, Since } from "../parts/time";
import { Told, What, Where } from "../parts/where";
import { go, route } from "../route";
import type { Alarm } from "../state/model";
import { byUrgency, isAcknowledged } from "../state/queue";
import { house, isLive } from "../stream/page";
import { named, t } from "../words";

const SHOWN_MOST = 20;

export function Phone() {
  const found = [...open.value, ...silent.value].filter((alarm) => alarm.priority <= 2).sort(byUrgency);
  const alarm = found.find((each) => each.alarm_id === route.value.id) ?? found[0];
  return (
    <div class={`phone${isLive.value ? "" : " stale"}`}>
      <header>
        <Now />
        <strong>
          <Told text={house.site.value.name} most={20} />
        </strong>
        <button type="button" onClick={() => go("duty")}>
          {t("nav.duty")}
        </button>
      </header>
      <Lost />
      <PinBar />
      <main>
        {alarm === undefined ? <p class="quiet">{t(isLive.value ? "queue.empty" : "state.unknown")}</p> : <One key={alarm.alarm_id} alarm={alarm} />}
        {found.length > 1 ? (
          <ol class="queue">
            {found.slice(0, SHOWN_MOST).map((each) => (
              <li key={each.alarm_id}>
                <button type="button" aria-pressed={each === alarm} onClick={() => go("phone", each.alarm_id)}>
                  <Chip alarm={each} /> <Where place={each.device.place} name={each.device.name} />
                </button>
              </li>
            ))}
          </ol>
        ) : null}
        <section class="contacts">
          <h2>{t("phones.title")}</h2>
          <Phones />
        </section>
      </main>
    </div>
  );
}

function One({ alarm }: { alarm: Alarm }) {
  const [isComing, setComing] = useState(false);
  const camera = alarm.cameras[0];
  const come = async (): Promise<void> => {
    if (await tell(alarm, t("phone.coming"))) setComing(true);
  };
  return (
    <article class={`one p${alarm.priority} ${alarm.state}${alarm.mode === "live" ? "" : " drill"}`}>
      <h1>
        <Chip alarm={alarm} /> {alarm.mode === "live" ? null : <em>{named("mode", alarm.mode)}</em>}
        <Where place={alarm.device.place} name={alarm.device.name} />
      </h1>
      <p>
        <What alarm={alarm} most={60} /> · <Since at={alarm.raised_at} /> · <StateWords alarm={alarm} />
      </p>
      {camera === undefined ? null : <Still camera={camera} name={cameraName(camera)} reason={`alarm ${alarm.alarm_id}`} everyMs={10_000} />}
      <div class="doing">
        <button type="button" class="big" disabled={isAcknowledged(alarm) || !isLive.value} onClick={() => void acknowledge(alarm)}>
          {t("phone.seen")}
        </button>
        <button type="button" class="big" disabled={isComing || !isLive.value} onClick={() => void come()}>
          {t("phone.coming")}
        </button>
      </div>
      <Lamps alarm={alarm} />
      <Notes alarm={alarm} />
    </article>
  );
}
