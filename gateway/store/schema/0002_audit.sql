-- Who looked at what, who took what away, who decided what (FORMAT.md, "The audit trail").

-- Frozen entries in order of their number, a hash chain of their own (invariants 13 to 15).
-- origin: the name of the file in which another process had handed it in.
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at_ns   INTEGER NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  origin  TEXT,
  body    BLOB NOT NULL
);
CREATE INDEX audit_of_origin ON audit (origin) WHERE origin IS NOT NULL;
CREATE INDEX audit_of_action ON audit (action, seq);
CREATE INDEX audit_of_subject ON audit (subject, seq);

-- An entry is neither changed nor written over.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_is_not_written_over BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN
  SELECT RAISE(ABORT, 'this number of the audit trail is taken');
END;

-- Nothing goes but what retention has first said in meta that it goes: a hole is always told.
CREATE TRIGGER audit_goes_by_retention_only BEFORE DELETE ON audit
WHEN OLD.seq > ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'audit_expired_to'), 0)
BEGIN
  SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
