/**
 * The one connection to the gateway, and the truth about whether it is there.
 *
 * Owns   an EventSource, opened again by hand where the browser gives up.
 * Keeps  1. The gateway sends at least every two seconds; after SILENT_MS without a word the link is down, whatever the
 *           socket says.
 *        2. What cannot be read is dropped and the stream begun anew: a snapshot repairs everything.
 */
import type { News } from "../state/model";

export const SILENT_MS = 5_000;
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
  /** The status with which the gateway answers a reader that may not read; 0 when it is not there. */
  probe(url: string): Promise<number>;
}

export class Link {
  private source: EventSource | null = null;
  private heardMs = 0;
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
    this.stopWatch = this.here.every(500, () => this.watch());
    this.open();
  }

  stop(): void {
    this.stopWatch();
    this.stopRetry();
    this.source?.close();
    this.source = null;
  }

  /** Begin anew at once: somebody signed on. */
  again(): void {
    this.stopRetry();
    this.open();
  }

  private open(): void {
    this.source?.close();
    const source = this.here.open(this.url);
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
    } catch {
      this.open();
      return;
    }
    this.heardMs = this.here.now();
    this.retryMs = RETRY_MS;
    this.say({ up: true, heardMs: this.heardMs, signedOut: false });
    this.told({ type: kind, data } as News);
  }

  /** A browser tries again by itself after a broken connection, and gives up for good after a refusal. */
  private failed(source: EventSource): void {
    if (source !== this.source || source.readyState !== EventSource_CLOSED) return;
    void this.here.probe(this.url).then((status) => {
      if (source !== this.source) return;
      if (status === 401 || status === 403) this.say({ ...this.was, up: false, signedOut: true });
      this.retryLater();
    });
  }

  private watch(): void {
    const silentMs = this.here.now() - this.heardMs;
    if (silentMs > SILENT_MS && this.was.up) {
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
