-- Holds that a person ended: they are not asked for again (V6). notes.json has the newest of them.
CREATE TABLE released (
  alarm_id TEXT PRIMARY KEY,
  at_ns    INTEGER NOT NULL,
  who      TEXT NOT NULL,
  reason   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX released_by_time ON released (at_ns, alarm_id);
