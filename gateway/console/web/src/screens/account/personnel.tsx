/** Everybody who may sign on with a PIN: an admin adds, removes, and gives first PINs. Nobody sees who has one under duress. */
import { useEffect, useState } from "preact/hooks";
import { get, post, remove } from "../../api";
import { Told } from "../../parts/where";
import { named, t } from "../../words";
import { NewPin, useSaid } from "./pins";

interface Person {
  id: string;
  name: string;
  role: string;
  created_at: string;
}

const ROOT = "/api/v1/people";
const ROLES = ["guard", "leader", "installer", "admin", "viewer", "auditor"] as const;

export function Personnel() {
  const [people, setPeople] = useState<Person[]>([]);
  const [chosen, setChosen] = useState("");
  const { said, wrong, tell } = useSaid();
  const read = async (): Promise<void> => setPeople((await get<{ people: Person[] }>(ROOT)).people);
  useEffect(() => void tell(read, ""), []);
  const path = (person: Person): string => `${ROOT}/${encodeURIComponent(person.id)}`;
  const away = (person: Person): Promise<boolean> =>
    tell(
      async () => {
        await remove(path(person));
        await read();
      },
      t("people.removed", { name: person.name }),
    );
  return (
    <section class="personnel">
      <h2>{t("people.title", { count: people.length })}</h2>
      {said === "" ? null : <p role={wrong ? "alert" : "status"}>{said}</p>}
      <ul>
        {people.map((person) => (
          <li key={person.id}>
            <strong>
              <Told text={person.name} most={40} />
            </strong>{" "}
            {named("role", person.role)}{" "}
            <button type="button" aria-expanded={chosen === person.id} onClick={() => setChosen(chosen === person.id ? "" : person.id)}>
              {t("people.pin")}
            </button>{" "}
            <Away person={person} away={() => away(person)} />
            {chosen === person.id ? <NewPin save={(_old, secret, duress) => tell(() => post(`${path(person)}/secret`, { secret, duress }), t("people.pin.done", { name: person.name }))} /> : null}
          </li>
        ))}
      </ul>
      <Adding
        add={(name, role, secret, duress) =>
          tell(
            async () => {
              await post(ROOT, { name, role, secret, duress });
              await read();
            },
            t("people.added", { name }),
          )
        }
      />
    </section>
  );
}

const SURE_MS = 10_000;

/** Two presses: the second one does it. */
function Away({ person, away }: { person: Person; away: () => Promise<boolean> }) {
  const [isSure, setSure] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSure(false), SURE_MS);
    return () => clearTimeout(timer);
  }, [isSure]);
  return (
    <button type="button" onClick={() => (isSure ? void away() : setSure(true))}>
      {isSure ? t("people.remove.sure", { name: person.name }) : t("people.remove")}
    </button>
  );
}

function Adding({ add }: { add: (name: string, role: string, secret: string, duress: string) => Promise<boolean> }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>("guard");
  const save = async (_old: string, secret: string, duress: string): Promise<boolean> => {
    const isDone = name.trim() !== "" && (await add(name.trim(), role, secret, duress));
    if (isDone) setName("");
    return isDone;
  };
  return (
    <section class="adding">
      <h2>{t("people.add")}</h2>
      <label>
        {t("people.name")}
        <input value={name} maxLength={64} autoComplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label>
        {t("people.role")}
        <select value={role} onChange={(event) => setRole(event.currentTarget.value)}>
          {ROLES.map((each) => (
            <option key={each} value={each}>
              {named("role", each)}
            </option>
          ))}
        </select>
      </label>
      <NewPin button="people.add" save={save} />
    </section>
  );
}
