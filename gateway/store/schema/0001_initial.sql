-- What each table holds and which invariant of FORMAT.md it carries.

-- Small facts about the store itself.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The journal: frozen CloudEvents records in order of sequence (invariants 1, 2, 3).
CREATE TABLE record (
  seq       INTEGER PRIMARY KEY,
  stored_ns INTEGER NOT NULL,
  alarm_id  TEXT,
  body      BLOB NOT NULL
);
CREATE INDEX record_of_alarm ON record (alarm_id, seq) WHERE alarm_id IS NOT NULL;

-- Alarms and faults with their life; doc is JSON (invariant 5).
CREATE TABLE alarm (
  alarm_id   TEXT PRIMARY KEY,
  category   TEXT NOT NULL,
  is_open    INTEGER NOT NULL,
  raised_seq INTEGER NOT NULL,
  doc        TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX alarm_open ON alarm (category, raised_seq) WHERE is_open = 1;
CREATE INDEX alarm_by_age ON alarm (category, raised_seq);

-- Receivers keep their number for ever, so that a delivery row stays small.
CREATE TABLE receiver (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- The outbox and its history: one row for each record and receiver (invariant 4).
CREATE TABLE delivery (
  receiver  INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  lane      INTEGER NOT NULL,
  state     INTEGER NOT NULL DEFAULT 0,
  attempts  INTEGER NOT NULL DEFAULT 0,
  at_ns     INTEGER,
  reference TEXT,
  reason    TEXT,
  PRIMARY KEY (receiver, seq)
) WITHOUT ROWID;
CREATE INDEX delivery_pending ON delivery (receiver, lane, seq) WHERE state = 0;
CREATE INDEX delivery_parked ON delivery (receiver, seq) WHERE state = 7;
CREATE INDEX delivery_of_record ON delivery (seq) WHERE state = 0 OR state = 7;
CREATE INDEX delivery_strayed ON delivery (seq) WHERE lane = 9;  -- always empty: see batch.py

-- What each point last was, for edges that must survive a restart; doc is JSON.
CREATE TABLE point (
  device TEXT NOT NULL,
  name   TEXT NOT NULL,
  doc    TEXT NOT NULL,
  PRIMARY KEY (device, name)
) WITHOUT ROWID;

-- When each device was last heard of; written at most once a minute for each.
CREATE TABLE seen (device TEXT PRIMARY KEY, at_ns INTEGER NOT NULL) WITHOUT ROWID;

-- Messages whose acknowledgement may not have reached their sender (invariant 6).
CREATE TABLE inbox (
  link   TEXT NOT NULL,
  mid    INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  PRIMARY KEY (link, mid)
) WITHOUT ROWID;

-- Telemetry, kept thin: each change, and one a minute.
CREATE TABLE reading (
  at_ns  INTEGER NOT NULL,
  device TEXT NOT NULL,
  point  TEXT NOT NULL,
  value
);
CREATE INDEX reading_by_point ON reading (device, point, at_ns);

-- Messages that did not decode, as evidence.
CREATE TABLE quarantine (
  id         INTEGER PRIMARY KEY,
  at_ns      INTEGER NOT NULL,
  device     TEXT NOT NULL,
  why        TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  raw        BLOB NOT NULL
);
CREATE INDEX quarantine_of_device ON quarantine (device, id);
