import { describe, expect, it } from "vitest";
import { found, newest } from "../src/state/log";
import { EMPTY, LOG_MOST, MISSED_MOST, reduce, type House } from "../src/state/reduce";
import type { News } from "../src/state/model";
import { alarm, at, entry, snapshot } from "./rows";

function after(...news: News[]): House {
  return news.reduce(reduce, EMPTY);
}

function seqs(house: House): number[] {
  return found(house.log, () => true)
    .map((each) => each.seq)
    .reverse();
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

  it("knows whether the gateway believes its clock, and nothing of one that does not say", () => {
    const told = after({ type: "snapshot", data: snapshot({ clock: "trusted" }) }, { type: "beat", data: { now: at(1), seq: 0, clock: "stepped" } });
    expect(told.clock).toBe("stepped");
    expect(reduce(told, { type: "beat", data: { now: at(2), seq: 0 } }).clock).toBeNull();
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
    expect(seqs(house)).toEqual([1, 2, 3]);
    expect(house.seq).toBe(3);
  });

  it("begins a new log when the store was replaced", () => {
    const house = after(
      { type: "snapshot", data: snapshot({ seq: 9 }) },
      { type: "record", data: entry(10) },
      { type: "snapshot", data: snapshot({ epoch: "life-2", seq: 2 }) },
      { type: "record", data: entry(3) },
    );
    expect(seqs(house)).toEqual([3]);
  });

  it("holds a bounded log", () => {
    let house = after({ type: "snapshot", data: snapshot() });
    for (let seq = 1; seq <= LOG_MOST + 50; seq += 1) house = reduce(house, { type: "record", data: entry(seq) });
    expect(house.log.count).toBeLessThanOrEqual(LOG_MOST);
    expect(house.log.count).toBeGreaterThan(LOG_MOST - 300);
    expect(newest(house.log, 0)?.seq).toBe(LOG_MOST + 50);
    expect(newest(house.log, house.log.count - 1)?.seq).toBe(LOG_MOST + 51 - house.log.count);
    expect(newest(house.log, house.log.count)).toBeUndefined();
  });

  it("changes nothing it was given", () => {
    const before = after({ type: "snapshot", data: snapshot({ alarms: [alarm("a")] }) });
    const frozen = JSON.stringify([...before.alarms]);
    reduce(before, { type: "alarm", data: alarm("b") });
    expect(JSON.stringify([...before.alarms])).toBe(frozen);
  });

  it("begins a new log when more was missed than the gateway tells again: no log has a hole", () => {
    const before = after({ type: "snapshot", data: snapshot({ seq: 1 }) }, { type: "record", data: entry(1) });
    const back = (seq: number): House => [{ type: "snapshot", data: snapshot({ seq }) } as const, { type: "record", data: entry(seq) } as const].reduce<House>(reduce, before);
    expect(seqs(back(1 + MISSED_MOST))).toEqual([1, 1 + MISSED_MOST]);
    expect(seqs(back(2 + MISSED_MOST))).toEqual([2 + MISSED_MOST]);
  });

  it("bears what a newer gateway says", () => {
    const house = after({ type: "snapshot", data: snapshot({ alarms: [alarm("a")] }) });
    expect(reduce(house, { type: "weather", data: {} } as unknown as News)).toBe(house);
  });

  it("comes to the same picture of a recorded day, whatever was told twice", () => {
    const day: News[] = [{ type: "snapshot", data: snapshot() }];
    for (let n = 1; n <= 300; n += 1) {
      const row = alarm(`a${n % 40}`, { count: n });
      day.push({ type: "alarm", data: n % 7 === 0 ? { ...row, state: "closed", closed_at: at(n) } : row }, { type: "record", data: entry(n) });
    }
    const stuttered = day.flatMap((news, n) => (n % 3 === 0 ? [news, news] : [news]));
    const [once, twice] = [after(...day), after(...stuttered)];
    expect([...twice.alarms]).toEqual([...once.alarms]);
    expect(twice.closed).toEqual(once.closed);
    expect(seqs(twice)).toEqual(seqs(once));
  });
});
