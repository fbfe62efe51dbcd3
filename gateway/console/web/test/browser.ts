import type { Surroundings } from "../src/stream/link";

/** A browser whose clock and whose connections the test moves. */
export class Browser implements Surroundings {
  nowMs = 1_000_000;
  status = 200;
  readonly sources: Source[] = [];
  private readonly timers: { dueMs: number; everyMs: number; work: () => void }[] = [];

  open(url: string): EventSource {
    const source = new Source(url);
    this.sources.push(source);
    return source as unknown as EventSource;
  }

  now(): number {
    return this.nowMs;
  }

  every(ms: number, work: () => void): () => void {
    return this.timer(ms, ms, work);
  }

  after(ms: number, work: () => void): () => void {
    return this.timer(ms, 0, work);
  }

  soon(work: () => void): void {
    this.after(0, work);
  }

  async probe(): Promise<number> {
    return this.status;
  }

  pass(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.timers.filter((timer) => timer.dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      if (next.everyMs > 0) next.dueMs += next.everyMs;
      else this.timers.splice(this.timers.indexOf(next), 1);
      next.work();
    }
    this.nowMs = end;
  }

  get source(): Source {
    const last = this.sources.at(-1);
    if (last === undefined) throw new Error("nothing was opened");
    return last;
  }

  private timer(ms: number, everyMs: number, work: () => void): () => void {
    const timer = { dueMs: this.nowMs + ms, everyMs, work };
    this.timers.push(timer);
    return () => {
      const at = this.timers.indexOf(timer);
      if (at >= 0) this.timers.splice(at, 1);
    };
  }
}

export class Source {
  readyState = 1;
  private readonly listeners = new Map<string, (event: unknown) => void>();

  constructor(readonly url: string) {}

  addEventListener(kind: string, listener: (event: unknown) => void): void {
    this.listeners.set(kind, listener);
  }

  close(): void {
    this.readyState = 2;
  }

  says(kind: string, data: unknown, lastEventId = ""): void {
    this.listeners.get(kind)?.({ data: typeof data === "string" ? data : JSON.stringify(data), lastEventId });
  }

  fails(state: 0 | 2): void {
    this.readyState = state;
    this.listeners.get("error")?.({});
  }
}
