/** Commands to the gateway: POST with a key of their own, so that one that is sent twice is done once. */
import { signal } from "@preact/signals";

export interface Me {
  name: string;
  role: string;
  csrf: string;
  rights: string[];
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
  ) {
    super(en);
  }
}

const WAIT_MS = 10_000;

export async function get<T>(path: string): Promise<T> {
  return ask<T>("GET", path, undefined, undefined);
}

/** key: of this one decision; made when a person decided, kept while it is tried again. */
export async function post<T>(path: string, body: unknown, key: string = crypto.randomUUID()): Promise<T> {
  try {
    return await ask<T>("POST", path, body, key);
  } catch (error) {
    if (error instanceof Refused && error.status !== 0) throw error;
    return ask<T>("POST", path, body, key); // once more: the answer may have been lost, the key keeps it single
  }
}

export async function remove(path: string): Promise<void> {
  await ask("DELETE", path, undefined, undefined);
}

async function ask<T>(method: string, path: string, body: unknown, key: string | undefined): Promise<T> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  if (me.value !== null) headers["X-CSRF-Token"] = me.value.csrf;
  const init: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) };
  if (body !== undefined) init.body = JSON.stringify(body);
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw new Refused(0, "gone", "网关没有应答", "the gateway did not answer", "look at the red bar; telephone if it is urgent");
  }
  const told: unknown = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return told as T;
  const error = (told as { error?: { code?: string; message_zh?: string; message?: string; next?: string } } | null)?.error;
  throw new Refused(
    answer.status,
    error?.code ?? "error",
    error?.message_zh ?? `网关拒绝了 (${answer.status})`,
    error?.message ?? `the gateway refused (${answer.status})`,
    error?.next ?? "",
  );
}
