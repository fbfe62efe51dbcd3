import { expect, it } from "vitest";
import en from "../src/words/en.json";
import zh from "../src/words/zh.json";

it("every word exists in both languages", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
});

it("both languages leave the same places open", () => {
  const open = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)/g)].map((found) => found[1] ?? ""))].sort();
  for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
    expect(open(en[key]), key).toEqual(open(zh[key]));
  }
});

it("no word is empty", () => {
  expect(Object.values({ ...zh, ...en }).filter((text) => text.trim() === "")).toEqual([]);
});
