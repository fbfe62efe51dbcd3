/** Which cameras are shown with a device's alarms: what is suggested, chosen by a person, and written like every other change. */
import { useEffect, useState } from "preact/hooks";
import { me } from "../api";
import { written, type Table } from "../install/house";
import { Told } from "../parts/where";
import { Deciding, useSaving } from "../screens/install/saving";
import { t } from "../words";
import { nameOfCamera } from "./names";
import { linkedOf, suggested, type Near } from "./near";

export function mayLink(): boolean {
  return me.value?.rights.includes("install") ?? false;
}

export function Linking({ device, near }: { device: string; near: readonly Near[] }) {
  const [table, setTable] = useState<Table | null>(null);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const read = (): void => {
    written(device)
      .then(({ table: found }) => {
        setTable(found);
        setChosen(linkedOf(found));
      })
      .catch(saving.fail);
  };
  const saving = useSaving(read);
  useEffect(read, [device]);
  // While the device's table is not read, what is near is shown all the same, and nothing can be chosen.
  const linked = table === null ? [] : linkedOf(table);
  const rows = [...near, ...linked.filter((id) => near.every((each) => each.camera !== id)).map((camera): Near => ({ camera, distance: 0, metres: null, sees: null }))];
  const best = suggested(near);
  const choose = (next: readonly string[]): void => {
    setChosen(next);
    saving.forget();
  };
  const isSame = chosen.length === linked.length && chosen.every((each, at) => each === linked[at]);
  return (
    <div class="install linking">
      {rows.length === 0 ? <p class="quiet">{t("floor.link.none")}</p> : null}
      <ul aria-label={t("floor.nearest")}>
        {rows.map((each) => (
          <li key={each.camera}>
            <label class="tick">
              <input
                type="checkbox"
                disabled={table === null}
                checked={chosen.includes(each.camera)}
                onChange={(event) => choose(event.currentTarget.checked ? [...chosen, each.camera] : chosen.filter((other) => other !== each.camera))}
              />
              <span>
                <Told text={nameOfCamera(each.camera)} most={40} /> {each.metres === null ? "" : t("floor.metres", { metres: Math.round(each.metres) })} {near.includes(each) ? t(each.sees === null ? "floor.sees.unknown" : each.sees ? "floor.sees.yes" : "floor.sees.no") : t("floor.link.elsewhere")}
              </span>
            </label>
          </li>
        ))}
      </ul>
      <div class="doing">
        <button type="button" disabled={table === null || best.length === 0} onClick={() => choose(best)}>
          {t("floor.link.suggest", { count: best.length })}
        </button>
        <button type="button" disabled={table === null || isSame} onClick={() => saving.look({ device, table: { ...table, cameras: [...chosen] } })}>
          {t("setup.look")}
        </button>
      </div>
      <Deciding saving={saving} loose={saving.faults} />
    </div>
  );
}
