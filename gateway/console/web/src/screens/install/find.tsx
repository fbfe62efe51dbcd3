/** I1: who is out there. Reads only; one search at a time, which can be cancelled, and a next step in every case. */
import { useEffect, useState } from "preact/hooks";
import { cancel, files, progress, search, topics, type Files, type Heard, type Plain, type Search } from "../../install/house";
import { go } from "../../route";
import { t } from "../../words";
import { Wrong } from "./said";

const WAYS = ["topics", "modbus", "cameras"] as const;

export function Find() {
  const [known, setKnown] = useState<Files | null>(null);
  const [way, setWay] = useState<(typeof WAYS)[number]>("topics");
  const [link, setLink] = useState("");
  const [more, setMore] = useState("");
  const [now, setNow] = useState<Search | null>(null);
  const [lines, setLines] = useState<string[]>([]);
  const [heard, setHeard] = useState<Heard[]>([]);
  const [wrong, setWrong] = useState<unknown>(null);
  useEffect(() => {
    files().then(setKnown).catch(setWrong);
    topics()
      .then((found) => setHeard(found.topics))
      .catch(setWrong);
  }, []);
  const isRunning = now?.state === "running";
  useEffect(() => {
    if (!isRunning) return undefined;
    let isHere = true;
    const follow = async (after: number): Promise<void> => {
      const found = await progress(after);
      if (!isHere) return;
      setLines((before) => [...before, ...found.lines]);
      setNow(found);
      if (found.result?.topics !== undefined) setHeard(found.result.topics);
      if (found.state === "running") await follow(found.next_line);
    };
    follow(0).catch((error: unknown) => {
      setWrong(error);
      setNow(null);
    });
    return () => (isHere = false);
  }, [now?.id]);
  const begin = (): void => {
    setWrong(null);
    setLines([]);
    const asked: Record<string, Plain> = { what: way };
    if (way !== "cameras") asked["link"] = link;
    if (way === "modbus" && more !== "") asked["unit_numbers"] = more;
    if (way === "cameras" && more !== "") asked["address"] = more;
    search(asked).then(setNow).catch(setWrong);
  };
  const kind = way === "topics" ? "mqtt" : "modbus";
  const links = (known?.links ?? []).filter((each) => each.kind === kind);
  const result = now?.result ?? null;
  const next = [...(result?.next ?? []), ...(result?.bus?.next ?? [])];
  return (
    <section class="find">
      <div class="doing">
        {WAYS.map((each) => (
          <button key={each} type="button" aria-pressed={way === each} disabled={isRunning} onClick={() => (setWay(each), setLink(""), setMore(""))}>
            {t(`setup.find.${each}`)}
          </button>
        ))}
      </div>
      {way === "cameras" ? null : (
        <label>
          {t("setup.link")}
          <select value={link} onChange={(event) => setLink(event.currentTarget.value)}>
            <option value="">—</option>
            {links.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      )}
      {way === "topics" ? null : (
        <label>
          {t(way === "modbus" ? "setup.units" : "setup.camera")}
          <input value={more} maxLength={200} onInput={(event) => setMore(event.currentTarget.value)} />
        </label>
      )}
      <div class="doing">
        <button type="button" class="big" disabled={isRunning || (way !== "cameras" && link === "")} onClick={begin}>
          {t("setup.find.begin")}
        </button>
        {isRunning ? (
          <button type="button" onClick={() => void cancel().catch(setWrong)}>
            {t("setup.find.cancel")}
          </button>
        ) : null}
      </div>
      <Wrong error={wrong} />
      <ol class="told" aria-live="polite">
        {lines.map((line, at) => (
          <li key={at}>{line}</li>
        ))}
      </ol>
      {now !== null && !isRunning ? <p role="status">{t(`setup.find.${now.state}` as "setup.find.done")}</p> : null}
      {result?.bus?.units.map((unit) => (
        <p key={unit.unit}>
          {t("setup.unit", { unit: unit.unit })}{" "}
          <button type="button" onClick={() => go("setup", "add", { link, unit: String(unit.unit) })}>
            {t("setup.add")}
          </button>
        </p>
      ))}
      {result?.cameras === undefined ? null : <pre tabIndex={0}>{JSON.stringify(result.cameras, null, 1).slice(0, 8_000)}</pre>}
      <Next steps={next} />
      {way === "topics" ? <Topics heard={heard} /> : null}
    </section>
  );
}

function Next({ steps }: { steps: readonly string[] }) {
  if (steps.length === 0) return null;
  return (
    <ul class="next-steps" aria-label={t("alarm.next")}>
      {steps.map((step, at) => (
        <li key={at}>{step}</li>
      ))}
    </ul>
  );
}

function Topics({ heard }: { heard: readonly Heard[] }) {
  if (heard.length === 0) return <p class="quiet">{t("setup.topics.none")}</p>;
  return (
    <ul class="topics">
      {heard.map((each) => (
        <li key={`${each.link} ${each.topic}`}>
          <bdi>{each.topic}</bdi> × {each.count}
          <code>{each.text ?? each.hex}</code>
          {each.known === true ? null : (
            <button type="button" onClick={() => go("setup", "add", { link: each.link, topic: each.topic })}>
              {t("setup.add")}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
