import { describe, expect, it } from "vitest";
import { angleTo, bearing, clusters, cone, handles, marks, reachOf, worst, type Place } from "../src/floors/marks";
import type { Device } from "../src/state/model";
import { alarm, at } from "./rows";

const place = (id: string, x: number, y: number, some: Partial<Place> = {}): Place => ({ kind: "device", id, plan: "p", x, y, direction: null, angle: null, ...some });
const device = (id: string, state: Device["state"]): Device => ({ id, name: "按钮", place: "西门", profile: "", family: "", link: "", state, last_seen: null, points: [] });
const devices = new Map([device("btn-a", "online"), device("btn-b", "offline"), device("btn-c", "unknown")].map((each) => [each.id, each]));
const camera = { id: "cam", name: "球机", place: "西门" };
const looks = (isHeard: boolean, open = [] as ReturnType<typeof alarm>[]): string[] =>
  marks([place("btn-a", 0, 0), place("btn-b", 0, 0), place("btn-c", 0, 0), place("gone", 0, 0), place("cam", 0, 0, { kind: "camera" })], "p", devices, [camera], open, isHeard).map((mark) => mark.look);

describe("marks on a plan", () => {
  it("what is not known is never shown as normal", () => {
    expect(looks(true)).toEqual(["normal", "offline", "unknown", "unknown", "camera"]);
    expect(looks(false)).toEqual(["unknown", "unknown", "unknown", "unknown", "unknown"]);
  });

  it("an open alarm is what a mark shows first, the most urgent one, also when nothing is heard any more", () => {
    const low = alarm("a", { priority: 3 });
    const high = alarm("a", { priority: 1, raised_at: at(9), acknowledged_at: at(10) });
    expect(looks(false, [low, high])[0]).toBe("p1");
    const [mark] = marks([place("btn-a", 0, 0)], "p", devices, [], [low, high], true);
    expect(mark?.isCalling).toBe(false);
    expect(mark?.name).toBe("西门 按钮");
  });

  it("only what stands on this plan is on it", () => {
    expect(marks([place("btn-a", 0, 0, { plan: "q" })], "p", devices, [], [], true)).toEqual([]);
  });

  it("what stands near each other becomes one, but nothing urgent does", () => {
    const all = marks([place("btn-a", 0, 0), place("btn-b", 3, 0), place("btn-c", 50, 0)], "p", devices, [], [alarm("a")], true);
    expect(clusters(all, 10).map((each) => each.marks.map((mark) => mark.place.id))).toEqual([["btn-a"], ["btn-b"], ["btn-c"]]);
    const quiet = marks([place("btn-a", 0, 0), place("btn-b", 3, 0), place("btn-c", 50, 0)], "p", devices, [], [], true);
    const found = clusters(quiet, 10);
    expect(found.map((each) => each.marks.length)).toEqual([2, 1]);
    expect(worst(found[0]?.marks ?? [])).toBe("offline");
  });
});

describe("what a camera sees", () => {
  it("a cone opens where the camera looks", () => {
    const corners = cone(place("cam", 100, 100, { direction: 90, angle: 60 }), 50);
    expect(corners[0]).toEqual([100, 100]);
    expect(corners.slice(1).every(([x, y]) => x > 140 && Math.abs(y - 100) <= 25.001)).toBe(true);
    expect(cone(place("cam", 0, 0), 50)).toEqual([]);
  });

  it("directions are clockwise from the top", () => {
    expect([bearing(0, 0, 0, -5), bearing(0, 0, 5, 0), bearing(0, 0, 0, 5), bearing(0, 0, -5, 0)]).toEqual([0, 90, 180, 270]);
  });
});

describe("a camera's view is taken hold of", () => {
  const looking = place("cam", 100, 100, { kind: "camera", direction: 90, angle: 60 });

  it("what is dragged is what comes out: the handle's own place changes nothing", () => {
    const { middle, edge } = handles(looking, 50);
    expect(bearing(100, 100, ...middle)).toBe(90);
    expect(angleTo(looking, ...edge)).toBe(60);
    expect(angleTo(looking, 100, 50)).toBe(180);
  });

  it("it is drawn as far as a few rooms where the plan was measured", () => {
    const plan = { id: "p", name: "", kind: "png", width: 1000, height: 500, picture: "", metres_per_unit: null };
    expect(reachOf(plan)).toBe(140);
    expect(reachOf({ ...plan, metres_per_unit: 0.1 })).toBe(150);
    expect(reachOf({ ...plan, metres_per_unit: 100 })).toBe(35);
  });
});
