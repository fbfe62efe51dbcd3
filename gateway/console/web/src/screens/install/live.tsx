/** I3: what one device says now, as it came and as it is understood; which bit moved since the person began to look. */
import { useEffect, useRef, useState } from "preact/hooks";
import { live, moved, progress, search, type Heard, type Live as Now, type Value } from "../../install/house";
import { house } from "../../stream/page";
import { named, t } from "../../words";
import { Edit } from "./edit";
import { Readings, Wrong, oneOf } from "./said";

const EVERY_MS = 1_000;

export function Live({ id }: { id: string }) {
  const [chosen, setChosen] = useState(id);
  const devices = [...house.value.devices.values()].sort((a, b) => a.place.localeCompare(b.place));
  return (
    <section class="live">
      <label>
        {t("setup.device")}
        <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
          <option value="">—</option>
          {devices.map((device) => (
            <option key={device.id} value={device.id}>
              {device.place} · {device.name} ({device.id})
            </option>
          ))}
        </select>
      </label>
      {chosen === "" ? null : <Values key={chosen} id={chosen} />}
      {chosen === "" ? null : <Edit key={`edit ${chosen}`} id={chosen} />}
    </section>
  );
}

function Values({ id }: { id: string }) {
  const [now, setNow] = useState<Now | null>(null);
  const [heard, setHeard] = useState<Heard[]>([]);
  const [isListening, setListening] = useState(false);
  const [wrong, setWrong] = useState<unknown>(null);
  const first = useRef(new Map<string, number[] | null>());
  const touched = useRef(new Map<string, Set<string>>());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isHere = true;
    const look = async (): Promise<void> => {
      try {
        const found = await live(id);
        if (!isHere) return;
        for (const value of found.values) {
          if (!first.current.has(value.name) && value.words !== null) first.current.set(value.name, value.words);
          const bits = touched.current.get(value.name) ?? new Set<string>();
          for (const bit of moved(first.current.get(value.name) ?? null, value.words, value.function <= 2)) bits.add(bit);
          touched.current.set(value.name, bits);
        }
        setNow(found);
        setWrong(null);
      } catch (error) {
        if (isHere) setWrong(error);
      }
      if (isHere) timer = setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      isHere = false;
      clearTimeout(timer);
    };
  }, [id]);
  const begin = (): void => {
    // What is on the screen now is what everything is compared with: who presses at once is seen, too.
    first.current = new Map((now?.values ?? []).filter((value) => value.words !== null).map((value) => [value.name, value.words]));
    touched.current.clear();
  };
  const listen = async (): Promise<void> => {
    setListening(true);
    setWrong(null);
    try {
      let found = await search({ what: "topics", device: id, seconds: 15 });
      while (found.state === "running") found = await progress(found.next_line);
      setHeard(found.result?.topics ?? []);
    } catch (error) {
      setWrong(error);
    } finally {
      setListening(false);
    }
  };
  if (now === null) return <Wrong error={wrong} />;
  return (
    <>
      <p>
        {named("state", now.state)} {now.age_seconds === null ? t("health.never") : t("setup.age", { seconds: now.age_seconds })}
      </p>
      {now.problem === null ? null : <p class="caution">{oneOf(now.problem)}</p>}
      <Wrong error={wrong} />
      {now.driver === "mqtt" ? (
        <>
          <p>
            {now.topics.map((topic) => (
              <bdi key={topic}>{topic} </bdi>
            ))}
          </p>
          <button type="button" class="big" disabled={isListening} onClick={() => void listen()}>
            {t(isListening ? "setup.listening" : "setup.listen")}
          </button>
          <Readings heard={heard} />
        </>
      ) : (
        <button type="button" class="big" onClick={begin}>
          {t("setup.press")}
        </button>
      )}
      {now.values.length === 0 ? null : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t("setup.values")}>
          <table>
            <thead>
              <tr>
                {(["name", "value", "moved", "address", "dec", "hex", "bits", "decoded", "orders"] as const).map((head) => (
                  <th key={head} scope="col">
                    {t(`setup.head.${head}`)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {now.values.map((value) => (
                <Row key={value.name} value={value} bits={[...(touched.current.get(value.name) ?? [])]} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

/** What a person looks for first stands first: the value, and which bit moved. */
function Row({ value, bits }: { value: Value; bits: readonly string[] }) {
  return (
    <tr data-value={value.name} class={bits.length > 0 ? "moved" : value.quality}>
      <th scope="row">{value.name}</th>
      <td>
        <b>{value.value === null ? "?" : String(value.value)}</b> {value.unit ?? ""} {t(value.quality === "good" ? "setup.good" : "setup.unknown")}
      </td>
      <td>{bits.join(" ")}</td>
      <td>{value.address}</td>
      <td>{value.words?.join(" ") ?? "?"}</td>
      <td>{value.hex?.join(" ") ?? "?"}</td>
      <td>{value.bits?.join(" ") ?? "?"}</td>
      <td>
        {value.decoded ?? "?"} <small>{value.form ?? ""}</small>
      </td>
      <td>
        {Object.entries(value.orders).map(([order, says]) => (
          <span key={order} class={order === value.order ? "here" : ""}>
            {order} {says}
            {value.likely_orders.includes(order) ? " ✓" : ""}{" "}
          </span>
        ))}
      </td>
    </tr>
  );
}
