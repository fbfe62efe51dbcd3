/** What the gateway said to an installer: differences, faults, what came of a change, or why it would not. */
import { Refused } from "../../api";
import { kindOf, moment, type Fault, type Heard, type Outcome, type Since } from "../../install/house";
import { either, named, t } from "../../words";

/** What the gateway says in both languages at once, "中文 / English", in the one that is read here. */
export function oneOf(text: string): string {
  const at = text.indexOf(" / ");
  return at < 0 ? text : either(text.slice(0, at), text.slice(at + 3));
}

/** "add link kitchen" as people say it; what it is called stays as it is. */
export function whatOf(what: string): string {
  const [verb = "", ...rest] = what.split(" ");
  const kind = rest.length > 1 ? (rest[0] ?? "") : "";
  const said = named("setup.what", verb);
  if (said === verb) return what;
  const of = named("setup.what", kind);
  return [said, of === kind ? rest.join(" ") : [of, ...rest.slice(1)].join(" ")].join(" ");
}

export function Difference({ diff }: { diff: string }) {
  return (
    <pre class="diff" tabIndex={0} aria-label={t("setup.diff")}>
      {diff.split("\n").map((line, at) => (
        <span key={at} class={kindOf(line)}>
          {line}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

export function Faults({ faults }: { faults: readonly Fault[] }) {
  if (faults.length === 0) return null;
  return (
    <ul class="faults" role="alert" aria-label={t("setup.faults", { count: faults.length })}>
      {faults.map((fault, at) => (
        <li key={at}>
          <b>{fault.key === "" ? fault.file : fault.key}</b> {oneOf(fault.problem)}
          <small>{t("setup.expected", { what: oneOf(fault.expected) })}</small>
        </li>
      ))}
    </ul>
  );
}

export function Came({ outcome }: { outcome: Outcome }) {
  const devices = [...outcome.added, ...outcome.changed, ...outcome.removed, ...outcome.new_links];
  const taken = outcome.taken.map((each) => t(TAKEN[each] ?? "setup.table.console"));
  return (
    <p class="came" role="status">
      {devices.length + taken.length === 0 ? t("setup.came.none") : t("setup.came", { devices: [...devices.slice(0, 5), ...new Set(taken)].join(", ") })}
      {outcome.links.length > 0 ? ` ${t("setup.came.links", { links: outcome.links.join(", ") })}` : ""}
      {outcome.anew.length > 0 ? ` ${t("setup.came.anew", { what: outcome.anew.join(", ") })}` : ""}
      {outcome.by_hand.length > 0 ? ` ${t("setup.came.by_hand", { what: outcome.by_hand.join(", ") })}` : ""}
      {outcome.video === "" ? "" : ` ${outcome.video}`}
    </p>
  );
}

const TAKEN: Record<string, "setup.table.contact" | "setup.table.plan" | "setup.table.console"> = { contacts: "setup.table.contact", plans: "setup.table.plan" };

/** What came on topics lately, and what a model makes of it. */
export function Readings({ heard }: { heard: readonly Heard[] }) {
  return (
    <ul class="topics">
      {heard.map((each) => (
        <li key={each.topic}>
          <bdi>{each.topic}</bdi>
          <code>{each.text ?? each.hex}</code>
          {each.problem === null || each.problem === undefined ? null : <b class="caution">{oneOf(each.problem)}</b>}
          {(each.readings ?? []).map((reading) => (
            <span key={reading.point}>
              {reading.point}: {String(reading.value ?? reading.active ?? "")} {reading.unit ?? ""}
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}

export function Wrong({ error }: { error: unknown }) {
  if (error === null) return null;
  const [zh, en, next] = error instanceof Refused ? [error.zh, error.en, error.next] : [String(error), String(error), ""];
  const since = error instanceof Refused ? ((error.told as { since?: Since[] } | null)?.since ?? []) : [];
  return (
    <>
      <p class="trouble" role="alert">
        {either(zh, en)} {next === "" ? null : <span>{t("error.next", { next })}</span>}
      </p>
      {since.map((each) => (
        <section key={each.at} class="since-then">
          <h3>{t("setup.since", { who: each.who, at: moment(each.at), what: whatOf(each.what), why: each.reason })}</h3>
          <Difference diff={each.diff} />
        </section>
      ))}
    </>
  );
}
