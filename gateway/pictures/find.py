"""Where the key picture at a time lies: files on the volumes, the open one included.

Owns    nothing: it reads names, headers and one group of pictures.
Needs   gateway.store.video for names, boxes and the index. Each volume has a thread of its own.
Keeps   1. A volume that hangs costs its own pictures only: VOLUME_S, then the others are asked.
        2. A file that is sealed and renamed meanwhile is found under its new name.
        3. What is read is an init of INIT_MOST and one group of GROUP_MOST bytes, of plain files.
Bound   BACK_NS before the time asked for, FILES_TRIED files, GROUPS_TRIED groups.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.pictures.errors import NoPicture, PicturesDown
from gateway.store.video import VideoReader, names
from gateway.store.video.boxes import INIT_MOST, walk
from gateway.store.video.workers import Workers

BACK_NS: Final = 600 * names.SECOND_NS
"""No segment is longer, so whatever was being recorded at a time began within it."""
GROUP_MOST: Final = 16 * 1024 * 1024
GROUPS_TRIED: Final = 4
"""Backwards from the time asked for: a group may be the rest of a long one, without a key."""
FILES_TRIED: Final = 3
VOLUME_S: Final = 3.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """One group of pictures in a file; it begins at at_ns with its key picture, as a rule."""

    path: Path
    init_bytes: int
    offset: int
    size_bytes: int
    at_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Group:
    """The bytes of one: enough for a decoder when put behind each other."""

    place: Place
    init: bytes
    fragment: bytes


class Finder:
    """Used from one event loop; close() ends its threads."""

    def __init__(self, volumes: Sequence[Path], reader: VideoReader, clock: Clock) -> None:
        self._volumes = {path: Workers(f"pictures-{i}") for i, path in enumerate(volumes)}
        self._elsewhere = Workers("pictures-elsewhere")
        self._reader = reader
        self._clock = clock

    def close(self) -> None:
        """End the threads; one that hangs in a disk is left behind."""
        for workers in (*self._volumes.values(), self._elsewhere):
            workers.stop()

    async def places(self, camera: str, at_ns: int | None) -> list[Place]:
        """Groups that begin at or before a time (None: now), newest first; may be none."""
        found: list[Place] = []
        for path in (await self._files(camera, at_ns))[:FILES_TRIED]:
            try:
                found += await self._on(path, _places_in, path, at_ns)
            except (OSError, TimeoutError):
                continue  # gone to retention, or its volume is: an older file may do
            if len(found) >= GROUPS_TRIED:
                break
        return found[:GROUPS_TRIED]

    async def read(self, place: Place) -> Group:
        """The bytes of one group. Raises NoPicture when they are gone, PicturesDown for a disk."""
        try:
            return await self._on(place.path, _read, place)
        except OSError as error:
            raise NoPicture(f"{place.path}: {error}") from error
        except TimeoutError as error:
            raise PicturesDown(f"{place.path}: the disk does not answer; ask again") from error

    async def _on(self, path: Path, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        volume = next((each for each in self._volumes if path.is_relative_to(each)), None)
        workers = self._elsewhere if volume is None else self._volumes[volume]
        async with asyncio.timeout(VOLUME_S):
            return await workers.run(work, *args)

    async def _files(self, camera: str, at_ns: int | None) -> list[Path]:
        """Files that may hold it, the likeliest first."""
        if at_ns is None:
            newest = await self._listed(_newest_open, camera)
            if newest:
                newest.sort(reverse=True)
                return [path for _, path in newest]
            at_ns = self._clock.utc_ns()
        named = dict(await self._listed(_begun_by, camera, at_ns))
        try:
            rows = await self._reader.segments(camera, at_ns - BACK_NS, at_ns + 1)
        except StoreError:
            rows = []  # no index, or not now: names say the same of the volumes we know
        for row in rows:
            if row.segment.facts.started_ns <= at_ns:
                named.setdefault(row.segment.facts.started_ns, row.path)
        return [named[start] for start in sorted(named, reverse=True)]

    async def _listed(
        self,
        work: Callable[..., list[tuple[int, Path]]],
        *args: Any,  # noqa: ANN401
    ) -> list[tuple[int, Path]]:
        asked = [self._on(volume, work, volume, *args) for volume in self._volumes]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found: list[tuple[int, Path]] = []
        for answer in answers:
            if isinstance(answer, list):
                found += answer
            elif not isinstance(answer, OSError | TimeoutError):
                raise answer
        return found


def _entries(folder: Path) -> Iterator[tuple[int, Path]]:
    try:
        listed = [entry.name for entry in os.scandir(folder)]
    except FileNotFoundError:
        return
    for name in listed:
        start_ns = names.start_of_name(name)
        if start_ns is not None:
            yield start_ns, folder / name


def _begun_by(volume: Path, camera: str, at_ns: int) -> list[tuple[int, Path]]:
    """Segments on a volume that began within BACK_NS before a time."""
    days = {names.day_of(max(at_ns - BACK_NS, 0)), names.day_of(at_ns)}
    listed = [entry for day in days for entry in _entries(volume / camera / day)]
    return [entry for entry in listed if at_ns - BACK_NS <= entry[0] <= at_ns]


def _newest_open(volume: Path, camera: str) -> list[tuple[int, Path]]:
    """Open segments by when they were last written to: names may lie while a clock is wrong."""
    try:
        days = sorted(day for day in os.listdir(volume / camera) if names.is_day(day))  # noqa: PTH208 names
    except FileNotFoundError:
        return []
    found: list[tuple[int, Path]] = []
    for day in days[-3:]:
        for _, path in _entries(volume / camera / day):
            if path.name.endswith(names.OPEN_ENDING):
                found.append((path.stat().st_mtime_ns, path))
    return found


def _open(path: Path) -> BinaryIO:
    """A plain file, under its own name or the one it got when it was sealed. Raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        if not path.name.endswith(names.OPEN_ENDING):
            raise
        descriptor = os.open(path.with_suffix(""), flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path}: not a file")
    return os.fdopen(descriptor, "rb")


def _places_in(path: Path, at_ns: int | None) -> list[Place]:
    """The newest groups in a file that begin at or before a time, newest first."""
    with _open(path) as file:
        found = walk(file, hashed=False)
    began_ns = names.start_of_name(path.name)
    if began_ns is None or not 0 < found.init_bytes <= INIT_MOST:
        return []
    places: list[Place] = []
    for fragment in found.fragments:
        if at_ns is not None and began_ns > at_ns:
            break
        at = (fragment.offset, fragment.size_bytes, began_ns, fragment.end_ns)
        places.append(Place(path, found.init_bytes, *at))
        began_ns = fragment.end_ns
    return places[: -GROUPS_TRIED - 1 : -1]


def _read(place: Place) -> Group:
    with _open(place.path) as file:
        init = file.read(place.init_bytes)
        file.seek(place.offset)
        # A larger one is cut: its key picture stands at its beginning.
        fragment = file.read(min(place.size_bytes, GROUP_MOST))
    return Group(place, init, fragment)
