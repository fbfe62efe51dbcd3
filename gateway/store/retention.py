"""What leaves the store, and when: nothing younger than the retention, nothing still to be delivered.

Keeps   1. A pass removes only records older than retention_days by our own estimate of time, and only
           when that estimate is trusted (reliability-facts section 5).
        2. A pass removes at most MOST_DAYS days' worth: a leap of time empties nothing.
        3. Records with a pending or parked delivery, and of open alarms, stay whatever their age.
"""

import sqlite3
from typing import Final

DAY_NS: Final = 86_400_000_000_000
MOST_DAYS: Final = 3
ROWS_PER_STEP: Final = 5000
READINGS_MOST: Final = 5_000_000


def expire(db: sqlite3.Connection, now_ns: int, retention_days: int) -> int:
    """Remove one step's worth of what is too old; returns the rows removed, 0 when done."""
    oldest = db.execute("SELECT stored_ns FROM record ORDER BY seq LIMIT 1").fetchone()
    limit_ns = now_ns - retention_days * DAY_NS
    if oldest is not None and oldest[0] < limit_ns:
        limit_ns = min(limit_ns, oldest[0] + MOST_DAYS * DAY_NS)
    db.execute("BEGIN IMMEDIATE")
    try:
        removed = _expire_records(db, limit_ns)
        removed += _expire_rest(db, now_ns - retention_days * DAY_NS)
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return removed


def _expire_records(db: sqlite3.Connection, limit_ns: int) -> int:
    doomed = [
        seq
        for (seq,) in db.execute(
            "SELECT seq FROM record r WHERE stored_ns < ? AND seq < (SELECT max(seq) FROM record)"
            " AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.seq = r.seq"
            "   AND (d.state = 0 OR d.state = 7))"
            " AND (alarm_id IS NULL OR NOT EXISTS (SELECT 1 FROM alarm a"
            "   WHERE a.alarm_id = r.alarm_id AND a.is_open = 1))"
            " ORDER BY seq LIMIT ?",
            (limit_ns, ROWS_PER_STEP),
        )
    ]
    if not doomed:
        return 0
    last = doomed[-1]
    db.executemany("DELETE FROM record WHERE seq = ?", [(seq,) for seq in doomed])
    db.execute(
        "DELETE FROM delivery WHERE seq <= ? AND state != 0 AND state != 7"
        " AND seq NOT IN (SELECT seq FROM record WHERE seq <= ?)",
        (last, last),
    )
    db.execute(
        "DELETE FROM alarm WHERE is_open = 0 AND raised_seq <= ?"
        " AND NOT EXISTS (SELECT 1 FROM record r WHERE r.alarm_id = alarm.alarm_id)",
        (last,),
    )
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('expired_to', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), excluded.value)",
        (str(last),),
    )
    return len(doomed)


def _expire_rest(db: sqlite3.Connection, limit_ns: int) -> int:
    removed = db.execute(
        "DELETE FROM reading WHERE rowid IN"
        " (SELECT rowid FROM reading WHERE at_ns < ? ORDER BY rowid LIMIT ?)",
        (limit_ns, ROWS_PER_STEP),
    ).rowcount
    newest = db.execute("SELECT max(rowid) FROM reading").fetchone()[0] or 0
    removed += db.execute(
        "DELETE FROM reading WHERE rowid IN"
        " (SELECT rowid FROM reading WHERE rowid <= ? ORDER BY rowid LIMIT ?)",
        (newest - READINGS_MOST, ROWS_PER_STEP),
    ).rowcount
    removed += db.execute("DELETE FROM quarantine WHERE at_ns < ?", (limit_ns,)).rowcount
    return removed
