/**
 * The one connection to the gateway, and the truth about whether it is there.
 *
 * Owns   an EventSource, opened again by hand where the browser gives up.
 * Keeps  1. The gateway sends at least every two seconds; after SILENT_MS without a word the link is down, whatever the
 *           socket says; a socket that broke has BROKEN_MS to come back. Within 5 s the page knows.
 *        2. What cannot be read is dropped and the stream begun anew: a snapshot repairs everything.
        3. Begun anew, it asks for the records behind the newest one it has, as a browser does by itself.
 */
import type { News } from "../state/model";

export const SILENT_MS = 4_500;
/** So long a broken connection may be on its way back before it is called lost. */
export const BROKEN_MS = 2_000;
const LOOK_MS = 250;
export const RETRY_MS = 1_000;
export const RETRY_MOST_MS = 5_000;
const KINDS = ["snapshot", "alarm", "fault", "device", "receivers", "record", "beat"] as const;

export interface LinkNow {
  up: boolean;
  /** When the gateway was last heard, Date.now(); 0 for never. */
  heardMs: number;
  /** The gateway wants somebody to sign on. */
  signedOut: boolean;
}

/** What this needs of a browser; a test brings its own. */
export interface Surroundings {
  open(url: string): EventSource;
  now(): number;
  every(ms: number, work: () => void): () => void;
  after(ms: number, work: () => void): () => void;
  /** Behind the events that are already on their way. */
  soon(work: () => void): void;
  /** The status with which the gateway answers a reader that may not read; 0 when it is not there. */
  probe(url: string): Promise<number>;
}

export class Link {
  private source: EventSource | null = null;
  private heardMs = 0;
  private brokenMs = 0;
  private newest = "";
  private was: LinkNow = { up: false, heardMs: 0, signedOut: false };
  private retryMs = RETRY_MS;
  private stopWatch: () => void = () => {};
  private stopRetry: () => void = () => {};

  constructor(
    private readonly url: string,
    private readonly here: Surroundings,
    private readonly told: (news: News) => void,
    private readonly changed: (now: LinkNow) => void,
  ) {}

  start(): void {
    this.stopWatch = this.here.every(LOOK_MS, () => this.watch());
    this.open();
  }

  stop(): void {
    this.stopWatch();
    this.stopRetry();
    this.source?.close();
    this.source = null;
    this.say({ ...this.was, up: false });
  }

  /** Begin anew at once: somebody signed on. */
  again(): void {
    this.stopRetry();
    this.open();
  }

  private open(): void {
    this.source?.close();
    const source = this.here.open(this.newest === "" ? this.url : `${this.url}?after=${this.newest}`);
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => this.take(source, kind, event as MessageEvent<string>));
    }
    source.addEventListener("error", () => this.failed(source));
  }

  private take(source: EventSource, kind: (typeof KINDS)[number], event: MessageEvent<string>): void {
    if (source !== this.source) return;
    let data: unknown;
    try {
      data = JSON.parse(event.data);
      if (typeof data !== "object" || data === null) throw new TypeError(kind);
    } catch {
      source.close();
      this.retryLater(); // not at once: what is garbage once is garbage again
      return;
    }
    if (kind === "record" && event.lastEventId !== "") this.newest = event.lastEventId;
    this.brokenMs = 0;
    this.heardMs = this.here.now();
    this.retryMs = RETRY_MS;
    this.say({ up: true, heardMs: this.heardMs, signedOut: false });
    this.told({ type: kind, data } as News);
  }

  /** A browser tries again by itself after a broken connection, and gives up for good after a refusal. */
  private failed(source: EventSource): void {
    if (source !== this.source) return;
    if (this.brokenMs === 0) this.brokenMs = this.here.now();
    if (source.readyState !== EventSource_CLOSED) return;
    void this.here.probe(this.url).then((status) => {
      if (source !== this.source) return;
      if (status === 401 || status === 403) this.say({ ...this.was, up: false, signedOut: true });
      this.retryLater();
    });
  }

  private watch(): void {
    const silentMs = this.here.now() - this.heardMs;
    const isBroken = this.brokenMs !== 0 && this.here.now() - this.brokenMs > BROKEN_MS;
    if (this.was.up && (silentMs > SILENT_MS || isBroken)) {
      this.say({ ...this.was, up: false });
      this.retryLater(); // a socket that hangs is not told of by the browser for minutes
    }
  }

  private retryLater(): void {
    this.stopRetry();
    this.stopRetry = this.here.after(this.retryMs, () => this.open());
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MOST_MS);
  }

  private say(now: LinkNow): void {
    const changed = now.up !== this.was.up || now.signedOut !== this.was.signedOut;
    this.was = now;
    if (changed) this.changed(now);
  }
}

/** EventSource.CLOSED, which a test without a browser does not have. */
const EventSource_CLOSED = 2;
