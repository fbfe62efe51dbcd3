"""What the recorder holds while a segment is open: a queue in front of a file.

Needs   .segment for the file, .workers for the threads.
Keeps   1. add() never waits for the disk.
        2. What a slow or failing disk refuses is told as a gap with its reason, never passed over.
Bound   QUEUE_BYTES of one camera wait for the disk; more is refused and the segment has to end.
"""

import errno
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Final

from gateway.errors import StoreError
from gateway.store.video import boxes, names
from gateway.store.video.segment import Facts, Segment, SegmentFile
from gateway.store.video.volumes import State, Volume
from gateway.store.video.workers import Strand, wait_for

QUEUE_BYTES: Final = 8 * 1024 * 1024
"""Twenty seconds of one camera at 3 Mbit/s."""
LENGTH_MOST_NS: Final = 600 * names.SECOND_NS
SEAL_WAIT_S: Final = 30.0

DISK_FULL: Final = "disk_full"
DISK_FAILED: Final = "disk_failed"
DISK_SLOW: Final = "disk_slow"

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
        if self.failure is None and self._volume.is_away:
            self.failure = DISK_FAILED
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
        self._volume.distrust(State.FULL if full else State.READ_ONLY, str(error))


def _pass_on(job: "Future[None]", future: "Future[Segment | None]") -> None:
    error = job.exception()
    if error is not None and not future.done():
        future.set_exception(error)
