import { expect, it } from "vitest";
import { isFactory } from "../src/install/factory";

it("a password that every manual has, or that is the user's name, is one to be changed", () => {
  expect([isFactory("admin", "12345"), isFactory("admin", "Admin123"), isFactory("onvif", " ONVIF ")]).toEqual([true, true, true]);
});

it("nothing typed, and what no maker ships, is no matter of factories", () => {
  expect([isFactory("admin", ""), isFactory("", ""), isFactory("onvif", "mei-hua-27-men")]).toEqual([false, false, false]);
});
