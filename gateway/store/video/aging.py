"""A pass over the index, camera by camera, oldest first: what is too old leaves it, in steps.

Needs   .index, .holds. Runs in the index's thread, inside the caller's transaction.
Keeps   1. What a step takes is too old and not held in that step's own transaction (V6).
        2. A step goes on where the last one ended: what is held is walked over once in a pass.
        3. A step that is not committed has not happened: Place is a value, the caller keeps it.
Bound   a step lasts BUDGET_NS, or as long as ROWS segments do, and takes at most MOST; sealing and
        holding wait for no more than that and its commit.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from gateway.store.video import holds, index

BUDGET_NS: Final = 10_000_000
ROWS: Final = 250
"""Looked at at once: some two milliseconds."""
MOST: Final = 5_000
GAPS: Final = 5_000
"""Gaps of a camera that go in one pass."""
_END: Final = 2**63 - 1
"""Behind a camera's last segment."""

Row = tuple[int, int, int, int, int, str]
"""camera, start_ns, volume, size_bytes, length_ns, the camera's name"""
_Aged = tuple[int, int, int, int, int, str, int]
"""A Row and since when it ages."""

SEGMENTS: Final = (
    "SELECT s.camera, s.start_ns, s.volume, s.size_bytes, s.length_ns, c.name,"
    " ifnull(d.aged_ns, s.start_ns) FROM segment s JOIN camera c ON c.id = s.camera"
    " LEFT JOIN doubtful d ON d.camera = s.camera AND d.start_ns = s.start_ns"
    " AND d.volume = s.volume"
)
"""Selects what _Aged is."""
_NEXT: Final = (
    f"{SEGMENTS} WHERE s.camera = ? AND (s.start_ns, s.volume) > (?, ?) AND s.start_ns < ?"
    " ORDER BY s.start_ns, s.volume LIMIT ?"
)
_AHEAD: Final = (
    "SELECT s.camera, s.start_ns, s.volume, s.size_bytes, s.length_ns, c.name, d.aged_ns"
    " FROM doubtful d CROSS JOIN segment s ON s.camera = d.camera AND s.start_ns = d.start_ns"
    " AND s.volume = d.volume JOIN camera c ON c.id = s.camera"
    " WHERE d.camera = ? AND d.start_ns >= ? AND d.aged_ns < ? LIMIT ?"
)
"""What says it is younger than the limit and has aged since before it: recorded in the future.

CROSS JOIN: few are doubtful, and the other way round each camera's 90 days would be read."""


class Place(NamedTuple):
    """How far a pass is: behind this segment of this camera; the empty one: at its beginning."""

    camera: str = ""
    start_ns: int = -1
    volume: int = 0


class Taken(NamedTuple):
    """What one step took out of the index. next: where to go on; None when the pass is through."""

    rows: list[Row]
    next: Place | None


def take(
    db: sqlite3.Connection,
    place: Place,
    limit_of: Callable[[str], int],
    mono_ns: Callable[[], int],
) -> Taken:
    """Take one step's worth out of the index, from a place on.

    limit_of  camera's name → what ended before this is too old, UTC nanoseconds
    mono_ns   the clock that BUDGET_NS is measured by
    """
    until_ns = mono_ns() + BUDGET_NS
    taken: list[Row] = []
    for camera, name in index.cameras(db):
        if name < place.camera:
            continue
        limit_ns = limit_of(name)
        held = holds.held_of(db, camera)
        if name != place.camera:
            place = Place(name)
            taken += _ahead(db, camera, limit_ns, held)
            _forget_gaps(db, camera, limit_ns)
        while place.start_ns < _END:
            found, place = _next(db, camera, place, limit_ns)
            taken += _out(db, found, limit_ns, held)
            if mono_ns() >= until_ns or len(taken) >= MOST:
                return Taken(taken, place)
    return Taken(taken, None)


def _next(
    db: sqlite3.Connection, camera: int, place: Place, limit_ns: int
) -> tuple[list[_Aged], Place]:
    """The next ROWS of a camera that began before the limit, and the place behind them."""
    found = db.execute(_NEXT, (camera, place.start_ns, place.volume, limit_ns, ROWS)).fetchall()
    if len(found) < ROWS:
        return found, Place(place.camera, _END)
    return found, Place(place.camera, found[-1][1], found[-1][2])


def _ahead(db: sqlite3.Connection, camera: int, limit_ns: int, held: holds.Held) -> list[Row]:
    found = db.execute(_AHEAD, (camera, limit_ns, limit_ns, ROWS)).fetchall()
    old = [row[:6] for row in found if _may_go(row, limit_ns, held)]
    index.delete(db, [(row[:3], row[3]) for row in old])
    return old


def _may_go(row: _Aged, limit_ns: int, held: holds.Held) -> bool:
    """Whether it ended before the limit, by since when it ages, and is not held."""
    return row[6] + row[4] < limit_ns and not held.has(row[1], row[1] + row[4])


def _out(
    db: sqlite3.Connection, found: Iterable[_Aged], limit_ns: int, held: holds.Held
) -> Iterator[Row]:
    """Take out what may go of a camera's segments that follow each other, run by run."""
    for goes, run in groupby(found, lambda row: _may_go(row, limit_ns, held)):
        if goes:
            old = [row[:6] for row in run]
            index.delete_run(db, [(row[:3], row[3]) for row in old])
            yield from old


def _forget_gaps(db: sqlite3.Connection, camera: int, limit_ns: int) -> None:
    """Gaps go with the video around them. from_ns is asked for, too: it is what the key finds."""
    db.execute(
        "DELETE FROM gap WHERE (camera, from_ns, to_ns, reason) IN (SELECT camera, from_ns, to_ns,"
        " reason FROM gap WHERE camera = ? AND from_ns < ? AND to_ns < ? LIMIT ?)",
        (camera, limit_ns, limit_ns, GAPS),
    )
