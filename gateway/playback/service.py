"""Playback: what the console may ask about recordings, and the streams it hands out.

Owns    the places for viewers, and the parts below it.
Needs   gateway.config's cameras, the index, the volumes' folders. No camera, no recorder.
Keeps   1. Nothing here runs in the event loop for longer than a chunk's way to the socket.
        2. A place is given back when its stream is closed, however it ended.
        3. What cannot be read is an error or a short end, never other bytes.
        4. Nobody takes all places: one viewer has `each` of them at most, so that a wall of
           pictures somewhere never keeps whoever answers an alarm from looking.
Bound   `most` streams at once, `each` of them for one viewer; LIVE_SILENT_S without a picture ends
        a live stream; CHUNK_S for a disk to give the next chunk.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.config.settings import Camera
from gateway.errors import StoreError
from gateway.playback import bins, files, live, moments, overview, reading
from gateway.playback.disks import Chunks, Disks
from gateway.playback.errors import Busy, Gone, NothingThere, NotNow, TooMany
from gateway.playback.overview import Row
from gateway.playback.pace import Pace
from gateway.playback.plan import Missing, Plan
from gateway.playback.planner import Planner
from gateway.store.video import VideoReader
from gateway.store.video.stills import StillNote, read_still

STREAMS_MOST: Final = 16
STREAMS_EACH: Final = 8
CHUNK_S: Final = 10.0
LIVE_SILENT_S: Final = 15.0
LIVE_BEGIN_S: Final = 12.0
LIVE_LOOK_S: Final = 0.1
ALARMS_S: Final = 2.0
STORE_FILE: Final = "events.db"
ASKED_MOST: Final = 20
"""Questions to the index for one row of bins: 100,000 recordings, which no camera makes."""


class Place:
    """A viewer's place; leave() gives it back, once."""

    def __init__(self, taken: set["Place"], who: str) -> None:
        self.who = who
        self._taken = taken
        taken.add(self)

    def leave(self) -> None:
        """Make room for the next."""
        self._taken.discard(self)


class Stream:
    """Bytes on their way to one viewer, after its headers are known; close() it in any case.

    gone    called when a file turns out not to be what was planned
    """

    def __init__(
        self, chunks: Chunks, place: Place, pace: Pace, gone: Callable[[], None] = lambda: None
    ) -> None:
        self._chunks = chunks
        self._place = place
        self._pace = pace
        self._gone = gone
        self.first = b""

    async def next(self) -> bytes | None:
        """The next bytes, when it is their turn; None at the end. Raises Gone, NotNow."""
        chunk, self.first = self.first, b""
        try:
            found = chunk or await self._read()
        except (Gone, NotNow):
            self._gone()
            raise
        if found:
            await self._pace.take(len(found))
        return found

    async def _read(self) -> bytes | None:
        return await self._chunks.next()

    def close(self) -> None:
        """Let go of files and place."""
        self._chunks.close()
        self._place.leave()


class LiveStream(Stream):
    """As Stream; waits for what is still to be recorded, and ends when nothing comes."""

    def __init__(self, chunks: Chunks, place: Place, pace: Pace, clock: Clock) -> None:
        super().__init__(chunks, place, pace)
        self._clock = clock

    async def begin(self) -> None:
        """Wait for the first bytes. Raises NothingThere, Gone, NotNow."""
        found = await self._within(LIVE_BEGIN_S)
        if found is None:
            raise NothingThere("nothing is being recorded")
        self.first = found

    async def _read(self) -> bytes | None:
        return await self._within(LIVE_SILENT_S)

    async def _within(self, seconds: float) -> bytes | None:
        until_ns = self._clock.mono_ns() + int(seconds * 1e9)
        while (found := await self._chunks.next()) == live.NOTHING_NEW:
            if self._clock.mono_ns() > until_ns:
                return None
            await self._clock.sleep(LIVE_LOOK_S)
        return found


class Playback:
    """See the module. Made in the alarm process's loop; close() ends its threads."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        volumes: Sequence[Path],
        store: Path,
        clock: Clock,
        *,
        most: int = STREAMS_MOST,
        each: int = STREAMS_EACH,
    ) -> None:
        self.cameras = {camera.id: camera for camera in cameras}
        self._volumes = tuple(volumes)
        self._store = store
        self._clock = clock
        self._most = most
        self._each = each
        self._taken: set[Place] = set()
        self._reader = VideoReader(store)
        self._disks = Disks()
        self._pace = Pace(clock)
        self._planner = Planner(self._reader, self._volumes, self._disks, clock)

    @property
    def viewers(self) -> int:
        """How many places are taken."""
        return len(self._taken)

    # What there is.

    async def edges(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Oldest and newest sealed picture of each stream that has any. Raises NotNow."""
        try:
            found = await self._reader.run(
                lambda db: {name: overview.edges(db, name) for name in names}
            )
        except StoreError as error:
            raise NotNow(str(error)) from error
        return {name: pair for name, pair in found.items() if pair is not None}

    async def timeline(self, camera: str, stream: str, from_ns: int, to_ns: int) -> Row:
        """What there is of a camera between two times, and what is missing. Raises NotNow."""
        writing = await self._planner.open_spans(stream, from_ns, to_ns)
        try:
            found, holds, forms = await self._reader.run(overview.recorded, stream, from_ns, to_ns)
        except StoreError as error:
            raise NotNow(str(error)) from error
        rang = await self._disks.each(
            [self._store],
            lambda folder: overview.alarms(folder / STORE_FILE, camera, from_ns, to_ns),
        )
        # In a thread: thousands of times as text take a moment, which an alarm may need.
        row = await asyncio.to_thread(
            lambda: overview.as_row(found, self._planner.gaps(found, writing), writing)
        )
        return {**row, "alarms": rang[0] if rang else [], "holds": holds, "forms": forms}

    async def bins(self, camera: str, stream: str, from_ns: int, to_ns: int, most: int) -> Row:
        """The same in at most `most` cells, however many recordings it has. Raises NotNow.

        It asks the index at most ASKED_MOST times; `next` says where to ask on beyond that.
        """
        writing = await self._planner.open_spans(stream, from_ns, to_ns)
        gaps: list[Missing] = []
        holds: dict[tuple[str, ...], Row] = {}
        forms: list[Row] = []
        at_ns, next_ns = from_ns, None
        for _ in range(ASKED_MOST):
            try:
                part, held, told = await self._reader.run(overview.recorded, stream, at_ns, to_ns)
            except StoreError as error:
                raise NotNow(str(error)) from error
            next_ns = part.next_ns
            end_ns = to_ns if next_ns is None else next_ns
            found = await asyncio.to_thread(self._planner.gaps, part, writing)
            gaps += [gap for gap in found if gap.from_ns < end_ns]
            holds |= {tuple(hold.values()): hold for hold in held}
            forms += told
            if next_ns is None:
                break
            at_ns = next_ns
        end_ns = to_ns if next_ns is None else next_ns
        rang = await self._disks.each(
            [self._store],
            lambda folder: overview.alarms(folder / STORE_FILE, camera, from_ns, to_ns),
        )
        found_cells = await asyncio.to_thread(
            lambda: bins.as_rows(bins.cells(gaps, from_ns, end_ns, most))
        )
        return {
            "from": moments.said(from_ns),
            "to": moments.said(to_ns),
            "bins": found_cells,
            "alarms": rang[0] if rang else [],
            "holds": list(holds.values())[: overview.HOLDS_MOST],
            "forms": forms[: overview.FORMS_MOST],
            "next": None if next_ns is None else moments.soonest(next_ns),
        }

    async def without(self, row: Row, kind: str) -> Row:
        """A timeline's row for whoever must not learn of alarms of one kind, nor of their holds."""
        alarms = [alarm for alarm in row["alarms"] if alarm["kind"] != kind]
        holds = row["holds"]
        if holds:
            path = self._store / STORE_FILE
            try:
                hidden = await asyncio.to_thread(overview.silent, path, kind)
            except sqlite3.Error:
                holds = []  # of none it is known what it is for
            else:
                holds = [hold for hold in holds if hold["alarm_id"] not in hidden]
        return {**row, "alarms": alarms, "holds": holds}

    async def kept_still(self, alarm_id: str, camera: str) -> tuple[bytes, StillNote] | None:
        """The picture that was kept of an alarm's moment; None when there is none.

        raises  NotNow (the disk does not answer), StoreError (its bytes were changed)
        """
        found = await self._disks.each([self._store], read_still, alarm_id, camera)
        if not found:
            raise NotNow("存储磁盘没有响应 the store's disk does not answer")
        return found[0]

    async def plan(self, stream: str, from_ns: int, to_ns: int, *, going_on: bool) -> Plan:
        """How to play a range; see Planner.plan."""
        return await self._planner.plan(stream, from_ns, to_ns, going_on=going_on)

    # Streams.

    def enter(self, who: str) -> Place:
        """Take a place for a viewer, by his id. Raises Busy, TooMany."""
        if sum(place.who == who for place in self._taken) >= self._each:
            raise TooMany(f"{self._each} streams")
        if len(self._taken) >= self._most:
            raise Busy(f"{self._most} streams")
        return Place(self._taken, who)

    def open(self, plan: Plan, begin: int, end: int, place: Place) -> Stream:
        """The bytes of a plan from one to another; the place goes with the stream."""
        folder = files.volume_of(plan.pieces[0].source.path)
        chunks = Chunks(self._disks.of(folder), reading.read(plan, begin, end), CHUNK_S)
        return Stream(chunks, place, self._pace, lambda: self._planner.forget(plan))

    def live(self, stream: str, place: Place, *, sound: bool = True) -> LiveStream:
        """What a camera sees now; wait for begin() before anything is promised."""
        source = live.tail(self._volumes, stream, self._clock.utc_ns(), sound=sound)
        folder = self._volumes[0] if self._volumes else self._store
        chunks = Chunks(self._disks.of(folder), source, CHUNK_S)
        return LiveStream(chunks, place, self._pace, self._clock)

    def close(self) -> None:
        """End the threads; blocks for as long as they take to end what they do."""
        self._disks.close()

    async def end(self) -> None:
        """Close everything."""
        self.close()
        await self._reader.close()
