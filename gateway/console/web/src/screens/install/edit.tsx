/** Name and place of a device that is there, or its end. */
import { useEffect, useState } from "preact/hooks";
import { written, type Table } from "../../install/house";
import { t } from "../../words";
import { AtField, byField } from "./fields";
import { Deciding, useSaving } from "./saving";

export function Edit({ id }: { id: string }) {
  const [table, setTable] = useState<Table | null>(null);
  const saving = useSaving();
  useEffect(() => {
    written(id)
      .then((found) => setTable(found.table))
      .catch(saving.fail);
  }, [id]);
  const wrong = byField(saving.faults, "device", id, ["name", "place"]);
  return (
    <section class="add">
      <h2>{id}</h2>
      {table === null ? null : (
        <>
          {(["name", "place"] as const).map((name) => (
            <label key={name} data-field={name}>
              {t(`setup.field.${name}`)}
              <input
                maxLength={64}
                value={String(table[name] ?? "")}
                onInput={(event) => {
                  setTable({ ...table, [name]: event.currentTarget.value });
                  saving.forget();
                }}
              />
              <AtField faults={wrong[name] ?? []} />
            </label>
          ))}
          <div class="doing">
            <button type="button" onClick={() => saving.look({ device: id, table })}>
              {t("setup.look")}
            </button>
            <button type="button" onClick={() => saving.look({ device: id, table: null })}>
              {t("setup.remove")}
            </button>
          </div>
        </>
      )}
      <Deciding saving={saving} loose={wrong[""] ?? []} />
    </section>
  );
}
