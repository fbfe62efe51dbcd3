import { describe, expect, it } from "vitest";
import { kindOf, moved, typed, type Field } from "../src/install/house";

const field = (type: string, more: Partial<Field> = {}): Field => ({
  name: "x", type, required: true, default: null, choices: [], min: null, max: null, example: null, help: "", help_en: "", ...more,
});

describe("what an installer types", () => {
  it("becomes the type the model wants, and nothing stays nothing", () => {
    expect(typed(field("integer"), " 7 ")).toBe(7);
    expect(typed(field("number"), "0.5")).toBe(0.5);
    expect(typed(field("boolean"), "true")).toBe(true);
    expect(typed(field("text"), "7")).toBe("7");
    expect(typed(field("choice", { choices: [1, 2] }), "2")).toBe(2);
    expect(typed(field("topic"), "  ")).toBeUndefined();
  });
  it("that is no number is left as it is, for the gateway to say so", () => {
    expect(typed(field("integer"), "seven")).toBe("seven");
  });
});

describe("which bit moved", () => {
  it("names word and bit, also the highest", () => {
    expect(moved([0, 0x8000], [4, 0], false)).toEqual(["0.2", "1.15"]);
    expect(moved([0, 1], [0, 0], true)).toEqual(["1"]);
  });
  it("is nothing while nothing is known", () => {
    expect(moved(null, [1], false)).toEqual([]);
    expect(moved([1], null, false)).toEqual([]);
  });
});

it("a line of a difference is more, less, a place or the same", () => {
  expect(["+a", "-a", "@@ -1 +1 @@", "+++ b", " a"].map(kindOf)).toEqual(["more", "less", "where", "where", "same"]);
});
