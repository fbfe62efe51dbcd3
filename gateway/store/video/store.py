"""The recorder's store: segments on several volumes, one index, holds.

Owns    what FORMAT.md ("Video") lists. One process writes; others use VideoReader.
Needs   the modules of this package, gateway.clock.
Keeps   1. begin() and add() never wait for a disk; everything that does is done in threads.
        2. One volume's slowness is that volume's: threads and queues are not shared.
        3. What is sealed and not yet in the index is tried again, and found again after a crash.
Bound   of each camera one open segment is expected; UNINDEXED_MOST rows wait for a failing index,
        what is beyond is found by the next recovery.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.clock import Clock
from gateway.crash import here as crash_here
from gateway.errors import StoreError
from gateway.store.batch import transaction
from gateway.store.video import boxes, holds, index, names, notes
from gateway.store.video.connection import Connection
from gateway.store.video.holds import Hold, Released
from gateway.store.video.notes import Notes
from gateway.store.video.reader import VideoReader
from gateway.store.video.segment import QUALITIES, Facts, Segment, SegmentFile
from gateway.store.video.timeline import SEGMENTS_MOST, Located, Timeline, segments, timeline
from gateway.store.video.volumes import Volume, Volumes
from gateway.store.video.workers import wait_for
from gateway.store.video.writer import DISK_FAILED, SegmentWriter

UNINDEXED_MOST: Final = 10_000
BACK_NS: Final = 3600 * names.SECOND_NS
"""A segment that begins this much before the newest trusted time does not age by its own time."""
FLOOR_STEP_NS: Final = 10 * names.SECOND_NS
CLOSE_WAIT_S: Final = 10.0
RECORDER_OFF: Final = "recorder_off"
FLOOR_KEY: Final = "floor_ns"

T = TypeVar("T")


class NoVolume(StoreError):
    """No volume can be written to: told as a fault and a gap, tried again at the next key frame."""


class VideoStore:
    """Made by open(), closed by close().

    told      what was found at opening, for a person
    changing  held by recovery and retention, which must not see each other's half-done work
    """

    def __init__(self, connection: Connection, volumes: Volumes, clock: Clock) -> None:
        self.volumes = volumes
        self.clock = clock
        self.connection = connection
        self.told = connection.told
        self.noted = Notes()
        self.is_recovered = False
        self._writers: dict[int, SegmentWriter] = {}
        self._first: dict[str, int] = {}
        self._floor_ns = 0
        self._unindexed: list[Segment] = []
        self._unsettled: set[tuple[str, str, str]] = set()
        self.changing = asyncio.Lock()

    @classmethod
    async def open(cls, folder: Path, volumes: Volumes, clock: Clock) -> "VideoStore":
        """Open or make the index and look at the volumes; recording may begin at once.

        Run recover() beside it: it finishes what a crash left open, and rebuilds a lost index.
        raises  StoreError (another recorder has it), StoreFull, StoreNewer; nothing is held then
        """
        connection = await Connection.open(folder)
        store = cls(connection, volumes, clock)
        try:
            store.noted = await connection.run(store._load)
            volumes.known.update(store.noted.volumes)
            await store.look()
        except BaseException:
            await connection.close()
            volumes.stop()
            raise
        return store

    @staticmethod
    def reader(folder: Path) -> VideoReader:
        """For the alarm process: reads the index, needs no recorder."""
        return VideoReader(folder)

    @property
    def folder(self) -> Path:
        """Where the index lies."""
        return self.connection.folder

    @property
    def writers(self) -> list[SegmentWriter]:
        """Segments that are being written."""
        return list(self._writers.values())

    def _load(self, db: sqlite3.Connection) -> Notes:
        self._floor_ns = index.meta(db, FLOOR_KEY) or 0
        return holds.load(db, self.folder, is_new=self.connection.is_new)

    async def look(self) -> None:
        """Look at all volumes: call it at least every ten seconds."""
        await self.volumes.look()
        await self.connection.run(self._note_volumes)

    async def adopt(self, path: Path) -> None:
        """Use the disk that is mounted at path from now on, because a person said so.

        raises  StoreError when nothing at path can be written or no volume is configured there
        """
        volume = self.volumes.at(path)
        try:
            await volume.workers.run(volume.adopt, self.volumes.site)
        except OSError as error:
            raise StoreError(f"{path}: {error}; nothing was changed") from error
        self.volumes.known[str(volume.path)] = volume.uuid
        await self.volumes.look([volume])
        await self.connection.run(self._note_volumes)

    def _note_volumes(self, db: sqlite3.Connection) -> None:
        found = {str(v.path): v.uuid for v in self.volumes.all if v.is_usable and v.uuid}
        if all(self.noted.volumes.get(path) == uuid for path, uuid in found.items()):
            return
        self.noted.volumes.update(found)
        self.volumes.known.update(found)
        try:
            notes.write(self.folder, self.noted)
        except OSError as error:
            raise StoreError(f"{self.folder / notes.FILE}: {error}; tried again") from error
        with transaction(db):
            for path, uuid in found.items():
                index.volume_number(db, uuid, path)

    def begin(
        self,
        camera: str,
        started_utc_ns: int,
        clock_quality: str,
        init: bytes,
        *,
        codec: str,
        width: int,
        height: int,
        offset_ms: int | None = None,
    ) -> SegmentWriter:
        """Begin a segment; returns at once, before anything is on the disk.

        init      `ftyp moov`, at most INIT_MOST bytes
        codec     as RFC 6381 names it, at most 100 characters
        raises    NoVolume when none can be written to, ValueError for what is not a segment
        """
        if not names.is_camera(camera) or clock_quality not in QUALITIES or len(codec) > 100:
            raise ValueError(f"{camera!r}, {clock_quality!r}, {codec!r}")
        names.day_of(started_utc_ns)
        boxes.check_boxes(init, first=b"ftyp", most=boxes.INIT_MOST)
        volume = self.volumes.choose(camera)
        if volume is None:
            states = "; ".join(f"{v.path}: {v.state}" for v in self.volumes.all)
            raise NoVolume(f"没有可写的录像卷 no volume for video can be written to: {states}")
        facts = Facts(
            camera=camera,
            started_ns=started_utc_ns,
            quality=clock_quality,
            codec=codec,
            width=width,
            height=height,
            offset_ms=offset_ms,
            aged_ns=self._aged_ns(started_utc_ns, clock_quality),
        )
        file = SegmentFile(volume, facts, init, self._unsettle(volume, facts))
        writer = SegmentWriter(file, self._sealed)
        self._writers[id(writer)] = writer
        if camera not in self._first:
            self._first[camera] = started_utc_ns
            if self.is_recovered:
                self.connection.submit(self._note_absence, [camera])
        return writer

    def _unsettle(self, volume: Volume, facts: Facts) -> "Future[None] | None":
        """Have it noted, once a day for each camera, that recovery must look into the folder."""
        key = (volume.uuid, facts.camera, names.day_of(facts.started_ns))
        if key in self._unsettled:
            return None
        self._unsettled.add(key)
        return self.connection.submit(index.unsettle, *key)

    def may_settle(self, volume: Volume, camera: str, day: str) -> bool:
        """Whether nothing is being written in a folder; the next begin() there notes it again."""
        folder = volume.path / camera / day
        if any(writer.open_path.parent == folder for writer in self.writers):
            return False
        self._unsettled.discard((volume.uuid, camera, day))
        return True

    def _aged_ns(self, started_ns: int, quality: str) -> int | None:
        """Since when a segment ages; None when its own time says so (V7)."""
        if quality == "trusted" and started_ns >= self._floor_ns - BACK_NS:
            return None
        return max(self._floor_ns, started_ns)

    def _sealed(
        self, writer: SegmentWriter, segment: Segment | None, future: "Future[Segment | None]"
    ) -> None:
        """A file was closed; called in one of its volume's threads."""
        row = self.connection.submit(self._record, writer, segment)
        row.add_done_callback(lambda done: self._settle(done, writer, segment, future))

    def _record(
        self, db: sqlite3.Connection, writer: SegmentWriter, segment: Segment | None
    ) -> None:
        """The row, and the gap for what the disk did not take; in the index's thread."""
        if segment is not None and len(self._unindexed) < UNINDEXED_MOST:
            self._unindexed.append(segment)
        kept_ns = writer.facts.started_ns if segment is None else writer.kept_to_ns
        with transaction(db):
            index.insert(db, self._unindexed)
            if segment is not None:
                self._raise_floor(db, segment)
            if writer.wanted_to_ns > kept_ns:
                reason = writer.failure or DISK_FAILED
                index.add_gap(db, writer.facts.camera, kept_ns, writer.wanted_to_ns, reason)
        self._unindexed.clear()
        crash_here("segment.indexed")

    def _raise_floor(self, db: sqlite3.Connection, segment: Segment) -> None:
        if segment.facts.aged_ns is None and segment.end_ns > self._floor_ns + FLOOR_STEP_NS:
            self._floor_ns = segment.end_ns
            index.set_meta(db, FLOOR_KEY, segment.end_ns)

    def reset_floor(self, db: sqlite3.Connection, now_ns: int) -> None:
        """The clock was put right backwards: what comes now ages by its own time again."""
        self._floor_ns = now_ns
        index.set_meta(db, FLOOR_KEY, now_ns)

    def _settle(
        self,
        row: "Future[None]",
        writer: SegmentWriter,
        segment: Segment | None,
        future: "Future[Segment | None]",
    ) -> None:
        # A row that failed waits in _unindexed; the file is sealed all the same.
        row.exception()
        self._writers.pop(id(writer), None)
        future.set_result(segment)

    def gap(self, camera: str, from_ns: int, to_ns: int, reason: str) -> None:
        """Note why a camera has no video between two times (reason: a word, at most 100 letters).

        Returns at once. What an index that fails does not take shows as a hole without a reason.
        """
        self.connection.submit(_add_gap, camera, from_ns, to_ns, reason)

    async def timeline(self, camera: str, from_ns: int, to_ns: int) -> Timeline:
        """See timeline.timeline."""
        return await self.connection.run(timeline, camera, from_ns, to_ns)

    async def segments(
        self, camera: str, from_ns: int, to_ns: int, limit: int = SEGMENTS_MOST
    ) -> list[Located]:
        """See timeline.segments."""
        return await self.connection.run(segments, camera, from_ns, to_ns, limit)

    async def hold(self, alarm_id: str, cameras: Iterable[str], from_ns: int, to_ns: int) -> None:
        """Keep video for an alarm; durable when it returns. May be repeated; a hold only grows.

        raises  StoreError: not held, ask again
        """
        if to_ns <= from_ns:
            raise ValueError(f"a hold from {from_ns} to {to_ns} ns")
        await self.hold_all([Hold(alarm_id, camera, from_ns, to_ns) for camera in cameras])

    async def hold_all(self, wanted: Sequence[Hold]) -> int:
        """Keep video for many alarms at the price of one; returns how many holds began or grew.

        What a person released stays released. Raises StoreError: nothing is sure, ask again.
        """
        return await self.connection.run(holds.hold, self.folder, self.noted, wanted)

    async def extend(self, alarm_id: str, to_ns: int) -> None:
        """Let an alarm's hold last to a later time. Raises StoreError: ask again."""
        await self.connection.run(holds.extend, self.folder, self.noted, alarm_id, to_ns)

    async def release(self, alarm_id: str, *, who: str = "", reason: str = "") -> bool:
        """End an alarm's hold for good; returns whether it held anything.

        raises  StoreError: ask again
        """
        said = Released(alarm_id, self.clock.utc_ns(), who, reason)
        return await self.connection.run(holds.release, self.folder, self.noted, said)

    async def holds_are_unknown(self) -> bool:
        """True when index and notes were lost: nothing is deleted until confirm_holds()."""
        return await self.connection.run(holds.are_unknown)

    async def confirm_holds(self) -> None:
        """Every alarm has said its holds again: retention may go on."""
        await self.connection.run(holds.confirm)

    async def note_recovered(self) -> None:
        """Recovery is through: from now on a hole before a camera's first segment has a reason."""
        self.is_recovered = True
        await self.connection.run(self._note_absence, list(self._first))

    def _note_absence(self, db: sqlite3.Connection, cameras: list[str]) -> None:
        for camera in cameras:
            number = index.known_camera(db, camera)
            first_ns = self._first[camera]
            ended_ns = None if number is None else index.newest_end(db, number, first_ns)
            if ended_ns is not None and first_ns - ended_ns > index.JOIN_NS:
                _add_gap(db, camera, ended_ns, first_ns, RECORDER_OFF)

    async def run(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have work(connection, *args) done in the index's thread: for this package's modules."""
        return await self.connection.run(work, *args)

    async def read(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """As run(), for what only reads and may take long; see Connection.read."""
        return await self.connection.read(work, *args)

    def mine(self, volume: Volume) -> set[Path]:
        """Open files of this process on a volume: recovery leaves them alone."""
        return {writer.open_path for writer in self.writers if writer.is_on(volume)}

    async def close(self) -> None:
        """Seal what is open, as far as the disks answer in CLOSE_WAIT_S, and let go."""
        await wait_for([writer.begin_seal("stop") for writer in self.writers], CLOSE_WAIT_S)
        await self.connection.close()
        self.volumes.stop()


def _add_gap(db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int, reason: str) -> None:
    with transaction(db):
        index.add_gap(db, camera, from_ns, to_ns, reason)
