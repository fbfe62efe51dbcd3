"""RTP (RFC 3550) as it comes over one TCP connection: order, loss, time; not yet what is inside.

Owns    the header, sequence numbers, unwrapping of time stamps, jitter.
Needs   unit.
Keeps   1. One struct call for a packet of the usual form; no loop over bytes.
        2. Every packet that is missing is counted exactly once, up to RESTART of them in one gap;
           a larger jump is a restart of the camera, which says nothing about loss.
        3. ticks goes on over the 32-bit border both ways; it may go back when the camera's does.
"""

import struct
from abc import ABC, abstractmethod
from typing import Final, NamedTuple

from gateway.links.rtsp.unit import Counters, Emit, Moment

HEADER: Final = struct.Struct(">BBHII")
RESTART: Final = 3000
"""A gap of more packets is no gap (MAX_DROPOUT of RFC 3550, appendix A.1)."""
REPEATS: Final = 100
"""A packet up to so many before the newest is a repeat (MAX_MISORDER)."""
_PLAIN: Final = 0x80
"""Version 2, no padding, no extension, no sources."""


class Damaged(Exception):
    """A packet that does not decode; it is counted and thrown away, the stream goes on."""


class Agreed(NamedTuple):
    """What was agreed on for one track: its place, RTP payload type and clock rate."""

    track: int
    payload: int
    clock_rate: int


class Receiver(ABC):
    """One track's packets. Subclasses take what is in them (`_take`) and make units of it.

    Fed with views into the connection's buffer, which are only valid during the call.
    """

    def __init__(self, agreed: Agreed, emit: Emit, counters: Counters, moment: Moment) -> None:
        self.track = agreed.track
        self.clock_rate = agreed.clock_rate
        self.ssrc: int | None = None
        self.received = 0
        self.lost = 0
        self.ticks = 0
        self.jitter = 0.0
        self._transit = 0.0
        self._moment = moment
        self._payload_type = agreed.payload
        self._emit = emit
        self._counters = counters
        self._expected: int | None = None
        self._first = 0
        self._stamp = 0
        self._lost_since_unit = 0
        self._restarted = False
        self._damaged = False

    def packet(self, buffer: bytearray, start: int, stop: int) -> None:
        """Take one RTP packet, buffer[start:stop]."""
        if stop - start < 12:
            self._counters.damaged_packets += 1
            return
        flags, kind, number, stamp, ssrc = HEADER.unpack_from(buffer, start)
        if kind & 0x7F != self._payload_type or flags & 0xC0 != _PLAIN:
            self._counters.foreign_packets += 1
            return
        try:
            at = start + 12
            if flags != _PLAIN:
                at, stop = _long_header(buffer, flags, start, stop)
            followed = number == self._expected and ssrc == self.ssrc
            if not followed and not self._jump(number, ssrc, stamp):
                return
            self._expected = (number + 1) & 0xFFFF
            self.received += 1
            if stamp != self._stamp:
                self._next_time(stamp)
            if at < stop:
                self._take(buffer, at, stop, kind & 0x80)
        except Damaged:
            self._counters.damaged_packets += 1

    def follow(self, buffer: bytearray, view: memoryview, at: int, filled: int, head: int) -> int:
        """Take packets that plainly continue the one just taken; returns where they end.

        at    where the next packet's interleaved header is, in a buffer filled up to `filled`
        head  its first two bytes, as a number: dollar sign and channel

        Only a shortcut: what is not taken here goes through packet().
        """
        del buffer, view, filled, head
        return at

    @property
    def highest(self) -> int:
        """Extended highest sequence number, for receiver reports."""
        return (self._first + self.received + self.lost - 1) & 0xFFFFFFFF

    def ticks_of(self, stamp: int) -> int:
        """A 32-bit time stamp near the newest one, unwrapped."""
        return self.ticks + _signed(stamp - self._stamp)

    def _jump(self, number: int, ssrc: int, stamp: int) -> bool:
        """Something other than the next packet; False when it is an old one again."""
        if self.ssrc is None or self._expected is None:
            self._stamp = self.ticks = stamp
            self.ssrc, self._first = ssrc, number
            return True
        ahead = (number - self._expected) & 0xFFFF
        restarted = ssrc != self.ssrc or RESTART < ahead < 0x10000 - REPEATS
        if not restarted and ahead > RESTART:
            return False
        if not restarted:
            self.lost += ahead
            self._lost_since_unit += ahead
            self._counters.lost_packets += ahead
        self._gap()
        if stamp != self._stamp or restarted:
            self._next_time(stamp)  # what was begun before the gap ends here
        if restarted:
            self.ssrc, self._first, self.received, self.lost = ssrc, number, 0, 0
            self._restarted = True
        self._damaged = True
        return True

    def _next_time(self, stamp: int) -> None:
        self.ticks += _signed(stamp - self._stamp)
        self._stamp = stamp
        transit = self._moment.ns * self.clock_rate / 1e9 - self.ticks
        self.jitter += (min(abs(transit - self._transit), 1e9) - self.jitter) / 16
        self._transit = transit

    def _gap(self) -> None:  # noqa: B027 most have nothing to throw away
        """Packets are missing before the next one."""

    @abstractmethod
    def _take(self, buffer: bytearray, at: int, stop: int, marker: int) -> None:
        """Take what is in one packet: buffer[at:stop]."""


def _signed(difference: int) -> int:
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _long_header(buffer: bytearray, flags: int, start: int, stop: int) -> tuple[int, int]:
    """Where the payload begins and ends behind sources, extension and padding."""
    at = start + 12 + 4 * (flags & 0x0F)
    if flags & 0x10:
        if at + 4 > stop:
            raise Damaged
        at += 4 + 4 * (buffer[at + 2] << 8 | buffer[at + 3])
    if flags & 0x20 and at < stop:
        padding = buffer[stop - 1]
        if not 0 < padding <= stop - at:
            raise Damaged
        stop -= padding
    if at > stop:
        raise Damaged
    return at, stop
