/** The fields of a form that the gateway described, each with what is wrong with it right below. */
import { fieldOf, type Fault, type Field, type Kind } from "../../install/house";
import { either, named, t } from "../../words";
import { oneOf } from "./said";

interface FieldsOf {
  fields: readonly Field[];
  said: Readonly<Record<string, string>>;
  put: (name: string, value: string) => void;
  /** Of a table of the gateway's own: its fields have names of ours. What a model asks for is called what the model calls it. */
  kind?: Kind;
  /** What stands before each name in `said`: "address." for a device's own address. */
  lead?: string;
  wrong: Readonly<Record<string, readonly Fault[]>>;
}

export function Fields({ fields, said, put, kind, lead = "", wrong }: FieldsOf) {
  return (
    <>
      {fields.map((field) => {
        const name = `${lead}${field.name}`;
        return (
          <label key={name} data-field={name}>
            {kind === undefined ? either(field.help, field.help_en) : labelOf(kind, field)}
            <Entry field={field} name={name} value={said[name] ?? ""} put={put} isWrong={name in wrong} />
            <AtField faults={wrong[name] ?? []} />
          </label>
        );
      })}
    </>
  );
}

function labelOf(kind: Kind, field: Field): string {
  const key = `${kind}.${field.name}`;
  const found = named("setup.label", key);
  return found === key ? either(field.help, field.help_en) : found;
}

function Entry({ field, name, value, put, isWrong }: { field: Field; name: string; value: string; put: (name: string, value: string) => void; isWrong: boolean }) {
  if (field.choices.length > 0 || field.type === "boolean") {
    return (
      <select value={value === "" ? String(field.default ?? "") : value} required={field.required && field.default === null} aria-invalid={isWrong} onChange={(event) => put(name, event.currentTarget.value)}>
        <option value="">—</option>
        {(field.type === "boolean" ? [true, false] : field.choices).map((each) => (
          <option key={String(each)} value={String(each)}>
            {typeof each === "boolean" ? t(each ? "setup.yes" : "setup.no") : named("setup.choice", String(each))}
          </option>
        ))}
      </select>
    );
  }
  return (
    <input
      required={field.required && field.default === null}
      inputMode={field.type === "integer" ? "numeric" : "text"}
      placeholder={String(field.default ?? field.example ?? "")}
      maxLength={1024}
      autoComplete="off"
      value={value}
      aria-invalid={isWrong}
      onInput={(event) => put(name, event.currentTarget.value)}
    />
  );
}

export function AtField({ faults }: { faults: readonly Fault[] }) {
  return (
    <>
      {faults.map((fault, at) => (
        <strong key={at} class="at-field" role="alert">
          {oneOf(fault.problem)} · {oneOf(fault.expected)}
        </strong>
      ))}
    </>
  );
}

/** Faults by the field they belong to; those of no field here are under "". A fault of the whole address stands at its first field. */
export function byField(faults: readonly Fault[], kind: Kind, id: string, names: readonly string[]): Record<string, Fault[]> {
  const found: Record<string, Fault[]> = {};
  for (const fault of faults) {
    const meant = fieldOf(fault, kind, id);
    const name = names.includes(meant) ? meant : meant === "" ? "" : (names.find((each) => each.startsWith(`${meant}.`)) ?? "");
    (found[name] ??= []).push(fault);
  }
  return found;
}
