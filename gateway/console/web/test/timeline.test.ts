import { describe, expect, it } from "vitest";
import {
  DAY_MS,
  HOUR_MS,
  LEVELS,
  MINUTE_MS,
  NOTHING_YET,
  SHORTEST_MS,
  around,
  cellsOf,
  chunk,
  gapAt,
  isGap,
  lookOf,
  missing,
  msOf,
  next,
  pan,
  shuttle,
  span,
  speed,
  ticks,
  xOf,
  zoom,
} from "../src/state/timeline";

const NOW = Date.parse("2026-11-22T08:00:00Z");
const LIMITS = { fromMs: NOW - 90 * DAY_MS, toMs: NOW };
const ALL = { ...LIMITS };

describe("what is on the screen", () => {
  it("zooming keeps the moment under the pointer where it is", () => {
    const at = NOW - 30 * DAY_MS;
    let view = ALL;
    const x = xOf(view, at, 1000);
    for (let turn = 0; turn < 12; turn += 1) {
      view = zoom(view, 0.5, at, LIMITS);
      expect(xOf(view, at, 1000)).toBeCloseTo(x, 3);
    }
    expect(span(view)).toBeCloseTo((90 * DAY_MS) / 4096, 3);
  });

  it("never shows more than there can be, nor less than can be seen", () => {
    expect(zoom(ALL, 10, NOW, LIMITS)).toEqual(ALL);
    expect(span(zoom(around(NOW, MINUTE_MS, LIMITS), 1e-9, NOW, LIMITS))).toBe(SHORTEST_MS);
    expect(around(NOW, HOUR_MS, LIMITS)).toEqual({ fromMs: NOW - HOUR_MS, toMs: NOW });
    expect(pan(around(NOW, HOUR_MS, LIMITS), DAY_MS, LIMITS).toMs).toBe(NOW);
  });

  it("the four keys are 90 days, a day, an hour, a minute", () => {
    expect(LEVELS.map((level) => level / MINUTE_MS)).toEqual([129_600, 1_440, 60, 1]);
  });

  it("a column is a moment and back", () => {
    const view = around(NOW - DAY_MS, HOUR_MS, LIMITS);
    expect(msOf(view, xOf(view, NOW - DAY_MS, 800), 800)).toBeCloseTo(NOW - DAY_MS, 3);
  });

  it("ticks are round in the reader's zone, and few", () => {
    const zone = 8 * HOUR_MS;
    const days = ticks(ALL, 12, zone);
    expect(days.length).toBeLessThanOrEqual(13);
    expect(days.every((tick) => (tick.atMs + zone) % DAY_MS === 0 && tick.isDay)).toBe(true);
    const minute = ticks(around(NOW - DAY_MS, MINUTE_MS, LIMITS), 12, zone);
    expect(minute.length).toBeGreaterThan(5);
    expect(minute.every((tick) => tick.withSeconds)).toBe(true);
  });
});

describe("what was recorded", () => {
  const cell = (fromMs: number, toMs: number, missingMs: number, reason = "") => ({ fromMs, toMs, missingMs, reason });

  it("a cell is solid only when nothing of it is missing", () => {
    expect(lookOf(cell(0, 100, 0), 0, NOW)).toBe("solid");
    expect(lookOf(cell(0, 100, 1, "camera"), 0, NOW)).toBe("partial");
    expect(lookOf(cell(0, 100, 100, "camera"), 0, NOW)).toBe("gap");
  });

  it("what is not yet, and what was before the oldest picture, is no gap", () => {
    expect(lookOf(cell(NOW, NOW + 10, 10, NOTHING_YET), 0, NOW)).toBe("none");
    expect(lookOf(cell(0, 10, 10, "unknown"), 10, NOW)).toBe("none");
    expect(lookOf(cell(0, 10, 10, "unknown"), null, NOW)).toBe("none");
    expect(lookOf(cell(20, 30, 10, "unknown"), 10, NOW)).toBe("gap");
    expect(lookOf(cell(0, 10, 10, "camera"), 10, NOW)).toBe("gap");
  });

  it("a camera that stopped an hour ago has a gap up to now", () => {
    expect(lookOf(cell(NOW - HOUR_MS, NOW - MINUTE_MS * 2, HOUR_MS - MINUTE_MS * 2, NOTHING_YET), 0, NOW)).toBe("gap");
  });

  it("what is missing is counted without what nobody could have recorded", () => {
    expect(missing([cell(0, 10, 10, "unknown"), cell(10, 30, 5, "camera"), cell(NOW, NOW + 9, 9, NOTHING_YET)], 10, NOW)).toBe(5);
  });

  it("rows of the gateway become cells", () => {
    expect(cellsOf([{ from: "1970-01-01T00:00:01.000Z", to: "1970-01-01T00:00:02.000Z", missing_ms: 3, reason: null }])).toEqual([cell(1000, 2000, 3)]);
  });

  it("a moment in a gap says which", () => {
    const gaps = [{ fromMs: 10, toMs: 20, reason: "camera" }];
    expect([9, 10, 19, 20].map((at) => gapAt(gaps, at)?.reason ?? "")).toEqual(["", "camera", "camera", ""]);
  });
});

describe("what plays", () => {
  const spans = [
    { fromMs: 100, toMs: 200 },
    { fromMs: 0, toMs: 80 },
  ];

  it("a range goes on over a gap, and begins only where there is something", () => {
    expect(chunk(spans, 50, 1000)).toEqual({ fromMs: 50, toMs: 200 });
    expect(chunk(spans, 50, 100)).toEqual({ fromMs: 50, toMs: 150 });
    expect(chunk(spans, 90, 1000)).toBeNull();
    expect(chunk(spans, 200, 1000)).toBeNull();
    expect(chunk([], 0, 1000)).toBeNull();
  });

  it("events are found on either side, and one goes on from the one one stands on", () => {
    const all = [5_000, 60_000, 20_000].map((atMs) => ({ id: String(atMs), atMs, kind: "panic", mode: "live", text: "" }));
    expect(next(all, 20_000, 1)?.atMs).toBe(60_000);
    expect(next(all, 20_000, -1)?.atMs).toBe(5_000);
    expect(next(all, 60_000, 1)).toBeNull();
  });

  it("J, K and L go back, stop and go on, each again faster", () => {
    expect([shuttle(0, "l"), shuttle(1, "l"), shuttle(16, "l")]).toEqual([1, 2, 16]);
    expect([shuttle(1, "j"), shuttle(-1, "j"), shuttle(-2, "l")]).toEqual([-1, -2, 1]);
    expect(shuttle(4, "k")).toBe(0);
  });

  it("speeds are between an eighth and sixteen", () => {
    expect([speed(1, 1), speed(1, -1), speed(1 / 8, -1), speed(16, 1), speed(0.3, 1)]).toEqual([2, 0.5, 1 / 8, 16, 2]);
  });
});

describe("what an answer says is missing", () => {
  it("is no gap where it is not on the disk yet, and one wherever else", () => {
    const late = "2026-11-22T18:18:57.423Z/2026-11-22T18:30:00.000Z;nothing_yet";
    expect(isGap(null)).toBe(false);
    expect(isGap(late)).toBe(false);
    expect(isGap(`2026-11-22T18:18:00.000Z/2026-11-22T18:18:10.000Z;camera, ${late}`)).toBe(true);
    expect(isGap("and 7 more: see the timeline")).toBe(true);
  });
});
