/** Commands to the gateway: POST with a key of their own, so that one that is sent twice is done once. */
import { signal } from "@preact/signals";
import { askPin } from "./pin";

export interface Me {
  name: string;
  role: string;
  csrf: string;
  rights: string[];
  /** When the session ends, RFC 3339. */
  until: string | null;
  /** Whether commands may ask for the PIN again: who signed on with a token has none. */
  has_pin: boolean;
}

/** What a sign-on screen is told; names only in a browser that somebody signed on in before. */
export interface Door {
  people: string[];
  on_duty: { name: string; role: string; until: string }[];
  is_first: boolean;
}

export const me = signal<Me | null>(null);

/** What the gateway said no with: two languages and what to do next. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly zh: string,
    readonly en: string,
    readonly next: string,
    /** The whole answer, for those who know what else stands in it. */
    readonly told: unknown = null,
  ) {
    super(en);
  }
}

const WAIT_MS = 10_000;
export const PIN_NEEDED = "pin_needed";

export async function get<T>(path: string): Promise<T> {
  return ask<T>("GET", path, undefined, undefined);
}

/** key: of this one decision; made when a person decided, kept while it is tried again. */
export async function post<T>(path: string, body: unknown, key: string = crypto.randomUUID(), waitMs: number = WAIT_MS): Promise<T> {
  try {
    return await ask<T>("POST", path, body, key, waitMs);
  } catch (error) {
    if (error instanceof Refused && error.status !== 0) throw error;
    return ask<T>("POST", path, body, key, waitMs); // once more: the answer may have been lost, the key keeps it single
  }
}

export async function remove(path: string): Promise<void> {
  await ask("DELETE", path, undefined, undefined);
}

async function ask<T>(method: string, path: string, body: unknown, key: string | undefined, waitMs: number = WAIT_MS): Promise<T> {
  const answer = await asked(method, path, body, key, () => AbortSignal.timeout(waitMs));
  return (answer.status === 204 ? null : await answer.json().catch(() => null)) as T;
}

/**
 * The whole answer; a file is sent as it is, anything else as JSON. Where the gateway wants the PIN first, the person is asked for
 * it and the same decision sent once more; the time for that is not counted.
 */
export async function asked(method: string, path: string, body: unknown, key: string | undefined, signal: AbortSignal | (() => AbortSignal) | undefined): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined && !(body instanceof Blob)) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  if (me.value !== null) headers["X-CSRF-Token"] = me.value.csrf;
  const init: RequestInit = { method, headers, cache: "no-store" };
  if (signal !== undefined) init.signal = typeof signal === "function" ? signal() : signal;
  if (body !== undefined) init.body = body instanceof Blob ? body : JSON.stringify(body);
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new Refused(0, "gone", "网关没有应答", "the gateway did not answer", "look at the red bar; telephone if it is urgent");
  }
  if (answer.ok) return answer;
  const told: unknown = await answer.json().catch(() => null);
  const error = (told as { error?: { code?: string; message_zh?: string; message?: string; next?: string } } | null)?.error;
  if (error?.code === PIN_NEEDED && (await askPin())) return asked(method, path, body, key, signal);
  throw new Refused(
    answer.status,
    error?.code ?? "error",
    error?.message_zh ?? `网关拒绝了 (${answer.status})`,
    error?.message ?? `the gateway refused (${answer.status})`,
    error?.next ?? "",
    told,
  );
}
