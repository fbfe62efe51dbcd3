/** 预案 of one kind of alarm: its title and steps. Saved as the site's own file, which stands instead of the shipped one. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { planFile, type Files, type PlanSaid } from "../../install/house";
import { t } from "../../words";
import { Faults, Wrong } from "./said";
import { Deciding, useSaving } from "./saving";

interface Told {
  kind: string;
  title: { zh: string; en: string };
  steps: { zh: string; en: string; mandatory: boolean }[];
}

const EMPTY: PlanSaid = { title: "", title_en: "", steps: [{ zh: "", en: "", mandatory: false }] };

/** A step is one sentence, however high its field is. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ");
}

export function PlanForm({ kind, known, after }: { kind: string; known: Files; after: () => void }) {
  const [plan, setPlan] = useState<PlanSaid | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const saving = useSaving(after);
  useEffect(() => {
    if (kind === "") return;
    get<{ plans: Told[] }>("/api/v1/plans")
      .then(({ plans }) => {
        const found = plans.find((each) => each.kind === kind);
        setPlan(found === undefined ? EMPTY : { title: found.title.zh, title_en: found.title.en, steps: found.steps.map(({ zh, en, mandatory }) => ({ zh, en, mandatory })) });
      })
      .catch(setWrong);
  }, [kind]);
  if (kind === "" || plan === null) return <Wrong error={wrong} />;
  const put = (next: PlanSaid): void => {
    setPlan(next);
    saving.forget();
  };
  const step = (at: number, more: Partial<PlanSaid["steps"][number]>): void => put({ ...plan, steps: plan.steps.map((each, index) => (index === at ? { ...each, ...more } : each)) });
  return (
    <section class="plan-form">
      {known.plans_writable ? null : <p class="caution">{t("setup.readonly")}</p>}
      <form onSubmit={(event) => (event.preventDefault(), saving.look({ file: `plans/${kind}.toml`, text: planFile(plan) }))}>
        {(["title", "title_en"] as const).map((name) => (
          <label key={name}>
            {t(`setup.plan.${name}`)}
            <input required maxLength={64} value={plan[name]} onInput={(event) => put({ ...plan, [name]: event.currentTarget.value })} />
          </label>
        ))}
        <ol>
          {plan.steps.map((each, at) => (
            <li key={at}>
              <label>
                {t("setup.plan.step", { number: at + 1 })}
                <textarea required rows={2} maxLength={200} value={each.zh} onInput={(event) => step(at, { zh: oneLine(event.currentTarget.value) })} />
              </label>
              <label>
                English
                <textarea required rows={2} maxLength={200} value={each.en} onInput={(event) => step(at, { en: oneLine(event.currentTarget.value) })} />
              </label>
              <div class="doing">
                <label class="tick">
                  <input type="checkbox" checked={each.mandatory} onChange={(event) => step(at, { mandatory: event.currentTarget.checked })} />
                  {t("setup.plan.mandatory")}
                </label>
                <button type="button" disabled={plan.steps.length === 1} onClick={() => put({ ...plan, steps: plan.steps.filter((_, index) => index !== at) })}>
                  {t("setup.plan.less")}
                </button>
              </div>
            </li>
          ))}
        </ol>
        <div class="doing">
          <button type="button" disabled={plan.steps.length >= 20} onClick={() => put({ ...plan, steps: [...plan.steps, { zh: "", en: "", mandatory: false }] })}>
            {t("setup.plan.more")}
          </button>
          <button type="submit">{t("setup.look")}</button>
        </div>
      </form>
      {saving.proposal === null ? null : <Faults faults={saving.faults} />}
      <Deciding saving={saving} loose={[]} />
    </section>
  );
}
