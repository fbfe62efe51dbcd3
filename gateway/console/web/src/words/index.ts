/** Every word on the screen comes from a catalogue: Chinese is the master, English must have the same keys. */
import { effect, signal } from "@preact/signals";
import en from "./en.json";
import zh from "./zh.json";

export type Language = "zh" | "en";
export type Key = keyof typeof zh;

const CATALOGUES: Record<Language, Record<Key, string>> = { zh, en };
const KEPT = "campus.language";

export const language = signal<Language>(kept());

function kept(): Language {
  return typeof localStorage !== "undefined" && localStorage.getItem(KEPT) === "en" ? "en" : "zh";
}

/** What the page is written in, for whoever reads it aloud. */
effect(() => {
  if (typeof document !== "undefined") document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});

export function speak(next: Language): void {
  language.value = next;
  localStorage.setItem(KEPT, next);
}

/**
 * The words of a key. `{name}` is replaced; `{count|one|many}` chooses by number, English rule.
 * A value is put in as text: it never becomes markup.
 */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return CATALOGUES[language.value][key].replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_all, name: string, one?: string, many?: string) => {
    const value = values[name];
    if (one !== undefined && many !== undefined) return value === 1 ? one : many;
    return value === undefined ? `{${name}}` : String(value);
  });
}

/** The words of a key that the gateway named ("panic", "dispatched"); the name itself when nobody knows it. */
export function named(group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in CATALOGUES.zh ? t(key as Key) : name;
}

/** What the gateway says to people comes in both languages, "中文 English" or apart. */
export function either(zhText: string, enText: string): string {
  return language.value === "zh" ? zhText : enText;
}

/** Where the guide is that a guard reads; it is the gateway's own page (guide.py). */
export function guide(): string {
  return `/console/guide/guard.${language.value}`;
}
