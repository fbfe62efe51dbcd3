import { describe, expect, it } from "vitest";
import { EMPTY, LOG_MOST, reduce, type House } from "../src/state/reduce";
import type { News } from "../src/state/model";
import { alarm, at, entry, snapshot } from "./rows";

function after(...news: News[]): House {
  return news.reduce(reduce, EMPTY);
}

describe("the house", () => {
  it("is what the snapshot says", () => {
    const house = after({ type: "snapshot", data: snapshot({ seq: 7, alarms: [alarm("a")] }) });
    expect(house.seq).toBe(7);
    expect([...house.alarms.keys()]).toEqual(["a"]);
    expect(house.phones[0]?.number).toBe("8012");
  });

  it("takes an alarm once however often it is told", () => {
    const raised: News = { type: "alarm", data: alarm("a") };
    const house = after({ type: "snapshot", data: snapshot() }, raised, raised, raised);
    expect(house.alarms.size).toBe(1);
  });

  it("moves a closed alarm out of the queue and keeps it for the log", () => {
    const closed = alarm("a", { state: "closed", closed_at: at(9), closed_by: "张三", disposition: "accidental" });
    const house = after({ type: "alarm", data: alarm("a") }, { type: "alarm", data: closed }, { type: "alarm", data: closed });
    expect(house.alarms.size).toBe(0);
    expect(house.closed.map((each) => each.alarm_id)).toEqual(["a"]);
  });

  it("forgets an alarm that a new snapshot does not have: it was closed while nobody listened", () => {
    const house = after({ type: "snapshot", data: snapshot({ seq: 3, alarms: [alarm("a")] }) }, { type: "snapshot", data: snapshot({ seq: 5 }) });
    expect(house.alarms.size).toBe(0);
  });

  it("keeps the log over a reconnect and takes repeated records once", () => {
    const house = after(
      { type: "snapshot", data: snapshot() },
      { type: "record", data: entry(1) },
      { type: "record", data: entry(2) },
      { type: "snapshot", data: snapshot({ seq: 3 }) },
      { type: "record", data: entry(2) },
      { type: "record", data: entry(3) },
    );
    expect(house.log.map((each) => each.seq)).toEqual([1, 2, 3]);
    expect(house.seq).toBe(3);
  });

  it("begins a new log when the store was replaced", () => {
    const house = after(
      { type: "snapshot", data: snapshot({ seq: 9 }) },
      { type: "record", data: entry(10) },
      { type: "snapshot", data: snapshot({ epoch: "life-2", seq: 2 }) },
      { type: "record", data: entry(3) },
    );
    expect(house.log.map((each) => each.seq)).toEqual([3]);
  });

  it("holds a bounded log", () => {
    let house = after({ type: "snapshot", data: snapshot() });
    for (let seq = 1; seq <= LOG_MOST + 50; seq += 1) house = reduce(house, { type: "record", data: entry(seq) });
    expect(house.log).toHaveLength(LOG_MOST);
    expect(house.log[0]?.seq).toBe(51);
  });

  it("changes nothing it was given", () => {
    const before = after({ type: "snapshot", data: snapshot({ alarms: [alarm("a")] }) });
    const frozen = JSON.stringify([...before.alarms]);
    reduce(before, { type: "alarm", data: alarm("b") });
    expect(JSON.stringify([...before.alarms])).toBe(frozen);
  });
});
