"""What leaves the store, and when: nothing too young, nothing still to be delivered.

Keeps   1. Only records older than retention_days by our own estimate of time go, oldest first; the
           caller asks only while that estimate is trusted (reliability-facts section 5).
        2. The horizon moves by at most MOST_DAYS in PASS_NS: a leap of time empties nothing.
        3. A time that cannot be (before SANE_NS, or in the future) is not believed: such a record
           is as old as the next one with a sound time, and goes with it.
        4. What follows a record that stays for its age stays too: its number proves that it is
           younger, whatever time it carries.
        5. Entries of the audit trail stay as long as records do and AUDIT_DAYS at least; what goes
           is its oldest end, and how far is in meta first (the table's triggers see to that).
        6. Records with a pending or parked delivery, and of open alarms, stay whatever their age,
           and so does the newest record of all.
Bound   one call looks at SCAN_ROWS records and removes ROWS_PER_STEP of a kind: a few milliseconds.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from gateway.clock import SANE_NS
from gateway.store.batch import PARKED, PENDING, transaction

DAY_NS: Final = 86_400_000_000_000
MOST_DAYS: Final = 3
AUDIT_DAYS: Final = 180
PASS_NS: Final = DAY_NS // 4
"""After 90 days without power the store is down to its retention again in a week."""
ROWS_PER_STEP: Final = 1000
SCAN_ROWS: Final = 4000
READINGS_MOST: Final = 5_000_000
QUARANTINE_MOST: Final = 8192
"""Rows of at most 64 KiB: half a GiB when every one of them is that long."""

Row = tuple[int, int, str | None]


def expire(db: sqlite3.Connection, now_ns: int, retention_days: int) -> int:
    """Remove one step's worth of what is too old; returns the rows removed.

    At least ROWS_PER_STEP means that there is more; fewer, that the next look can wait for minutes.
    """
    with transaction(db):
        horizon_ns = _horizon(db, now_ns, now_ns - retention_days * DAY_NS)
        return (
            _expire_records(db, horizon_ns, now_ns)
            + _expire_rest(db, horizon_ns)
            + _expire_audit(db, min(horizon_ns, now_ns - AUDIT_DAYS * DAY_NS), now_ns)
        )


def _horizon(db: sqlite3.Connection, now_ns: int, limit_ns: int) -> int:
    """Up to which time things may go: the limit, approached by MOST_DAYS a pass."""
    passed_ns, to_ns = _meta(db, "retention_pass_ns"), _meta(db, "retention_to_ns")
    if passed_ns is None or to_ns is None:
        to_ns, passed_ns = min(limit_ns, _oldest(db, now_ns) + MOST_DAYS * DAY_NS), now_ns
    elif now_ns < passed_ns:  # the clock went back: begin a pass, and win nothing by it
        to_ns, passed_ns = min(limit_ns, to_ns), now_ns
    elif now_ns - passed_ns >= PASS_NS:
        to_ns, passed_ns = min(limit_ns, to_ns + MOST_DAYS * DAY_NS), now_ns
    else:
        to_ns = min(limit_ns, to_ns)
    _set_meta(db, "retention_pass_ns", passed_ns)
    _set_meta(db, "retention_to_ns", to_ns)
    return to_ns


def _oldest(db: sqlite3.Connection, now_ns: int) -> int:
    """The oldest believable time among the first rows; now when there are none."""
    first = db.execute(
        "SELECT min(at_ns) FROM (SELECT stored_ns AS at_ns FROM record ORDER BY seq LIMIT 1000)"
        " WHERE at_ns BETWEEN ? AND ?",
        (SANE_NS, now_ns),
    ).fetchone()[0]
    return now_ns if first is None else int(first)


def _expire_records(db: sqlite3.Connection, horizon_ns: int, now_ns: int) -> int:
    at = _meta(db, "retention_at") or 0
    rows: list[Row] = db.execute(
        "SELECT seq, stored_ns, alarm_id FROM record"
        " WHERE seq > ? AND seq < (SELECT max(seq) FROM record) ORDER BY seq LIMIT ?",
        (at, SCAN_ROWS),
    ).fetchall()
    old = _old_ones(db, rows, horizon_ns, now_ns)
    doomed: list[Row] = []
    for row in old:
        if len(doomed) == ROWS_PER_STEP:
            break
        at = row[0]
        if not _is_needed(db, row):
            doomed.append(row)
    if len(old) < SCAN_ROWS and len(doomed) < ROWS_PER_STEP:
        at = 0  # seen to the end: next time again from the oldest, what was needed may not be
    _set_meta(db, "retention_at", at)
    if doomed:
        _remove(db, doomed)
    return len(doomed)


def _old_ones(
    db: sqlite3.Connection, rows: Sequence[Row], horizon_ns: int, now_ns: int
) -> Sequence[Row]:
    """The rows before the first one that is too young to go (keeps 3 and 4)."""
    doubtful = 0
    for count, (_seq, stored_ns, _alarm) in enumerate(rows):
        if not SANE_NS <= stored_ns <= now_ns:
            doubtful += 1
        elif stored_ns >= horizon_ns:
            return rows[: count - doubtful]
        else:
            doubtful = 0
    if not doubtful:
        return rows
    after = db.execute(
        "SELECT stored_ns FROM record WHERE seq > ? AND stored_ns BETWEEN ? AND ?"
        " ORDER BY seq LIMIT 1",
        (rows[-1][0], SANE_NS, now_ns),
    ).fetchone()
    if after is not None and after[0] < horizon_ns:
        return rows
    return rows[: len(rows) - doubtful]


def _is_needed(db: sqlite3.Connection, row: Row) -> bool:
    seq, _stored_ns, alarm_id = row
    waiting = db.execute(
        f"SELECT 1 FROM delivery WHERE seq = ? AND (state = {PENDING} OR state = {PARKED})",  # noqa: S608
        (seq,),
    ).fetchone()
    if waiting is not None or alarm_id is None:
        return waiting is not None
    is_open = db.execute("SELECT 1 FROM alarm WHERE alarm_id = ? AND is_open = 1", (alarm_id,))
    return is_open.fetchone() is not None


def _remove(db: sqlite3.Connection, doomed: Sequence[Row]) -> None:
    """By key only: a look through the whole of a table would hold up alarms for seconds."""
    db.executemany("DELETE FROM record WHERE seq = ?", [(seq,) for seq, _, _ in doomed])
    numbers = [number for (number,) in db.execute("SELECT id FROM receiver")]
    db.executemany(
        "DELETE FROM delivery WHERE receiver = ? AND seq = ?",
        [(number, seq) for number in numbers for seq, _, _ in doomed],
    )
    db.executemany(
        "DELETE FROM alarm WHERE alarm_id = ?1 AND is_open = 0"
        " AND NOT EXISTS (SELECT 1 FROM record WHERE alarm_id = ?1)",
        [(alarm_id,) for alarm_id in {alarm for _, _, alarm in doomed if alarm is not None}],
    )
    _set_meta(db, "expired_to", max(doomed[-1][0], _meta(db, "expired_to") or 0))


def _expire_rest(db: sqlite3.Connection, horizon_ns: int) -> int:
    """Readings and rubbish: only the oldest rows are looked at, in the order in which they came."""
    removed = db.execute(
        "DELETE FROM reading WHERE rowid IN (SELECT rowid FROM"
        " (SELECT rowid, at_ns FROM reading ORDER BY rowid LIMIT ?) WHERE at_ns < ?)",
        (ROWS_PER_STEP, horizon_ns),
    ).rowcount
    newest = db.execute("SELECT max(rowid) FROM reading").fetchone()[0] or 0
    removed += db.execute(
        "DELETE FROM reading WHERE rowid IN"
        " (SELECT rowid FROM reading WHERE rowid <= ? ORDER BY rowid LIMIT ?)",
        (newest - READINGS_MOST, ROWS_PER_STEP),
    ).rowcount
    removed += db.execute(
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM"
        " (SELECT id, at_ns FROM quarantine ORDER BY id LIMIT ?) WHERE at_ns < ?)",
        (ROWS_PER_STEP, horizon_ns),
    ).rowcount
    count = db.execute("SELECT count(*) FROM quarantine").fetchone()[0]
    removed += db.execute(
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT ?)",
        (max(0, min(count - QUARANTINE_MOST, ROWS_PER_STEP)),),
    ).rowcount
    return removed


def _expire_audit(db: sqlite3.Connection, horizon_ns: int, now_ns: int) -> int:
    """The trail's oldest entries up to the first young one; the newest one stays whatever its age.

    A time that cannot be is as old as the next one that can, as with records.
    """
    rows = db.execute(
        "SELECT seq, at_ns FROM audit WHERE seq < (SELECT max(seq) FROM audit)"
        " ORDER BY seq LIMIT ?",
        (ROWS_PER_STEP,),
    ).fetchall()
    old = last = 0
    for count, (seq, at_ns) in enumerate(rows, start=1):
        if SANE_NS <= at_ns <= now_ns:
            if at_ns >= horizon_ns:
                break
            old, last = count, seq
    if old:
        _set_meta(db, "audit_expired_to", last)
        db.execute("DELETE FROM audit WHERE seq <= ?", (last,))
    return old


def _meta(db: sqlite3.Connection, key: str) -> int | None:
    row = db.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def _set_meta(db: sqlite3.Connection, key: str, value: int) -> None:
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, str(value)))
