import { describe, expect, it } from "vitest";
import { linkedOf, suggested, type Near } from "../src/floors/near";

const near = (camera: string, sees: boolean | null): Near => ({ camera, sees, distance: 1, metres: null });

describe("which cameras are suggested", () => {
  it("those that look there, four at most, in the order the gateway gave", () => {
    expect(suggested([..."abcde"].map((name) => near(name, true)))).toEqual(["a", "b", "c", "d"]);
  });

  it("never one that looks elsewhere; one that nobody turned only when no other is sure", () => {
    expect(suggested([near("far", true), near("unset", null), near("back", false)])).toEqual(["far"]);
    expect(suggested([near("unset", null), near("other", null), near("back", false)])).toEqual(["unset"]);
    expect(suggested([near("back", false)])).toEqual([]);
  });

  it("what is linked is what the table says", () => {
    expect(linkedOf({ cameras: ["cam-1"] })).toEqual(["cam-1"]);
    expect(linkedOf({})).toEqual([]);
  });
});
