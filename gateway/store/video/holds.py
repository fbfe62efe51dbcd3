"""Holds: what retention must not touch, because an alarm needs it.

Owns    the tables hold and released, and their copies in notes.json.
Needs   .notes. Runs in the index's thread, so that nothing is deleted between look and hold.
Keeps   1. A hold is durable in notes.json and in the table before hold() returns (V6).
        2. A hold in either of the two holds; a release takes it out of both and is noted in both:
           whoever derives holds from alarms may ask for them again without bringing one back.
        3. hold() and extend() may be repeated and come in any order: a hold only grows.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.crash import here as crash_here
from gateway.errors import StoreError
from gateway.store.batch import transaction
from gateway.store.video import notes
from gateway.store.video.index import camera_number, meta, set_meta
from gateway.store.video.notes import HoldKey, Notes

UNKNOWN_KEY: Final = "holds_unknown"
REASON_CHARS: Final = 1000
WHO_CHARS: Final = 64

Spans = dict[HoldKey, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Hold:
    """One alarm's hold on one camera, from and to in UTC nanoseconds."""

    alarm_id: str
    camera: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Released:
    """A hold that a person ended."""

    alarm_id: str
    at_ns: int
    who: str
    reason: str


class Held:
    """What alarms need of one camera: asked of many segments, so that each costs a look-up."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._from: list[int] = []
        self._to: list[int] = []
        for from_ns, to_ns in sorted(spans):
            if self._to and from_ns <= self._to[-1]:
                self._to[-1] = max(self._to[-1], to_ns)
            else:
                self._from.append(from_ns)
                self._to.append(to_ns)

    def has(self, start_ns: int, end_ns: int) -> bool:
        """Whether an alarm needs a segment from start_ns to end_ns."""
        at = bisect_left(self._from, end_ns) - 1
        return at >= 0 and self._to[at] > start_ns


def held_of(db: sqlite3.Connection, camera: int) -> Held:
    """What is held of a camera now: true as long as the caller's transaction lasts."""
    return Held(db.execute("SELECT from_ns, to_ns FROM hold WHERE camera = ?", (camera,)))


def hold(db: sqlite3.Connection, folder: Path, noted: Notes, wanted: Iterable[Hold]) -> int:
    """Keep video until each alarm's hold is released; returns how many holds began or grew.

    What was released once stays released. All of them with one write of the notes.
    """
    holds = dict(noted.holds)
    for each in wanted:
        if each.alarm_id in noted.released:
            continue
        key, span = (each.alarm_id, each.camera), (each.from_ns, each.to_ns)
        old = holds.get(key, span)
        holds[key] = (min(old[0], span[0]), max(old[1], span[1]))
    grown = sum(noted.holds.get(key) != span for key, span in holds.items())
    if grown:
        _note(folder, noted, Notes(noted.volumes, holds, noted.released))
    crash_here("hold.noted")
    _store(db, noted)
    return grown


def extend(db: sqlite3.Connection, folder: Path, noted: Notes, alarm_id: str, to_ns: int) -> None:
    """Let an alarm's hold last to a later time; nothing when there is none."""
    holds = {
        key: (span[0], max(span[1], to_ns)) if key[0] == alarm_id else span
        for key, span in noted.holds.items()
    }
    if holds != noted.holds:
        _note(folder, noted, Notes(noted.volumes, holds, noted.released))
    _store(db, noted)


def release(db: sqlite3.Connection, folder: Path, noted: Notes, said: Released) -> bool:
    """Let retention have it again when it is old; returns whether anything was held.

    An alarm that is released before it was ever held is not held later.
    """
    holds = {key: span for key, span in noted.holds.items() if key[0] != said.alarm_id}
    released = {**noted.released, said.alarm_id: said.at_ns}
    was_held = len(holds) < len(noted.holds)
    _note(folder, noted, Notes(noted.volumes, holds, released))
    crash_here("release.noted")
    with transaction(db):
        db.execute("DELETE FROM hold WHERE alarm_id = ?", (said.alarm_id,))
        db.execute(
            "INSERT OR REPLACE INTO released (alarm_id, at_ns, who, reason) VALUES (?, ?, ?, ?)",
            (said.alarm_id, said.at_ns, said.who[:WHO_CHARS], said.reason[:REASON_CHARS]),
        )
    return was_held


def load(db: sqlite3.Connection, folder: Path, *, is_new: bool) -> Notes:
    """Bring notes and tables together at opening.

    is_new  the index was made a moment ago; without notes nobody knows then what was held
    """
    found = notes.read(folder)
    noted = found or Notes()
    noted.released.update(db.execute("SELECT alarm_id, at_ns FROM released").fetchall())
    for (alarm_id, camera), (from_ns, to_ns) in _rows(db).items():
        old = noted.holds.get((alarm_id, camera), (from_ns, to_ns))
        noted.holds[alarm_id, camera] = (min(old[0], from_ns), max(old[1], to_ns))
    for key in [key for key in noted.holds if key[0] in noted.released]:
        del noted.holds[key]  # cut off between the notes and the tables of a release
    for path, uuid in db.execute("SELECT path, uuid FROM volume WHERE path <> ''"):
        noted.volumes.setdefault(path, uuid)
    if is_new and found is None:
        set_meta(db, UNKNOWN_KEY, 1)
    with transaction(db):  # of one whose table was lost, only that it was is known
        db.executemany(
            "INSERT OR IGNORE INTO released (alarm_id, at_ns, who, reason) VALUES (?, ?, '', '')",
            noted.released.items(),
        )
    _store(db, noted)
    return noted


def are_unknown(db: sqlite3.Connection) -> bool:
    """Whether holds were lost: then nothing is deleted before somebody confirms what is held."""
    return meta(db, UNKNOWN_KEY) == 1


def confirm(db: sqlite3.Connection) -> None:
    """Every alarm in the store has said its hold again."""
    set_meta(db, UNKNOWN_KEY, 0)


def holds_of(db: sqlite3.Connection, alarm_id: str) -> list[Hold]:
    """What is held for an alarm, by camera; for readers, too."""
    rows = db.execute(
        "SELECT h.alarm_id, c.name, h.from_ns, h.to_ns FROM hold h JOIN camera c ON c.id = h.camera"
        " WHERE h.alarm_id = ? ORDER BY c.name",
        (alarm_id,),
    )
    return [Hold(*row) for row in rows]


def released_since(db: sqlite3.Connection, at_ns: int, limit: int = 100) -> list[Released]:
    """Holds that a person ended after a time, in order of their times; for readers, too."""
    rows = db.execute(
        "SELECT alarm_id, at_ns, who, reason FROM released WHERE at_ns > ?"
        " ORDER BY at_ns, alarm_id LIMIT ?",
        (at_ns, limit),
    )
    return [Released(*row) for row in rows]


def _note(folder: Path, noted: Notes, wanted: Notes) -> None:
    try:
        notes.write(folder, wanted)
    except OSError as error:
        raise StoreError(f"{folder / notes.FILE}: {error}; the hold is asked for again") from error
    noted.holds, noted.released = wanted.holds, wanted.released


def _rows(db: sqlite3.Connection) -> Spans:
    return {
        (alarm_id, camera): (from_ns, to_ns)
        for alarm_id, camera, from_ns, to_ns in db.execute(
            "SELECT h.alarm_id, c.name, h.from_ns, h.to_ns FROM hold h"
            " JOIN camera c ON c.id = h.camera"
        )
    }


def _store(db: sqlite3.Connection, noted: Notes) -> None:
    """Make the tables as the notes are; only what differs is written."""
    known = _rows(db)
    gone = {alarm_id for alarm_id, _ in known if alarm_id in noted.released}
    changed = [(key, span) for key, span in noted.holds.items() if known.get(key) != span]
    if not changed and not gone:
        return
    with transaction(db):
        for (alarm_id, camera), span in changed:
            db.execute(
                "INSERT OR REPLACE INTO hold (alarm_id, camera, from_ns, to_ns)"
                " VALUES (?, ?, ?, ?)",
                (alarm_id, camera_number(db, camera), *span),
            )
        for alarm_id in gone:
            db.execute("DELETE FROM hold WHERE alarm_id = ?", (alarm_id,))
