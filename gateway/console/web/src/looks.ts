/** Day or night, and large type: by the hour until somebody chooses. */
import { effect, signal } from "@preact/signals";

export type Look = "day" | "night" | "auto";
const KEPT_LOOK = "campus.look";
const KEPT_LARGE = "campus.large";

export const look = signal<Look>((localStorage.getItem(KEPT_LOOK) as Look | null) ?? "auto");
export const isLarge = signal(localStorage.getItem(KEPT_LARGE) === "1");

export function isNight(chosen: Look, hour: number): boolean {
  return chosen === "auto" ? hour < 6 || hour >= 19 : chosen === "night";
}

export function follow(hour: () => number): void {
  effect(() => {
    document.documentElement.dataset["look"] = isNight(look.value, hour()) ? "night" : "day";
    document.documentElement.dataset["large"] = isLarge.value ? "yes" : "no";
    localStorage.setItem(KEPT_LOOK, look.value);
    localStorage.setItem(KEPT_LARGE, isLarge.value ? "1" : "0");
  });
}
