/** I2: a device from a model: its form, a trial that writes nothing, the difference, and only then the change. */
import { useEffect, useState } from "preact/hooks";
import { apply, check, files, form, models, trial, typed, written, type Change, type Done, type Files, type Form, type Heard, type Model, type Proposal, type Table } from "../../install/house";
import { route } from "../../route";
import { either, t } from "../../words";
import { Came, Difference, Faults, Wrong } from "./said";

const FIND_AFTER_MS = 250;

export function Add() {
  const query = route.value.query;
  const [known, setKnown] = useState<Files | null>(null);
  const [model, setModel] = useState<Form | null>(null);
  const [said, setSaid] = useState<Record<string, string>>({ link: query.get("link") ?? "" });
  const [proposal, setProposal] = useState<Proposal | null>(null);
  const [found, setFound] = useState<Awaited<ReturnType<typeof trial>>["found"] | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  useEffect(() => void files().then(setKnown).catch(setWrong), []);
  const put = (name: string, value: string): void => {
    setSaid((before) => ({ ...before, [name]: value }));
    setProposal(null);
    setDone(null);
  };
  const choose = (id: string): void => {
    form(id)
      .then((chosen) => {
        setModel(chosen);
        const topic = chosen.fields.find((field) => field.type === "topic");
        if (topic !== undefined) put(`address.${topic.name}`, query.get("topic") ?? "");
        if (query.get("unit") !== null) put("address.unit", query.get("unit") ?? "");
      })
      .catch(setWrong);
  };
  const change = (): Change => ({ device: said["id"] ?? "", table: model === null ? {} : tableOf(model, said), new: true });
  const ask = (what: () => Promise<void>): void => {
    setWrong(null);
    what().catch(setWrong);
  };
  const look = (): void => ask(async () => setProposal(await check(change())));
  const test = (): void =>
    ask(async () => {
      const tried = await trial(change());
      setFound(tried.found);
      setProposal(tried);
    });
  const save = (): void =>
    ask(async () => {
      if (proposal === null) return;
      setDone(await apply(change(), proposal.version, said["reason"] ?? ""));
      setProposal(null);
      setKnown(await files());
    });
  if (model === null) return <Models choose={choose} wrong={wrong} />;
  const links = (known?.links ?? []).filter((each) => each.kind === model.driver);
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
      <form onSubmit={(event) => (event.preventDefault(), look())}>
        <label>
          {t("setup.link")}
          <select required value={said["link"]} onChange={(event) => put("link", event.currentTarget.value)}>
            <option value="">—</option>
            {links.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        {(["id", "name", "place"] as const).map((name) => (
          <label key={name}>
            {t(`setup.field.${name}`)}
            <input required={name === "id"} maxLength={64} value={said[name] ?? ""} onInput={(event) => put(name, event.currentTarget.value)} />
          </label>
        ))}
        {model.fields.map((field) => (
          <label key={field.name}>
            {either(field.help, field.help_en)}
            {field.choices.length > 0 || field.type === "boolean" ? (
              <select value={said[`address.${field.name}`] ?? String(field.default ?? "")} onChange={(event) => put(`address.${field.name}`, event.currentTarget.value)}>
                <option value="">—</option>
                {(field.type === "boolean" ? [true, false] : field.choices).map((each) => (
                  <option key={String(each)} value={String(each)}>
                    {String(each)}
                  </option>
                ))}
              </select>
            ) : (
              <input
                required={field.required && field.default === null}
                inputMode={field.type === "integer" ? "numeric" : "text"}
                placeholder={String(field.default ?? field.example ?? "")}
                value={said[`address.${field.name}`] ?? ""}
                onInput={(event) => put(`address.${field.name}`, event.currentTarget.value)}
              />
            )}
          </label>
        ))}
        {model.verified ? null : (
          <label class="tick">
            <input type="checkbox" checked={said["accept"] === "true"} onChange={(event) => put("accept", String(event.currentTarget.checked))} />
            {t("setup.accept")}
          </label>
        )}
        <div class="doing">
          <button type="button" onClick={test}>
            {t("setup.try")}
          </button>
          <button type="submit">{t("setup.look")}</button>
        </div>
      </form>
      <Wrong error={wrong} />
      {found === null ? null : <Trial found={found} />}
      {proposal === null ? null : (
        <>
          <Faults faults={proposal.faults} />
          <Difference diff={proposal.diff} />
          {proposal.faults.length > 0 ? null : (
            <form class="doing" onSubmit={(event) => (event.preventDefault(), save())}>
              <label>
                {t("setup.reason")}
                <input required maxLength={500} value={said["reason"] ?? ""} onInput={(event) => setSaid((before) => ({ ...before, reason: event.currentTarget.value }))} />
              </label>
              <button type="submit" class="big">
                {t("setup.save")}
              </button>
            </form>
          )}
        </>
      )}
      {done === null ? null : <Came outcome={done.outcome} />}
    </section>
  );
}

function tableOf(model: Form, said: Readonly<Record<string, string>>): Table {
  const address: Record<string, string | number | boolean> = {};
  for (const field of model.fields) {
    const value = typed(field, said[`address.${field.name}`] ?? "");
    if (value !== undefined) address[field.name] = value;
  }
  const table: Table = { profile: model.id, link: said["link"] ?? "" };
  for (const name of ["name", "place"] as const) if ((said[name] ?? "").trim() !== "") table[name] = (said[name] ?? "").trim();
  table["address"] = address;
  if (said["accept"] === "true") table["accept_unverified"] = true;
  return table;
}

function Models({ choose, wrong }: { choose: (id: string) => void; wrong: unknown }) {
  const [words, setWords] = useState("");
  const [rows, setRows] = useState<Model[]>([]);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    const timer = setTimeout(() => {
      models(words)
        .then((found) => setRows(found.profiles))
        .catch(setFailed);
    }, FIND_AFTER_MS);
    return () => clearTimeout(timer);
  }, [words]);
  return (
    <section class="models">
      <input type="search" aria-label={t("setup.models")} placeholder={t("setup.models")} maxLength={80} value={words} onInput={(event) => setWords(event.currentTarget.value)} />
      <Wrong error={wrong ?? failed} />
      <ul>
        {rows.map((row) => (
          <li key={row.id}>
            <button type="button" onClick={() => choose(row.id)}>
              {either(row.title, row.title_en)} <small>{row.id}</small> {row.verified ? "" : t("setup.untried")}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What the device would have said to the gateway; nothing of it was stored. */
function Trial({ found }: { found: { decoded?: Heard[]; topics?: string[]; probe?: unknown; why?: string } }) {
  return (
    <section class="trial" aria-label={t("setup.tried")}>
      <h2>{t("setup.tried")}</h2>
      {found.why === undefined ? null : <p class="caution">{found.why}</p>}
      {found.topics !== undefined && (found.decoded ?? []).length === 0 ? <p>{t("setup.tried.none", { topics: found.topics.join(", ") })}</p> : null}
      <ul class="topics">
        {(found.decoded ?? []).map((each) => (
          <li key={each.topic}>
            <bdi>{each.topic}</bdi>
            <code>{each.text ?? each.hex}</code>
            {each.problem === null || each.problem === undefined ? null : <b class="caution">{each.problem}</b>}
            {(each.readings ?? []).map((reading) => (
              <span key={reading.point}>
                {reading.point}: {String(reading.value ?? reading.active ?? "")} {reading.unit ?? ""}
              </span>
            ))}
          </li>
        ))}
      </ul>
      {found.probe === undefined ? null : <pre tabIndex={0}>{JSON.stringify(found.probe, null, 1).slice(0, 20_000)}</pre>}
    </section>
  );
}

/** Name and place of a device that is there, or its end. */
export function Edit({ id }: { id: string }) {
  const [table, setTable] = useState<Table | null>(null);
  const [proposal, setProposal] = useState<{ change: Change; told: Proposal } | null>(null);
  const [reason, setReason] = useState("");
  const [done, setDone] = useState<Done | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  useEffect(() => {
    written(id)
      .then((found) => setTable(found.table))
      .catch(setWrong);
  }, [id]);
  const look = (change: Change): void => {
    setWrong(null);
    check(change)
      .then((told) => setProposal({ change, told }))
      .catch(setWrong);
  };
  const save = (): void => {
    if (proposal === null) return;
    apply(proposal.change, proposal.told.version, reason)
      .then((came) => (setDone(came), setProposal(null)))
      .catch(setWrong);
  };
  if (table === null) return <Wrong error={wrong} />;
  return (
    <section class="add">
      <h2>{id}</h2>
      {(["name", "place"] as const).map((name) => (
        <label key={name}>
          {t(`setup.field.${name}`)}
          <input maxLength={64} value={String(table[name] ?? "")} onInput={(event) => setTable({ ...table, [name]: event.currentTarget.value })} />
        </label>
      ))}
      <div class="doing">
        <button type="button" onClick={() => look({ device: id, table })}>
          {t("setup.look")}
        </button>
        <button type="button" onClick={() => look({ device: id, table: null })}>
          {t("setup.remove")}
        </button>
      </div>
      <Wrong error={wrong} />
      {proposal === null ? null : (
        <>
          <Faults faults={proposal.told.faults} />
          <Difference diff={proposal.told.diff} />
          <form class="doing" onSubmit={(event) => (event.preventDefault(), save())}>
            <label>
              {t("setup.reason")}
              <input required maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
            </label>
            <button type="submit" class="big" disabled={proposal.told.faults.length > 0}>
              {t("setup.save")}
            </button>
          </form>
        </>
      )}
      {done === null ? null : <Came outcome={done.outcome} />}
    </section>
  );
}
