"""One segment's file, sealed or still being written: where its fragments lie, and when.

Needs   .moof for heads, gateway.store.video for names and for the form of our own boxes. Blocks:
        runs in the disks' threads.
Keeps   1. Reads heads, never samples.
        2. Of an open file only what its mark has closed is a fragment (FORMAT.md, V1).
        3. Plain files only: neither a link nor a pipe that somebody put there is followed.
Bound   INIT_MOST for the beginning, AHEAD_BYTES for each fragment, FRAGMENTS_MOST fragments.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.media.boxes import box_head
from gateway.media.errors import Unreadable
from gateway.playback import moof
from gateway.playback.errors import Gone
from gateway.playback.moof import Lane, RunTimes
from gateway.store.video import boxes, names

AHEAD_BYTES: Final = 4096
"""Read at once: a mark, the next fragment's head, and as a rule the head of its samples."""
FRAGMENTS_MOST: Final = 100_000
_BEGINNING_BYTES: Final = 8192
_OURS: Final = 24
MARK_BYTES: Final = len(boxes.mark_box(b"", 0, 0))
"""How long the mark behind a fragment is."""


class File:
    """An open segment's descriptor; use it with `with`. Raises Gone where there is no such file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._descriptor = os.open(path, flags)
        except OSError as error:
            raise Gone(f"{path.name}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise Gone(f"{path.name}: not a plain file")

    @classmethod
    def of(cls, path: Path) -> "File":
        """Open a segment under this name, or under the one it was given at its seal."""
        try:
            return cls(path)
        except Gone:
            if path.suffix != ".open":
                raise
            return cls(path.with_suffix(""))

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def size_bytes(self) -> int:
        """How long it is now."""
        return os.fstat(self._descriptor).st_size

    def read(self, at: int, size: int) -> bytes:
        """At most so many bytes; fewer at the end of the file. Raises Gone."""
        try:
            return os.pread(self._descriptor, size, at)
        except OSError as error:
            raise Gone(f"{self.path.name}: {error.strerror}") from error

    def whole(self, at: int, size: int) -> bytes:
        """Exactly so many bytes; raises Gone when the file has fewer."""
        parts = []
        while size:
            part = self.read(at, size)
            if not part:
                raise Gone(f"{self.path.name}: {size} bytes are missing at byte {at}")
            parts.append(part)
            at, size = at + len(part), size - len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What stands before the first fragment.

    init    `ftyp moov`, with which a player begins
    first   where the first fragment lies, behind our own head
    """

    init: bytes
    first: int


@dataclass(frozen=True, slots=True)
class Part:
    """One fragment: its bytes without the mark, and what it says of each track.

    runs  empty when the head is damaged: its neighbours are none the worse for it
    """

    at: int
    end: int
    runs: dict[int, RunTimes]


@dataclass(frozen=True, slots=True)
class Sealed:
    """There is no further fragment: the file is closed. at: where the seal lies."""

    at: int


def beginning(file: File) -> Beginning | None:
    """The file's beginning; None while it is being written. Raises Unreadable, Gone."""
    content = file.read(0, _BEGINNING_BYTES)
    at = 0
    while at + _OURS <= len(content):
        kind, _, size = box_head(content[at : at + 16], boxes.INIT_MOST + boxes.SEAL_MOST)
        if at + size > boxes.INIT_MOST + boxes.SEAL_MOST:
            raise Unreadable(f"{file.path.name}: a beginning of more than {boxes.INIT_MOST} bytes")
        if at + size > len(content):
            more = file.read(0, boxes.INIT_MOST + boxes.SEAL_MOST)
            if at + size > len(more):
                return None
            content = more
        if kind == b"uuid" and content[at + 8 : at + _OURS] == boxes.HEAD:
            return Beginning(content[:at], at + size)
        if kind not in {b"ftyp", b"moov"}:
            raise Unreadable(f"{file.path.name}: begins with {kind!r}")
        at += size
    return None


def parts(file: File, at: int) -> Iterator[Part | Sealed]:
    """The fragments from a byte on, which must be where one begins, and the seal if there is one.

    Ends where nothing more is whole. Raises Unreadable, Gone.
    """
    size_bytes = file.size_bytes
    for _ in range(FRAGMENTS_MOST):
        found = part(file, at, size_bytes)
        if found is None:
            return
        yield found
        if isinstance(found, Sealed):
            return
        at = found.end + MARK_BYTES


def part(file: File, at: int, size_bytes: int) -> Part | Sealed | None:  # noqa: C901 - one walk
    """What lies at a byte; None when it is not whole in size_bytes. Raises Unreadable, Gone."""
    ahead = file.read(at, AHEAD_BYTES)
    if len(ahead) < _OURS:
        return None
    begin, runs = at, None
    while True:
        head = ahead[at - begin : at - begin + _OURS]
        if len(head) < _OURS:
            head = file.read(at, _OURS)
            if len(head) < _OURS:
                return None
        size = _size(head)
        if at + size > size_bytes:
            return None
        kind = head[4:8]
        if kind == b"moof" and runs is None:
            if size > moof.MOOF_MOST_BYTES:
                raise Unreadable(f"{file.path.name}: a head of {size} bytes at byte {at}")
            whole = ahead[at - begin : at - begin + size]
            with contextlib.suppress(Unreadable):
                runs = moof.times(whole if len(whole) == size else file.whole(at, size))
            runs = runs or {}
        elif kind == b"uuid" and head[8:] == boxes.MARK:
            if runs is None:
                raise Unreadable(f"{file.path.name}: a mark without a fragment at byte {at}")
            return Part(begin, at, runs)
        elif kind == b"uuid" and head[8:] == boxes.SEAL and at == begin:
            return Sealed(at)
        elif kind != b"mdat" or runs is None:
            raise Unreadable(f"{file.path.name}: {kind!r} has no place at byte {at}")
        at += size


def _size(head: bytes) -> int:
    return box_head(head[:16], 1 << 62)[2]


def started_ns(path: Path) -> int:
    """When a segment began, by its name."""
    found = names.start_of_name(path.name)
    if found is None:
        raise Gone(f"{path.name}: no segment's name")
    return found


def volume_of(path: Path) -> Path:
    """The volume a segment's path lies on: VOLUME/CAMERA/DAY/NAME."""
    return path.parents[2]


def span(found: Part, lane: Lane, begun_ns: int) -> tuple[int, int] | None:
    """When a fragment's part of a track begins and ends, UTC nanoseconds; None without one."""
    run = found.runs.get(lane.track)
    if run is None:
        return None
    return begun_ns + lane.span_ns(run.base), begun_ns + lane.span_ns(run.base + run.duration)


def picture(lanes: tuple[Lane, ...]) -> Lane:
    """The track that pictures are in."""
    return next(lane for lane in lanes if lane.is_video)


def named_in(
    volume: Path, camera: str, from_ns: int, to_ns: int, *, sealed: bool = False
) -> list[Path]:
    """Files of a camera that began between two times, oldest first: open ones, or all.

    Never raises: a volume that is away has none.
    """
    found: list[Path] = []
    day = names.start_of_day(names.day_of(max(from_ns, 0)))
    while day < min(to_ns, names.LAST_NS):
        for begun, path in _listed(volume / camera / names.day_of(day), sealed=sealed):
            if from_ns <= begun < to_ns:
                found.append(path)
        day += names.DAY_NS
    return sorted(found, key=lambda path: path.name)


def newest_in(volume: Path, camera: str, count: int) -> list[Path]:
    """The files of a camera that began last, oldest first; no clock is asked. Never raises."""
    days: list[str] = []
    with contextlib.suppress(OSError), os.scandir(volume / camera) as entries:
        days = sorted(entry.name for entry in entries if names.is_day(entry.name))
    found: list[tuple[int, Path]] = []
    for day in reversed(days):
        found += _listed(volume / camera / day, sealed=True)
        if len(found) >= count:
            break
    return [path for _, path in sorted(found)[-count:]]


def _listed(folder: Path, *, sealed: bool) -> list[tuple[int, Path]]:
    found: list[tuple[int, Path]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            begun = names.start_of_name(entry.name)
            if begun is not None and (sealed or entry.name.endswith(names.OPEN_ENDING)):
                found.append((begun, folder / entry.name))
    return found
