/** What the gateway tells a console: rows as the API shows them (gateway/console/shapes.py), never text of ours. */

export type Priority = 1 | 2 | 3 | 4;
export type Mode = "live" | "drill" | "selftest" | "commissioning" | "historical";
export type AlarmState = "unack_active" | "ack_active" | "rtn_unack" | "rtn_ack" | "closed";

/** How far a record is with one receiver. */
export interface Delivery {
  receiver: string;
  state: string;
  reference: string | null;
  reason: string | null;
  /** The reason, for people; members that older gateways do not have. */
  words?: Words | null;
  attempts: number;
  at: string | null;
}

/** A step of the response plan that somebody did or left out, of one alarm. */
export interface Step {
  step: number;
  /** The words that were on the screen, in Chinese: another plan's step is not done by it. */
  text: string;
  state: "done" | "skipped";
  reason: string;
  by: string;
  at: string;
}

/** What somebody wrote down about one alarm. */
export interface Note {
  text: string;
  by: string;
  at: string;
}

/** A receiver that somebody told by telephone. */
export interface Call {
  receiver: string;
  note: string;
  by: string;
  at: string;
}

/** What to do when one kind of alarm comes: the same for every alarm of it. */
export interface Plan {
  kind: string;
  steps: { zh: string; en: string; mandatory: boolean }[];
}

/** One thing in both languages; a screen shows one of them. */
export interface Words {
  zh: string;
  en: string;
}

/** One alarm or fault, open or just closed. Times are RFC 3339 UTC. */
export interface Alarm {
  alarm_id: string;
  kind: string;
  priority: Priority;
  mode: Mode;
  state: string;
  latched: boolean;
  device: { id: string; name: string; place: string; family: string };
  point: string;
  text: string;
  value: number | string | boolean | null;
  unit: string | null;
  count: number;
  raised_at: string;
  last_at: string;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  restored_at: string | null;
  closed_at: string | null;
  closed_by: string | null;
  disposition: string | null;
  note: string | null;
  cameras: string[];
  attributes: Record<string, string | number | boolean | null>;
  deliveries: Delivery[];
  /** What happened, without place and name; null when an older gateway raised it: then there is its text. */
  words?: Words | null;
  /** Members that older gateways do not have. */
  steps?: Step[];
  notes?: Note[];
  telephoned?: Call[];
}

export interface Point {
  name: string;
  kind: string;
  /** Of older gateways unknown. A momentary one stays active until a person closes its alarm. */
  nature?: "momentary" | "state" | "measurement" | "record" | null;
  active: boolean | null;
  value: number | string | boolean | null;
  unit: string | null;
  quality: "good" | "unknown" | "stale";
  at: string | null;
}

/** What a device can be told; `allowed`: by the installer, for this device. */
export interface Command {
  name: string;
  text: string;
  text_en: string;
  effect: string;
  permission: string;
  allowed: boolean;
}

export interface Device {
  id: string;
  name: string;
  place: string;
  profile: string;
  family: string;
  link: string;
  state: "online" | "offline" | "unknown";
  last_seen: string | null;
  points: Point[];
  commands?: Command[];
}

export interface Receiver {
  name: string;
  kind: string;
  state: "ok" | "failing" | "down";
  queue_depth: number;
  oldest_age_s: number;
  last_receipt_at: string | null;
}

export interface Camera {
  id: string;
  name: string;
  place: string;
}

export interface Phone {
  name: string;
  number: string;
}

/** What the gateway thinks of its own clock. */
export type ClockQuality = "trusted" | "stepped" | "unset";

/** Everything there is, as of one sequence number. */
export interface Snapshot {
  epoch: string;
  seq: number;
  now: string;
  clock?: ClockQuality;
  /** address, phone: what somebody who calls for help reads out; not there where nobody wrote them down. */
  site: { id: string; name: string; gateway: string; address?: string; phone?: string };
  phones: Phone[];
  alarms: Alarm[];
  faults: Alarm[];
  devices: Device[];
  receivers: Receiver[];
  cameras: Camera[];
}

/** A frozen record, as receivers get it; only what the log shows of it is named here. */
export interface Entry {
  id: string;
  seq: number;
  type: string;
  time: string;
  mode: Mode;
  data: {
    alarm_id?: string;
    kind?: string;
    priority?: number;
    text?: string;
    words?: Words;
    device?: { id: string; name: string; place: string };
    attributes?: Record<string, unknown>;
  };
}

/** One piece of news, in the order in which the gateway sent it. */
export type News =
  | { type: "snapshot"; data: Snapshot }
  | { type: "alarm"; data: Alarm }
  | { type: "fault"; data: Alarm }
  | { type: "device"; data: Device }
  | { type: "receivers"; data: Receiver[] }
  | { type: "record"; data: Entry }
  | { type: "beat"; data: { now: string; seq: number; clock?: ClockQuality } };
