"""What a camera sees now, from the end of the file that is being written.

It costs the camera nothing and is late by one group of pictures.

Needs   .files, .moof. Blocks: runs in the disks' threads; waiting is its reader's work.
Keeps   1. Only whole fragments are sent, each once, in order; a recording that goes on in a next
           file goes on here, at its time.
        2. It ends where the picture's form changes: a player has to begin anew there.
        3. A viewer who cannot follow is brought to the newest pictures: live is now.
        4. A file that nobody writes any more is not shown as live.
Bound   NEWEST files are looked at to begin; a viewer is at most BEHIND_BYTES behind in a file; a
        file that does not go on is left after PATIENCE looks once there is a newer one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.media.errors import Unreadable
from gateway.playback import files, moof, picture_only
from gateway.playback.errors import Gone, NothingThere
from gateway.playback.files import Beginning, File, Part, Sealed
from gateway.playback.moof import RunTimes, Shift
from gateway.playback.plan import NUMBERS
from gateway.playback.reading import samples
from gateway.store.video import names

NEWEST: Final = 3
FRESH_NS: Final = 20 * names.SECOND_NS
"""Twice the longest group of pictures: what ended longer ago is not now."""
BEHIND_BYTES: Final = 16 * 1024 * 1024
PATIENCE: Final = 50
FILES_MOST: Final = 1 << 15
"""Followed by one viewer: three weeks of minutes."""
NOTHING_NEW: Final = b""


def tail(
    volumes: Sequence[Path], camera: str, now_ns: int, *, sound: bool = True
) -> Iterator[bytes]:
    """One fragmented MP4 without an end; NOTHING_NEW whenever there is nothing new yet.

    sound   False: only the picture's track (picture_only.py says for whom)
    raises  NothingThere when nothing is being written; Gone when a file cannot be read
    """
    path, at = _where(volumes, camera, now_ns)
    show: _Show | None = None
    for number in range(FILES_MOST):
        with File.of(path) as file:
            while (begins := _begins(file)) is None:
                yield NOTHING_NEW
            show = show or _Show(begins.init, sound=sound)
            if begins.init != show.init:
                return
            show.file(path, number * NUMBERS)
            place, looks, following = at or begins.first, 0, None
            while following is None:
                found = _part(file, place)
                if isinstance(found, Part):
                    found = _caught_up(file, found, show.lane)
                    yield from show.part(file, found)
                    place, looks = found.end + files.MARK_BYTES, 0
                    continue
                looks += 1
                if isinstance(found, Sealed) or looks > PATIENCE:
                    following = _following(volumes, camera, path)
                if following is None:
                    yield NOTHING_NEW
        path, at = following, None


class _Show:
    """One viewer's stream: what was promised at its beginning, and where each track has got to."""

    def __init__(self, init: bytes, *, sound: bool) -> None:
        self.init = init
        self._sound = sound
        self._lanes = moof.lanes(init)
        self.lane = files.picture(self._lanes)
        self._origin_ns: int | None = None
        self._ends: dict[int, int] = {}
        self._begun_ns = 0
        self._number = 0

    def file(self, path: Path, number: int) -> None:
        """What follows lies in this file."""
        self._begun_ns, self._number = files.started_ns(path), number

    def part(self, file: File, part: Part) -> Iterator[bytes]:
        """One fragment in its place; nothing before the first key picture."""
        span = files.span(part, self.lane, self._begun_ns)
        if span is None:
            return
        if self._origin_ns is None:
            if not part.runs[self.lane.track].begins_with_key:
                return
            self._origin_ns = span[0]
            track = self.lane.track
            yield self.init if self._sound else picture_only.beginning(self.init, track)
        shifts = self._shifts(part, self._origin_ns)
        head = file.whole(part.at, moof_bytes := int.from_bytes(file.whole(part.at, 4), "big"))
        head = moof.rewritten(head, self._number, shifts)
        if self._sound:
            yield head
            yield from samples(file, part.at + moof_bytes, part.end)
            return
        found = picture_only.lone(head, self.lane.track)
        if found is not None:
            begin = part.at + found.at
            yield found.head
            yield from samples(file, begin, min(begin + found.size, part.end))

    def _shifts(self, part: Part, origin_ns: int) -> dict[int, Shift]:
        shifts: dict[int, Shift] = {}
        for lane in self._lanes:
            run = part.runs.get(lane.track)
            if run is not None:
                by = lane.ticks(self._begun_ns - origin_ns)
                shifts[lane.track] = self._shift(lane.track, run, by)
        return shifts

    def _shift(self, track: int, run: RunTimes, by: int) -> Shift:
        """Where its clock puts it, unless the samples before it reach farther: then pressed."""
        base = max(run.base + by, self._ends.get(track, 0))
        end = run.base + by + run.duration
        if end - base >= run.samples:
            self._ends[track] = end
            return Shift(base - run.base, end)
        self._ends[track] = base + run.duration
        return Shift(base - run.base)


def _where(volumes: Sequence[Path], camera: str, now_ns: int) -> tuple[Path, int | None]:
    """The file and the byte to begin at: the newest key picture there is.

    Where the newest one is old, behind it: somebody may be about to write the next.
    """
    newest = _newest(volumes, camera)
    if not newest:
        raise NothingThere(camera)
    for path in reversed(newest):
        last = _last_key(path)
        if last is not None:
            at, end_ns, place = last
            if abs(now_ns - end_ns) <= FRESH_NS:
                return path, at
            if path == newest[-1] and _is_open(path):
                return path, place
            break
    if not _is_open(newest[-1]):
        raise NothingThere(camera)
    return newest[-1], None


def _last_key(path: Path) -> tuple[int, int, int] | None:
    """Where the newest group begins, when the file's pictures end, where the next one will be."""
    found: tuple[int, int, int] | None = None
    try:
        with File.of(path) as file:
            begins = files.beginning(file)
            if begins is None:
                return None
            lane = files.picture(moof.lanes(begins.init))
            at = begins.first
            for part in files.parts(file, begins.first):
                span = None
                if isinstance(part, Part):
                    span = files.span(part, lane, files.started_ns(path))
                if span is None or not isinstance(part, Part):
                    continue
                at = part.at if part.runs[lane.track].begins_with_key else at
                found = at, span[1], part.end + files.MARK_BYTES
    except (Gone, Unreadable):
        pass
    return found


def _caught_up(file: File, part: Part, lane: moof.Lane) -> Part:
    """The part, or the newest one with a key picture when it lies too far behind."""
    if file.size_bytes - part.end <= BEHIND_BYTES:
        return part
    newest = part
    for later in files.parts(file, part.at):
        if isinstance(later, Part):
            run = later.runs.get(lane.track)
            newest = later if run is not None and run.begins_with_key else newest
    return newest


def _begins(file: File) -> Beginning | None:
    try:
        return files.beginning(file)
    except Unreadable as error:
        raise Gone(str(error)) from error


def _part(file: File, at: int) -> Part | Sealed | None:
    """What is whole at a byte; behind a damage nothing is."""
    try:
        return files.part(file, at, file.size_bytes)
    except Unreadable:
        return None


def _following(volumes: Sequence[Path], camera: str, path: Path) -> Path | None:
    """The file that was begun next, as far as it is among the newest ones."""
    begun_ns = files.started_ns(path)
    later = [one for one in _newest(volumes, camera) if files.started_ns(one) > begun_ns]
    return later[0] if later else None


def _newest(volumes: Sequence[Path], camera: str) -> list[Path]:
    found = [path for volume in volumes for path in files.newest_in(volume, camera, NEWEST)]
    return sorted(found, key=files.started_ns)[-NEWEST:]


def _is_open(path: Path) -> bool:
    return path.name.endswith(names.OPEN_ENDING)
