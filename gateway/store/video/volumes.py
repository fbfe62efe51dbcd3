"""Volumes: the file systems that segments lie on, and whether one may be written to now.

Owns    the file .campus-volume in each volume's folder; a few threads for each volume.
Needs   gateway.store.disk for whole files, .workers.
Keeps   1. A folder without its marker where there was one before is another disk, or none at all:
           nothing is written there until a person says adopt (FORMAT.md, V8).
        2. A volume that hangs, is full, read-only or gone takes nobody else's time.
Bound   THREADS threads for each volume; QUEUE_BYTES of video waiting for it.
"""

import os
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.store.disk import write_file
from gateway.store.video.disk import Disk
from gateway.store.video.workers import Workers, wait_for

MARKER: Final = ".campus-volume"
PROBE: Final = ".campus-probe"
MARKER_MOST: Final = 4096
THREADS: Final = 4
"""Several, because a file system makes one journal entry of syncs that come together."""
QUEUE_BYTES: Final = 64 * 1024 * 1024
SPARE_BYTES: Final = 512 * 1024 * 1024
"""Left free, so that what is open can be finished and the file system does not crawl."""
STALLED_NS: Final = 10_000_000_000
LOOK_S: Final = 5.0
REST_FIRST_NS: Final = 60_000_000_000
REST_MOST_NS: Final = 3600_000_000_000
"""A volume that failed a segment is not chosen for so long while there is another; each failure
within a day of the last doubles it. A dying disk passes every look and fails every segment."""
_DAY_NS: Final = 86_400_000_000_000


class State(StrEnum):
    """Why a volume is written to or not. `ok` is the only one that is."""

    OK = "ok"
    FULL = "full"
    READ_ONLY = "read_only"
    WRONG_MOUNT = "wrong_mount"
    FOREIGN = "foreign"
    GONE = "gone"
    STALLED = "stalled"


AWAY: Final = frozenset({State.WRONG_MOUNT, State.FOREIGN, State.GONE})
"""The disk that was written to is not there: what is still written may lie nowhere."""

SAID: Final[dict[State, str]] = {
    State.OK: "正常 sound",
    State.FULL: "已满 full",
    State.READ_ONLY: "无法写入 cannot be written",
    State.WRONG_MOUNT: "不是原来的磁盘，确认后才写入 another disk: adopt it or mount the old",
    State.FOREIGN: "是其他网关的磁盘，确认后才写入 of another gateway: adopt it or remove it",
    State.GONE: "不见了 gone",
    State.STALLED: "没有响应 does not answer",
}


@dataclass(frozen=True, slots=True)
class Marker:
    """Who a volume is: its own id, the site that made it, when."""

    uuid: str
    site: str
    created: str


def read_marker(folder: Path) -> Marker | None:
    """The marker in a folder; None when there is none that can be read. Raises OSError else."""
    try:
        with (folder / MARKER).open("rb") as file:
            said: Any = orjson.loads(file.read(MARKER_MOST))
        marker = Marker(str(said["uuid"]), str(said["site"]), str(said["created"]))
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return marker if marker.uuid else None


class Volume:
    """One folder for video. Its state is what the last look at it found.

    uuid         the marker's; "" as long as there is none that is ours
    free_bytes   room on the file system at the last look
    why          the state's cause, for a person
    """

    def __init__(self, path: Path, clock: Clock, disk: Disk, spare_bytes: int) -> None:
        self.path = path
        self.uuid = ""
        self.free_bytes = self.total_bytes = 0
        self.state, self.why = State.GONE, ""
        self.spare_bytes = spare_bytes
        self.disk = disk
        self.workers = Workers(f"video-{path.name}", THREADS)
        self._clock = clock
        self._lock = threading.Lock()
        self._queued_bytes = 0
        self._since_ns: dict[int, int] = {}
        self._failed_ns: int | None = None
        self._rest_ns = 0
        self.failure = ""

    @property
    def is_resting(self) -> bool:
        """Whether it failed a segment not long ago; `failure` says how."""
        return (
            self._failed_ns is not None and self._clock.mono_ns() - self._failed_ns < self._rest_ns
        )

    @property
    def is_usable(self) -> bool:
        """Whether a segment may be begun here."""
        return self.state is State.OK and not self.is_stalled

    @property
    def is_readable(self) -> bool:
        """Whether the disk that is expected here can be read, and files taken from it."""
        readable = self.state in {State.OK, State.FULL, State.READ_ONLY}
        return bool(self.uuid) and readable and not self.is_stalled

    @property
    def is_away(self) -> bool:
        """Whether the last look found another disk here, or none."""
        return self.state in AWAY

    @property
    def is_stalled(self) -> bool:
        """Whether something has waited for this disk for STALLED_NS."""
        with self._lock:
            oldest = min(self._since_ns.values(), default=None)
        return oldest is not None and self._clock.mono_ns() - oldest > STALLED_NS

    @property
    def queued_bytes(self) -> int:
        """Video in memory that waits for this disk."""
        return self._queued_bytes

    def take(self, size_bytes: int) -> bool:
        """Reserve room in the queue; False when there is none."""
        with self._lock:
            if self._queued_bytes + size_bytes > QUEUE_BYTES:
                return False
            self._queued_bytes += size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        """What was taken is on the disk, or given up."""
        with self._lock:
            self._queued_bytes -= size_bytes

    def begin_wait(self, key: int) -> None:
        """Note that somebody (key: the segment's number; 0 a look) began to wait for this disk."""
        with self._lock:
            self._since_ns.setdefault(key, self._clock.mono_ns())

    def end_wait(self, key: int) -> None:
        """Note that the wait is over."""
        with self._lock:
            self._since_ns.pop(key, None)

    def fail(self, state: State, why: str) -> None:
        """Take the volume out of use until a look finds it sound."""
        self.state, self.why = state, why[:300]

    def distrust(self, state: State, why: str) -> None:
        """As fail(), because a segment could not be written: it rests, too.

        What is left over of a disk that is away says nothing of the one that is there now.
        """
        if self.is_away:
            return
        if not self.is_resting:
            now = self._clock.mono_ns()
            recent = self._failed_ns is not None and now - self._failed_ns < _DAY_NS
            self._rest_ns = min(self._rest_ns * 2, REST_MOST_NS) if recent else REST_FIRST_NS
            self._failed_ns = now
        self.failure = why[:300]
        self.fail(state, why)

    def ask(self, known: dict[str, str], site: str) -> "Future[None]":
        """Have look() done, and note how long it takes."""
        self.begin_wait(0)
        future = self.workers.submit(self.look, dict(known), site)
        future.add_done_callback(lambda _done: self.end_wait(0))
        return future

    def look(self, known: dict[str, str], site: str) -> None:
        """See what is mounted here and whether it takes a byte; in one of the volume's threads.

        known  path → uuid that lay there before
        """
        try:
            self._look(known, site)
        except FileNotFoundError as error:
            self.fail(State.GONE, str(error))
        except OSError as error:
            self.fail(State.READ_ONLY, str(error))

    def _look(self, known: dict[str, str], site: str) -> None:
        room = os.statvfs(self.path)
        self.free_bytes = room.f_bavail * room.f_frsize
        self.total_bytes = room.f_blocks * room.f_frsize
        marker = read_marker(self.path)
        expected = self.uuid or known.get(str(self.path), "")
        if marker is None:
            if expected:
                self.fail(State.WRONG_MOUNT, f"{self.path}: {MARKER} {expected} is missing")
                return
            marker = self._mark(site)
        elif marker.uuid != expected and marker.uuid not in known.values():
            if expected:
                self.fail(State.WRONG_MOUNT, f"{self.path}: {marker.uuid}, expected {expected}")
                return
            if marker.site != site:
                self.fail(State.FOREIGN, f"{self.path}: of site {marker.site}")
                return
        self.uuid = marker.uuid
        if self.free_bytes <= self.spare_bytes:
            self.fail(State.FULL, f"{self.path}: {self.free_bytes} bytes free")
            return
        self._probe()
        self.state, self.why = State.OK, ""

    def adopt(self, site: str) -> None:
        """Use what is mounted here from now on, because a person said so. Raises OSError."""
        found = read_marker(self.path)
        self.uuid = (found or self._mark(site)).uuid
        self._failed_ns = None  # what failed was another disk

    def _mark(self, site: str) -> Marker:
        created = f"{self._clock.utc_ns()} ns UTC, {self._clock.quality}"
        marker = Marker(str(uuid.uuid4()), site, created)
        content = {"uuid": marker.uuid, "site": site, "created": created}
        write_file(self.path / MARKER, orjson.dumps(content) + b"\n")
        return marker

    def is_mine(self) -> bool:
        """Whether the disk that was looked at is still mounted here: asked before each segment."""
        marker = read_marker(self.path)
        return marker is not None and marker.uuid == self.uuid

    def _probe(self) -> None:
        """A file system that went read-only says so only when it is written to."""
        descriptor = os.open(self.path / PROBE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(descriptor, b"\n", 0)
        finally:
            os.close(descriptor)


class Volumes:
    """All volumes of an installation, in the order of the configuration."""

    def __init__(self, volumes: Sequence[Volume], site: str) -> None:
        self.all = tuple(volumes)
        self.site = site
        self.known: dict[str, str] = {}

    @classmethod
    def open(
        cls,
        paths: Iterable[Path],
        *,
        site: str,
        clock: Clock,
        disk: Disk | None = None,
        spare_bytes: int = SPARE_BYTES,
    ) -> "Volumes":
        """Name them; nothing is looked at before VideoStore.open, which knows what was where."""
        disk = disk or Disk()
        return cls([Volume(Path(p).absolute(), clock, disk, spare_bytes) for p in paths], site)

    async def look(self, volumes: Iterable[Volume] | None = None) -> None:
        """Look at all of them; one that hangs is not waited for (it is stalled)."""
        asked = self.all if volumes is None else volumes
        waiting = [(volume, volume.ask(self.known, self.site)) for volume in asked]
        await wait_for([future for _, future in waiting], LOOK_S)
        for volume, future in waiting:
            if not future.done():
                volume.fail(State.STALLED, f"{volume.path}: no answer in {LOOK_S:.0f} s")

    def choose(self, camera: str) -> Volume | None:
        """Where this camera's next segment goes: always the same place while it is sound.

        Else the one with the most room; None when there is none.
        """
        usable = [volume for volume in self.all if volume.is_usable]
        usable = [volume for volume in usable if not volume.is_resting] or usable
        if not usable:
            return None
        home = self.all[sum(camera.encode()) % len(self.all)]
        return home if home in usable else max(usable, key=lambda volume: volume.free_bytes)

    def by_uuid(self, name: str) -> Volume | None:
        """The volume with that id, wherever it is mounted now."""
        return next((v for v in self.all if v.uuid == name and v.uuid), None)

    def at(self, path: Path) -> Volume:
        """The volume configured at a path. Raises StoreError when there is none."""
        found = next((volume for volume in self.all if volume.path == path.absolute()), None)
        if found is None:
            raise StoreError(f"{path}: 配置中没有此卷 no volume of the configuration")
        return found

    def stop(self) -> None:
        """End the threads; those that hang are left behind."""
        for volume in self.all:
            volume.workers.stop()
