/** Day or night, and large type: by the hour until somebody chooses. Sun: black on white and thick lines, for a screen out of doors. */
import { computed, effect, signal } from "@preact/signals";

export type Look = "day" | "night" | "sun" | "auto";
const KEPT_LOOK = "campus.look";
const KEPT_LARGE = "campus.large";

export const look = signal<Look>(known(localStorage.getItem(KEPT_LOOK)));
export const isLarge = signal(localStorage.getItem(KEPT_LARGE) === "1");
const hour = signal(new Date().getHours());
export const isNightNow = computed(() => isNight(look.value, hour.value));

function known(kept: string | null): Look {
  return kept === "day" || kept === "night" || kept === "sun" ? kept : "auto";
}

export function isNight(chosen: Look, atHour: number): boolean {
  return chosen === "auto" ? atHour < 6 || atHour >= 19 : chosen === "night";
}

export function follow(now: () => number): void {
  effect(() => {
    hour.value = new Date(now()).getHours();
  });
  effect(() => {
    document.documentElement.dataset["look"] = look.value === "sun" ? "sun" : isNightNow.value ? "night" : "day";
    document.documentElement.dataset["large"] = isLarge.value ? "yes" : "no";
    localStorage.setItem(KEPT_LOOK, look.value);
    localStorage.setItem(KEPT_LARGE, isLarge.value ? "1" : "0");
  });
}
