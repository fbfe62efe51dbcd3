import { beforeEach, describe, expect, it } from "vitest";
import { BROKEN_MS, Link, RETRY_MOST_MS, SILENT_MS, type LinkNow } from "../src/stream/link";
import type { News } from "../src/state/model";
import { Browser } from "./browser";

const BEAT = { now: "2026-11-21T00:14:05.000Z", seq: 1 };

describe("the link", () => {
  let here: Browser;
  let told: News[];
  let states: LinkNow[];

  beforeEach(() => {
    here = new Browser();
    told = [];
    states = [];
    new Link("/stream", here, (news) => told.push(news), (now) => states.push(now)).start();
  });

  it("is up with the first word and passes on what is said", () => {
    here.source.says("beat", BEAT);
    expect(states).toEqual([{ up: true, heardMs: here.nowMs, signedOut: false }]);
    expect(told).toEqual([{ type: "beat", data: BEAT }]);
  });

  it("is down within five seconds of silence, although the socket stands", () => {
    here.source.says("beat", BEAT);
    here.pass(SILENT_MS);
    expect(states.at(-1)?.up).toBe(true);
    here.pass(5_000 - SILENT_MS);
    expect(states.at(-1)?.up).toBe(false);
    expect(here.source.readyState).toBe(1);
  });

  it("stays up while there is a word every two seconds", () => {
    for (let n = 0; n < 30; n += 1) {
      here.source.says("beat", BEAT);
      here.pass(2_000);
    }
    expect(states).toHaveLength(1);
  });

  it("bears a short break and is down after a longer one", () => {
    here.source.says("beat", BEAT);
    here.source.fails(0);
    here.pass(BROKEN_MS - 500);
    here.source.says("beat", BEAT);
    here.pass(1_000);
    expect(states.at(-1)?.up).toBe(true);
    here.source.fails(0);
    here.pass(BROKEN_MS + 500);
    expect(states.at(-1)?.up).toBe(false);
  });

  it("says that somebody has to sign on when it is refused, and goes on trying", async () => {
    here.status = 401;
    here.source.fails(2);
    await Promise.resolve();
    await Promise.resolve();
    expect(states.at(-1)).toMatchObject({ up: false, signedOut: true });
    here.pass(1_000);
    expect(here.sources).toHaveLength(2);
    here.source.says("beat", BEAT);
    expect(states.at(-1)).toMatchObject({ up: true, signedOut: false });
  });

  it("takes no gateway at all for no sign-off", async () => {
    here.source.says("beat", BEAT);
    here.status = 0;
    here.source.fails(2);
    await Promise.resolve();
    await Promise.resolve();
    expect(states.every((state) => !state.signedOut)).toBe(true);
  });

  it("begins anew at garbage, slower each time, and shows none of it", () => {
    for (const garbage of ["{", "null", "7", "<html>"]) {
      here.source.says("alarm", garbage);
      here.pass(RETRY_MOST_MS);
    }
    expect(told).toEqual([]);
    expect(here.sources).toHaveLength(5);
    here.source.says("beat", BEAT);
    expect(states.at(-1)?.up).toBe(true);
  });

  it("asks for what came behind the newest record it has", () => {
    here.source.says("record", { seq: 41 }, "41");
    here.source.says("alarm", { alarm_id: "a" }, "41");
    here.pass(SILENT_MS + 2_000);
    expect(here.source.url).toBe("/stream?after=41");
  });

  it("hears nothing from a connection that it left", () => {
    const old = here.source;
    old.says("beat", BEAT);
    here.pass(SILENT_MS + 2_000);
    const count = told.length;
    old.says("beat", BEAT);
    expect(told).toHaveLength(count);
  });

  it("tries no more often than every five seconds in the long run", () => {
    here.source.says("beat", BEAT);
    here.pass(SILENT_MS + 500);
    const before = here.sources.length;
    for (let n = 0; n < 60; n += 1) {
      here.source.says("alarm", "{");
      here.pass(1_000);
    }
    expect(here.sources.length - before).toBeLessThanOrEqual(60_000 / RETRY_MOST_MS + 4);
  });
});
