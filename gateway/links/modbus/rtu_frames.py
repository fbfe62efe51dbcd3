"""Frames out of a stream of RTU bytes, whatever stands before, between and behind them.

Owns    the bytes that have arrived and were not taken yet, at most MAX_HELD_BYTES, and those that
        were skipped, as evidence.
Needs   crc, request, line. Pure: bytes in, frames out, no clock.
Keeps   1. A frame that is handed out had a CRC that fits; anything else is skipped and counted
           (quirk row 17).
        2. While a frame that is awaited has arrived in part, nothing is looked for inside it: data
           that happens to look like a frame is never taken for one.
        3. Any bytes, in any pieces, never raise.

A master cannot see the silence of 3.5 characters that ends a frame: converters and kernels take it
away. So the length comes from the function byte, and the CRC decides.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.links.modbus.crc import crc_fits, table
from gateway.links.modbus.errors import MAX_RAW_BYTES
from gateway.links.modbus.line import LineQuality
from gateway.links.modbus.request import BARE_EXCEPTION, Request

MAX_HELD_BYTES: Final = 1024
"""An echo, the longest frame and some garbage; the oldest bytes beyond that are dropped."""

_READS: Final = frozenset({1, 2, 3, 4})
_SINGLE_WRITES: Final = frozenset({5, 6})
_MANY_WRITES: Final = frozenset({15, 16})
_KNOWN: Final = _READS | _SINGLE_WRITES | _MANY_WRITES
_MAX_CODE: Final = 11
"""A unit we know nothing of is believed to refuse only with a standard code: noise has no CRC,
but five bytes of it have one by chance once in 65,536."""


class Frame(NamedTuple):
    """One frame with a CRC that fits.

    rest      what follows the function byte, without the CRC
    request   True when it has the shape of a master's request and not of a reply; a write of one
              value looks the same both ways and counts as a reply
    """

    unit: int
    function: int
    rest: bytes
    raw: bytes
    request: bool


class RtuFrames:
    """The splitter of one line.

    heartbeats  byte strings that may stand between frames and mean nothing (quirk row 30)
    """

    def __init__(self, line: LineQuality, heartbeats: Iterable[bytes] = ()) -> None:
        table()  # now, and not while the first reply waits
        self._line = line
        # Longest first: one may be the beginning of another.
        self._heartbeats = sorted(filter(None, heartbeats), key=len, reverse=True)
        self.held = bytearray()
        self.skipped = bytearray()
        self.damaged = False

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self.held += data
        if len(self.held) > MAX_HELD_BYTES:
            self._drop(len(self.held) - MAX_HELD_BYTES)

    def take(
        self, awaited: Iterable[Request], asked: Request | None = None, *, final: bool = False
    ) -> Frame | None:
        """Return the next whole frame, or None when there is none yet.

        awaited  what may be answered, now or late: these frames are waited for (keep 2)
        asked    the one of them that is being asked; when its reply has arrived with a CRC that
                 does not fit, `damaged` becomes True
        final    nothing more will come: wait for nothing
        """
        known = tuple(awaited)
        held, at = self.held, 0
        while at + 2 <= len(held):
            size, whole, request = self._awaited_at(at, known, asked)
            if whole:
                return self._cut(at, size, request=request)
            if size and not final:
                return None  # keep 2
            size, partly, request = self._shape_at(at, known)
            if size:
                return self._cut(at, size, request=request)
            if at == 0 and self._at_heartbeat():
                continue
            if at or (partly and not final) or self._heartbeat_begins():
                at += 1
            else:
                self._drop(1)
        return None

    def _awaited_at(
        self, at: int, known: tuple[Request, ...], asked: Request | None
    ) -> tuple[int, bool, bool]:
        """An awaited reply here: (length or 0, is all of it here, is it our own request)."""
        held = self.held
        head = bytes(held[at : at + 3])
        for request in known:
            if head != request.head:
                continue
            own = request.rtu
            if request is asked and request.data_bytes and own.startswith(held[at : at + len(own)]):
                return len(own), len(held) - at >= len(own), True
            size = request.body_bytes + 2
            if len(held) - at < size:
                return size, False, False
            if crc_fits(held[at : at + size]):
                return size, True, False
            if request is asked:
                self.damaged = True
        return 0, False, False

    def _shape_at(self, at: int, known: tuple[Request, ...]) -> tuple[int, bool, bool]:
        """Any other frame here: (length or 0, whether one may be on its way, is it a request)."""
        held, left = self.held, len(self.held) - at
        unit, function = held[at], held[at + 1]
        partly = False
        for size, request in self._sizes(at, unit, function, known):
            if size > left:
                partly = True
            elif size and crc_fits(held[at : at + size]):
                return size, False, request
        return 0, partly, False

    def _sizes(
        self, at: int, unit: int, function: int, known: tuple[Request, ...]
    ) -> list[tuple[int, bool]]:
        """Every length a frame with this beginning may have, and whether it is a request then."""
        held, left = self.held, len(self.held) - at
        sizes: list[tuple[int, bool]] = []
        if function in _READS:
            data = held[at + 2] if left > 2 else 2
            if 0 < data <= 250 and (function <= 2 or data % 2 == 0):
                sizes.append((5 + data, False))
            sizes.append((8, True))
        elif function in _SINGLE_WRITES:
            sizes.append((8, False))
        elif function in _MANY_WRITES:
            data = held[at + 6] if left > 6 else 1
            sizes += [(8, False), (9 + min(data, 246), True)]
        elif function & 0x80 and self._may_refuse(at, unit, function, known):
            sizes.append((5, False))
        return sizes

    def _may_refuse(self, at: int, unit: int, function: int, known: tuple[Request, ...]) -> bool:
        for request in known:
            if unit == request.unit and function in {request.function | 0x80, BARE_EXCEPTION}:
                return True
        code_fits = at + 2 >= len(self.held) or 1 <= self.held[at + 2] <= _MAX_CODE
        return function & 0x7F in _KNOWN and code_fits

    def _at_heartbeat(self) -> bool:
        for heartbeat in self._heartbeats:
            if self.held.startswith(heartbeat):
                del self.held[: len(heartbeat)]
                self._line.heartbeats += 1
                return True
        return False

    def _heartbeat_begins(self) -> bool:
        return any(heartbeat.startswith(self.held) for heartbeat in self._heartbeats)

    def _cut(self, at: int, size: int, *, request: bool) -> Frame:
        self._drop(at)
        raw = bytes(self.held[:size])
        del self.held[:size]
        return Frame(raw[0], raw[1], raw[2:-2], raw, request)

    def _drop(self, count: int) -> None:
        self._line.garbage_bytes += count
        if len(self.skipped) < MAX_RAW_BYTES:
            self.skipped += self.held[:count]
        del self.held[:count]

    def flush(self) -> bytes:
        """Give up what is held; returns what was skipped since the last flush, as evidence."""
        while self._at_heartbeat():
            pass
        self._drop(len(self.held))
        rest = bytes(self.skipped[:MAX_RAW_BYTES])
        self.skipped.clear()
        self.damaged = False
        return rest
