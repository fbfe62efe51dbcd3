"""What one transaction writes, and how: plain SQL on a plain connection, in the writer's thread.

Needs   gateway.store.journal for the records' form.
Keeps   1. Everything in a Batch is committed together or not at all.
        2. Rows go in by statements of many rows, because each statement gives up and takes back the
           interpreter's lock once (decision 0007).
        3. A batch can be written again after an unknown outcome: the same batch, the same rows.
        4. A sequence number that is taken is never passed over in silence (invariant 1): the alarm
           in it would count as stored and be nowhere.
        5. A delivery that was acknowledged never becomes pending or parked again (invariant 4).
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from gateway.errors import StoreDamaged
from gateway.events import Scalar
from gateway.store.journal import Sealed
from gateway.store.trail import Line

PENDING: Final = 0
PARKED: Final = 7
STATES: Final = (
    "pending",
    "received",
    "accepted",
    "rejected",
    "dispatched",
    "on_scene",
    "closed",
    "parked",
)
"""Delivery states by their number in the store."""

QUARANTINE_PER_DEVICE: Final = 100
_ROWS_PER_STATEMENT: Final = (128, 32, 8, 1)
_NO_LANE: Final = 9
"""Marks a row that progress was reported for and that was not there: gone before the commit."""


@dataclass(slots=True)
class AlarmRow:
    """One alarm or fault as stored; doc is its whole life as JSON."""

    alarm_id: str
    category: str
    is_open: bool
    raised_seq: int
    doc: str


@dataclass(slots=True)
class DeliveryRow:
    """How far one record has got with one receiver."""

    receiver: int
    seq: int
    state: int
    attempts: int
    at_ns: int
    reference: str = ""
    reason: str = ""


@dataclass(slots=True)
class QuarantineRow:
    """A message that did not decode."""

    at_ns: int
    device: str
    why: str
    size_bytes: int
    raw: bytes


@dataclass(slots=True)
class Batch:
    """One transaction.

    readings  (at_ns, device, point, value): left out first when the disk is full
    tried     write() has begun with it at least once, so its rows may be there already
    """

    records: list[Sealed] = field(default_factory=list)
    alarms: dict[str, AlarmRow] = field(default_factory=dict)
    points: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    inbox: list[tuple[str, int, int]] = field(default_factory=list)
    forget_inbox: list[str] = field(default_factory=list)
    quarantine: list[QuarantineRow] = field(default_factory=list)
    readings: list[tuple[int, str, str, Scalar | None]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    audit: list[Line] = field(default_factory=list)
    tried: bool = False

    def is_empty(self) -> bool:
        """True when there is nothing to write."""
        return not (
            self.records
            or self.alarms
            or self.points
            or self.seen
            or self.deliveries
            or self.inbox
            or self.forget_inbox
            or self.quarantine
            or self.readings
            or self.meta
            or self.audit
        )


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, and never a transaction left open for the next one to stumble over."""
    if db.in_transaction:
        db.execute("ROLLBACK")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def write(db: sqlite3.Connection, batch: Batch) -> None:
    """Commit the batch with one sync; on any error roll back and raise it.

    An error means "unknown": a commit whose sync failed may be found applied afterwards
    (reliability-facts section 3). So a second attempt first looks whether the batch is there.
    Raises sqlite3.Error, and StoreDamaged when another record has one of its sequence numbers.
    """
    again, batch.tried = batch.tried, True
    with transaction(db):
        if again:
            if _is_stored(db, batch):
                return
            _leave_out_stored(db, batch)
        _write_rows(db, batch)


def _is_stored(db: sqlite3.Connection, batch: Batch) -> bool:
    """A batch is there whole or not at all, so its last record or entry answers for all of it."""
    if batch.records:
        table, last_seq, body = "record", batch.records[-1].seq, batch.records[-1].body
    elif batch.audit:
        table, last_seq, body = "audit", batch.audit[-1].seq, batch.audit[-1].body
    else:
        return False
    found = db.execute(f"SELECT body FROM {table} WHERE seq = ?", (last_seq,)).fetchone()  # noqa: S608
    return found is not None and found[0] == body


def _leave_out_stored(db: sqlite3.Connection, batch: Batch) -> None:
    """Rows without a key of their own would be there twice; the others replace themselves."""
    batch.readings = [
        row
        for row in batch.readings
        if not db.execute(
            "SELECT 1 FROM reading WHERE device = ? AND point = ? AND at_ns = ? AND value IS ?",
            (row[1], row[2], row[0], row[3]),
        ).fetchone()
    ]
    batch.quarantine = [
        row
        for row in batch.quarantine
        if not db.execute(
            "SELECT 1 FROM quarantine WHERE device = ? AND at_ns = ? AND raw = ?",
            (row.device, row.at_ns, row.raw),
        ).fetchone()
    ]


def _write_rows(db: sqlite3.Connection, batch: Batch) -> None:
    if batch.forget_inbox:
        _rows(db, "DELETE FROM inbox WHERE link IN", 1, [(x,) for x in batch.forget_inbox], "(?)")
    if batch.records:
        _write_records(db, batch.records)
    if batch.audit:
        _write_audit(db, batch.audit)
    if batch.alarms:
        _insert(
            db,
            "INSERT OR REPLACE INTO alarm (alarm_id, category, is_open, raised_seq, doc)",
            [
                (a.alarm_id, a.category, a.is_open, a.raised_seq, a.doc)
                for a in batch.alarms.values()
            ],
        )
    if batch.deliveries:
        _write_progress(db, batch.deliveries)
    if batch.quarantine:
        _write_quarantine(db, batch.quarantine)
    points = [(device, name, doc) for (device, name), doc in batch.points.items()]
    _insert(db, "INSERT OR REPLACE INTO point (device, name, doc)", points)
    _insert(db, "INSERT OR REPLACE INTO inbox (link, mid, digest)", batch.inbox)
    _insert(db, "INSERT OR REPLACE INTO seen (device, at_ns)", list(batch.seen.items()))
    _insert(db, "INSERT INTO reading (at_ns, device, point, value)", batch.readings)
    _insert(db, "INSERT OR REPLACE INTO meta (key, value)", list(batch.meta.items()))


def _write_records(db: sqlite3.Connection, records: list[Sealed]) -> None:
    try:
        _insert(
            db,
            "INSERT INTO record (seq, stored_ns, alarm_id, body)",
            [(r.seq, r.stored_ns, r.alarm_id, r.body) for r in records],
        )
    except sqlite3.IntegrityError as error:
        raise StoreDamaged(
            f"sequence numbers {records[0].seq} to {records[-1].seq} are partly taken: {error}"
        ) from error
    _insert(
        db,
        "INSERT OR IGNORE INTO delivery (receiver, seq, lane)",
        [(receiver, r.seq, r.lane) for r in records for receiver in r.receivers],
    )


def _write_audit(db: sqlite3.Connection, lines: list[Line]) -> None:
    try:
        _insert(
            db,
            "INSERT INTO audit (seq, at_ns, action, subject, origin, body)",
            [(a.seq, a.at_ns, a.action, a.subject, a.origin, a.body) for a in lines],
        )
    except sqlite3.IntegrityError as error:
        raise StoreDamaged(
            f"entries {lines[0].seq} to {lines[-1].seq} of the audit trail are partly taken:"
            f" {error}"
        ) from error


def _write_progress(db: sqlite3.Connection, deliveries: list[DeliveryRow]) -> None:
    """Update what is there; a row that retention has removed is not brought back."""
    latest: dict[tuple[int, int], DeliveryRow] = {}
    for row in deliveries:
        known = latest.get((row.receiver, row.seq))
        if known is None or _follows(row.state, known.state):
            latest[row.receiver, row.seq] = row
    _insert(
        db,
        "INSERT INTO delivery (receiver, seq, lane, state, attempts, at_ns, reference, reason)",
        [
            (d.receiver, d.seq, _NO_LANE, d.state, d.attempts, d.at_ns, d.reference, d.reason)
            for d in latest.values()
        ],
        # An acknowledged delivery stays so, whatever an older attempt or report says (invariant 4).
        " ON CONFLICT (receiver, seq) DO UPDATE SET state = excluded.state, attempts ="
        " excluded.attempts, at_ns = excluded.at_ns, reference = excluded.reference,"
        f" reason = excluded.reason WHERE delivery.state IN ({PENDING}, {PARKED})"
        f" OR (excluded.state > delivery.state AND excluded.state != {PARKED})",
    )
    db.execute(f"DELETE FROM delivery WHERE lane = {_NO_LANE}")  # noqa: S608 a constant of ours


def _follows(state: int, known: int) -> bool:
    """The same rule as in the statement, for two reports of one delivery in one batch."""
    return known in {PENDING, PARKED} or known < state != PARKED


def _write_quarantine(db: sqlite3.Connection, rows: list[QuarantineRow]) -> None:
    _insert(
        db,
        "INSERT INTO quarantine (at_ns, device, why, size_bytes, raw)",
        [(q.at_ns, q.device, q.why, q.size_bytes, q.raw) for q in rows],
    )
    for device in {q.device for q in rows}:
        db.execute(
            "DELETE FROM quarantine WHERE device = ? AND id <= (SELECT id FROM quarantine"
            " WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (device, device, QUARANTINE_PER_DEVICE),
        )


def _insert(
    db: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]], after: str = ""
) -> None:
    if rows:
        marks = "(" + ",".join("?" * len(rows[0])) + ")"
        _rows(db, f"{into} VALUES", len(rows[0]), rows, marks, after)


def _rows(
    db: sqlite3.Connection,
    before: str,
    width: int,
    rows: Sequence[tuple[Any, ...]],
    marks: str,
    after: str = "",
) -> None:
    for size, some in _cut(rows):
        flat = [value for row in some for value in row]
        db.execute(_statement(before, marks, after, size, width), flat)


def _cut(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Sequence[tuple[Any, ...]]]]:
    """Cut rows into runs of a few fixed sizes, so that a few statements serve every batch."""
    at = 0
    for size in _ROWS_PER_STATEMENT:
        while len(rows) - at >= size:
            yield size, rows[at : at + size]
            at += size


@lru_cache(maxsize=256)
def _statement(before: str, marks: str, after: str, size: int, width: int) -> str:
    del width  # part of the key only
    if before.endswith(" IN"):
        return f"{before} ({','.join('?' * size)}){after}"
    return f"{before} {','.join([marks] * size)}{after}"
