/** I2: a device from a model: its form, a trial that writes nothing, the difference, and only then the change. */
import { useEffect, useState } from "preact/hooks";
import { files, form, models, tableOf, type Change, type Files, type Form, type Model, type Table } from "../../install/house";
import { route } from "../../route";
import { either, t } from "../../words";
import { AtField, Fields, byField } from "./fields";
import { Wrong } from "./said";
import { Deciding, useSaving } from "./saving";
import { Trial } from "./trial";

const FIND_AFTER_MS = 250;

export function Add() {
  const query = route.value.query;
  const [known, setKnown] = useState<Files | null>(null);
  const [model, setModel] = useState<Form | null>(null);
  const [said, setSaid] = useState<Record<string, string>>({ link: query.get("link") ?? "" });
  const saving = useSaving(() => void files().then(setKnown).catch(saving.fail));
  useEffect(() => void files().then(setKnown).catch(saving.fail), []);
  const put = (name: string, value: string): void => {
    setSaid((before) => ({ ...before, [name]: value }));
    saving.forget();
  };
  const choose = (id: string): void => {
    form(id)
      .then((chosen) => {
        setModel(chosen);
        const topic = chosen.fields.find((field) => field.type === "topic");
        if (topic !== undefined) put(`address.${topic.name}`, query.get("topic") ?? "");
        if (query.get("unit") !== null) put("address.unit", query.get("unit") ?? "");
      })
      .catch(saving.fail);
  };
  const wanted = query.get("model");
  useEffect(() => {
    if (wanted !== null) choose(wanted);
  }, [wanted]);
  if (model === null) return <Models choose={choose} wrong={saving.wrong} />;
  const change = (): Change => ({ device: said["id"] ?? "", table: deviceOf(model, said), new: true });
  const links = (known?.links ?? []).filter((each) => each.kind === model.driver);
  const names = ["link", "id", "name", "place", ...model.fields.map((field) => `address.${field.name}`)];
  const wrong = byField(saving.faults, "device", said["id"] ?? "", names);
  return (
    <section class="add">
      <h2>
        {either(model.title, model.title_en)}{" "}
        <button type="button" onClick={() => setModel(null)}>
          {t("setup.other")}
        </button>
      </h2>
      {model.verified ? null : <p class="caution">{t("setup.unverified", { grade: model.confidence })}</p>}
      {known !== null && !known.writable ? <p class="caution">{t("setup.readonly")}</p> : null}
      <form onSubmit={(event) => (event.preventDefault(), saving.look(change()))}>
        <label data-field="link">
          {t("setup.link")}
          <select required value={said["link"]} onChange={(event) => put("link", event.currentTarget.value)}>
            <option value="">—</option>
            {links.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
          <AtField faults={wrong["link"] ?? []} />
        </label>
        {(["id", "name", "place"] as const).map((name) => (
          <label key={name} data-field={name}>
            {t(`setup.field.${name}`)}
            <input required={name === "id"} maxLength={64} value={said[name] ?? ""} onInput={(event) => put(name, event.currentTarget.value)} />
            <AtField faults={wrong[name] ?? []} />
          </label>
        ))}
        <Fields fields={model.fields} said={said} put={put} lead="address." wrong={wrong} />
        {model.verified ? null : (
          <label class="tick">
            <input type="checkbox" checked={said["accept"] === "true"} onChange={(event) => put("accept", String(event.currentTarget.checked))} />
            {t("setup.accept")}
          </label>
        )}
        <div class="doing">
          <button type="button" onClick={() => saving.attempt(change())}>
            {t("setup.try")}
          </button>
          <button type="submit">{t("setup.look")}</button>
        </div>
      </form>
      {saving.tried === null ? null : <Trial found={saving.tried} />}
      <Deciding saving={saving} loose={wrong[""] ?? []} />
    </section>
  );
}

function deviceOf(model: Form, said: Readonly<Record<string, string>>): Table {
  const own = Object.fromEntries(model.fields.map((field) => [field.name, said[`address.${field.name}`] ?? ""]));
  const table: Table = { profile: model.id, link: said["link"] ?? "" };
  for (const name of ["name", "place"] as const) if ((said[name] ?? "").trim() !== "") table[name] = (said[name] ?? "").trim();
  table["address"] = tableOf(model.fields, own) as Record<string, string | number | boolean>;
  if (said["accept"] === "true") table["accept_unverified"] = true;
  return table;
}

function Models({ choose, wrong }: { choose: (id: string) => void; wrong: unknown }) {
  const [words, setWords] = useState("");
  const [rows, setRows] = useState<Model[]>([]);
  const [asked, setAsked] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    let isHere = true;
    const timer = setTimeout(() => {
      models(words)
        .then((found) => {
          if (!isHere) return;
          setRows(found.profiles);
          setAsked(true);
        })
        .catch(setFailed);
    }, FIND_AFTER_MS);
    return () => {
      isHere = false;
      clearTimeout(timer);
    };
  }, [words]);
  return (
    <section class="models">
      <input type="search" aria-label={t("setup.models")} placeholder={t("setup.models")} maxLength={80} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
      <Wrong error={wrong ?? failed} />
      {rows.length === 0 && asked ? <p class="quiet">{t("setup.models.none")}</p> : null}
      <ul>
        {rows.map((row) => (
          <li key={row.id}>
            <button type="button" onClick={() => choose(row.id)}>
              {either(row.title, row.title_en)}{" "}
              <small>
                {row.id} {row.verified ? "" : `· ${t("setup.untried")}`}
              </small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
