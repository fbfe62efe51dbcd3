/** Rows as the gateway sends them, for tests: every member, so that a change of shape is seen by the compiler. */
import type { Alarm, Delivery, Entry, Snapshot } from "../src/state/model";

export const T0 = Date.parse("2026-11-21T00:14:05.000Z");

export function at(seconds: number): string {
  return new Date(T0 + seconds * 1000).toISOString();
}

export function alarm(id: string, some: Partial<Alarm> = {}): Alarm {
  return {
    alarm_id: id,
    kind: "panic",
    priority: 1,
    mode: "live",
    state: "unack_active",
    latched: true,
    device: { id: `btn-${id}`, name: "1号按钮", place: "西门门卫室", family: "alarm_button" },
    point: "button",
    text: "已按下",
    value: null,
    unit: null,
    count: 1,
    raised_at: at(0),
    last_at: at(0),
    acknowledged_at: null,
    acknowledged_by: null,
    restored_at: null,
    closed_at: null,
    closed_by: null,
    disposition: null,
    note: null,
    cameras: [],
    attributes: {},
    deliveries: [],
    ...some,
  };
}

export function delivery(state: string, some: Partial<Delivery> = {}): Delivery {
  return { receiver: "police", state, reference: "", reason: "", attempts: 0, at: null, ...some };
}

export function entry(seq: number, some: Partial<Entry> = {}): Entry {
  return { id: `id-${seq}`, seq, type: "campus.alarm.raised.v1", time: at(seq), mode: "live", data: {}, ...some };
}

export function snapshot(some: Partial<Snapshot> = {}): Snapshot {
  return {
    epoch: "life-1",
    seq: 0,
    now: at(0),
    site: { id: "320612-0001", name: "示范小学", gateway: "gw-1" },
    phones: [{ name: "派出所", number: "8012" }],
    alarms: [],
    faults: [],
    devices: [],
    receivers: [],
    cameras: [],
    ...some,
  };
}
