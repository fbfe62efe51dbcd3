/** One link for many listeners: in a shared worker for all pages of a browser, or in the page where there is none. */
import { EMPTY, reduce, type House } from "../state/reduce";
import { here as nowHere } from "./here";
import { Link, type LinkNow, type Surroundings } from "./link";
import type { ToPage } from "./talk";

export const STREAM = "/api/v1/console/stream";

const BROWSER: Surroundings = {
  open: (url) => new EventSource(url, { withCredentials: true }),
  now: nowHere,
  every: (ms, work) => {
    const id = setInterval(work, ms);
    return () => clearInterval(id);
  },
  after: (ms, work) => {
    const id = setTimeout(work, ms);
    return () => clearTimeout(id);
  },
  probe: async (url) => {
    const stop = new AbortController();
    try {
      const answer = await fetch(url, { signal: stop.signal, cache: "no-store" });
      return answer.status;
    } catch {
      return 0;
    } finally {
      stop.abort();
    }
  },
};

export class Carrier {
  private house: House = EMPTY;
  private now: LinkNow = { up: false, heardMs: 0, signedOut: false };
  private readonly listeners = new Set<(message: ToPage) => void>();
  private readonly link: Link;

  constructor(private readonly here: Surroundings = BROWSER) {
    this.link = new Link(
      STREAM,
      here,
      (news) => {
        this.house = reduce(this.house, news);
        this.now = { ...this.now, heardMs: here.now() };
        this.tell({ is: "news", news, sentMs: Date.now() });
      },
      (now) => {
        this.now = now;
        this.tell({ is: "link", link: now });
      },
    );
    this.link.start();
  }

  join(listener: (message: ToPage) => void): () => void {
    this.listeners.add(listener);
    const ageMs = this.now.heardMs === 0 ? -1 : this.here.now() - this.now.heardMs;
    listener({ is: "house", house: this.house, link: this.now, ageMs, sentMs: Date.now() });
    return () => this.listeners.delete(listener);
  }

  again(): void {
    this.link.again();
  }

  private tell(message: ToPage): void {
    for (const listener of this.listeners) listener(message);
  }
}
