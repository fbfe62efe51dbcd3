import { expect, it } from "vitest";
import { figures, series } from "../src/charts/figures";
import type { CameraRow } from "../src/playback/data";

const NOW = Date.parse("2026-11-22T08:00:00Z");
const camera = (some: Partial<CameraRow> = {}): CameraRow => ({ id: "cam", name: "", place: "", streams: [], oldest: null, newest: null, state: null, ...some });

it("what a silent recorder did not say is not made up", () => {
  expect(figures(camera(), NOW)).toEqual({ isRecording: null, ageMs: null, mbitPerS: null, keptDays: null, wantedDays: null, wantedGb: null });
});

it("a tile says the age of the newest picture, the rate, the days kept and what all of them need", () => {
  const state = { recording: true, newest_ns: (NOW - 4_000) * 1e6, bit_rate_bps: 4_000_000, retention_days: 90 };
  const found = figures(camera({ oldest: "2026-11-12T08:00:00Z", newest: "2026-11-22T07:59:00Z", state }), NOW);
  expect(found).toEqual({ isRecording: true, ageMs: 4_000, mbitPerS: 4, keptDays: 10, wantedDays: 90, wantedGb: 3888 });
});

it("without the recorder's word the index says when the newest picture was", () => {
  expect(figures(camera({ newest: "2026-11-22T07:59:00Z" }), NOW).ageMs).toBe(60_000);
});

it("a time without readings is a hole in the line", () => {
  const cells: [number, number, number, number, number, number][] = [
    [0, 1000, 1, 3, 2, 2],
    [2000, 3000, 2, 2, 2, 1],
    [60_000, 61_000, 5, 5, 5, 1],
  ];
  expect(series(cells, 10_000)).toEqual([
    [0, 2, 31.5, 60],
    [1, 2, null, 5],
    [3, 2, null, 5],
    [2, 2, null, 5],
  ]);
});
