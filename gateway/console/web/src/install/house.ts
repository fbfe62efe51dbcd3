/** What an installer asks of the gateway (/api/v1/install), and the little that is worked out here. Pure but for the asking. */
import { get, post, remove } from "../api";

const ROOT = "/api/v1/install";

export type Plain = string | number | boolean;
export type Cell = Plain | Plain[] | Record<string, Plain>;
export type Table = Record<string, Cell>;

export interface Change {
  device?: string;
  table?: Table | null;
  new?: boolean;
}

export interface Fault {
  file: string;
  key: string;
  problem: string;
  expected: string;
}

export interface Proposal {
  file: string;
  version: string;
  diff: string;
  what: string;
  faults: Fault[];
}

export interface Outcome {
  added: string[];
  removed: string[];
  changed: string[];
  links: string[];
  anew: string[];
  by_hand: string[];
  video: string;
}

export interface Done extends Proposal {
  number: number;
  outcome: Outcome;
}

export interface Files {
  version: string;
  files: Record<string, string>;
  writable: boolean;
  links: { name: string; kind: string }[];
  cameras: string[];
  changes: { number: number; file: string; at: string; who: string; reason: string; what: string }[];
}

export interface Model {
  id: string;
  title: string;
  title_en: string;
  family: string;
  driver: string;
  verified: boolean;
  confidence: string;
}

export interface Field {
  name: string;
  type: string;
  required: boolean;
  default: Plain | null;
  choices: Plain[];
  min: number | null;
  max: number | null;
  example: Plain | null;
  help: string;
  help_en: string;
}

export interface Form extends Model {
  fields: Field[];
}

export interface Heard {
  link: string;
  topic: string;
  count: number;
  last_at: string;
  text: string | null;
  hex: string;
  size_bytes: number;
  known?: boolean;
  problem?: string | null;
  readings?: { point: string; active: boolean | null; value: Plain | null; unit: string | null }[];
}

export interface Value {
  name: string;
  address: string;
  function: number;
  words: number[] | null;
  hex: string[] | null;
  bits: string[] | null;
  value: Plain | null;
  quality: string;
  order: string | null;
  orders: Record<string, string>;
  likely_orders: string[];
}

export interface Live {
  device: string;
  driver: string;
  state: string;
  age_seconds: number | null;
  values: Value[];
  problem: string | null;
  topics: string[];
}

export interface Unit {
  unit: number;
  profiles?: unknown;
}

export interface Search {
  id: string;
  what: string;
  state: string;
  lines: string[];
  next_line: number;
  result: {
    topics?: Heard[];
    bus?: { units: Unit[]; next: string[] };
    cameras?: unknown;
    next?: string[];
  } | null;
}

export const files = (): Promise<Files> => get(`${ROOT}/config`);
export const written = (id: string): Promise<{ file: string; table: Table }> => get(`${ROOT}/devices/${encodeURIComponent(id)}`);
export const check = (change: Change): Promise<Proposal> => post(`${ROOT}/config/check`, change);
export const apply = (change: Change, version: string, reason: string): Promise<Done> => post(`${ROOT}/config/apply`, { change, version, reason });
export const undoing = (number: number): Promise<Proposal> => get(`${ROOT}/config/undo/${number}`);
export const undo = (number: number, version: string, reason: string): Promise<Done> => post(`${ROOT}/config/undo`, { number, version, reason });
export const reload = (reason: string): Promise<{ outcome: Outcome }> => post(`${ROOT}/reload`, { reason });
export const models = (words: string): Promise<{ profiles: Model[] }> => get(`${ROOT}/profiles?words=${encodeURIComponent(words)}`);
export const form = (id: string): Promise<Form> => get(`${ROOT}/profiles/${id.split("/").map(encodeURIComponent).join("/")}`);
export const trial = (change: Change): Promise<Proposal & { found: { decoded?: Heard[]; topics?: string[]; probe?: unknown; why?: string } }> => post(`${ROOT}/try`, change);
export const topics = (): Promise<{ topics: Heard[] }> => get(`${ROOT}/topics`);
export const live = (id: string): Promise<Live> => get(`${ROOT}/devices/${encodeURIComponent(id)}/live`);
export const search = (asked: Record<string, Plain>): Promise<Search> => post(`${ROOT}/search`, asked);
export const progress = (after: number): Promise<Search> => get(`${ROOT}/search?after=${after}`);
export const cancel = (): Promise<void> => remove(`${ROOT}/search`);

/** What somebody typed into a field, as the type the model wants; undefined for nothing. */
export function typed(field: Field, said: string): Plain | undefined {
  const text = said.trim();
  if (text === "") return undefined;
  if (field.type === "boolean") return text === "true";
  if (field.type === "choice") return field.choices.find((each) => String(each) === text) ?? text;
  const isNumber = field.type === "integer" || field.type === "number";
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Which bits are others than they were at the beginning: "3.5" is bit 5 of the fourth word, counted from 0. */
export function moved(before: readonly number[] | null, now: readonly number[] | null, isBits: boolean): string[] {
  if (before === null || now === null) return [];
  const found: string[] = [];
  now.forEach((word, at) => {
    const other = word ^ (before[at] ?? word);
    for (let bit = 0; bit < 16; bit += 1) if (((other >> bit) & 1) === 1) found.push(isBits ? String(at) : `${at}.${bit}`);
  });
  return found;
}

/** A line of a difference: what colour it gets. */
export function kindOf(line: string): "more" | "less" | "where" | "same" {
  if (line.startsWith("@@") || line.startsWith("+++") || line.startsWith("---")) return "where";
  return line.startsWith("+") ? "more" : line.startsWith("-") ? "less" : "same";
}
