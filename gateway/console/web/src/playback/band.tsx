/** A camera's band: solid is recorded, hatched is missing, with the reason where the pointer is; alarms above, holds below. */
import { useEffect, useRef, useState } from "preact/hooks";
import { lookOf, msOf, pan, ticks, xOf, zoom, type Cell, type Happening, type View } from "../state/timeline";
import { clock } from "../state/time";
import { named, t } from "../words";
import type { Band as Told, Hold } from "./data";
import { Thumb } from "./thumb";

const EVENTS_PX = 16;
const BAND_PX = 30;
const HOLD_PX = 10;
export const HEIGHT_PX = EVENTS_PX + BAND_PX + HOLD_PX;
const SHAPES: Record<string, string> = { panic: "⬣", duress: "⬣", fire: "⬣", gas: "⬣", smoke: "▲", tamper: "▲", video: "◆" };

interface BandOf {
  camera: string;
  name: string;
  /** Why somebody looks; "" while nobody said: no picture then. */
  reason: string;
  told: Told | null;
  view: View;
  limits: View;
  atMs: number;
  oldestMs: number | null;
  nowMs: number;
  marked: View | null;
  jump: (atMs: number) => void;
  look: (view: View) => void;
}

function day(atMs: number): string {
  const date = new Date(atMs);
  return `${date.getMonth() + 1}-${date.getDate()}`;
}

export function moment(atMs: number): string {
  return `${day(atMs)} ${clock(atMs)}`;
}

/** What is at a moment, in words. */
export function said(told: Told | null, atMs: number, oldestMs: number | null, nowMs: number): string {
  const cell = told?.cells.find((each) => each.fromMs <= atMs && atMs < each.toMs);
  if (told === null || cell === undefined) return "";
  const hold = told.holds.find((each) => each.fromMs <= atMs && atMs < each.toMs);
  const kept = hold === undefined ? "" : ` · ${t("playback.held")}`;
  switch (lookOf(cell, oldestMs, nowMs)) {
    case "solid":
      return t("playback.solid") + kept;
    case "none":
      return t("playback.none");
    case "gap":
      return t("video.gap", { from: moment(cell.fromMs), to: moment(cell.toMs), reason: named("gap", cell.reason) }) + kept;
    case "partial":
      return t("playback.partial", { seconds: Math.ceil(cell.missingMs / 1000), from: moment(cell.fromMs), to: moment(cell.toMs), reason: named("gap", cell.reason) }) + kept;
  }
}

export function Band(of: BandOf) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [hover, setHover] = useState<number | null>(null);
  const fingers = useRef(new Map<number, number>());
  const moved = useRef(0);
  const { told, view, limits, atMs, oldestMs, nowMs, marked } = of;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const draw = (): void => paint(element, of);
    draw();
    const sizes = new ResizeObserver(draw);
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [told, view.fromMs, view.toMs, atMs, nowMs, marked?.fromMs, marked?.toMs]);
  const timeAt = (event: { clientX: number }): number => {
    const box = canvas.current?.getBoundingClientRect();
    return box === undefined ? view.fromMs : msOf(view, event.clientX - box.left, box.width);
  };
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) of.look(pan(view, ((event.deltaX || event.deltaY) / 1000) * (view.toMs - view.fromMs), limits));
    else of.look(zoom(view, event.deltaY > 0 ? 1.3 : 1 / 1.3, timeAt(event), limits));
  };
  useEffect(() => {
    // Not as a prop: the page must not scroll meanwhile, which a passive listener cannot prevent.
    const element = canvas.current;
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  });
  const down = (event: PointerEvent): void => {
    canvas.current?.setPointerCapture(event.pointerId);
    fingers.current.set(event.pointerId, event.clientX);
    moved.current = fingers.current.size > 1 ? Infinity : 0;
  };
  const move = (event: PointerEvent): void => {
    setHover(timeAt(event));
    const before = fingers.current.get(event.pointerId);
    const width = canvas.current?.clientWidth ?? 1;
    if (before === undefined) return;
    if (fingers.current.size === 2) {
      const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1] ?? before;
      const [was, is] = [Math.abs(before - other), Math.abs(event.clientX - other)];
      if (was > 8 && is > 8) of.look(zoom(view, was / is, timeAt({ clientX: (event.clientX + other) / 2 }), limits));
    } else {
      moved.current += Math.abs(event.clientX - before);
      if (moved.current > 6) of.look(pan(view, ((before - event.clientX) / width) * (view.toMs - view.fromMs), limits));
    }
    fingers.current.set(event.pointerId, event.clientX);
  };
  const up = (event: PointerEvent): void => {
    if (fingers.current.delete(event.pointerId) && moved.current <= 6) of.jump(timeAt(event));
  };
  const words = said(told, hover ?? atMs, oldestMs, nowMs);
  const cell = hover === null ? undefined : told?.cells.find((each) => each.fromMs <= hover && hover < each.toMs);
  const look = cell === undefined ? "none" : lookOf(cell, oldestMs, nowMs);
  return (
    <div class="band">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="slider"
        aria-label={of.name}
        aria-valuemin={Math.round(view.fromMs)}
        aria-valuemax={Math.round(view.toMs)}
        aria-valuenow={Math.round(atMs)}
        aria-valuetext={`${moment(atMs)} ${said(told, atMs, oldestMs, nowMs)}`}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={(event) => fingers.current.delete(event.pointerId)}
        onPointerLeave={() => setHover(null)}
      />
      {hover !== null && of.reason !== "" && (look === "solid" || look === "partial") ? (
        <Thumb camera={of.camera} reason={of.reason} atMs={hover} part={xOf(view, hover, 1)} />
      ) : null}
      <output data-at={Math.round(hover ?? atMs)}>
        {hover === null ? "" : `${moment(hover)} `}
        {words}
      </output>
    </div>
  );
}

function paint(element: HTMLCanvasElement, of: BandOf): void {
  const scale = window.devicePixelRatio || 1;
  const width = element.clientWidth;
  if (width === 0) return;
  element.width = Math.round(width * scale);
  element.height = Math.round(HEIGHT_PX * scale);
  const pen = element.getContext("2d");
  if (pen === null) return;
  const colours = getComputedStyle(element);
  const colour = (name: string): string => colours.getPropertyValue(name).trim();
  pen.scale(scale, scale);
  pen.clearRect(0, 0, width, HEIGHT_PX);
  const hatch = hatched(pen, colour("--text"), colour("--panel"));
  for (const cell of of.told?.cells ?? []) paintCell(pen, of, cell, width, colour("--band"), hatch);
  for (const hold of of.told?.holds ?? []) paintHold(pen, of.view, hold, width, colour("--text"));
  pen.textAlign = "center";
  pen.font = `${EVENTS_PX - 2}px system-ui`;
  for (const each of of.told?.alarms ?? []) paintEvent(pen, of.view, each, width, colour(each.mode === "live" ? "--p1" : "--drill"));
  if (of.marked !== null) {
    pen.strokeStyle = colour("--action");
    pen.lineWidth = 3;
    const [left, right] = [xOf(of.view, of.marked.fromMs, width), xOf(of.view, of.marked.toMs, width)];
    pen.strokeRect(left, EVENTS_PX, Math.max(2, right - left), BAND_PX);
  }
  const now = xOf(of.view, of.atMs, width);
  pen.fillStyle = colour("--text");
  pen.fillRect(now - 1, 0, 3, HEIGHT_PX);
}

function paintCell(pen: CanvasRenderingContext2D, of: BandOf, cell: Cell, width: number, solid: string, hatch: CanvasPattern | string): void {
  const left = xOf(of.view, cell.fromMs, width);
  const right = xOf(of.view, cell.toMs, width);
  if (right < 0 || left > width) return;
  const wide = Math.max(1, right - left);
  const look = lookOf(cell, of.oldestMs, of.nowMs);
  if (look === "none") return;
  pen.fillStyle = look === "gap" ? hatch : solid;
  pen.fillRect(left, EVENTS_PX, wide, BAND_PX);
  if (look === "partial") {
    // However little is missing, it is seen: a notch of a fifth of the band at least.
    const high = Math.max(BAND_PX / 5, (cell.missingMs / (cell.toMs - cell.fromMs)) * BAND_PX);
    pen.fillStyle = hatch;
    pen.fillRect(left, EVENTS_PX + BAND_PX - high, Math.max(2, wide), high);
  }
}

function paintHold(pen: CanvasRenderingContext2D, view: View, hold: Hold, width: number, text: string): void {
  const left = xOf(view, hold.fromMs, width);
  const wide = Math.max(3, xOf(view, hold.toMs, width) - left);
  if (left > width || left + wide < 0) return;
  pen.fillStyle = text;
  pen.fillRect(left, EVENTS_PX + BAND_PX + 2, wide, 3);
  // A padlock: its body and its bow.
  const at = Math.max(left, 0);
  pen.fillRect(at, EVENTS_PX + BAND_PX + 4, 7, 6);
  pen.strokeStyle = text;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.arc(at + 3.5, EVENTS_PX + BAND_PX + 4, 2.5, Math.PI, 0);
  pen.stroke();
}

function paintEvent(pen: CanvasRenderingContext2D, view: View, each: Happening, width: number, colour: string): void {
  const x = xOf(view, each.atMs, width);
  if (x < 0 || x > width) return;
  pen.fillStyle = colour;
  pen.fillText(SHAPES[each.kind] ?? "•", x, EVENTS_PX - 3);
}

function hatched(pen: CanvasRenderingContext2D, line: string, ground: string): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const inside = tile.getContext("2d");
  if (inside === null) return line;
  inside.fillStyle = ground;
  inside.fillRect(0, 0, 8, 8);
  inside.strokeStyle = line;
  inside.lineWidth = 1.5;
  for (const at of [-8, 0, 8]) {
    inside.moveTo(at, 8);
    inside.lineTo(at + 8, 0);
  }
  inside.stroke();
  return pen.createPattern(tile, "repeat") ?? line;
}

/** The times under the bands. */
export function Axis({ view }: { view: View }) {
  const zoneMs = -new Date(view.fromMs).getTimezoneOffset() * 60_000;
  const found = ticks(view, 12, zoneMs);
  return (
    <div class="axis" aria-hidden="true">
      {found.map((tick) => (
        <span key={tick.atMs} style={{ left: `${xOf(view, tick.atMs, 100)}%` }}>
          {tick.isDay ? day(tick.atMs) : tick.withSeconds ? clock(tick.atMs) : clock(tick.atMs).slice(0, 5)}
        </span>
      ))}
    </div>
  );
}
