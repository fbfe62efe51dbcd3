/** The last five minutes of one number, the newest at the right; where nothing was known there is nothing. */
import { useEffect, useRef } from "preact/hooks";
import "../style/charts.css";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { SPAN_MS, plain, range } from "../install/trace";
import { t } from "../words";

const HIGH_PX = 90;
const NARROWEST_PX = 120;
/** Where the time line is marked: so many minutes ago. */
const MARKS_MIN = [4, 2, 0] as const;

export interface StripOf {
  name: string;
  unit: string | null;
  nowMs: number;
  at: readonly number[];
  values: readonly (number | null)[];
}

export function Strip({ name, unit, nowMs, at, values }: StripOf) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const edge = useRef(nowMs);
  edge.current = nowMs;
  useEffect(() => {
    const place = box.current;
    if (place === null) return undefined;
    const look = (): { ink: string; line: string } => {
      const style = getComputedStyle(place);
      return { ink: style.color, line: style.getPropertyValue("--action").trim() };
    };
    const steps = uPlot.paths.stepped?.({ align: 1 });
    const axis = { stroke: () => look().ink, ticks: { show: false }, grid: { show: false }, font: "13px system-ui" };
    const made = new uPlot(
      {
        width: Math.max(NARROWEST_PX, place.clientWidth),
        height: HIGH_PX,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true, range: () => [(edge.current - SPAN_MS) / 1000, edge.current / 1000] }, y: { range: (_chart, low, high) => (low === high ? [low - 1, high + 1] : uPlot.rangeNum(low, high, 0.1, true)) } },
        padding: [6, 24, 0, 0],
        axes: [
          { ...axis, size: 22, splits: () => MARKS_MIN.map((ago) => edge.current / 1000 - ago * 60), values: () => MARKS_MIN.map((ago) => (ago === 0 ? t("setup.strip.now") : t("setup.strip.ago", { minutes: ago }))) },
          { ...axis, size: 52, space: 24, values: (_chart, splits) => splits.map(plain) },
        ],
        series: [{}, { stroke: () => look().line, width: 2, spanGaps: false, points: { show: false }, ...(steps === undefined ? {} : { paths: steps }) }],
      },
      [[], []],
      place,
    );
    chart.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: Math.max(NARROWEST_PX, place.clientWidth), height: HIGH_PX }));
    sizes.observe(place);
    return () => {
      sizes.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    chart.current?.setData([at.map((ms) => ms / 1000), [...values]]);
  }, [at, values, nowMs]);
  const found = range(values);
  const said = found === null ? t("setup.strip.none") : t("setup.strip", { name, low: plain(found[0]), high: plain(found[1]), unit: unit ?? "" });
  return (
    <figure class="strip" data-strip={name}>
      <div ref={box} role="img" aria-label={said} />
      <figcaption>{said}</figcaption>
    </figure>
  );
}
