/** What a mark on a plan says, which of them stand too near to each other, and what a camera sees. Pure. */
import type { Alarm, Camera, Device } from "../state/model";
import { knownOf } from "../state/known";
import { byUrgency } from "../state/queue";

export interface Plan {
  id: string;
  name: string;
  kind: string;
  width: number;
  height: number;
  picture: string;
  /** null while nobody measured it. */
  metres_per_unit: number | null;
}

export interface Place {
  kind: "device" | "camera";
  id: string;
  plan: string;
  x: number;
  y: number;
  direction: number | null;
  angle: number | null;
}

export interface Book {
  version: number;
  undo: number;
  plans: Plan[];
  places: Place[];
}

/** Worst first. Unknown is never green (console.md, principle 4). */
export type Look = "p1" | "p2" | "p3" | "p4" | "offline" | "unknown" | "partly" | "camera" | "normal";
const WORST: readonly Look[] = ["p1", "p2", "p3", "offline", "unknown", "p4", "partly", "camera", "normal"];
export const SHAPES: Record<Look, string> = { p1: "⬣", p2: "▲", p3: "◆", p4: "•", offline: "✖", unknown: "?", partly: "◐", camera: "◉", normal: "✔" };

export interface Mark {
  place: Place;
  name: string;
  look: Look;
  /** Not acknowledged yet. */
  isCalling: boolean;
  alarm: Alarm | null;
}

/** What stands on a plan, as it is now; isHeard: whether what the page knows is of now. */
export function marks(
  places: readonly Place[],
  plan: string,
  devices: ReadonlyMap<string, Device>,
  cameras: readonly Camera[],
  alarms: readonly Alarm[],
  isHeard: boolean,
): Mark[] {
  return places
    .filter((place) => place.plan === plan)
    .map((place) => {
      const open = alarms.filter((alarm) => (place.kind === "device" ? alarm.device.id === place.id : false)).sort(byUrgency);
      const alarm = open[0] ?? null;
      const device = place.kind === "device" ? devices.get(place.id) : undefined;
      const camera = place.kind === "camera" ? cameras.find((each) => each.id === place.id) : undefined;
      const name = `${device?.place ?? camera?.place ?? ""} ${device?.name ?? camera?.name ?? place.id}`.trim();
      return { place, name, look: lookOf(place, device, camera, alarm, isHeard), isCalling: alarm !== null && alarm.acknowledged_at === null, alarm };
    });
}

function lookOf(place: Place, device: Device | undefined, camera: Camera | undefined, alarm: Alarm | null, isHeard: boolean): Look {
  if (alarm !== null) return `p${alarm.priority}`;
  if (!isHeard) return "unknown";
  if (place.kind === "camera") return camera === undefined ? "unknown" : "camera";
  if (device === undefined || device.state === "unknown") return "unknown";
  if (device.state === "offline") return "offline";
  const known = knownOf(device);
  return known === "online" ? "normal" : known === "partly" ? "partly" : "unknown";
}

export function worst(all: readonly Mark[]): Look {
  return WORST.find((look) => all.some((mark) => mark.look === look)) ?? "unknown";
}

export interface Cluster {
  x: number;
  y: number;
  marks: readonly Mark[];
}

/** Marks nearer than `near` units become one with their number, but urgent ones never do. */
export function clusters(all: readonly Mark[], near: number): Cluster[] {
  const found: { x: number; y: number; marks: Mark[] }[] = [];
  for (const mark of [...all].sort((a, b) => a.place.x - b.place.x || a.place.y - b.place.y)) {
    const home = mark.look === "p1" ? undefined : found.find((each) => each.marks[0]?.look !== "p1" && Math.hypot(each.x - mark.place.x, each.y - mark.place.y) < near);
    if (home === undefined) found.push({ x: mark.place.x, y: mark.place.y, marks: [mark] });
    else home.marks.push(mark);
  }
  return found;
}

/** The corners of what a camera sees, in the plan's units: x to the right, y down, direction clockwise from the top. */
export function cone(place: Place, reach: number): [number, number][] {
  if (place.direction === null) return [];
  const angle = place.angle ?? 90;
  const steps = Math.max(2, Math.ceil(angle / 15));
  const corners: [number, number][] = [[place.x, place.y]];
  for (let step = 0; step <= steps; step += 1) {
    const at = ((place.direction - angle / 2 + (angle * step) / steps) * Math.PI) / 180;
    corners.push([place.x + Math.sin(at) * reach, place.y - Math.cos(at) * reach]);
  }
  return corners;
}

/** How far a camera is drawn to see, in the plan's units: a few rooms, or a part of a plan that nobody measured. */
const REACH_M = 15;
const REACH_PART = 0.14;
export function reachOf(plan: Plan): number {
  const part = Math.max(plan.width, plan.height) * REACH_PART;
  return plan.metres_per_unit === null ? part : Math.max(part / 4, Math.min(part * 2, REACH_M / plan.metres_per_unit));
}

/** Where a camera's view is taken hold of: its middle, and its edge clockwise. */
export function handles(place: Place, reach: number): { middle: [number, number]; edge: [number, number] } {
  const at = (degrees: number): [number, number] => [place.x + Math.sin((degrees * Math.PI) / 180) * reach, place.y - Math.cos((degrees * Math.PI) / 180) * reach];
  const direction = place.direction ?? 0;
  return { middle: at(direction), edge: at(direction + Math.min(place.angle ?? 90, 350) / 2) };
}

/** How much a camera sees when the edge of its view is dragged there: twice what it is off the middle. */
export function angleTo(place: Place, x: number, y: number): number {
  const off = (bearing(place.x, place.y, x, y) - (place.direction ?? 0) + 360) % 360;
  return Math.max(1, Math.min(360, Math.round(off <= 180 ? off * 2 : (360 - off) * 2)));
}

/** Which way one point is from another, degrees clockwise from the top. */
export function bearing(fromX: number, fromY: number, toX: number, toY: number): number {
  return Math.round((Math.atan2(toX - fromX, fromY - toY) * 180) / Math.PI + 360) % 360;
}
