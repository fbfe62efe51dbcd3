/**
 * One link for many listeners: in a shared worker for all pages of a browser, or in the page where there is none.
 *
 * Keeps  The gateway takes a stream that is read for a console that sounds. So nothing is read while no page answers: all of them
 *        hang or are frozen, and the gateway has to make the sound. When one answers again, the stream is begun anew.
 */
import type { News } from "../state/model";
import { EMPTY, reduce, type House } from "../state/reduce";
import { here as nowHere } from "./here";
import { Link, type LinkNow, type Surroundings } from "./link";
import type { ToPage } from "./talk";

export const STREAM = "/api/v1/console/stream";

const ASK_MS = 2_000;
/** So many questions without any answer. */
const ASKED_MOST = 5;

/** Behind what is already under way. A timer would do the same, but browsers hold those of a page in the background back for a minute. */
const turns = new MessageChannel();
let due: (() => void)[] = [];
turns.port1.onmessage = () => {
  const works = due;
  due = [];
  for (const work of works) work();
};

function soon(work: () => void): void {
  due.push(work);
  turns.port2.postMessage(null);
}

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
  soon,
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
  private news: News[] = [];
  private readonly link: Link;
  private asked = 0;

  constructor(private readonly here: Surroundings = BROWSER) {
    this.link = new Link(
      STREAM,
      here,
      (news) => {
        this.house = reduce(this.house, news);
        this.now = { ...this.now, heardMs: here.now() };
        this.news.push(news);
        if (this.news.length === 1) here.soon(() => this.flush()); // behind the other events of the same piece
      },
      (now) => {
        this.flush();
        this.now = now;
        this.tell({ is: "link", link: now });
      },
    );
    this.link.start();
    here.every(ASK_MS, () => this.ask());
  }

  join(listener: (message: ToPage) => void): () => void {
    this.answered();
    this.flush(); // the house that it gets has it already
    this.listeners.add(listener);
    const ageMs = this.now.heardMs === 0 ? -1 : this.here.now() - this.now.heardMs;
    listener({ is: "house", house: this.house, link: this.now, ageMs, sentMs: Date.now() });
    return () => this.listeners.delete(listener);
  }

  again(): void {
    this.link.again();
  }

  /** A page is there. */
  answered(): void {
    const wasHung = this.asked > ASKED_MOST;
    this.asked = 0;
    if (wasHung) this.link.start();
  }

  private ask(): void {
    if (this.listeners.size === 0) return;
    this.asked += 1;
    if (this.asked === ASKED_MOST + 1) this.link.stop();
    this.tell({ is: "there?" });
  }

  private flush(): void {
    if (this.news.length === 0) return;
    const { news } = this;
    this.news = [];
    this.tell({ is: "news", news, sentMs: Date.now() });
  }

  private tell(message: ToPage): void {
    for (const listener of this.listeners) listener(message);
  }
}
