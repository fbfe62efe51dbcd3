/** What the gateway said to an installer: differences, faults, what came of a change, or why it would not. */
import { Refused } from "../../api";
import { kindOf, type Fault, type Outcome } from "../../install/house";
import { either, t } from "../../words";

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
          <b>{fault.key === "" ? fault.file : fault.key}</b> {fault.problem}
          <small>{t("setup.expected", { what: fault.expected })}</small>
        </li>
      ))}
    </ul>
  );
}

export function Came({ outcome }: { outcome: Outcome }) {
  const devices = [...outcome.added, ...outcome.changed, ...outcome.removed];
  return (
    <p class="came" role="status">
      {devices.length === 0 ? t("setup.came.none") : t("setup.came", { devices: devices.slice(0, 5).join(", ") })}
      {outcome.links.length > 0 ? ` ${t("setup.came.links", { links: outcome.links.join(", ") })}` : ""}
      {outcome.anew.length > 0 ? ` ${t("setup.came.anew", { what: outcome.anew.join(", ") })}` : ""}
      {outcome.by_hand.length > 0 ? ` ${t("setup.came.by_hand", { what: outcome.by_hand.join(", ") })}` : ""}
      {outcome.video === "" ? "" : ` ${outcome.video}`}
    </p>
  );
}

export function Wrong({ error }: { error: unknown }) {
  if (error === null) return null;
  const [zh, en, next] = error instanceof Refused ? [error.zh, error.en, error.next] : [String(error), String(error), ""];
  return (
    <p class="trouble" role="alert">
      {either(zh, en)} {next === "" ? null : <span>{t("error.next", { next })}</span>}
    </p>
  );
}
