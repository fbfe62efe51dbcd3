import { describe, expect, it } from "vitest";
import { lampOf } from "../src/state/lamps";
import { lines } from "../src/state/queue";
import { TURN_MS, wanted } from "../src/sound/patterns";
import { clock, elapsed } from "../src/state/time";
import type { Alarm } from "../src/state/model";
import { T0, alarm, at, delivery } from "./rows";

const ids = (found: ReturnType<typeof lines>): string[] => found.map((line) => line.first.alarm_id);

describe("the queue", () => {
  it("puts the most urgent first, and of those the oldest", () => {
    const gas = alarm("gas", { priority: 2, kind: "gas", raised_at: at(-100) });
    expect(ids(lines([gas, alarm("late", { raised_at: at(5) }), alarm("early", { raised_at: at(1) })]))).toEqual(["early", "late", "gas"]);
  });

  it("puts a live alarm before every drill", () => {
    const drill = alarm("drill", { mode: "drill", raised_at: at(-50) });
    expect(ids(lines([drill, alarm("live", { priority: 3 })]))).toEqual(["live", "drill"]);
  });

  it("folds a flood of one cause and never priority 1", () => {
    const flood = Array.from({ length: 12 }, (_, n) => alarm(`s${n}`, { priority: 2, kind: "smoke", raised_at: at(n) }));
    const presses = Array.from({ length: 12 }, (_, n) => alarm(`p${n}`, { raised_at: at(n) }));
    const found = lines([...flood, ...presses]);
    expect(found).toHaveLength(13);
    expect(found.at(-1)?.all).toHaveLength(12);
  });

  it("does not fold what came slowly", () => {
    const slow = Array.from({ length: 12 }, (_, n) => alarm(`s${n}`, { priority: 2, kind: "smoke", raised_at: at(n * 120) }));
    expect(lines(slow)).toHaveLength(12);
  });

  it("folds a flood that comes from everywhere, and still no priority 1", () => {
    const from = (n: number): Partial<Alarm> => ({ raised_at: at(n / 10), device: { id: `d${n}`, name: `${n}`, place: `room ${n}`, family: "smoke" } });
    const flood = Array.from({ length: 480 }, (_, n) => alarm(`s${n}`, { priority: 2, kind: "smoke", ...from(n) }));
    const presses = Array.from({ length: 20 }, (_, n) => alarm(`p${n}`, from(n)));
    const found = lines([...flood, ...presses]);
    expect(found).toHaveLength(21);
    expect(found.slice(0, 20).every((line) => line.first.priority === 1 && line.all.length === 1)).toBe(true);
    expect(found.at(-1)?.all).toHaveLength(480);
  });

  it("shows nothing of a duress", () => {
    expect(lines([alarm("d", { kind: "duress" })])).toEqual([]);
  });
});

describe("a lamp", () => {
  it("says failed after ten seconds without a receipt, however often it was tried", () => {
    expect(lampOf(delivery("pending"), T0, T0 + 9_000)).toBe("unsent");
    expect(lampOf(delivery("pending", { attempts: 2 }), T0, T0 + 9_000)).toBe("sending");
    expect(lampOf(delivery("pending", { attempts: 2 }), T0, T0 + 11_000)).toBe("failed");
  });

  it("tells received, accepted and refused apart", () => {
    expect(["received", "accepted", "parked"].map((state) => lampOf(delivery(state), T0, T0 + 60_000))).toEqual(["received", "accepted", "rejected"]);
  });
});

describe("the loudspeaker", () => {
  it("calls for an alarm until it is acknowledged", () => {
    expect(wanted([alarm("a")], true, T0)?.sound).toBe("urgent");
    expect(wanted([alarm("a", { acknowledged_at: at(1) })], true, T0 + 2_000)).toBeNull();
  });

  it("calls again when it was acknowledged and nobody disposed of it", () => {
    expect(wanted([alarm("a", { acknowledged_at: at(0) })], true, T0 + 181_000)?.sound).toBe("urgent");
  });

  it("puts a live warning over a drill's emergency", () => {
    const found = wanted([alarm("drill", { mode: "drill" }), alarm("live", { priority: 2, kind: "gas" })], true, T0);
    expect(found).toMatchObject({ sound: "warning", isDrill: false });
  });

  it("says that nobody who can help has it", () => {
    const left = alarm("a", { acknowledged_at: at(1), deliveries: [delivery("pending", { attempts: 3 })] });
    expect(wanted([left], true, T0 + 20_000)?.sound).toBe("undelivered");
    const taken = { ...left, deliveries: [...left.deliveries, delivery("received", { receiver: "bureau" })] };
    expect(wanted([taken], true, T0 + 20_000)).toBeNull();
    const called = { ...left, telephoned: [{ receiver: "police", note: "", by: "张三", at: at(15) }] };
    expect(wanted([called], true, T0 + 20_000)).toBeNull();
  });

  it("speaks the place of a live alarm and never of a drill, and lets several have their turn", () => {
    expect(wanted([alarm("a b")], true, T0)?.spoken).toBe("/api/v1/speech/btn-a%20b/button");
    expect(wanted([alarm("a", { mode: "drill" })], true, T0)?.spoken).toBe("");
    const heard = new Set(Array.from({ length: 4 }, (_, n) => wanted([alarm("a"), alarm("b")], true, T0 + n * TURN_MS)?.alarm));
    expect([...heard].sort()).toEqual(["a", "b"]);
  });

  it("lets an emergency of a drill wait behind a live one, and keeps the fire's own rhythm", () => {
    expect(wanted([alarm("d", { mode: "drill" }), alarm("f", { kind: "fire" })], true, T0)).toMatchObject({ sound: "fire", isDrill: false });
    expect(wanted([alarm("d", { mode: "drill" })], true, T0)).toMatchObject({ sound: "urgent", isDrill: true });
  });

  it("says nothing of what was only written down late", () => {
    expect(wanted([alarm("h", { mode: "historical" }), alarm("l", { priority: 4 })], true, T0)).toBeNull();
  });

  it("is silent about a duress, and knocks when the gateway is gone", () => {
    expect(wanted([alarm("d", { kind: "duress" })], true, T0)).toBeNull();
    expect(wanted([], false, T0)?.sound).toBe("lost");
  });
});

describe("time", () => {
  it("never runs backwards on the screen", () => {
    expect(elapsed(T0 + 5_000, T0)).toBe("00:00");
    expect(elapsed(T0, T0 + 3_723_000)).toBe("1:02:03");
  });

  it("shows nothing rather than nonsense", () => {
    expect(clock(null)).toBe("");
    expect(clock("not a time")).toBe("");
  });
});
