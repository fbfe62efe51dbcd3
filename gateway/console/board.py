"""Board: what every console shows, worked out once for all of them.

Owns    the rows as they were last told (as bytes), and a queue of news for each reader.
Needs   a Desk, gateway.clock.
Keeps   1. A reader gets a snapshot and then every change behind it, in order; what is told twice
           replaces itself, so nothing is ever added up.
        2. Rows are the Desk's own: no state of an alarm is worked out here.
        3. A sign of life stands for rows that were just read, not for a process that runs.
        4. While nobody reads nothing is worked out. Alarms have LEAD_S ahead of consoles; under
           load the rows are read again no sooner than REST_RATIO times as long as the last reading
           took: consoles never crowd out alarms. After REST_MOST_S they are read all the same, or a
           slow machine would look like a dead one to every console (3).
Bound   a reader holds at most READER_BYTES of news; one that is slower is let go, and begins anew
        with a snapshot. Rows: open alarms and faults ROWS_MOST each, every device.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
import structlog

from gateway.clock import Clock
from gateway.console.desk import Desk, Row
from gateway.errors import StoreError
from gateway.store import rfc3339

log = structlog.get_logger()

ROWS_MOST: Final = 1_000
READER_BYTES: Final = 8 * 1024 * 1024
PAGE: Final = 200
LEAD_S: Final = 0.01
"""What was just written is on its way to its receivers before consoles are told of it: telling
fifty of them takes milliseconds, and as a rule one telling has the alarm and its receipt in it."""
TOLD_AT_ONCE: Final = 4
"""So many consoles are told in one turn of the loop; what an alarm waits for comes between."""
REST_MIN_S: Final = 0.03
REST_RATIO: Final = 4.0
REST_MOST_S: Final = 1.0
"""With DEVICES_S and a reading of as long it is still well below FRESH_S."""
DEVICES_S: Final = 1.0
FRESH_S: Final = 4.0
"""Rows that were read longer ago are not vouched for."""

Kept = dict[str, bytes]
"""Rows as they were last told, by their id."""


class Reader:
    """One console's queue of news."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._size_bytes = 0
        self._wake = asyncio.Event()
        self.is_lost = False

    def put(self, frames: Sequence[bytes], size_bytes: int) -> None:
        """Take news; one reader's slowness is its own."""
        if self._size_bytes + size_bytes > READER_BYTES:
            self.is_lost = True
            self._frames.clear()
        else:
            self._frames.extend(frames)
            self._size_bytes += size_bytes
        self._wake.set()

    def let_go(self) -> None:
        """It begins anew, with a snapshot that holds no more than there is."""
        self.is_lost = True
        self._frames.clear()
        self._wake.set()

    async def take(self, within_s: float) -> bytes:
        """Return what has come, b"" when nothing did within_s seconds."""
        if not self._frames and not self.is_lost:
            self._wake.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        words = b"".join(self._frames)
        self._frames.clear()
        self._size_bytes = 0
        return words


class Board:
    """See the module.

    fixed  what a snapshot says besides rows: site, phones, cameras, the id of this life
    """

    def __init__(self, desk: Desk, clock: Clock, fixed: Mapping[str, object]) -> None:
        self._desk = desk
        self._clock = clock
        self._fixed = dict(fixed)
        self._readers: set[Reader] = set()
        self._turn = asyncio.Lock()
        self._join = asyncio.Event()
        self._kept: dict[str, Kept] = {"alarm": {}, "fault": {}, "device": {}, "receivers": {}}
        self._cursor = 0
        self._devices_ns: int | None = None
        self._looked_ns: int | None = None

    def __len__(self) -> int:
        """Return how many consoles read."""
        return len(self._readers)

    async def join(self) -> tuple[Reader, bytes, int]:
        """Begin to read: returns the queue, the snapshot's frame, and the seq it goes up to."""
        async with self._turn:
            if not self._readers:
                self._cursor = self._desk.head()
            self._devices_ns = None
            await self._look()
            reader = Reader()
            self._readers.add(reader)
            self._join.set()
            return reader, self._snapshot(), self._cursor

    def begin_anew(self) -> None:
        """Have every reader begin again: what a snapshot says besides rows is another now."""
        for reader in self._readers:
            reader.let_go()

    def leave(self, reader: Reader) -> None:
        """End reading."""
        self._readers.discard(reader)

    async def run(self) -> None:
        """Tell the readers what changes, for ever."""
        mark = 0
        while True:
            while not self._readers:
                self._join.clear()
                await self._join.wait()
            is_change = True
            try:
                async with asyncio.timeout(DEVICES_S):
                    mark = await self._desk.wait_change(mark)
                await self._clock.sleep(LEAD_S)
            except TimeoutError:
                is_change = False  # devices and receivers change without a record
            began = self._clock.mono_ns()
            try:
                async with self._turn:
                    await self._look()
            except StoreError as error:
                # No reason to stop the gateway: the beats end, and the consoles say so.
                log.error("the store cannot be read; tried again", why=str(error))
            if not is_change:
                continue  # a quiet house needs no rest: what comes now is told at once
            took_s = (self._clock.mono_ns() - began) / 1e9
            await self._clock.sleep(min(max(REST_MIN_S, took_s * REST_RATIO), REST_MOST_S))

    async def _look(self) -> None:
        """Read what is so now, and tell what is not as it was."""
        alarms = await self._desk.alarms(open_only=True, limit=ROWS_MOST)
        faults = await self._desk.faults(open_only=True, limit=ROWS_MOST)
        frames = await self._changed("alarm", alarms, "alarm_id")
        frames += await self._changed("fault", faults, "alarm_id")
        frames += await self._records()
        now = self._clock.mono_ns()
        if self._devices_ns is None or now - self._devices_ns >= DEVICES_S * 1e9:
            self._devices_ns = now
            frames += await self._changed("device", self._desk.devices(), "id")
            receivers = orjson.dumps(self._desk.receivers())
            if self._kept["receivers"].get("") != receivers:
                self._kept["receivers"][""] = receivers
                frames.append(event("receivers", receivers))
        self._looked_ns = self._clock.mono_ns()
        if frames:
            size_bytes = sum(map(len, frames))
            for number, reader in enumerate(tuple(self._readers), start=1):
                reader.put(frames, size_bytes)
                if number % TOLD_AT_ONCE == 0:
                    await self._clock.sleep(0)

    async def _changed(self, kind: str, rows: Sequence[Row], key: str) -> list[bytes]:
        kept = self._kept[kind]
        fresh = {row[key]: orjson.dumps(row) for row in rows}
        frames = [event(kind, body) for name, body in fresh.items() if kept.get(name) != body]
        if kind == "device":
            if kept.keys() - fresh.keys():  # a change of the configuration took some away
                for reader in self._readers:
                    reader.let_go()
        else:
            for name in kept.keys() - fresh.keys():
                row = await self._desk.alarm(name)
                if row is not None:  # how it ended; one that retention took meanwhile has no row
                    frames.append(event(kind, orjson.dumps(row)))
        self._kept[kind] = fresh
        return frames

    async def _records(self) -> list[bytes]:
        """What was written since the last look, PAGE at a time; the rest comes with the next."""
        if self._cursor > self._desk.head():
            self._cursor = 0  # the store was replaced
        bodies, self._cursor = await self._desk.events(self._cursor, PAGE)
        return [record(body) for body in bodies]

    def _snapshot(self) -> bytes:
        lists = {
            name: b"[%b]" % b",".join(self._kept[kind].values())
            for name, kind in (("alarms", "alarm"), ("faults", "fault"), ("devices", "device"))
        }
        head = orjson.dumps({**self._fixed, "seq": self._cursor, **self._time()})
        rows = b"".join(b',"%b":%b' % (name.encode(), body) for name, body in lists.items())
        receivers = self._kept["receivers"].get("", b"[]")
        return event("snapshot", b'%b%b,"receivers":%b}' % (head[:-1], rows, receivers))

    def beat(self) -> bytes | None:
        """Return the sign of life: the time, what it is worth, and how far the journal is.

        None when what the consoles show was not read for FRESH_S: a sign of life would lie.
        """
        if self._looked_ns is None or self._clock.mono_ns() - self._looked_ns > FRESH_S * 1e9:
            return None
        return event("beat", orjson.dumps({**self._time(), "seq": self._desk.head()}))

    def _time(self) -> dict[str, str]:
        """What time it is, and whether that can be believed."""
        return {"now": rfc3339(self._clock.utc_ns()), "clock": self._clock.quality}


def event(kind: str, body: bytes) -> bytes:
    """Return one event without an id: it changes nothing about where a reader goes on."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)


def record(body: bytes) -> bytes:
    """Return a frozen record: its bytes unchanged, its seq as the id."""
    return b"event: record\nid: %d\ndata: %b\n\n" % (orjson.loads(body)["seq"], body)
