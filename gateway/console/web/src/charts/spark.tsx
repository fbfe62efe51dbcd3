/** What a point has read in a day: lowest to highest as a ribbon, the mean as a line; where nothing was read there is nothing. */
import { useEffect, useRef, useState } from "preact/hooks";
import "../style/charts.css";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { get } from "../api";
import { gatewayNow } from "../stream/page";
import { t } from "../words";
import { series, type ReadingCell } from "./figures";

const BINS = 240;
const DAY_MS = 86_400_000;
const HIGH_PX = 70;
const AGAIN_MS = 300_000;
/** Readings are stored once a minute at least while a device speaks. */
const HOLE_MS = 15 * 60_000;

export function Spark({ device, point, unit }: { device: string; point: string; unit: string | null }) {
  const box = useRef<HTMLDivElement>(null);
  const [cells, setCells] = useState<readonly ReadingCell[] | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const toMs = Math.ceil(gatewayNow.peek() / 60_000) * 60_000;
    const query = new URLSearchParams({ from: String(toMs - DAY_MS), to: String(toMs), bins: String(BINS) });
    get<{ bins: ReadingCell[] }>(`/api/v1/devices/${encodeURIComponent(device)}/points/${encodeURIComponent(point)}/history?${query.toString()}`).then(
      (told) => setCells(told.bins),
      () => setCells([]),
    );
    const timer = setTimeout(() => setTurn(turn + 1), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [device, point, turn]);
  useEffect(() => {
    const place = box.current;
    if (place === null || cells === null || cells.length === 0) return;
    const ink = getComputedStyle(place);
    const line = ink.getPropertyValue("--action").trim();
    const axis = { stroke: ink.color, size: 34, ticks: { show: false }, grid: { show: false }, font: "12px system-ui" };
    const chart = new uPlot(
      {
        width: Math.max(120, place.clientWidth),
        height: HIGH_PX,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true } },
        axes: [{ ...axis, size: 18, space: 70, values: (_chart, splits) => splits.map((at) => new Date(at * 1000).toTimeString().slice(0, 5)) }, { ...axis, space: 24 }],
        series: [{}, { stroke: line, width: 0 }, { stroke: line, width: 0 }, { stroke: line, width: 2, spanGaps: false }],
        bands: [{ series: [2, 1], fill: `${line}40` }],
      },
      series(cells, HOLE_MS),
      place,
    );
    const sizes = new ResizeObserver(() => chart.setSize({ width: Math.max(120, place.clientWidth), height: HIGH_PX }));
    sizes.observe(place);
    return () => {
      sizes.disconnect();
      chart.destroy();
    };
  }, [cells]);
  if (cells !== null && cells.length === 0) return <small>{t("chart.none")}</small>;
  return <div class="spark" ref={box} role="img" aria-label={t("chart.day", { unit: unit ?? "" })} />;
}
