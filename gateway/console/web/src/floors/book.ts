/** The floor plans as the gateway keeps them, and every change of them. A change names the version it was made from. */
import { signal } from "@preact/signals";
import { Refused, asked, get, me } from "../api";
import { tried, trouble } from "../deeds";
import type { Book, Place } from "./marks";

export const FLOORS = "/api/v1/floors";
/** null before it was read. */
export const book = signal<Book | null>(null);

export async function read(): Promise<void> {
  try {
    book.value = await get<Book>(FLOORS);
  } catch (error) {
    if (error instanceof Refused && book.value === null) book.value = { version: 0, undo: 0, plans: [], places: [] };
  }
}

export function mayPlan(): boolean {
  return me.value?.rights.includes("plans") ?? false;
}

/** What somebody else changed meanwhile is read, and the change is to be made again by a person who has seen it. */
async function change(method: string, path: string, body: unknown): Promise<boolean> {
  const told = await tried(async () => (await (await asked(method, path, body, undefined, undefined)).json()) as Book);
  if (told === null) {
    await read();
    return false;
  }
  book.value = told;
  return true;
}

function version(): number {
  return book.value?.version ?? 0;
}

export function put(place: Place): Promise<boolean> {
  const { plan, x, y, direction, angle } = place;
  const looks = place.kind === "camera" ? { direction, angle } : {};
  return change("PUT", `/api/v1/places/${place.kind}/${encodeURIComponent(place.id)}`, { version: version(), plan, x, y, ...looks });
}

export function take(place: Place): Promise<boolean> {
  return change("DELETE", `/api/v1/places/${place.kind}/${encodeURIComponent(place.id)}?version=${version()}`, undefined);
}

export function undo(): Promise<boolean> {
  return change("POST", `${FLOORS}/undo`, { version: version() });
}

/** How large a plan is: metres from one point to another, or metres for each of its units; null: nobody knows. */
export function measure(plan: string, by: { start: { x: number; y: number }; end: { x: number; y: number }; metres: number } | { metres_per_unit: number } | null): Promise<boolean> {
  return change("PUT", `${FLOORS}/${plan}/scale`, { version: version(), ...(by ?? {}) });
}

export function drop(plan: string): Promise<boolean> {
  return change("DELETE", `${FLOORS}/${plan}?version=${version()}`, undefined);
}

export const SIZE_MOST = 10 * 1024 * 1024;

/** page: of a PDF. */
export async function upload(file: File, name: string, page: number): Promise<boolean> {
  if (file.size > SIZE_MOST) {
    trouble.value = { zh: "文件超过 10 MB", en: "the file is larger than 10 MB", next: "" };
    return false;
  }
  const query = new URLSearchParams({ name, version: String(version()), page: String(page) });
  return change("POST", `${FLOORS}?${query.toString()}`, file);
}
