/** What an installer asks of the gateway (/api/v1/install), and the little that is worked out here. Pure but for the asking. */
import { get, post, remove } from "../api";
import type { Point } from "../state/model";
import { clock } from "../state/time";
import type { Told } from "./trace";

const ROOT = "/api/v1/install";

export type Plain = string | number | boolean;
export type Cell = Plain | Plain[] | Record<string, Plain>;
export type Table = Record<string, Cell>;
/** Tables that are set up from here; "console" is what sounds in the guard room. */
export const KINDS = ["link", "camera", "contact", "console"] as const;
export type Kind = (typeof KINDS)[number] | "device";

export interface Change {
  kind?: Kind;
  device?: string;
  table?: Table | null;
  new?: boolean;
  file?: string;
  text?: string;
  /** A password: kept in a file of the gateway's, never shown again. */
  secret?: string;
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
  taken: string[];
  new_links: string[];
}

/** What somebody else changed since this page was read. */
export interface Since {
  who: string;
  at: string;
  what: string;
  reason: string;
  diff: string;
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
  contacts: string[];
  console: Table;
  plans: Record<string, string>;
  kinds: string[];
  plans_writable: boolean;
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

/** A table of gateway.toml to be filled in. */
export interface TableForm {
  kind: Kind;
  key: string;
  secret: boolean;
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
  form?: string;
  decoded?: string | null;
  unit?: string | null;
  why?: string | null;
  value: Plain | null;
  quality: string;
  order: string | null;
  orders: Record<string, string>;
  likely_orders: string[];
}

/** What a new Modbus device said when it was asked once. */
export interface Probe {
  unit: number;
  complete: boolean;
  problem: string | null;
  values: Value[];
  points: { name: string; known: boolean; active: boolean | null; value: Plain | null; unit: string | null }[];
  advice: string[];
}

/** What a new camera said to the account that was typed. */
export interface CameraTried {
  model: string;
  main: string | null;
  main_size: string;
  sub: string | null;
  sub_size: string;
  clock_offset_s: number | null;
}

export interface Tried {
  camera?: CameraTried;
  next?: string;
  decoded?: Heard[];
  topics?: string[];
  probe?: Probe;
  why?: string;
}

export interface Live {
  device: string;
  driver: string;
  state: string;
  age_seconds: number | null;
  values: Value[];
  problem: string | null;
  topics: string[];
  trace: Told;
  /** What a model has to say for each order: [word_order, byte_order]. */
  order_keys: Record<string, [string, string]>;
}

export interface Unit {
  unit: number;
  /** The device that has this number on this link already. */
  device?: string | null;
  profiles?: { id: string; title: string; title_en: string; sure: string; why: string }[];
}

export interface Seen {
  address: string;
  url: string | null;
  name: string;
  hardware: string;
  location: string;
  clock_offset_s: number | null;
  why: string | null;
  /** It tells who it is to somebody without an account. */
  open_to_all?: boolean;
  /** The camera that is set up with this address already. */
  known?: string | null;
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
    cameras?: Seen[];
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
export const tableForm = (kind: Kind): Promise<TableForm> => get(`${ROOT}/forms/${kind}`);
export const table = (kind: Kind, name: string): Promise<{ file: string; table: Table }> => get(`${ROOT}/table?kind=${kind}&name=${encodeURIComponent(name)}`);
export const trial = (change: Change): Promise<Proposal & { found: Tried }> => post(`${ROOT}/try`, change);
export const topics = (): Promise<{ topics: Heard[] }> => get(`${ROOT}/topics`);
export const live = (id: string, after: number): Promise<Live> => get(`${ROOT}/devices/${encodeURIComponent(id)}/live?after=${after}`);
export const search = (asked: Record<string, Plain>): Promise<Search> => post(`${ROOT}/search`, asked);
export const progress = (after: number): Promise<Search> => get(`${ROOT}/search?after=${after}`);
export const cancel = (): Promise<void> => remove(`${ROOT}/search`);

/** What somebody typed into a field, as the type the model wants; undefined for nothing. */
export function typed(field: Field, said: string): Plain | undefined {
  const text = said.trim();
  if (text === "") return undefined;
  if (field.type === "boolean") return text === "true";
  if (field.type === "choice") return field.choices.find((each) => String(each) === text) ?? text;
  if (field.type === "words") return text;
  const isNumber = field.type === "integer" || field.type === "number";
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** What fields say as a table: "siren.on" is a key of a table of its own, words are a list. Keys that no field asks for stay. */
export function tableOf(fields: readonly Field[], said: Readonly<Record<string, string>>, before: Table = {}): Table {
  const made: Table = { ...before };
  for (const field of fields) {
    const value = typed(field, said[field.name] ?? "");
    const [head = "", tail] = field.name.split(".");
    if (tail === undefined) {
      if (value === undefined) delete made[head];
      else made[head] = field.type === "words" ? String(value).split(/\s+/) : value;
      continue;
    }
    const inner = made[head];
    const next: Record<string, Plain> = typeof inner === "object" && !Array.isArray(inner) ? { ...inner } : {};
    if (value === undefined) delete next[tail];
    else next[tail] = value;
    if (Object.keys(next).length === 0) delete made[head];
    else made[head] = next;
  }
  return made;
}

/** A table as fields show it; the other way round. */
export function saidOf(fields: readonly Field[], from: Table): Record<string, string> {
  const said: Record<string, string> = {};
  for (const field of fields) {
    const [head = "", tail] = field.name.split(".");
    const cell = from[head];
    const value = tail === undefined ? cell : typeof cell === "object" && !Array.isArray(cell) ? cell[tail] : undefined;
    if (value !== undefined) said[field.name] = Array.isArray(value) ? value.join(" ") : String(value);
  }
  return said;
}

export interface PlanSaid {
  title: string;
  title_en: string;
  steps: { zh: string; en: string; mandatory: boolean }[];
}

/** A response plan as its file has it. JSON's way to write a text is one of TOML's. */
export function planFile(plan: PlanSaid): string {
  const line = (key: string, value: string | boolean): string => `${key} = ${JSON.stringify(typeof value === "string" ? value.trim() : value)}\n`;
  const steps = plan.steps.map((step) => `\n[[step]]\n${line("zh", step.zh)}${line("en", step.en)}${step.mandatory ? line("mandatory", true) : ""}`);
  return `${line("title", plan.title)}${line("title_en", plan.title_en)}${steps.join("")}`;
}

/** Which field a fault is about: 'device["btn-1"].address.unit' is "address.unit"; "" when it is about none of this table. */
export function fieldOf(fault: Fault, kind: Kind, id: string): string {
  const found = /^([a-z]+)(?:\[(\d+|"[^"]*")\])?\.(.+)$/.exec(fault.key);
  if (found === null || found[1] !== kind) return "";
  const which = found[2] ?? "";
  return which === "" || /^\d+$/.test(which) || which === `"${id}"` ? (found[3] ?? "").replace(/\[\d+\]$/, "") : "";
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

/** Whether a point was heard of, or is another, since it was looked at. */
export function stirred(before: Point | undefined, now: Point): boolean {
  return before === undefined || before.at !== now.at || before.active !== now.active || before.value !== now.value;
}

/** "2026-11-22 15:50:16" of an RFC 3339 time, in the reader's zone. */
export function moment(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at.slice(0, 19);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(at)}`;
}

/** A line of a difference: what colour it gets. */
export function kindOf(line: string): "more" | "less" | "where" | "same" {
  if (line.startsWith("@@") || line.startsWith("+++") || line.startsWith("---")) return "where";
  return line.startsWith("+") ? "more" : line.startsWith("-") ? "less" : "same";
}
