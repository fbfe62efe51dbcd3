/** What the shared worker and a page say to each other. */
import type { News } from "../state/model";
import type { House } from "../state/reduce";
import type { LinkNow } from "./link";

export type ToPage =
  /** ageMs: how long ago the gateway was heard, -1 for never. sentMs: Date.now(), which a page and its worker share. */
  | { is: "house"; house: House; link: LinkNow; ageMs: number; sentMs: number }
  /** What came in one piece, in its order: a page that is told of it at once is drawn once. */
  | { is: "news"; news: readonly News[]; sentMs: number }
  | { is: "link"; link: LinkNow }
  /** Answered at once, with "here": whether scripts of the page run, seen or not. */
  | { is: "there?" }
  /** Whether any page of this browser that answers can be heard. */
  | { is: "heard"; heard: boolean };

export type ToWorker = { is: "again" } | { is: "bye" } | { is: "here"; sounds: boolean };
