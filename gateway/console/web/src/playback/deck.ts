/**
 * One camera's player: it follows the clock that all of them share, and says what it shows at that moment.
 *
 * Keeps  1. What is seen is of the moment that the clock says, or it is said that it is not.
 *        2. In a gap the clock runs on and nothing is shown as if it were recorded.
 *        3. Each range is asked for with the viewer's reason, by an address that lives for minutes.
 */
import { post } from "../api";
import { stillOf, words } from "../parts/camera";
import { MINUTE_MS, NOTHING_YET, SECOND_MS, chunk, gapAt, type Gap, type View } from "../state/timeline";
import { exact, knows, type Exact } from "./data";
import { plays, refusal, release } from "./live";
import { takeSeat, type Seat } from "./seats";

export const CHUNK_MS = 10 * MINUTE_MS;
const AGAIN_MS = 4_000;
const READ_MS = 2_000;
/** Farther from the clock than this a picture is moved; more at speed. */
const LEAP_S = 0.5;
/** Nearer than that it runs a little slower or faster until it is there: nobody sees it, and four cameras stay in step. */
const NEAR_S = 0.015;
const PULL = 2;
const PULL_MOST = 0.4;
const STILL_S = 0.021;
/** Two stills in a second at most, where the browser cannot play a camera's video. */
const LEAF_MS = 500;
const LEAF_WIDTH = 960;

export type Showing =
  | { is: "picture" }
  /** isBlank: there is no picture at all yet. */
  | { is: "waiting"; isBlank: boolean }
  | { is: "stills"; url: string; at: string; isCrowded: boolean }
  | { is: "gap"; gap: Gap }
  | { is: "trouble"; why: string };

interface Loaded extends View {
  originMs: number;
  isStills: boolean;
  /** Only since no seat was free: asked for again then, performance.now(). */
  againMs: number;
}

export class Deck {
  #video: HTMLVideoElement | null = null;
  #exact: Exact | null = null;
  #loaded: Loaded | null = null;
  #asking = false;
  #reading = false;
  #notBeforeMs = 0;
  #readNotBeforeMs = 0;
  readonly #over = new AbortController();
  #seat: Seat | null = null;
  #why = "";
  #stream: "main" | "sub" = "main";
  #leaf = { url: "", at: "", forMs: NaN };
  #leafNotBeforeMs = 0;

  constructor(
    readonly camera: string,
    readonly hasSub: boolean,
    readonly reason: string,
  ) {}

  attach(video: HTMLVideoElement | null): void {
    this.#video = video;
  }

  /** Which stream plays: the small one where the browser cannot play the large one. */
  get stream(): "main" | "sub" {
    return this.#stream;
  }

  end(): void {
    this.#over.abort();
    this.#drop();
    URL.revokeObjectURL(this.#leaf.url);
  }

  /** The browser could not play it. */
  broken(): void {
    const code = this.#video?.error?.code ?? 0;
    this.#drop();
    const cannot = code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED || code === MediaError.MEDIA_ERR_DECODE;
    if (cannot && this.hasSub && this.#stream === "main") this.#stream = "sub";
    else {
      this.#why = "broken";
      this.#notBeforeMs = performance.now() + AGAIN_MS;
    }
  }

  /** Follow the clock; says what is on the screen then. speed 0: it stands, below 0: it goes back. */
  follow(atMs: number, speed: number): Showing {
    if (!knows(this.#exact, atMs)) void this.#read(atMs);
    const gap = this.#exact === null ? null : gapAt(this.#exact.gaps, atMs);
    if (gap !== null) {
      this.#video?.pause();
      if (gap.reason === NOTHING_YET) void this.#read(atMs); // it is being recorded
      return { is: "gap", gap };
    }
    const loaded = this.#loaded;
    if (loaded === null || atMs < loaded.fromMs || atMs >= loaded.toMs) {
      if (this.#exact !== null && !this.#asking && performance.now() >= this.#notBeforeMs) void this.#load(atMs);
      this.#video?.pause();
      return this.#why === "" ? this.#waiting() : { is: "trouble", why: this.#why };
    }
    if (loaded.isStills) {
      void this.#flip(atMs);
      if (!this.#asking && performance.now() >= loaded.againMs) void this.#load(atMs);
      return { is: "stills", url: this.#leaf.url, at: this.#leaf.at, isCrowded: loaded.againMs < Infinity };
    }
    return this.#steer(loaded, atMs, speed);
  }

  /** The still of a moment, when it is time for another. */
  async #flip(atMs: number): Promise<void> {
    if (performance.now() < this.#leafNotBeforeMs || atMs === this.#leaf.forMs) return;
    this.#leafNotBeforeMs = Infinity;
    const asked = { at: new Date(atMs).toISOString(), width: LEAF_WIDTH };
    const found = await stillOf(this.camera, this.reason, asked).catch(() => null); // one that is missing is passed over
    this.#leafNotBeforeMs = performance.now() + LEAF_MS;
    if (this.#over.signal.aborted) return;
    const before = this.#leaf.url;
    this.#leaf = found === null ? { ...this.#leaf, forMs: atMs } : { url: URL.createObjectURL(found.blob), at: found.at, forMs: atMs };
    if (found !== null && before !== "") setTimeout(() => URL.revokeObjectURL(before), SECOND_MS); // it is on the screen until the next turn
  }

  #steer(loaded: Loaded, atMs: number, speed: number): Showing {
    const video = this.#video;
    if (video === null || video.readyState < HTMLMediaElement.HAVE_METADATA) return this.#waiting();
    const wanted = (atMs - loaded.originMs) / SECOND_MS;
    const aheadS = video.currentTime - wanted;
    const isPlaying = speed > 0;
    if (!video.seeking && Math.abs(aheadS) > (isPlaying ? LEAP_S * Math.max(1, speed) : STILL_S)) video.currentTime = wanted;
    if (isPlaying) {
      const pull = Math.abs(aheadS) < NEAR_S * Math.max(1, speed) ? 0 : Math.max(-PULL_MOST, Math.min(PULL_MOST, (aheadS / speed) * PULL));
      const rate = Math.min(16, Math.max(0.0625, speed * (1 - pull)));
      if (Math.abs(video.playbackRate - rate) > speed * 0.005) video.playbackRate = rate;
      if (video.paused) void video.play().catch(() => undefined); // refused while it is being taken away: the next turn asks again
    } else if (!video.paused) video.pause();
    const isThere = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !video.seeking;
    return isThere || speed < 0 ? { is: "picture" } : this.#waiting();
  }

  #waiting(): Showing {
    return { is: "waiting", isBlank: (this.#video?.readyState ?? 0) < HTMLMediaElement.HAVE_CURRENT_DATA };
  }

  async #read(atMs: number): Promise<void> {
    if (this.#reading || performance.now() < this.#readNotBeforeMs) return;
    this.#reading = true;
    try {
      this.#exact = await exact(this.camera, atMs);
      if (this.#why !== "broken") this.#why = "";
    } catch (error) {
      this.#why = words(error);
    } finally {
      this.#reading = false;
      this.#readNotBeforeMs = performance.now() + READ_MS;
    }
  }

  async #load(atMs: number): Promise<void> {
    const range = chunk(this.#exact?.spans ?? [], atMs, CHUNK_MS);
    this.#notBeforeMs = performance.now() + AGAIN_MS;
    if (range === null) {
      this.#exact = null; // the list said neither: what is recorded now was not there when it was made
      return;
    }
    this.#asking = true;
    try {
      const seat = this.#seat ?? (await takeSeat("playback", this.#over.signal));
      if (this.#over.signal.aborted) return seat?.leave();
      this.#sit(seat);
      if (seat === null && this.#loaded !== null) {
        this.#loaded.againMs = performance.now() + AGAIN_MS;
        return;
      }
      const from = new Date(range.fromMs).toISOString();
      const to = new Date(Math.max(range.toMs, range.fromMs + SECOND_MS)).toISOString();
      const path = `/api/v1/cameras/${encodeURIComponent(this.camera)}/address`;
      const { url } = await post<{ url: string }>(path, { media: "video.mp4", from, to, stream: this.#stream, reason: this.reason });
      const head = await fetch(url, { method: "HEAD", cache: "no-store" });
      if (!head.ok) throw await refusal(head);
      const cannot = !plays(head.headers.get("Campus-Codecs"));
      if (cannot && this.hasSub && this.#stream === "main") {
        this.#stream = "sub";
        this.#notBeforeMs = 0;
        return;
      }
      const originMs = Date.parse(head.headers.get("Campus-Start") ?? from);
      const endMs = Date.parse(head.headers.get("Campus-End") ?? to);
      if (this.#over.signal.aborted || this.#video === null) return;
      if (cannot) this.#sit(null);
      const isStills = this.#seat === null; // it may have been taken meanwhile
      const againMs = isStills && !cannot ? performance.now() + AGAIN_MS : Infinity;
      this.#loaded = { fromMs: Math.min(originMs, range.fromMs), toMs: endMs, originMs, isStills, againMs };
      if (isStills) release(this.#video);
      else {
        this.#video.dataset["origin"] = String(originMs);
        this.#video.src = url;
        this.#video.load();
      }
      this.#why = "";
    } catch (error) {
      this.#sit(null);
      this.#why = words(error);
    } finally {
      this.#asking = false;
    }
  }

  #sit(seat: Seat | null): void {
    const before = this.#seat;
    if (seat === before) return;
    this.#seat = seat;
    before?.leave();
    seat?.over.addEventListener("abort", () => {
      if (this.#seat !== seat) return;
      this.#drop();
      this.#notBeforeMs = 0;
    });
  }

  #drop(): void {
    this.#loaded = null;
    release(this.#video);
    this.#sit(null);
  }
}
