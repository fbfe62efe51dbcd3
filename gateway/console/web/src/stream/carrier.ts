/**
 * One link for many listeners: in a shared worker for all pages of a browser, or in the page where there is none.
 *
 * Keeps  1. The gateway takes a stream that is read for a console that is there. So nothing is read while no page answers: all of
 *           them hang or are frozen, and the gateway has to make the sound. When one answers again, the stream is begun anew.
 *        2. What the gateway is told of sound is of the browser: pages know whether any of them that answers can be heard.
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

/** One page, as its carrier knows it. */
class Page {
  asked = 0;
  sounds = false;

  constructor(
    readonly tell: (message: ToPage) => void,
    private readonly carrier: Carrier,
  ) {}

  get answers(): boolean {
    return this.asked <= ASKED_MOST;
  }

  /** It answers, and says whether it can be heard. */
  here(sounds: boolean): void {
    this.asked = 0;
    this.sounds = sounds;
    this.carrier.look();
  }

  leave(): void {
    this.carrier.left(this);
  }
}

export class Carrier {
  private house: House = EMPTY;
  private now: LinkNow = { up: false, heardMs: 0, signedOut: false };
  private readonly pages = new Set<Page>();
  private news: News[] = [];
  private readonly link: Link;
  private reads = true;
  private heard = false;

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

  join(tell: (message: ToPage) => void): Page {
    this.flush(); // the house that it gets has it already
    const page = new Page(tell, this);
    this.pages.add(page);
    const ageMs = this.now.heardMs === 0 ? -1 : this.here.now() - this.now.heardMs;
    tell({ is: "house", house: this.house, link: this.now, ageMs, sentMs: Date.now() });
    if (this.heard) tell({ is: "heard", heard: true });
    this.look();
    return page;
  }

  left(page: Page): void {
    this.pages.delete(page);
    this.look();
  }

  again(): void {
    this.link.again();
  }

  /** See who answers, and what follows from it. */
  look(): void {
    const answering = [...this.pages].filter((page) => page.answers);
    const reads = answering.length > 0 || this.pages.size === 0; // between two pages the house is kept
    if (reads !== this.reads) {
      this.reads = reads;
      if (reads) this.link.start();
      else this.link.stop();
    }
    const heard = answering.some((page) => page.sounds);
    if (heard === this.heard) return;
    this.heard = heard;
    this.tell({ is: "heard", heard });
  }

  private ask(): void {
    for (const page of this.pages) page.asked += 1;
    this.look();
    this.tell({ is: "there?" });
  }

  private flush(): void {
    if (this.news.length === 0) return;
    const { news } = this;
    this.news = [];
    this.tell({ is: "news", news, sentMs: Date.now() });
  }

  private tell(message: ToPage): void {
    for (const page of this.pages) page.tell(message);
  }
}
