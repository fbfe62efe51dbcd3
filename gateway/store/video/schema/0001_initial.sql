-- What each table holds and which invariant of FORMAT.md ("Video") it carries.

-- Small facts about the index itself.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Names that segments are told by; each keeps its number for ever.
CREATE TABLE volume (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, path TEXT NOT NULL);
CREATE TABLE camera (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE stream (
  id     INTEGER PRIMARY KEY,
  codec  TEXT NOT NULL,
  width  INTEGER NOT NULL,
  height INTEGER NOT NULL,
  UNIQUE (codec, width, height)
);

-- Sealed segments (V1 to V3). The path follows from camera, start_ns and volume. joined: it goes on
-- where the one before it in this order ended, on the same volume and day, so that what was
-- recorded in 90 days is read from the rows that are not (V4).
CREATE TABLE segment (
  camera     INTEGER NOT NULL,
  start_ns   INTEGER NOT NULL,
  volume     INTEGER NOT NULL,
  length_ns  INTEGER NOT NULL,
  joined     INTEGER NOT NULL DEFAULT 0,
  stream     INTEGER NOT NULL,
  quality    INTEGER NOT NULL,
  offset_ms  INTEGER,
  frames     INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256     BLOB NOT NULL,
  PRIMARY KEY (camera, start_ns, volume)
) WITHOUT ROWID;
CREATE INDEX segment_break ON segment (camera, start_ns, volume) WHERE joined = 0;

-- Segments whose own times say nothing about their age, and since when they age (V7).
CREATE TABLE doubtful (
  camera   INTEGER NOT NULL,
  start_ns INTEGER NOT NULL,
  volume   INTEGER NOT NULL,
  aged_ns  INTEGER NOT NULL,
  PRIMARY KEY (camera, start_ns, volume)
) WITHOUT ROWID;

-- Why there is no video, in pieces of at most a day.
CREATE TABLE gap (
  camera  INTEGER NOT NULL,
  from_ns INTEGER NOT NULL,
  to_ns   INTEGER NOT NULL,
  reason  TEXT NOT NULL,
  PRIMARY KEY (camera, from_ns, to_ns, reason)
) WITHOUT ROWID;

-- What retention must not touch (V6); notes.json has the same.
CREATE TABLE hold (
  alarm_id TEXT NOT NULL,
  camera   INTEGER NOT NULL,
  from_ns  INTEGER NOT NULL,
  to_ns    INTEGER NOT NULL,
  PRIMARY KEY (alarm_id, camera)
) WITHOUT ROWID;
CREATE INDEX hold_of_camera ON hold (camera, from_ns);

-- One camera's day on one volume: how much lies there (V5), and whether recovery can pass over it.
CREATE TABLE folder (
  volume   INTEGER NOT NULL,
  camera   INTEGER NOT NULL,
  day      TEXT NOT NULL,
  settled  INTEGER NOT NULL DEFAULT 0,
  segments INTEGER NOT NULL DEFAULT 0,
  bytes    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (volume, camera, day)
) WITHOUT ROWID;
CREATE INDEX folder_by_day ON folder (day, volume);
