/** What the shared worker and a page say to each other. */
import type { News } from "../state/model";
import type { House } from "../state/reduce";
import type { LinkNow } from "./link";

export type ToPage =
  | { is: "house"; house: House; link: LinkNow }
  | { is: "news"; news: News; heardMs: number }
  | { is: "link"; link: LinkNow };

export type ToWorker = { is: "again" } | { is: "bye" };
