import { beforeEach, describe, expect, it } from "vitest";
import { Carrier } from "../src/stream/carrier";
import type { ToPage } from "../src/stream/talk";
import { Browser } from "./browser";
import { alarm, snapshot } from "./rows";

describe("the carrier", () => {
  let here: Browser;
  let carrier: Carrier;
  let heard: ToPage[];
  let runs: boolean;

  beforeEach(() => {
    here = new Browser();
    carrier = new Carrier(here);
    heard = [];
    runs = true;
    const page = carrier.join((message) => {
      if (message.is !== "there?") heard.push(message);
      else if (runs) page.here(false);
    });
    here.source.says("snapshot", snapshot());
    here.pass(0);
    heard.length = 0;
  });

  it("passes on in one message what came in one piece, in its order", () => {
    here.source.says("alarm", alarm("a"));
    here.source.says("alarm", { ...alarm("a"), count: 2 });
    here.source.says("beat", { now: "2026-11-21T00:14:05.000Z", seq: 1 });
    expect(heard).toEqual([]);
    here.pass(0);
    expect(heard).toHaveLength(1);
    const [message] = heard;
    expect(message?.is === "news" && message.news.map((each) => each.type)).toEqual(["alarm", "alarm", "beat"]);
  });

  it("tells a page that joins in the middle of a piece all of it, and the others no less", () => {
    here.source.says("alarm", alarm("a"));
    const late: ToPage[] = [];
    carrier.join((message) => late.push(message));
    here.source.says("alarm", alarm("b"));
    here.pass(0);
    const [first, second] = late;
    expect(first?.is === "house" && [...first.house.alarms.keys()]).toEqual(["a"]);
    expect(second?.is === "news" && second.news).toHaveLength(1);
    expect(heard.flatMap((message) => (message.is === "news" ? message.news : []))).toHaveLength(2);
  });

  it("says that the gateway is gone behind what it said last", () => {
    here.source.says("alarm", alarm("a"));
    here.pass(60_000);
    expect(heard.map((message) => message.is)).toEqual(["news", "link"]);
  });

  it("reads nothing while no page answers, and begins anew when one does", () => {
    const beats = (seconds: number): void => {
      for (let second = 0; second < seconds; second++) {
        here.pass(1_000);
        if (here.source.readyState === 1) here.source.says("beat", { now: "2026-11-21T00:14:05.000Z", seq: 1 });
      }
    };
    const first = here.source;
    beats(60);
    expect(here.source).toBe(first);
    runs = false;
    beats(15);
    expect(first.readyState).toBe(2);
    expect(here.source).toBe(first);
    const last = heard[heard.length - 1];
    expect(last?.is === "link" && last.link.up).toBe(false);
    beats(600);
    expect(here.sources).toHaveLength(1);
    runs = true;
    beats(3);
    expect(here.sources).toHaveLength(2);
    here.source.says("snapshot", snapshot());
    beats(30);
    expect(here.sources).toHaveLength(2);
  });

  it("says whether any page that answers can be heard, and when none can any more", () => {
    const told = (): boolean[] => heard.flatMap((message) => (message.is === "heard" ? [message.heard] : []));
    let answers = true;
    const other = carrier.join((message) => message.is === "there?" && answers && other.here(true));
    other.here(true);
    expect(told()).toEqual([true]);
    here.pass(60_000);
    expect(told()).toEqual([true]);
    const late: ToPage[] = [];
    const third = carrier.join((message) => late.push(message));
    expect(late.some((message) => message.is === "heard" && message.heard)).toBe(true);
    third.here(true);
    answers = false; // it hangs, and a page that hangs is not heard for long
    third.leave();
    here.pass(14_000);
    expect(told()).toEqual([true, false]);
    answers = true;
    here.pass(2_000);
    expect(told()).toEqual([true, false, true]);
    other.leave();
    expect(told()).toEqual([true, false, true, false]);
  });

  it("reads on while any of its pages answers", () => {
    const first = here.source;
    carrier.join(() => undefined);
    for (let second = 0; second < 60; second++) {
      here.pass(1_000);
      here.source.says("beat", { now: "2026-11-21T00:14:05.000Z", seq: 1 });
    }
    expect(here.source).toBe(first);
    expect(first.readyState).toBe(1);
  });
});
