/**
 * The house as a console knows it: a pure reduction of the stream, so that a recorded day replays to the same picture.
 *
 * Keeps  1. News about one alarm replaces what was known of it; nothing is worked out here that the gateway has judged.
 *        2. A closed alarm leaves the queue, and stays in `closed` (CLOSED_MOST) for the log.
 *        3. A snapshot replaces everything but the log: what is not in it is not so any more. The log goes on only while
 *           nothing is missing between what it has and what will come.
 */
import { NO_LOG, added, newestSeq, type Log } from "./log";
import type { Alarm, Camera, ClockQuality, Device, Entry, News, Phone, Receiver, Snapshot } from "./model";

export const CLOSED_MOST = 200;
export const LOG_MOST = 10_000;
/** The gateway tells so many missed records again (watch.py); a log with a hole in the middle is no log. */
export const MISSED_MOST = 1_000;

export interface House {
  /** Which life of the gateway this is; "" before the first snapshot. */
  epoch: string;
  seq: number;
  /** The gateway's time at the last news, ms since 1970. */
  nowMs: number;
  /** What it thinks of that; null as long as it has not said so. */
  clock: ClockQuality | null;
  site: Snapshot["site"];
  phones: Phone[];
  alarms: ReadonlyMap<string, Alarm>;
  faults: ReadonlyMap<string, Alarm>;
  closed: readonly Alarm[];
  devices: ReadonlyMap<string, Device>;
  receivers: readonly Receiver[];
  cameras: readonly Camera[];
  log: Log;
}

export const EMPTY: House = {
  epoch: "",
  seq: 0,
  nowMs: 0,
  clock: null,
  site: { id: "", name: "", gateway: "" },
  phones: [],
  alarms: new Map(),
  faults: new Map(),
  closed: [],
  devices: new Map(),
  receivers: [],
  cameras: [],
  log: NO_LOG,
};

export function reduce(house: House, news: News): House {
  switch (news.type) {
    case "snapshot":
      return whole(house, news.data);
    case "alarm":
      return withAlarm(house, "alarms", news.data);
    case "fault":
      return withAlarm(house, "faults", news.data);
    case "device":
      return { ...house, devices: put(house.devices, news.data.id, news.data) };
    case "receivers":
      return { ...house, receivers: news.data };
    case "record":
      return withEntry(house, news.data);
    case "beat":
      return { ...house, nowMs: Date.parse(news.data.now), clock: news.data.clock ?? null };
    default:
      return house; // a newer gateway may say more; what this page does not know changes nothing
  }
}

function whole(house: House, told: Snapshot): House {
  const sameJournal = told.seq >= house.seq && told.site.id === house.site.id;
  return {
    epoch: told.epoch,
    seq: told.seq,
    nowMs: Date.parse(told.now),
    clock: told.clock ?? null,
    site: told.site,
    phones: told.phones,
    alarms: byId(told.alarms, (each) => each.alarm_id),
    faults: byId(told.faults, (each) => each.alarm_id),
    closed: sameJournal ? house.closed : [],
    devices: byId(told.devices, (each) => each.id),
    receivers: told.receivers,
    cameras: told.cameras,
    log: sameJournal && told.seq - newestSeq(house.log) <= MISSED_MOST ? house.log : NO_LOG,
  };
}

function withAlarm(house: House, where: "alarms" | "faults", alarm: Alarm): House {
  if (alarm.closed_at === null) {
    return { ...house, [where]: put(house[where], alarm.alarm_id, alarm) };
  }
  const open = new Map(house[where]);
  open.delete(alarm.alarm_id);
  const others = house.closed.filter((each) => each.alarm_id !== alarm.alarm_id);
  return { ...house, [where]: open, closed: [alarm, ...others].slice(0, CLOSED_MOST) };
}

/** Records come once more after a reconnect; the sequence number says which are new. */
function withEntry(house: House, entry: Entry): House {
  return { ...house, seq: Math.max(house.seq, entry.seq), log: added(house.log, entry, LOG_MOST) };
}

function put<T>(map: ReadonlyMap<string, T>, key: string, value: T): Map<string, T> {
  return new Map(map).set(key, value);
}

function byId<T>(rows: readonly T[], id: (row: T) => string): Map<string, T> {
  return new Map(rows.map((row) => [id(row), row]));
}
