"""What was recorded, and what was not and why. Plain reading, for the recorder and everybody else.

Needs   the tables of .index.
Keeps   1. A hole between two recordings is always told, with its reason or as unknown (promise 9).
        2. The cost follows the number of recordings (at least one a day), not that of segments.
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
    first = 0
    for hole in holes:
        while first < len(told) and told[first].to_ns <= hole[0]:
            first += 1  # over for this hole, so for all that come behind it
        found.gaps += _explained(hole, told, first, newest)
    begins = [hole[0] for hole in holes]
    found.gaps += [gap for gap in told if not _within(gap, holes, begins)]
    found.gaps = sorted(set(found.gaps), key=lambda gap: (gap.from_ns, gap.to_ns))
    return found


def _add_spans(db: sqlite3.Connection, number: int, found: Timeline) -> None:
    breaks = db.execute(
        "SELECT b.start_ns, b.volume, v.uuid FROM segment b INDEXED BY segment_break"
        " JOIN volume v ON v.id = b.volume WHERE b.camera = ? AND b.joined = 0"
        " AND b.start_ns > ? AND b.start_ns < ? ORDER BY b.start_ns, b.volume LIMIT ?",
        (number, found.from_ns - RUN_MOST_NS, found.to_ns, SPANS_MOST + 1),
    ).fetchall()
    if len(breaks) > SPANS_MOST:
        found.next_ns = breaks[-1][0]
    limits = [row[:2] for row in breaks[1:]]
    if found.next_ns is None:
        limits.append((found.to_ns, 0))
    for (start_ns, _volume, uuid), limit in zip(breaks, limits, strict=False):
        end_ns = db.execute(
            "SELECT start_ns + length_ns FROM segment WHERE camera = ?"
            " AND (start_ns, volume) < (?, ?) ORDER BY start_ns DESC, volume DESC LIMIT 1",
            (number, *limit),
        ).fetchone()[0]
        if end_ns > found.from_ns:
            begin = max(start_ns, found.from_ns)
            found.spans.append(Span(begin, min(end_ns, found.to_ns), uuid))


def _told_gaps(db: sqlite3.Connection, number: int, found: Timeline) -> list[Gap]:
    rows = db.execute(
        "SELECT from_ns, to_ns, reason FROM gap WHERE camera = ? AND from_ns > ? AND from_ns < ?"
        " AND to_ns > ? ORDER BY from_ns LIMIT ?",
        (number, found.from_ns - names.DAY_NS, found.to_ns, found.from_ns, SPANS_MOST + 1),
    ).fetchall()
    if len(rows) > SPANS_MOST:
        last = rows.pop()
        found.next_ns = min(last[0], found.next_ns or last[0])
        found.spans = [span for span in found.spans if span.start_ns < last[0]]
    merged: list[Gap] = []
    for from_ns, to_ns, reason in rows:
        from_ns, to_ns = max(from_ns, found.from_ns), min(to_ns, found.to_ns)  # noqa: PLW2901
        if merged and merged[-1].to_ns == from_ns and merged[-1].reason == reason:
            merged[-1] = Gap(merged[-1].from_ns, to_ns, reason)
        else:
            merged.append(Gap(from_ns, to_ns, reason))
    return merged


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


def _explained(hole: tuple[int, int], told: list[Gap], first: int, newest_ns: int) -> list[Gap]:
    """The hole cut where reasons begin and end; what has none is unknown.

    told  by their beginning; those before first are over
    """
    at, end = hole
    parts: list[Gap] = []
    for place in range(first, len(told)):
        gap = told[place]
        if gap.from_ns >= end:
            break
        if gap.to_ns <= at:
            continue
        if gap.from_ns > at:
            parts.append(Gap(at, gap.from_ns, UNKNOWN))
        parts.append(Gap(max(at, gap.from_ns), min(end, gap.to_ns), gap.reason))
        at = min(end, gap.to_ns)
    if at < end:
        parts.append(Gap(at, end, NOTHING_YET if at >= newest_ns else UNKNOWN))
    return parts


def _within(gap: Gap, holes: list[tuple[int, int]], begins: list[int]) -> bool:
    """Whether a hole holds all of it; holes are sorted and do not meet."""
    place = bisect_right(begins, gap.from_ns) - 1
    return place >= 0 and gap.to_ns <= holes[place][1]


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
