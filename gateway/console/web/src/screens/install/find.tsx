/** I1: who is out there. Reads only; one search at a time, which can be cancelled, and a next step in every case. */
import { useEffect, useRef, useState } from "preact/hooks";
import { cancel, files, progress, search, topics, type Files, type Heard, type Plain, type Search } from "../../install/house";
import { t } from "../../words";
import { Found } from "./found";
import { Wrong, oneOf } from "./said";

const WAYS = ["topics", "modbus", "cameras"] as const;
const OTHER = "?";
const UNITS = "1-32";
const RATE = "5";
/** Behind every line there can be: only whether one runs is asked. */
const SEEN = 9_999;

export function Find() {
  const [known, setKnown] = useState<Files | null>(null);
  const [way, setWay] = useState<(typeof WAYS)[number]>("topics");
  const [link, setLink] = useState("");
  const [url, setUrl] = useState("");
  const [units, setUnits] = useState(UNITS);
  const [rate, setRate] = useState(RATE);
  const [address, setAddress] = useState("");
  const [seconds, setSeconds] = useState("20");
  const [now, setNow] = useState<Search | null>(null);
  const [lines, setLines] = useState<string[]>([]);
  const [heard, setHeard] = useState<Heard[]>([]);
  const [wrong, setWrong] = useState<unknown>(null);
  const told = useRef<HTMLOListElement>(null);
  useEffect(() => {
    files().then(setKnown).catch(setWrong);
    topics()
      .then((found) => setHeard(found.topics))
      .catch(setWrong);
    // A search goes on while nobody looks: whoever comes back sees how far it is.
    progress(SEEN)
      .then((found) => found.state === "running" && setNow(found))
      .catch(() => undefined);
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
      if (!isHere) return;
      setWrong(error);
      setNow(null);
    });
    return () => (isHere = false);
  }, [now?.id]);
  useEffect(() => void told.current?.lastElementChild?.scrollIntoView({ block: "nearest" }), [lines.length]);
  const asked = (): Record<string, Plain> => {
    if (way === "cameras") return { what: way, seconds: Number(seconds), ...(address.trim() === "" ? {} : { address: address.trim() }) };
    if (way === "topics") return { what: way, link, seconds: Number(seconds) };
    return { what: way, unit_numbers: units.trim(), rate_per_s: Number(rate), ...(link === OTHER ? { url: url.trim() } : { link }) };
  };
  const begin = (): void => {
    setWrong(null);
    setLines([]);
    search(asked()).then(setNow).catch(setWrong);
  };
  const kind = way === "topics" ? "mqtt" : "modbus";
  const links = (known?.links ?? []).filter((each) => each.kind === kind);
  const isComplete = way === "cameras" || (link === OTHER ? url.trim() !== "" : link !== "");
  const result = isRunning ? null : (now?.result ?? null);
  return (
    <section class="find">
      <div class="doing" role="group" aria-label={t("setup.tab.find")}>
        {WAYS.map((each) => (
          <button
            key={each}
            type="button"
            aria-pressed={way === each}
            disabled={isRunning}
            onClick={() => {
              setWay(each);
              setLink("");
              setNow(null);
              setLines([]);
            }}
          >
            {t(`setup.find.${each}`)}
          </button>
        ))}
      </div>
      <form onSubmit={(event) => (event.preventDefault(), begin())}>
        {way === "cameras" ? (
          <label>
            {t("setup.camera")}
            <input value={address} maxLength={200} placeholder="192.0.2.30" onInput={(event) => setAddress(event.currentTarget.value)} />
          </label>
        ) : (
          <label>
            {t("setup.link")}
            <select required value={link} onChange={(event) => setLink(event.currentTarget.value)}>
              <option value="">—</option>
              {links.map((each) => (
                <option key={each.name} value={each.name}>
                  {each.name}
                </option>
              ))}
              {way === "modbus" ? <option value={OTHER}>{t("setup.link.other")}</option> : null}
            </select>
          </label>
        )}
        {way === "modbus" && link === OTHER ? (
          <label>
            {t("setup.url")}
            <input required value={url} maxLength={256} placeholder="tcp://192.0.2.20:502" onInput={(event) => setUrl(event.currentTarget.value)} />
          </label>
        ) : null}
        {way === "modbus" ? (
          <div class="two">
            <label>
              {t("setup.units")}
              <input required value={units} maxLength={200} onInput={(event) => setUnits(event.currentTarget.value)} />
            </label>
            <label>
              {t("setup.rate")}
              <input type="number" required min={0.2} max={20} step="any" value={rate} onInput={(event) => setRate(event.currentTarget.value)} />
            </label>
          </div>
        ) : (
          <label>
            {t("setup.seconds")}
            <input type="number" required min={1} max={120} value={seconds} onInput={(event) => setSeconds(event.currentTarget.value)} />
          </label>
        )}
        <p class="quiet">{t(`setup.limits.${way}`)}</p>
        <div class="doing">
          <button type="submit" class="big" disabled={isRunning || !isComplete}>
            {t("setup.find.begin")}
          </button>
          {isRunning ? (
            <button type="button" class="big" onClick={() => void cancel().catch(setWrong)}>
              {t("setup.find.cancel")}
            </button>
          ) : null}
        </div>
      </form>
      <Wrong error={wrong} />
      {isRunning ? <progress aria-label={t("setup.find.running")} /> : null}
      {lines.length === 0 ? null : (
        <ol class="lines" aria-live="polite" ref={told} tabIndex={0}>
          {lines.map((line, at) => (
            <li key={at}>{oneOf(line)}</li>
          ))}
        </ol>
      )}
      {now === null ? null : <p role="status">{t(`setup.find.${now.state}` as "setup.find.done")}</p>}
      {result === null ? null : <Found result={result} link={link === OTHER ? "" : link} url={url.trim()} />}
      {way === "topics" ? <Topics heard={heard} /> : null}
    </section>
  );
}

function Topics({ heard }: { heard: readonly Heard[] }) {
  if (heard.length === 0) return <p class="quiet">{t("setup.topics.none")}</p>;
  return (
    <ul class="topics">
      {heard.map((each) => (
        <Topic key={`${each.link} ${each.topic}`} heard={each} />
      ))}
    </ul>
  );
}

function Topic({ heard }: { heard: Heard }) {
  return (
    <li>
      <span>
        <bdi>{heard.topic}</bdi> × {heard.count}
      </span>
      <code>{heard.text ?? heard.hex}</code>
      {heard.known === true ? (
        <span class="quiet">{t("setup.known")}</span>
      ) : (
        <a class="button" href={`#/setup/add?${new URLSearchParams({ link: heard.link, topic: heard.topic }).toString()}`}>
          {t("setup.add")}
        </a>
      )}
    </li>
  );
}
