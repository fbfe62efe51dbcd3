"""Holds: what retention must not touch, because an alarm needs it.

Owns    the table hold and its copy in notes.json.
Needs   .notes. Runs in the index's thread, so that nothing is deleted between look and hold.
Keeps   1. A hold is durable in notes.json and in the table before hold() returns (V6).
        2. A hold in either of the two holds; a release takes it out of both.
        3. hold() and extend() may be repeated and come in any order: a hold only grows.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateway.crash import here as crash_here
from gateway.errors import StoreError
from gateway.store.batch import transaction
from gateway.store.video import notes
from gateway.store.video.index import camera_number, meta, set_meta
from gateway.store.video.notes import Notes

UNKNOWN_KEY: Final = "holds_unknown"

HELD: Final = (
    "EXISTS (SELECT 1 FROM hold h WHERE h.camera = s.camera"
    " AND h.from_ns < s.start_ns + s.length_ns AND h.to_ns > s.start_ns)"
)
"""Condition on a segment s: an alarm needs it."""


def hold(
    db: sqlite3.Connection,
    folder: Path,
    noted: Notes,
    alarm_id: str,
    cameras: Iterable[str],
    span: tuple[int, int],
) -> None:
    """Keep these cameras' video between two times until the alarm's hold is released."""
    holds = dict(noted.holds)
    for camera in cameras:
        old = holds.get((alarm_id, camera), span)
        holds[alarm_id, camera] = (min(old[0], span[0]), max(old[1], span[1]))
    if holds != noted.holds:
        _note(folder, noted, holds)
    crash_here("hold.noted")
    _store(db, noted)


def extend(db: sqlite3.Connection, folder: Path, noted: Notes, alarm_id: str, to_ns: int) -> None:
    """Let an alarm's hold last to a later time; nothing when there is none."""
    holds = {
        key: (span[0], max(span[1], to_ns)) if key[0] == alarm_id else span
        for key, span in noted.holds.items()
    }
    if holds != noted.holds:
        _note(folder, noted, holds)
    _store(db, noted)


def release(db: sqlite3.Connection, folder: Path, noted: Notes, alarm_id: str) -> None:
    """Let retention have it again when it is old."""
    holds = {key: span for key, span in noted.holds.items() if key[0] != alarm_id}
    if holds != noted.holds:
        _note(folder, noted, holds)
    with transaction(db):
        db.execute("DELETE FROM hold WHERE alarm_id = ?", (alarm_id,))


def load(db: sqlite3.Connection, folder: Path, *, is_new: bool) -> Notes:
    """Bring notes and table together at opening.

    is_new  the index was made a moment ago; without notes nobody knows then what was held
    """
    found = notes.read(folder)
    noted = found or Notes()
    for alarm_id, camera, from_ns, to_ns in db.execute(
        "SELECT h.alarm_id, c.name, h.from_ns, h.to_ns FROM hold h JOIN camera c ON c.id = h.camera"
    ):
        old = noted.holds.get((alarm_id, camera), (from_ns, to_ns))
        noted.holds[alarm_id, camera] = (min(old[0], from_ns), max(old[1], to_ns))
    for path, uuid in db.execute("SELECT path, uuid FROM volume WHERE path <> ''"):
        noted.volumes.setdefault(path, uuid)
    if is_new and found is None:
        set_meta(db, UNKNOWN_KEY, 1)
    _store(db, noted)
    return noted


def are_unknown(db: sqlite3.Connection) -> bool:
    """Whether holds were lost: then nothing is deleted before somebody confirms what is held."""
    return meta(db, UNKNOWN_KEY) == 1


def confirm(db: sqlite3.Connection) -> None:
    """All open alarms have said their holds again."""
    set_meta(db, UNKNOWN_KEY, 0)


def _note(folder: Path, noted: Notes, holds: dict[notes.HoldKey, tuple[int, int]]) -> None:
    try:
        notes.write(folder, Notes(noted.volumes, holds))
    except OSError as error:
        raise StoreError(f"{folder / notes.FILE}: {error}; the hold is asked for again") from error
    noted.holds = holds


def _store(db: sqlite3.Connection, noted: Notes) -> None:
    """Make the table as the notes are; only what differs is written."""
    known = {
        (alarm_id, camera): (from_ns, to_ns)
        for alarm_id, camera, from_ns, to_ns in db.execute(
            "SELECT h.alarm_id, c.name, h.from_ns, h.to_ns FROM hold h"
            " JOIN camera c ON c.id = h.camera"
        )
    }
    changed = [(key, span) for key, span in noted.holds.items() if known.get(key) != span]
    if not changed:
        return
    with transaction(db):
        for (alarm_id, camera), span in changed:
            db.execute(
                "INSERT OR REPLACE INTO hold (alarm_id, camera, from_ns, to_ns)"
                " VALUES (?, ?, ?, ?)",
                (alarm_id, camera_number(db, camera), *span),
            )
