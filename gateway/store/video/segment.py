"""One segment: how it is written, fragment by fragment, and sealed.

Owns    files NAME.mp4.open, and NAME.mp4 at the moment it gets that name.
Needs   .boxes for the form, .disk for the calls, .workers for the threads.
Keeps   1. A fragment counts from the moment its fdatasync has returned (V1).
        2. The sealed name appears only over bytes that are synced, and the row after the name (V2).
        3. What a failing disk refuses is told as a gap with its reason, never passed over.
        4. add() never waits for the disk.
Bound   QUEUE_BYTES of one camera wait for the disk; more is refused and the segment has to end.
"""

import errno
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from gateway.crash import here as crash_here
from gateway.errors import StoreError
from gateway.store.video import boxes, names
from gateway.store.video.disk import Disk
from gateway.store.video.volumes import State, Volume
from gateway.store.video.workers import Strand, wait_for

QUEUE_BYTES: Final = 8 * 1024 * 1024
"""Twenty seconds of one camera at 3 Mbit/s."""
LENGTH_MOST_NS: Final = 600 * names.SECOND_NS
SEAL_WAIT_S: Final = 30.0
NAMES_TRIED: Final = 16
QUALITIES: Final = ("trusted", "stepped", "unset")

DISK_FULL: Final = "disk_full"
DISK_FAILED: Final = "disk_failed"
DISK_SLOW: Final = "disk_slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the recorder knows of a segment when it begins.

    quality    Clock.quality at that moment
    offset_ms  the camera's clock minus ours; None when it does not tell
    aged_ns    since when the segment ages, when its own time does not say; None as a rule
    """

    camera: str
    started_ns: int
    quality: str
    codec: str
    width: int
    height: int
    offset_ms: int | None = None
    aged_ns: int | None = None

    def content(self) -> dict[str, Any]:
        """As the boxes carry them; None is left out."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sealed segment.

    volume      the volume's uuid
    size_bytes  the whole file
    sha256      of all of the file before its seal, 32 bytes
    """

    facts: Facts
    volume: str
    end_ns: int
    frames: int
    size_bytes: int
    sha256: bytes

    @property
    def path(self) -> Path:
        """Inside its volume."""
        return names.relative(self.facts.camera, self.facts.started_ns)


def facts_from(said: dict[str, Any]) -> Facts:
    """Facts as a box carries them. Raises NotBoxes when they are not ours."""
    try:
        aged, offset = said.get("aged_ns"), said.get("offset_ms")
        facts = Facts(
            camera=str(said["camera"]),
            started_ns=int(said["started_ns"]),
            quality=str(said["quality"]),
            codec=str(said["codec"]),
            width=int(said["width"]),
            height=int(said["height"]),
            offset_ms=None if offset is None else int(offset),
            aged_ns=None if aged is None else int(aged),
        )
        names.day_of(facts.started_ns)
    except (KeyError, TypeError, ValueError) as error:
        raise boxes.NotBoxes(f"facts that do not hold: {error}") from error
    if facts.quality not in QUALITIES or not names.is_camera(facts.camera):
        raise boxes.NotBoxes(f"facts that do not hold: {facts.camera} {facts.quality}")
    return facts


def sealing(facts: Facts, end_ns: int, frames: int, fragments: int, reason: str) -> dict[str, Any]:
    """What a seal says: all the index needs."""
    return facts.content() | {
        "ended_ns": end_ns,
        "frames": frames,
        "fragments": fragments,
        "reason": reason[:100],
    }


class SegmentFile:
    """The file, for one thread at a time. Methods raise OSError; then only close() or seal().

    whole_bytes  the length that is synced: what a power cut leaves at least
    """

    def __init__(self, volume: Volume, facts: Facts, init: bytes) -> None:
        self.facts = facts
        self.volume = volume
        self.end_ns = facts.started_ns
        self.frames = self.fragments = self.whole_bytes = 0
        self._disk: Disk = volume.disk
        self._init = init
        self._descriptor = -1
        self._digest = hashlib.sha256()
        self._broken = False

    @property
    def sealed_path(self) -> Path:
        """Its name once it is sealed."""
        return self.volume.path / names.relative(self.facts.camera, self.facts.started_ns)

    @property
    def open_path(self) -> Path:
        """Its name until then."""
        return self.sealed_path.with_suffix(names.OPEN_ENDING)

    def create(self) -> None:
        """Make the file and its folder; both are durable, the file with its first bytes."""
        if not self.volume.is_mine():
            raise StoreError(f"{self.volume.path}: 卷已更换 the volume is not the one it was")
        self._disk.make_folder(self.open_path.parent)
        self._create_new()
        self._append([self._init, boxes.head_box(self.facts.content())])
        self._disk.sync_folder(self.open_path.parent)
        crash_here("segment.begun")

    def _create_new(self) -> None:
        """A clock that went back may lead to a name that is taken: then a nanosecond later."""
        for _ in range(NAMES_TRIED):
            try:
                if not self.sealed_path.exists():
                    self._descriptor = self._disk.create(self.open_path)
                    return
            except FileExistsError:
                pass
            self.facts = replace(self.facts, started_ns=self.facts.started_ns + 1)
        raise FileExistsError(errno.EEXIST, "every name is taken", str(self.open_path))

    def add(self, fragments: list[tuple[bytes, int, int]]) -> None:
        """Write (bytes, end_ns, frames) one after the other, with one write and one sync."""
        parts: list[bytes] = []
        for content, end_ns, frames in fragments:
            parts += [content, boxes.mark_box(content, end_ns, frames)]
        self._append(parts)
        self.fragments += len(fragments)
        self.frames += sum(frames for _, _, frames in fragments)
        self.end_ns = fragments[-1][1]

    def _append(self, parts: list[bytes]) -> None:
        self._broken = True  # until it is synced: what is there then is unknown
        self._disk.write(self._descriptor, parts)
        crash_here("segment.written")
        self._disk.sync_data(self._descriptor)
        crash_here("segment.synced")
        self._broken = False
        for part in parts:
            self._digest.update(part)
        self.whole_bytes += sum(map(len, parts))

    def seal(self, reason: str) -> Segment | None:
        """Close the file for ever; None when there is no picture in it and it was removed.

        After a failed write it is first cut back to what is known to be whole.
        """
        try:
            if self._descriptor < 0:
                return None
            if not self.fragments:
                self._disk.remove(self.open_path)
                self._disk.sync_folder(self.open_path.parent)
                return None
            if self._broken:
                self._disk.cut(self._descriptor, self.whole_bytes)
            facts = sealing(self.facts, self.end_ns, self.frames, self.fragments, reason)
            seal = boxes.seal_box(facts, self._digest.digest())
            self._disk.write(self._descriptor, [seal])
            crash_here("segment.boxed")
            self._disk.sync(self._descriptor)
            crash_here("segment.closed")
            self._disk.rename(self.open_path, self.sealed_path)
            crash_here("segment.renamed")
            self._disk.sync_folder(self.sealed_path.parent)
            crash_here("segment.named")
        finally:
            self.close()
        return Segment(
            facts=self.facts,
            volume=self.volume.uuid,
            end_ns=self.end_ns,
            frames=self.frames,
            size_bytes=self.whole_bytes + len(seal),
            sha256=self._digest.digest(),
        )

    def close(self) -> None:
        """Let go of the file as it is: recovery finishes it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_numbers = count(1)
Sealed = Callable[["SegmentWriter", Segment | None, "Future[Segment | None]"], None]
"""Told in a volume's thread that a file is closed; settles the future once the index has it."""


class SegmentWriter:
    """What the recorder holds while a segment is open; used from the event loop only.

    failure   None, or why the disk takes no more of this segment: seal it and begin another
    """

    def __init__(self, file: SegmentFile, sealed: "Sealed") -> None:
        self.failure: str | None = None
        self.ended_ns = file.facts.started_ns
        self.lost_to_ns = 0
        self._file = file
        self._volume = file.volume
        self._strand = Strand(file.volume.workers)
        self._sealed = sealed
        self._lock = threading.Lock()
        self._waiting: deque[tuple[bytes, int, int]] = deque()
        self._queued_bytes = 0
        self._key = next(_numbers)
        self._sealing: Future[Segment | None] | None = None
        self._volume.begin_wait(self._key)
        self._strand.submit(self._create)

    @property
    def facts(self) -> Facts:
        """What it was begun with."""
        return self._file.facts

    def is_on(self, volume: Volume) -> bool:
        """Whether it is written on that volume."""
        return self._volume is volume

    @property
    def kept_to_ns(self) -> int:
        """The end of the last fragment that is on the disk."""
        return self._file.end_ns

    @property
    def wanted_to_ns(self) -> int:
        """The end of the last fragment that was handed over, kept or not."""
        return max(self.lost_to_ns, self.ended_ns)

    @property
    def open_path(self) -> Path:
        """Where it is being written."""
        return self._file.open_path

    @property
    def synced(self) -> tuple[int, int]:
        """(end_ns, bytes) of what is on the disk for good: live viewers may read that far."""
        return self._file.end_ns, self._file.whole_bytes

    async def add(self, fragment: bytes, end_ns: int, frames: int) -> bool:
        """Hand over one group of pictures; returns at once, before it is on the disk.

        end_ns   when its last picture ends (the next one's first begins), UTC nanoseconds
        returns  False when it was refused and will be told as a gap: the disk is too slow or failed
                 (`failure` says which), so seal and begin another at the next key frame
        raises   ValueError when these are not whole boxes, when time does not go on, or when the
                 segment would be longer than LENGTH_MOST_NS: the recorder has to cut before that
        """
        boxes.check_boxes(fragment)
        if not self.ended_ns < end_ns <= self.facts.started_ns + LENGTH_MOST_NS:
            raise ValueError(f"a fragment from {self.ended_ns} to {end_ns} ns")
        if self._sealing is not None:
            raise ValueError("the segment is sealed")
        size = len(fragment)
        if self.failure is None and self._queued_bytes and self._is_too_much(size):
            self.failure = DISK_SLOW
        if self.failure is not None or not self._volume.take(size):
            self.failure = self.failure or DISK_SLOW
            self.lost_to_ns = max(self.lost_to_ns, end_ns)
            return False
        self.ended_ns = end_ns
        with self._lock:
            if not self._queued_bytes:
                self._volume.begin_wait(self._key)
            self._queued_bytes += size
            self._waiting.append((fragment, end_ns, frames))
        self._strand.submit(self._write)
        return True

    def _is_too_much(self, size: int) -> bool:
        return self._queued_bytes + size > QUEUE_BYTES

    async def seal(self, reason: str) -> Segment | None:
        """End the segment; returns its row, which is in the index then.

        returns  None when nothing of it could be kept, or the disk did not answer in SEAL_WAIT_S:
                 whatever it does later is indexed later, and recovery finishes what it does not
        """
        future = self.begin_seal(reason)
        await wait_for([future], SEAL_WAIT_S)
        return future.result() if future.done() else None

    def begin_seal(self, reason: str) -> "Future[Segment | None]":
        """As seal(), without waiting: the next segment may be begun at once."""
        if self._sealing is None:
            self._sealing = Future()
            self._volume.begin_wait(self._key)
            future = self._sealing
            job = self._strand.submit(self._seal, reason, future)
            job.add_done_callback(lambda done: _pass_on(done, future))
        return self._sealing

    async def flush(self) -> None:
        """Wait until everything that was added is on the disk, or refused."""
        await wait_for([self._strand.submit(lambda: None)], SEAL_WAIT_S)

    def _create(self) -> None:
        try:
            self._file.create()
        except (OSError, StoreError) as error:
            self._fail(error)
        self._volume.end_wait(self._key)

    def _write(self) -> None:
        """All that waits, with one sync: a disk that fell behind catches up."""
        with self._lock:
            fragments = list(self._waiting)
            self._waiting.clear()
        if not fragments:
            return
        try:
            if self.failure not in {DISK_FULL, DISK_FAILED}:
                self._file.add(fragments)
        except OSError as error:
            self._fail(error)
        finally:
            size = sum(len(content) for content, _, _ in fragments)
            self._volume.give_back(size)
            self._volume.end_wait(self._key)
            with self._lock:
                self._queued_bytes -= size
                if self._queued_bytes:
                    self._volume.begin_wait(self._key)

    def _seal(self, reason: str, future: "Future[Segment | None]") -> None:
        try:
            segment = self._file.seal(reason)
        except OSError as error:  # it stays open on the disk, for recovery
            self._fail(error)
            segment = None
        finally:
            self._volume.end_wait(self._key)
        self._sealed(self, segment, future)

    def _fail(self, error: Exception) -> None:
        number = error.errno if isinstance(error, OSError) else None
        full = number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        self.failure = DISK_FULL if full else DISK_FAILED
        self._volume.fail(State.FULL if full else State.READ_ONLY, str(error))


def _pass_on(job: "Future[None]", future: "Future[Segment | None]") -> None:
    error = job.exception()
    if error is not None and not future.done():
        future.set_exception(error)
