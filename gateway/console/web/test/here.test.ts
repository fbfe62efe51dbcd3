import { afterEach, beforeEach, expect, it, vi } from "vitest";

let runMs = 0;
let wallMs = 0;
let here: () => number;

beforeEach(async () => {
  [runMs, wallMs] = [5_000, 1_800_000_000_000];
  vi.spyOn(performance, "now").mockImplementation(() => runMs);
  vi.spyOn(Date, "now").mockImplementation(() => wallMs);
  vi.resetModules();
  ({ here } = await import("../src/stream/here"));
});
afterEach(() => {
  vi.restoreAllMocks();
});

function pass(ranMs: number, wentMs = ranMs): void {
  runMs += ranMs;
  wallMs += wentMs;
}

it("begins with the wall clock and goes on as time runs", () => {
  expect(here()).toBe(1_800_000_000_000);
  pass(500);
  expect(here()).toBe(1_800_000_000_500);
});

it("never goes back when the wall clock is set back, and loses nothing of what ran", () => {
  const began = here();
  pass(2_000, 2_000 - 3_600_000);
  expect(here() - began).toBe(2_000);
  pass(58_000);
  expect(here() - began).toBe(60_000);
});

it("counts what was slept through, of which the running clock knows nothing", () => {
  const began = here();
  pass(250, 8 * 3_600_000);
  expect(here() - began).toBe(8 * 3_600_000);
});

it("takes a wall clock that a time server leads along for no sleep", () => {
  const began = here();
  for (let n = 0; n < 1_000; n += 1) {
    pass(500, 501);
    here();
  }
  expect(here() - began).toBe(500_000);
});
