"""Sound out of RTP: AAC in high bit rate mode (RFC 3640) and G.711 (RFC 3551).

Owns    cutting packets into access units, and putting an AAC frame together that needs several.
Needs   rtp, unit.
Keeps   An AAC frame has at most MAX_FRAME_BYTES, which its 13 bits of size say too.
"""

from typing import Final

from gateway.links.rtsp.rtp import Agreed, Damaged, Receiver
from gateway.links.rtsp.unit import AccessUnit, Counters, Emit, Moment

MAX_FRAME_BYTES: Final = 8191


class SoundReceiver(Receiver):
    """G.711: a packet is a unit."""

    def _take(self, buffer: bytearray, at: int, stop: int, marker: int) -> None:
        del marker  # begins a talk spurt, says RFC 3551; nothing ends with it
        self._hand_over(bytes(memoryview(buffer)[at:stop]), self.ticks)

    def _hand_over(self, data: bytes, ticks: int) -> None:
        unit = AccessUnit(
            self.track,
            data,
            ticks,
            is_key=True,
            parameter_sets=None,
            lost=self._lost_since_unit,
            damaged=False,
            arrival_ns=self._moment.ns,
            restarted=self._restarted,
        )
        self._lost_since_unit, self._restarted = 0, False
        self._emit(unit)


class AacReceiver(SoundReceiver):
    """AAC: a packet holds frames, or a piece of one."""

    def __init__(
        self,
        agreed: Agreed,
        emit: Emit,
        counters: Counters,
        moment: Moment,
        frame_samples: int,
    ) -> None:
        super().__init__(agreed, emit, counters, moment)
        self._frame_samples = frame_samples
        self._piece = bytearray()
        self._size = 0

    def _next_time(self, stamp: int) -> None:
        self._piece.clear()
        super()._next_time(stamp)

    def _gap(self) -> None:
        self._piece.clear()

    def _take(self, buffer: bytearray, at: int, stop: int, marker: int) -> None:
        if stop - at < 4:
            raise Damaged
        count, rest = divmod(buffer[at] << 8 | buffer[at + 1], 16)
        body = at + 2 + 2 * count
        if rest or not count or body > stop:
            raise Damaged
        sizes = [(buffer[at + 2 + 2 * n] << 8 | buffer[at + 3 + 2 * n]) >> 3 for n in range(count)]
        if count == 1 and sizes[0] > stop - body:
            self._add_piece(buffer, body, stop, sizes[0])
            return
        self._piece.clear()
        if sum(sizes) > stop - body or not all(sizes):
            raise Damaged
        for n, size in enumerate(sizes):
            data = bytes(memoryview(buffer)[body : body + size])
            self._hand_over(data, self.ticks + n * self._frame_samples)
            body += size
        del marker

    def _add_piece(self, buffer: bytearray, body: int, stop: int, size: int) -> None:
        """Each piece says the size of the whole frame; all have the same time stamp."""
        if self._piece and size != self._size:
            self._piece.clear()
        self._size = size
        self._piece += memoryview(buffer)[body:stop]
        if len(self._piece) > size:
            self._piece.clear()
            raise Damaged
        if len(self._piece) == size:
            self._hand_over(bytes(self._piece), self.ticks)
            self._piece.clear()
