"""Which records, deliveries and entries belong to a piece of evidence. Plain reading.

Needs   the alarm store, read-only; it may be in use by a gateway or by nobody.
Keeps   What belongs is decided by ids and times alone: the alarm's own records; in the time that is
        asked for, every record of the devices concerned and of the gateway itself, and every record
        about video; and of faults of the gateway that were open then, all their records.
Bound   SCAN_MOST records are looked at, CHOSEN_MOST chosen, ENTRIES_MOST entries of the trail: more
        is refused with the advice to ask for less.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.evidence.chain import JOURNAL, bodies
from gateway.evidence.package import ExportError
from gateway.evidence.wanted import NothingThere
from gateway.rules.alarm import Alarm
from gateway.store import STATES, rfc3339

SCAN_MOST: Final = 3_000_000
CHOSEN_MOST: Final = 200_000
ENTRIES_MOST: Final = 50_000
FAULTS_MOST: Final = 5000


@dataclass(frozen=True, slots=True)
class Concern:
    """What the evidence is about.

    devices  whose records belong to it, with the gateway's own id
    gateway  the gateway's id among them
    subjects ids under which the audit trail would speak of it
    """

    from_ns: int
    to_ns: int
    devices: frozenset[str]
    gateway: str
    subjects: tuple[str, ...]
    alarm_id: str | None = None


def alarm_of(db: sqlite3.Connection, alarm_id: str) -> Alarm:
    """The alarm or fault with this id. Raises NothingThere."""
    row = db.execute("SELECT doc FROM alarm WHERE alarm_id = ?", (alarm_id,)).fetchone()
    try:
        if row is not None:
            return Alarm.from_doc(row[0])
    except (ValueError, TypeError) as error:
        raise ExportError(f"{alarm_id}: 警情无法读取 this alarm cannot be read: {error}") from error
    raise NothingThere(f"{alarm_id}: 没有这条警情 there is no such alarm")


def records(db: sqlite3.Connection, concern: Concern) -> list[int]:
    """The numbers of the records that belong to it, rising."""
    found = set(_of_alarm(db, concern.alarm_id))
    for alarm_id in _faults(db, concern):
        found.update(_of_alarm(db, alarm_id))
    low, high = _span(db, concern)
    if high - low > SCAN_MOST:
        raise ExportError(
            f"该时段有 {high - low} 条记录，请缩短时间段 too many records: ask for a shorter time"
        )
    for seq, body in bodies(db, JOURNAL, low, high):
        if _belongs(body, concern):
            found.add(seq)
        if len(found) > CHOSEN_MOST:
            raise ExportError("记录过多，请缩短时间段 too many records: ask for a shorter time")
    return sorted(found)


def _of_alarm(db: sqlite3.Connection, alarm_id: str | None) -> list[int]:
    if alarm_id is None:
        return []
    rows = db.execute("SELECT seq FROM record WHERE alarm_id = ? ORDER BY seq", (alarm_id,))
    return [row[0] for row in rows]


def _faults(db: sqlite3.Connection, concern: Concern) -> Iterator[str]:
    """Faults of the gateway itself that were open at any moment of the time."""
    rows = db.execute(
        "SELECT doc FROM alarm WHERE category = 'fault' ORDER BY raised_seq DESC LIMIT ?",
        (FAULTS_MOST,),
    )
    for (doc,) in rows:
        try:
            fault = Alarm.from_doc(doc)
        except (ValueError, TypeError):
            continue  # the store's own check names it; here nothing can be said of its time
        ended_ns = fault.closed_ns
        overlaps = fault.raised_ns <= concern.to_ns and (
            ended_ns is None or ended_ns >= concern.from_ns
        )
        if fault.device == concern.gateway and overlaps:
            yield fault.alarm_id


def _span(db: sqlite3.Connection, concern: Concern) -> tuple[int, int]:
    """The numbers between which the time lies; times rise with the numbers, as good as always."""
    first, last = db.execute("SELECT min(seq), max(seq) FROM record").fetchone()
    if first is None:
        return 1, 0
    low = _search(db, first, last, concern.from_ns)
    return low, _search(db, low, last, concern.to_ns + 1) - 1


def _search(db: sqlite3.Connection, low: int, last: int, at_ns: int) -> int:
    """The first number from low on whose record is not before a time; last + 1 for none."""
    high = last + 1
    while low < high:
        middle = (low + high) // 2
        row = db.execute(
            "SELECT seq, stored_ns FROM record WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,)
        ).fetchone()
        if row is None or row[1] >= at_ns:
            high = middle
        else:
            low = row[0] + 1
    return low


def _belongs(body: bytes, concern: Concern) -> bool:
    try:
        data = orjson.loads(body)["data"]
        return data["device"]["id"] in concern.devices or data["kind"] == "video"
    except (ValueError, KeyError, TypeError):
        return True  # a damaged one in that time: it is shown, and the verifier names it


def deliveries(db: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[bytes]:
    """What each receiver said of each of these records: one JSON object, piece by piece."""
    names = dict(db.execute("SELECT id, name FROM receiver").fetchall())
    between = b'{"deliveries":[\n'
    for seq in seqs:
        for number, name in names.items():  # receiver first, as the table's key has it
            found = db.execute(
                "SELECT state, attempts, at_ns, reference, reason FROM delivery"
                " WHERE receiver = ? AND seq = ?",
                (number, seq),
            ).fetchone()
            if found is not None:
                yield between + _delivery(seq, name, found)
                between = b",\n"
    yield b"]}\n" if between == b",\n" else between + b"]}\n"


def _delivery(seq: int, receiver: str, row: tuple[Any, ...]) -> bytes:
    state, attempts, at_ns, reference, reason = row
    said = {
        "seq": seq,
        "receiver": receiver,
        "state": STATES[state] if state in range(len(STATES)) else str(state),
        "attempts": attempts,
        "answered_at": None if at_ns is None else rfc3339(at_ns),
        "receipt": reference or "",
        "reason": reason or "",
    }
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")


def entries(db: sqlite3.Connection, concern: Concern) -> list[int]:
    """The numbers of the audit trail's entries about it, rising.

    Of the alarm all, of its cameras and devices those since the time began.
    """
    found: set[int] = set()
    for subject in concern.subjects:
        rows = db.execute(
            "SELECT seq FROM audit WHERE (subject = ?1 OR (subject > ?1 || '/' AND subject < ?1 ||"
            " '0')) AND (at_ns >= ?2 OR subject = ?3) ORDER BY seq LIMIT ?4",
            (subject, concern.from_ns, concern.alarm_id or "", ENTRIES_MOST + 1),
        )
        found.update(row[0] for row in rows)
    if len(found) > ENTRIES_MOST:
        raise ExportError("审计条目过多，请缩短时间段 too many audit entries: ask for less")
    return sorted(found)
