import { describe, expect, it } from "vitest";
import { EMPTY, SPAN_MS, joined, range, type Told } from "../src/install/trace";

const told = (at: number[], values: Told["values"], now = at.at(-1) ?? 0): Told => ({ now_ms: now, at_ms: at, values });

describe("a strip of five minutes", () => {
  it("grows by what came, and what came twice is there once", () => {
    const one = joined(EMPTY, told([1000, 2000], { level: [1, 2] }));
    const two = joined(one, told([2000, 3000], { level: [9, 3] }));
    expect(two.at).toEqual([1000, 2000, 3000]);
    expect(two.values["level"]).toEqual([1, 2, 3]);
  });

  it("forgets what is older than five minutes", () => {
    const one = joined(EMPTY, told([1000, 2000], { level: [1, 2] }));
    const two = joined(one, told([SPAN_MS + 1500], { level: [3] }));
    expect(two.at.at(-1)).toBe(SPAN_MS + 1500);
    expect(two.at[0]).toBe(2000);
    expect(joined(two, told([], {}, 9 * SPAN_MS)).at).toEqual([]);
  });

  it("has a hole where nothing came, never a line across it", () => {
    const one = joined(EMPTY, told([1000], { level: [1] }));
    const two = joined(one, told([61_000], { level: [2] }));
    expect(two.values["level"]).toEqual([1, null, 2]);
    expect(two.at).toEqual([1000, 1001, 61_000]);
  });

  it("knows nothing of a number before it was there, nor after it went", () => {
    const one = joined(EMPTY, told([1000], { a: [1] }));
    const two = joined(one, told([2000], { b: [2] }));
    expect(two.values).toEqual({ a: [1, null], b: [null, 2] });
  });

  it("begins anew when the gateway's clock was set back", () => {
    const one = joined(EMPTY, told([900_000], { a: [1] }));
    expect(joined(one, told([300_000], { a: [7] })).values).toEqual({ a: [7] });
  });

  it("says from what to what, and nothing of nothing", () => {
    expect(range([null, 3, -1, null])).toEqual([-1, 3]);
    expect(range([null])).toBeNull();
  });
});
