/** One value or point: large what it is now and what moved, below it where it comes from, five minutes of it, and how else its words could be read. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Plain, Value } from "../../install/house";
import type { Trace } from "../../install/trace";
import { later } from "../../parts/later";
import type { Point } from "../../state/model";
import { clock } from "../../state/time";
import { t, type Key } from "../../words";

const Strip = later(() => import("../../charts/strip").then((found) => found.Strip));

/** A strip for what has been a number at all; for nothing else. */
export function Measured({ name, unit, trace }: { name: string; unit: string | null; trace: Trace }) {
  const values = trace.values[name];
  if (values === undefined || !values.some((value) => value !== null)) return null;
  return <Strip name={name} unit={unit} nowMs={trace.nowMs} at={trace.at} values={values} />;
}

function said(value: Plain | null): string {
  return value === null ? "?" : typeof value === "boolean" ? t(value ? "setup.yes" : "setup.no") : String(value);
}

/** "0000 0000 0000 0100": bits that can be counted. */
function inFours(bits: string): string {
  return bits.replace(/(\d{4})(?=\d)/g, "$1 ");
}

export function ValueReading({ value, keys, bits, strip }: { value: Value; keys: Readonly<Record<string, readonly [string, string]>>; bits: readonly string[]; strip: ComponentChildren }) {
  const [tried, setTried] = useState<string | null>(null);
  const orders = Object.entries(value.orders);
  const order = tried ?? value.order;
  const isOther = order !== null && order !== value.order && order in value.orders;
  const raw: [Key, string][] = [
    ["setup.head.address", value.address],
    ["setup.head.dec", value.words?.join(" ") ?? "?"],
    ["setup.head.hex", value.hex?.join(" ") ?? "?"],
    ["setup.head.bits", value.bits?.map(inFours).join(" · ") ?? "?"],
    ["setup.head.decoded", `${value.decoded ?? "?"} ${value.form ?? ""}`.trim()],
  ];
  const [word = "", byte = ""] = keys[order ?? ""] ?? [];
  return (
    <li data-value={value.name} class={`reading ${bits.length > 0 ? "moved" : value.quality}`}>
      <h3>{value.name}</h3>
      <p data-cell="value">
        <b>{isOther ? value.orders[order] : said(value.value)}</b> {value.unit ?? ""} {t(value.quality === "good" ? "setup.good" : "setup.unknown")}
      </p>
      {bits.length === 0 ? null : (
        <p data-cell="moved">
          {t("setup.head.moved")} <b>{bits.join(" ")}</b>
        </p>
      )}
      {orders.length === 0 ? null : (
        <div class="orders" role="group" aria-label={t("setup.head.orders")} data-cell="orders">
          {orders.map(([each, says]) => (
            <button key={each} type="button" aria-pressed={each === order} onClick={() => setTried(each)}>
              {each} {says}
              {value.likely_orders.includes(each) ? " ✓" : ""}
            </button>
          ))}
        </div>
      )}
      {isOther ? <p class="caution">{t("setup.order.other", { order, now: value.order ?? "", word, byte })}</p> : null}
      {strip}
      <dl class="raw">
        {raw.map(([head, cell]) => (
          <div key={head} data-cell={head.slice(head.lastIndexOf(".") + 1)}>
            <dt>{t(head)}</dt>
            <dd>{cell}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

export function PointReading({ point, isMoved, strip }: { point: Point; isMoved: boolean; strip: ComponentChildren }) {
  const says = point.value !== null && point.value !== point.active ? point.value : point.active === null ? null : point.active;
  return (
    <li data-value={point.name} class={`reading ${isMoved ? "moved" : point.quality}`}>
      <h3>{point.name}</h3>
      <p data-cell="value">
        <b>{typeof says === "boolean" ? t(says ? "point.active" : "point.rest") : said(says)}</b> {point.unit ?? ""} {t(point.quality === "good" ? "setup.good" : point.quality === "stale" ? "setup.stale" : "setup.unknown")}
      </p>
      {point.at === null ? null : <p class="quiet">{t("setup.point.at", { time: clock(point.at) })}</p>}
      {isMoved ? (
        <p data-cell="moved">
          <b>{t("setup.point.moved")}</b>
        </p>
      ) : null}
      {strip}
    </li>
  );
}
