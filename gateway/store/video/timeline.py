"""What was recorded, and what was not and why. Plain reading, for the recorder and everybody else.

Needs   the tables of .index.
Keeps   1. A hole between two recordings is always told, with its reason or as unknown (promise 9).
        2. The cost follows the number of recordings (at least one a day), not that of segments; all
           of them are one statement.
Bound   SPANS_MOST recordings and as many gaps in one answer, SEGMENTS_MOST segments; what is left
        out is never passed over: next_ns says where to go on.
"""

import sqlite3
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.store.video import names
from gateway.store.video.index import known_camera
from gateway.store.video.segment import QUALITIES, Facts, Segment
from gateway.store.video.writer import LENGTH_MOST_NS

SPANS_MOST: Final = 5000
SEGMENTS_MOST: Final = 2000
RUN_MOST_NS: Final = names.DAY_NS + LENGTH_MOST_NS
"""A recording ends with its UTC day at the latest, give or take its last segment."""
UNKNOWN: Final = "unknown"
NOTHING_YET: Final = "nothing_yet"
"""The hole behind the newest sealed segment: what is being recorded is not sealed."""

COLUMNS: Final = (
    "SELECT c.name, s.start_ns, s.quality, t.codec, t.width, t.height, s.offset_ms, d.aged_ns,"
    " v.uuid, s.start_ns + s.length_ns, s.frames, s.size_bytes, s.sha256, v.path FROM segment s"
    " JOIN camera c ON c.id = s.camera JOIN stream t ON t.id = s.stream"
    " JOIN volume v ON v.id = s.volume LEFT JOIN doubtful d"
    " ON d.camera = s.camera AND d.start_ns = s.start_ns AND d.volume = s.volume "
)


@dataclass(frozen=True, slots=True)
class Span:
    """Video without a hole, on one volume (its uuid)."""

    start_ns: int
    end_ns: int
    volume: str


@dataclass(frozen=True, slots=True)
class Gap:
    """No video, or not all of it, and why."""

    from_ns: int
    to_ns: int
    reason: str


_Hole = tuple[int, int, str]
"""As Gap, where thousands of them are put in order."""


@dataclass(slots=True)
class Timeline:
    """One camera between two times.

    spans    what can be played, oldest first; they may overlap after a clock's step
    gaps     all that is missing; one inside a span says that pictures of it were lost
    next_ns  None, or the time from which to ask again, because this answer is full
    """

    camera: str
    from_ns: int
    to_ns: int
    spans: list[Span] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    next_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """A segment and where its file is, as far as the index knows."""

    segment: Segment
    path: Path


def timeline(db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int) -> Timeline:
    """What is there of a camera between two times, and what is not."""
    found = Timeline(camera, from_ns, to_ns)
    number = known_camera(db, camera)
    if number is None or to_ns <= from_ns:
        if to_ns > from_ns:
            found.gaps.append(Gap(from_ns, to_ns, UNKNOWN))
        return found
    _add_spans(db, number, found)
    told = _told_gaps(db, number, found)
    end_ns = found.to_ns if found.next_ns is None else found.next_ns
    holes = _holes(found.spans, from_ns, end_ns)
    newest = _newest_end(db, number)
    gaps: set[_Hole] = set()
    first = 0
    for hole in holes:
        while first < len(told) and told[first][1] <= hole[0]:
            first += 1  # over for this hole, so for all that come behind it
        _explain(hole, told, first, newest, gaps)
    begins = [hole[0] for hole in holes]
    gaps.update(gap for gap in told if not _within(gap, holes, begins))
    found.gaps = [Gap(*gap) for gap in sorted(gaps)]
    return found


def _add_spans(db: sqlite3.Connection, number: int, found: Timeline) -> None:
    """Each break begins a recording; it ends where the segment before the next break ends.

    One statement for all of them: it is asked for 90 days while somebody waits.
    """
    uuids = dict(db.execute("SELECT id, uuid FROM volume"))
    breaks = db.execute(
        "SELECT b.start_ns, b.volume, (SELECT e.start_ns + e.length_ns FROM segment e"
        " WHERE e.camera = ?1 AND (e.start_ns, e.volume) < (b.start_ns, b.volume)"
        " ORDER BY e.start_ns DESC, e.volume DESC LIMIT 1)"
        " FROM segment b INDEXED BY segment_break WHERE b.camera = ?1 AND b.joined = 0"
        " AND b.start_ns > ?2 AND b.start_ns < ?3 ORDER BY b.start_ns, b.volume LIMIT ?4",
        (number, found.from_ns - RUN_MOST_NS, found.to_ns, SPANS_MOST + 1),
    ).fetchall()
    ends = [row[2] for row in breaks[1:]]
    if len(breaks) > SPANS_MOST:
        found.next_ns = breaks[-1][0]
    elif breaks:
        ends.append(_last_end(db, number, found.to_ns))
    from_ns, to_ns = found.from_ns, found.to_ns
    found.spans = [
        Span(max(start_ns, from_ns), min(end_ns, to_ns), uuids[volume])
        for (start_ns, volume, _), end_ns in zip(breaks, ends, strict=False)
        if end_ns > from_ns
    ]


def _told_gaps(db: sqlite3.Connection, number: int, found: Timeline) -> list[_Hole]:
    """What is noted of holes, cut to what is asked for, by their beginning; neighbours as one."""
    rows = db.execute(
        "SELECT max(from_ns, ?2), min(to_ns, ?3), reason, from_ns FROM gap WHERE camera = ?1"
        " AND from_ns > ?2 - ?4 AND from_ns < ?3 AND to_ns > ?2 ORDER BY from_ns LIMIT ?5",
        (number, found.from_ns, found.to_ns, names.DAY_NS, SPANS_MOST + 1),
    ).fetchall()
    if len(rows) > SPANS_MOST:
        last_ns = rows.pop()[3]
        found.next_ns = min(last_ns, found.next_ns or last_ns)
        found.spans = [span for span in found.spans if span.start_ns < last_ns]
    merged: list[_Hole] = []
    for from_ns, to_ns, reason, _ in rows:
        if merged and merged[-1][1] == from_ns and merged[-1][2] == reason:
            merged[-1] = (merged[-1][0], to_ns, reason)
        else:
            merged.append((from_ns, to_ns, reason))
    return merged


def _last_end(db: sqlite3.Connection, number: int, before_ns: int) -> int:
    """Where the last segment that begins before a time ends; there is one."""
    row = db.execute(
        "SELECT start_ns + length_ns FROM segment WHERE camera = ? AND start_ns < ?"
        " ORDER BY start_ns DESC, volume DESC LIMIT 1",
        (number, before_ns),
    ).fetchone()
    return int(row[0])


def _newest_end(db: sqlite3.Connection, number: int) -> int:
    row = db.execute(
        "SELECT start_ns + length_ns FROM segment WHERE camera = ?"
        " ORDER BY start_ns DESC, volume DESC LIMIT 1",
        (number,),
    ).fetchone()
    return 0 if row is None else int(row[0])


def _holes(spans: list[Span], from_ns: int, to_ns: int) -> list[tuple[int, int]]:
    """What no span covers; spans are sorted by their beginning and may overlap."""
    holes: list[tuple[int, int]] = []
    covered = from_ns
    for span in spans:
        if span.start_ns > covered:
            holes.append((covered, min(span.start_ns, to_ns)))
        covered = max(covered, span.end_ns)
    if covered < to_ns:
        holes.append((covered, to_ns))
    return [hole for hole in holes if hole[0] < hole[1]]


def _explain(
    hole: tuple[int, int], told: list[_Hole], first: int, newest_ns: int, gaps: set[_Hole]
) -> None:
    """Add the hole, cut where reasons begin and end; what has none is unknown.

    told  by their beginning; those before first are over
    """
    at, end = hole
    for place in range(first, len(told)):
        from_ns, to_ns, reason = told[place]
        if from_ns >= end:
            break
        if to_ns <= at:
            continue
        if from_ns > at:
            gaps.add((at, from_ns, UNKNOWN))
            at = from_ns
        upto = min(end, to_ns)
        gaps.add((at, upto, reason))
        at = upto
    if at < end:
        gaps.add((at, end, NOTHING_YET if at >= newest_ns else UNKNOWN))


def _within(gap: _Hole, holes: list[tuple[int, int]], begins: list[int]) -> bool:
    """Whether a hole holds all of it; holes are sorted and do not meet."""
    place = bisect_right(begins, gap[0]) - 1
    return place >= 0 and gap[1] <= holes[place][1]


def segments(
    db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int, limit: int = SEGMENTS_MOST
) -> list[Located]:
    """The segments that have something of a camera between two times, oldest first.

    At most limit (SEGMENTS_MOST at most) of them: ask again from the last one's end.
    """
    number = known_camera(db, camera)
    if number is None:
        return []
    rows = db.execute(
        COLUMNS + "WHERE s.camera = ? AND s.start_ns > ? AND s.start_ns < ?"
        " AND s.start_ns + s.length_ns > ? ORDER BY s.start_ns, s.volume LIMIT ?",
        (number, from_ns - LENGTH_MOST_NS - 1, to_ns, from_ns, min(limit, SEGMENTS_MOST)),
    )
    return [located(row) for row in rows]


def segments_of_day(
    db: sqlite3.Connection, camera: int, volume: int, day: str
) -> dict[str, Located]:
    """Rows of one folder, by file name; as many as one camera made on that day."""
    begin = names.start_of_day(day)
    rows = db.execute(
        COLUMNS + "WHERE s.camera = ? AND s.volume = ? AND s.start_ns >= ? AND s.start_ns < ?",
        (camera, volume, begin, begin + names.DAY_NS),
    )
    found = [located(row) for row in rows]
    return {place.path.name: place for place in found}


def located(row: tuple) -> Located:  # type: ignore[type-arg]
    """A row of COLUMNS as a segment."""
    camera, start, quality, codec, width, height, offset, aged, uuid, end, frames, size, sha, at = (
        row
    )
    facts = Facts(
        camera=camera,
        started_ns=start,
        quality=QUALITIES[quality],
        codec=codec,
        width=width,
        height=height,
        offset_ms=offset,
        aged_ns=aged,
    )
    segment = Segment(
        facts=facts, volume=uuid, end_ns=end, frames=frames, size_bytes=size, sha256=sha
    )
    return Located(segment, Path(at) / segment.path)
