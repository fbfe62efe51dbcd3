"""Which segments belong to a piece of evidence, and what must be said of what is not there.

Needs   the index of video, read-only; the recorder may be running.
Keeps   1. Segments travel whole, so there is a little more than was asked for; nothing is cut.
        2. Time that has no segment is a gap with its reason, or `unknown`: never a silence.
        3. A segment that is being written is waited for, for a while; then it is told as missing.
Bound   SEGMENTS_MOST segments; WAIT_STEP_S between two looks for a seal.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.evidence.package import ExportError
from gateway.evidence.wanted import AFTER_NS, ALARM_MOST_NS, BEFORE_NS
from gateway.rules.alarm import Alarm
from gateway.store.video import Gap, Located, names
from gateway.store.video.holds import holds_of
from gateway.store.video.index import known_camera
from gateway.store.video.timeline import SEGMENTS_MOST as AT_ONCE
from gateway.store.video.timeline import UNKNOWN, segments, timeline

SEGMENTS_MOST: Final = 100_000
WAIT_STEP_S: Final = 0.5
STILL_S: Final = 10.0
"""An open segment that has not grown for so long is nobody's: a crash left it."""
SUB_ENDING: Final = ".sub"
NOT_SEALED: Final = "not_sealed"
UNREADABLE: Final = "unreadable"

Span = tuple[int, int]


@dataclass(slots=True)
class Footage:
    """One camera's part: what there is of it, and what is not."""

    camera: str
    from_ns: int
    to_ns: int
    segments: list[Located] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Of all segments, as the index has it."""
        return sum(place.segment.size_bytes for place in self.segments)

    def listed(self) -> dict[str, Any]:
        """As timeline.json has it: the segments are those that were written into the package."""
        return {
            "camera": self.camera,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "segments": self.written,
            "gaps": [
                {"from_ns": gap.from_ns, "to_ns": gap.to_ns, "reason": gap.reason}
                for gap in sorted(self.gaps, key=lambda gap: (gap.from_ns, gap.to_ns))
            ],
        }


def span_of(alarm: Alarm, now_ns: int) -> Span:
    """The time around an alarm of which video is kept, as far as it has passed."""
    ended_ns = now_ns if alarm.closed_ns is None else alarm.closed_ns
    to_ns = max(alarm.raised_ns + AFTER_NS, min(ended_ns, alarm.raised_ns + ALARM_MOST_NS))
    return alarm.raised_ns - BEFORE_NS, max(min(to_ns, now_ns), alarm.raised_ns)


def spans(db: sqlite3.Connection | None, alarm: Alarm, now_ns: int) -> dict[str, Span]:
    """Of which cameras how much belongs to an alarm: what it holds, and what it would hold.

    A sub stream goes along only when there is nothing of its main stream.
    """
    found = dict.fromkeys(alarm.cameras, span_of(alarm, now_ns))
    if db is None:
        return found
    for each in holds_of(db, alarm.alarm_id):
        low, high = found.get(each.camera, (each.from_ns, each.to_ns))
        found[each.camera] = (min(low, each.from_ns), max(min(max(high, each.to_ns), now_ns), low))
    for name in [name for name in found if name.endswith(SUB_ENDING)]:
        if known_camera(db, name.removesuffix(SUB_ENDING)) is not None:
            del found[name]
    return found


def wait_for_seals(
    db: sqlite3.Connection, wanted: dict[str, Span], wait: Callable[[float], bool], wait_s: float
) -> None:
    """Let segments that have something of it be sealed, at most wait_s.

    wait  sleeps so many seconds, and is True when it should not go on
    """
    rest_s, still_s = wait_s, STILL_S
    before: dict[Path, int] = {}
    while rest_s > 0 and still_s > 0:
        now = {
            path: size
            for camera, span in wanted.items()
            for start, path, size in _being_written(db, camera, span)
            if start < span[1]
        }
        if not now or wait(WAIT_STEP_S):
            return
        still_s = STILL_S if now != before else still_s - WAIT_STEP_S
        rest_s, before = rest_s - WAIT_STEP_S, now


def _being_written(
    db: sqlite3.Connection, camera: str, span: Span
) -> Iterator[tuple[int, Path, int]]:
    """When the camera's open segments began, of the days that the time touches; path and size."""
    if not names.is_camera(camera):
        return
    days = {names.day_of(max(at, 0)) for at in (span[0] - names.SECOND_NS * 600, *span)}
    for (path,) in db.execute("SELECT path FROM volume WHERE path <> ''").fetchall():
        for day in sorted(days):
            try:
                found = [
                    (each, each.stat().st_size)
                    for each in (Path(path) / camera / day).glob(f"*{names.OPEN_ENDING}")
                ]
            except OSError:  # the volume is away: the gaps say so
                continue
            for each, size in found:
                start = names.start_of_name(each.name)
                if start is not None:
                    yield start, each, size


def footage(db: sqlite3.Connection, camera: str, span: Span) -> Footage:
    """All there is of one camera, and the gaps."""
    found = Footage(camera, *span)
    at = span[0]
    while True:
        line = timeline(db, camera, at, span[1])
        end = span[1] if line.next_ns is None else line.next_ns
        found.gaps += [Gap(g.from_ns, min(g.to_ns, end), g.reason) for g in line.gaps]
        if line.next_ns is None or line.next_ns <= at:
            break
        at = line.next_ns
    found.segments = _segments(db, camera, span)
    being_written = [start for start, _, _ in _being_written(db, camera, span)]
    found.gaps = [_named(gap, being_written) for gap in found.gaps if gap.to_ns > gap.from_ns]
    return found


def _segments(db: sqlite3.Connection, camera: str, span: Span) -> list[Located]:
    """All segments of the time, one for each name.

    Two of one camera that began in the same nanosecond are one: somebody copied a disk.
    """
    found: dict[int, Located] = {}
    at = span[0]
    while True:
        some = segments(db, camera, at, span[1])
        fresh = [place for place in some if place.segment.facts.started_ns not in found]
        found.update({place.segment.facts.started_ns: place for place in fresh})
        if len(found) > SEGMENTS_MOST:
            raise ExportError("录像过长，请缩短时间段 too much video: ask for a shorter time")
        if len(some) < AT_ONCE or not fresh:
            return [found[start] for start in sorted(found)]
        at = some[-1].segment.facts.started_ns


def _named(gap: Gap, being_written: Sequence[int]) -> Gap:
    """What follows the newest seal while something is being written is not sealed yet."""
    if gap.reason in {"nothing_yet", UNKNOWN} and any(start < gap.to_ns for start in being_written):
        newest = max(start for start in being_written if start < gap.to_ns)
        if newest >= gap.from_ns - names.SECOND_NS * 600:
            return Gap(gap.from_ns, gap.to_ns, NOT_SEALED)
    return gap
