"""Pictures out of RTP: H.264 (RFC 6184) and H.265 (RFC 7798), single units, aggregates, fragments.

Owns    putting NAL units and access units together; where one picture ends.
Needs   rtp, unit, gateway.media.
Keeps   1. A NAL unit that lost a packet is left out whole; what is handed over always splits.
        2. A picture ends with the marker, or where the time stamp changes. A camera that sets the
           marker in the middle of a picture is found out by its second piece, and from then on only
           the time stamp counts.
        3. Parameter sets and messages that come alone go in front of the next picture.
        4. MAX_UNIT_BYTES and MAX_UNIT_NALS: TooLarge beyond.
"""

import struct
from collections.abc import Sequence
from typing import ClassVar, Final

from gateway.links.rtsp.rtp import Agreed, Damaged, Receiver
from gateway.links.rtsp.unit import (
    MAX_UNIT_BYTES,
    MAX_UNIT_NALS,
    AccessUnit,
    Counters,
    Emit,
    Moment,
)
from gateway.media import Codec, Unreadable, h264, h265, merged

OTHER: Final = 0
PICTURE: Final = 1
KEY: Final = 2
SET: Final = 3
MESSAGE: Final = 4
"""H.264 SEI: may say that a decoder can begin here."""
MAX_SET_BYTES: Final = 4096
_MARKER: Final = 0x80
_FORBIDDEN: Final = 0x80
"""First bit of a NAL unit's header in both codecs; set, it says that the unit is damaged."""


class TooLarge(Exception):
    """An access unit beyond its bounds; the session ends."""


class VideoReceiver(Receiver):
    """What both codecs have in common. Subclasses read their headers in `_take`.

    parameter_sets  those in force; at first those of the SDP
    """

    codec: ClassVar[Codec]
    header_bytes: ClassVar[int]
    _PLAIN_PIECE: ClassVar[struct.Struct]

    def __init__(
        self,
        agreed: Agreed,
        emit: Emit,
        counters: Counters,
        moment: Moment,
        parameter_sets: Sequence[bytes] = (),
    ) -> None:
        super().__init__(agreed, emit, counters, moment)
        self.parameter_sets = tuple(parameter_sets)
        self._unit = bytearray()
        self._nals = 0
        self._fragment: int | None = None
        self._fragment_role = OTHER
        self._middle = self._last = b""
        self._has_picture = False
        self._is_key = False
        self._new_sets: list[bytes] = []
        self._arrival_ns = 0
        self._ended = False
        self._trusts_marker = True

    def follow(self, buffer: bytearray, view: memoryview, at: int, filled: int, head: int) -> int:
        """See Receiver: pieces of a NAL unit, nine packets of ten, in one loop, and its last."""
        if self._fragment is None:
            return at
        unit, unpack_from = self._unit, self._PLAIN_PIECE.unpack_from
        payload = self._PLAIN_PIECE.size
        number, plain, taken = self._expected or 0, 0x8000 | self._payload_type, 0
        last, ended = self._last, 0
        pieces = (self._middle, last)
        while filled - at > payload:
            mark, size, flags, found, stamp, ssrc, piece = unpack_from(buffer, at)
            stop = at + 4 + size
            if (
                found != number
                or piece not in pieces
                or stop > filled
                or stop <= at + payload
                or stamp != self._stamp
                or mark != head
                or (flags != plain and (flags != plain | _MARKER or piece != last))
                or ssrc != self.ssrc
            ):
                break
            unit += view[at + payload : stop]
            number = (number + 1) & 0xFFFF
            taken += 1
            at = stop
            if piece == last:
                ended = flags
                break
        self._expected = number
        self.received += taken
        self._counters.packets += taken
        if len(unit) > MAX_UNIT_BYTES:
            raise TooLarge
        if ended:
            self._close()
            if ended & _MARKER:
                self._marked()
        return at

    # NAL units.

    def _whole(self, buffer: bytearray, at: int, stop: int, role: int) -> None:
        """A NAL unit that lies in one packet."""
        self._abandon()
        if buffer[at] & _FORBIDDEN:
            raise Damaged
        self._begin(role, buffer[at + self.header_bytes] if stop > at + self.header_bytes else 0)
        unit = self._unit
        begin = len(unit)
        unit += (stop - at).to_bytes(4, "big")
        unit += memoryview(buffer)[at:stop]
        self._nal_ended(begin, role)

    def _open(self, header: bytes, middle: bytes, first: int, role: int) -> None:
        """The first packet of a NAL unit that is sent in pieces: its header, restored.

        middle  how the payload of each packet but the first and the last begins
        """
        self._abandon()
        if header[0] & _FORBIDDEN:
            raise Damaged
        self._middle = middle
        self._last = middle[:-1] + bytes((middle[-1] | 0x40,))
        self._begin(role, first)
        self._fragment, self._fragment_role = len(self._unit), role
        self._unit += b"\0\0\0\0"
        self._unit += header

    def _close(self) -> None:
        """The last packet of it has been added."""
        begin = self._fragment
        if begin is not None:
            self._fragment = None
            self._unit[begin : begin + 4] = (len(self._unit) - begin - 4).to_bytes(4, "big")
            self._nal_ended(begin, self._fragment_role)

    def _abandon(self) -> None:
        """Leave out the NAL unit whose last packet never came."""
        if self._fragment is not None:
            del self._unit[self._fragment :]
            self._fragment = None

    def _begin(self, role: int, first: int) -> None:
        """A NAL unit begins; `first` is the byte behind its header."""
        if self._ended:
            self._ended = False
            # Behind a marker with the same time stamp: a picture of its own says so in its first
            # bit (first_mb_in_slice is 0, first_slice_segment_in_pic_flag is 1).
            if role in {PICTURE, KEY} and not first & 0x80:
                self._trusts_marker = False
        if not self._unit:
            self._arrival_ns = self._moment.ns
        self._nals += 1
        if self._nals > MAX_UNIT_NALS or len(self._unit) > MAX_UNIT_BYTES:
            raise TooLarge

    def _nal_ended(self, begin: int, role: int) -> None:
        if role == PICTURE:
            self._has_picture = True
        elif role == KEY:
            self._has_picture = self._is_key = True
        elif role == SET and len(self._unit) - begin - 4 <= MAX_SET_BYTES:
            self._new_sets.append(bytes(memoryview(self._unit)[begin + 4 :]))
        elif role == MESSAGE:
            # Whether it says that a decoder can begin here is for the codec to know.
            self._is_key = self._is_key or h264.is_key(
                (bytes(memoryview(self._unit)[begin + 4 :]),)
            )

    # Access units.

    def _next_time(self, stamp: int) -> None:
        self._abandon()
        if self._has_picture:
            self._hand_over()
        super()._next_time(stamp)
        self._ended = False

    def _gap(self) -> None:
        self._abandon()

    def _marked(self) -> None:
        """The packet just taken says that it is the last of a picture."""
        if self._fragment is not None:
            self._abandon()
        if self._has_picture and self._trusts_marker:
            self._hand_over()
            self._ended = True

    def _hand_over(self) -> None:
        unit = AccessUnit(
            self.track,
            bytes(self._unit),
            self.ticks,
            self._is_key,
            self._changed_sets() if self._new_sets else None,
            self._lost_since_unit,
            self._damaged,
            self._arrival_ns,
            self._restarted,
        )
        self._unit.clear()
        self._nals = self._lost_since_unit = 0
        self._has_picture = self._is_key = self._restarted = self._damaged = False
        self._emit(unit)

    def _changed_sets(self) -> tuple[bytes, ...] | None:
        new, self._new_sets = self._new_sets, []
        try:
            sets = merged(self.codec, self.parameter_sets, new)
        except Unreadable:
            self._counters.damaged_packets += 1
            return None
        if sets == self.parameter_sets:
            return None
        self.parameter_sets = sets
        return sets


class H264Receiver(VideoReceiver):
    """RFC 6184, packetization modes 0 and 1."""

    codec = "h264"
    header_bytes = 1
    _PLAIN_PIECE = struct.Struct(">HHHHII2s")
    _ROLES: ClassVar = tuple(
        {h264.NON_IDR: PICTURE, 2: PICTURE, h264.IDR: KEY, h264.SEI: MESSAGE}.get(
            kind, SET if kind in {h264.SPS, h264.PPS} else OTHER
        )
        for kind in range(32)
    )

    def _take(self, buffer: bytearray, at: int, stop: int, marker: int) -> None:
        kind = buffer[at] & 0x1F
        if kind == 28:
            if stop - at < 3:
                raise Damaged
            flags = buffer[at + 1]
            if flags & 0x80:
                header = bytes((buffer[at] & 0xE0 | flags & 0x1F,))
                middle = bytes((buffer[at], flags & 0x1F))
                self._open(header, middle, buffer[at + 2], self._ROLES[flags & 0x1F])
            if self._fragment is not None:
                self._unit += memoryview(buffer)[at + 2 : stop]
                if flags & 0x40:
                    self._close()
                elif len(self._unit) > MAX_UNIT_BYTES:
                    raise TooLarge
        elif 0 < kind < 24:
            self._whole(buffer, at, stop, self._ROLES[kind])
        elif kind == 24:
            self._aggregate(buffer, at + 1, stop)
        else:
            raise Damaged  # interleaved forms, which were not agreed on
        if marker:
            self._marked()

    def _aggregate(self, buffer: bytearray, at: int, stop: int) -> None:
        while at + 2 < stop:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if end > stop or end == at + 2:
                raise Damaged
            self._whole(buffer, at + 2, end, self._ROLES[buffer[at + 2] & 0x1F])
            at = end


class H265Receiver(VideoReceiver):
    """RFC 7798 without decoding order numbers."""

    codec = "h265"
    header_bytes = 2
    _PLAIN_PIECE = struct.Struct(">HHHHII3s")
    _ROLES: ClassVar = tuple(
        (KEY if h265.FIRST_IRAP <= kind <= h265.LAST_IRAP else PICTURE)
        if kind <= h265.LAST_VCL
        else (SET if kind in {h265.VPS, h265.SPS, h265.PPS} else OTHER)
        for kind in range(64)
    )

    def _take(self, buffer: bytearray, at: int, stop: int, marker: int) -> None:
        if stop - at < 3:
            raise Damaged
        kind = buffer[at] >> 1 & 0x3F
        if kind == 49:
            self._piece(buffer, at, stop)
        elif kind < 48:
            self._whole(buffer, at, stop, self._ROLES[kind])
        elif kind == 48:
            self._aggregate(buffer, at + 2, stop)
        else:
            raise Damaged  # PACI, which nobody sends
        if marker:
            self._marked()

    def _piece(self, buffer: bytearray, at: int, stop: int) -> None:
        if stop - at < 4:
            raise Damaged
        flags = buffer[at + 2]
        if flags & 0x80:
            header = bytes((buffer[at] & 0x81 | (flags & 0x3F) << 1, buffer[at + 1]))
            middle = bytes((buffer[at], buffer[at + 1], flags & 0x3F))
            self._open(header, middle, buffer[at + 3], self._ROLES[flags & 0x3F])
        if self._fragment is not None:
            self._unit += memoryview(buffer)[at + 3 : stop]
            if flags & 0x40:
                self._close()
            elif len(self._unit) > MAX_UNIT_BYTES:
                raise TooLarge

    def _aggregate(self, buffer: bytearray, at: int, stop: int) -> None:
        while at + 4 < stop:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if end > stop or end < at + 4:
                raise Damaged
            self._whole(buffer, at + 2, end, self._ROLES[buffer[at + 2] >> 1 & 0x3F])
            at = end
