/** Links, cameras, telephone numbers, what sounds in the guard room, response plans: one form for all of them. */
import { useEffect, useState } from "preact/hooks";
import { isFactory } from "../../install/factory";
import { KINDS, files, saidOf, table, tableForm, tableOf, type Change, type Files, type Kind, type Table, type TableForm } from "../../install/house";
import { go, route } from "../../route";
import { t } from "../../words";
import { Fields, byField } from "./fields";
import { PlanForm } from "./plan-form";
import { Wrong } from "./said";
import { Deciding, useSaving } from "./saving";
import { Trial } from "./trial";

const WAYS = [...KINDS, "plan"] as const;
type Way = (typeof WAYS)[number];
const NEW = "";

/** path: "camera/cam-3"; "camera" alone for a new one. */
export function Tables({ path }: { path: string }) {
  const [known, setKnown] = useState<Files | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const read = (): void => void files().then(setKnown).catch(setWrong);
  useEffect(read, []);
  const at = path.indexOf("/");
  const kind = WAYS.find((each) => each === (at < 0 ? path : path.slice(0, at))) ?? "link";
  const name = at < 0 ? NEW : path.slice(at + 1);
  return (
    <section class="tables">
      <div class="doing" role="group" aria-label={t("setup.tab.tables")}>
        {WAYS.map((each) => (
          <button key={each} type="button" aria-pressed={kind === each} onClick={() => go("setup", `tables/${each}`)}>
            {t(`setup.table.${each}`)}
          </button>
        ))}
      </div>
      <Wrong error={wrong} />
      {known === null ? null : (
        <>
          <Names kind={kind} known={known} chosen={name} />
          {kind === "plan" ? (
            <PlanForm key={name} kind={name} known={known} after={read} />
          ) : (
            <One key={`${kind} ${name}`} kind={kind} name={name} isWritable={known.kinds.includes(kind)} after={read} />
          )}
        </>
      )}
    </section>
  );
}

function namesOf(kind: Way, known: Files): readonly string[] {
  if (kind === "link") return known.links.map((each) => each.name);
  if (kind === "camera") return known.cameras;
  if (kind === "contact") return known.contacts;
  return kind === "plan" ? Object.keys(known.plans) : [];
}

function Names({ kind, known, chosen }: { kind: Way; known: Files; chosen: string }) {
  if (kind === "console") return null;
  return (
    <label>
      {t(`setup.table.${kind}`)}
      <select value={chosen} onChange={(event) => go("setup", event.currentTarget.value === NEW ? `tables/${kind}` : `tables/${kind}/${event.currentTarget.value}`)}>
        <option value={NEW}>{kind === "plan" ? "—" : t("setup.table.new")}</option>
        {namesOf(kind, known).map((each) => (
          <option key={each} value={each}>
            {kind === "plan" ? `${each} ${known.plans[each] ?? ""}` : each}
          </option>
        ))}
      </select>
    </label>
  );
}

function One({ kind, name, isWritable, after }: { kind: Kind; name: string; isWritable: boolean; after: () => void }) {
  const isAlone = kind === "console";
  const [form, setForm] = useState<TableForm | null>(null);
  const [before, setBefore] = useState<Table>({});
  const [said, setSaid] = useState<Record<string, string>>({});
  const [secret, setSecret] = useState("");
  const saving = useSaving(() => {
    setSecret("");
    after();
  });
  useEffect(() => {
    const asked = route.value.query;
    const written = name === NEW && !isAlone ? Promise.resolve({ table: {} as Table }) : table(kind, name).catch(() => ({ table: {} as Table }));
    Promise.all([tableForm(kind), written])
      .then(([found, now]) => {
        setForm(found);
        setBefore(now.table);
        const given = Object.fromEntries(found.fields.map((field) => [field.name, asked.get(field.name) ?? ""]).filter(([, value]) => value !== ""));
        setSaid({ ...saidOf(found.fields, now.table), ...(name === NEW ? given : {}) });
      })
      .catch(saving.fail);
  }, [kind, name]);
  if (form === null) return <Wrong error={saving.wrong} />;
  const id = isAlone ? "" : name === NEW ? (said[form.key] ?? "") : name;
  const change = (made: Table | null): Change => ({
    kind,
    ...(isAlone ? {} : { device: id }),
    table: made,
    new: name === NEW && !isAlone,
    ...(secret === "" || made === null ? {} : { secret }),
  });
  const fields = name === NEW || isAlone ? form.fields : form.fields.filter((field) => field.name !== form.key);
  const wrong = byField(saving.faults, kind, id, [...fields.map((field) => field.name), "password_file"]);
  return (
    <section class="one-table">
      <form onSubmit={(event) => (event.preventDefault(), saving.look(change(tableOf(fields, said, before))))}>
      {isWritable ? null : <p class="caution">{t("setup.readonly")}</p>}
      <Fields
        fields={fields}
        said={said}
        kind={kind}
        wrong={wrong}
        put={(field, value) => {
          setSaid((was) => ({ ...was, [field]: value }));
          saving.forget();
        }}
      />
      {form.secret ? (
        <label data-field="secret">
          {t(before["password_file"] === undefined ? "setup.secret" : "setup.secret.kept")}
          <input
            type="password"
            autoComplete="new-password"
            maxLength={256}
            value={secret}
            onInput={(event) => {
              setSecret(event.currentTarget.value);
              saving.forget();
            }}
          />
          {isFactory(said["username"] ?? "", secret) ? <strong class="caution">{t("setup.secret.factory")}</strong> : null}
          {(wrong["password_file"] ?? []).length > 0 ? (
            <strong class="at-field" role="alert">
              {t("setup.secret.again")}
            </strong>
          ) : null}
        </label>
      ) : null}
      <div class="doing">
        {kind === "camera" ? (
          <button type="button" onClick={() => saving.attempt(change(tableOf(fields, said, before)))}>
            {t("setup.try")}
          </button>
        ) : null}
        <button type="submit">{t("setup.look")}</button>
        {name === NEW || isAlone ? null : (
          <button type="button" onClick={() => saving.look(change(null))}>
            {t("setup.table.remove")}
          </button>
        )}
      </div>
      </form>
      {saving.tried === null ? null : <Trial found={saving.tried} />}
      <Deciding saving={saving} loose={wrong[""] ?? []} />
    </section>
  );
}
