"""Modbus TCP: transactions with ids.

Owns    the transaction ids of one connection and the bytes that have arrived.
Needs   request, line, errors. Pure: the time is handed in.
Keeps   1. A reply is taken only by the id and the unit that were asked; a late one is dropped and
           counted, so a time-out costs nobody a wait (quirk row 8: TCP has ids and is safe).
        2. At most MAX_ABANDONED ids are remembered, and none of them is used again meanwhile.
        3. Any bytes, in any pieces, never raise.
"""

import struct
from typing import Final

from gateway.links.modbus.errors import Refused, Silent, Wrong
from gateway.links.modbus.line import MAX_STRANGE_BYTES, LineQuality, OnStrange
from gateway.links.modbus.request import Request

HEADER_BYTES: Final = 6
MAX_LENGTH: Final = 254
"""Of unit and data unit; Modbus Messaging on TCP/IP 1.0b, section 3.1.3."""
MAX_ABANDONED: Final = 64
MAX_HELD_BYTES: Final = 4096
_HEADER: Final = struct.Struct(">HHHB")
_START: Final = struct.Struct(">HHH")

Outcome = bytes | Silent | Refused | Wrong


class MbapWire:
    """One Modbus TCP conversation; the same methods as RtuWire."""

    def __init__(self, line: LineQuality, strange: OnStrange) -> None:
        self._line = line
        self._strange = strange
        self._held = bytearray()
        self._id = 0
        self._asked: Request | None = None
        self._sent_ns = 0
        self._expected = b""
        self._size = 0
        self._abandoned: dict[int, tuple[int, int]] = {}

    def send(self, request: Request, now_ns: int) -> bytes:
        """Begin a transaction; returns what has to be written."""
        number = (self._id + 1) & 0xFFFF
        while number in self._abandoned:
            number = (number + 1) & 0xFFFF
        self._id = number
        pdu = request.pdu
        if not request.broadcast:
            self._asked = request
            self._sent_ns = now_ns
            self._expected = _START.pack(number, 0, request.body_bytes) + request.head
            self._size = HEADER_BYTES + request.body_bytes
        return _HEADER.pack(number, 0, len(pdu) + 1, request.unit) + pdu

    def receive(self, data: bytes, now_ns: int) -> Outcome | None:
        """Take in bytes; returns how the transaction ended, None while it has not."""
        asked = self._asked
        if (
            asked is not None
            and asked.data_bytes
            and len(data) == self._size
            and data.startswith(self._expected)
            and not self._held
        ):  # what happens all day: one reply in one piece
            self._asked = None
            return data[9:]
        self._held += data
        if len(self._held) > MAX_HELD_BYTES:
            self._skip(len(self._held) - MAX_HELD_BYTES)
        outcome = None
        while (frame := self._next()) is not None:
            found = self._judge(frame, now_ns)
            outcome = found if outcome is None else outcome
        return outcome

    def _next(self) -> bytes | None:
        held = self._held
        while len(held) >= HEADER_BYTES + 1:
            _, protocol, length = _START.unpack_from(held)
            if protocol or not 2 <= length <= MAX_LENGTH:
                self._resync()
                continue
            if len(held) < HEADER_BYTES + length:
                return None
            frame = bytes(held[: HEADER_BYTES + length])
            del held[: HEADER_BYTES + length]
            return frame
        return None

    def _resync(self) -> None:
        """Skip to where the awaited reply may begin; a tail that may be its beginning is kept."""
        held = self._held
        at = held.find(self._expected[:4], 1) if self._asked is not None else -1
        self._skip(at if at > 0 else len(held) - 3)

    def _skip(self, count: int) -> None:
        self._line.garbage_bytes += count
        del self._held[:count]

    def _judge(self, frame: bytes, now_ns: int) -> Outcome | None:
        number, unit = int.from_bytes(frame[:2], "big"), frame[6]
        asked = self._asked
        if asked is not None and number == self._id:
            self._asked = None
            if unit == asked.unit:
                return asked.answer(frame[7], frame[8:])
            self._line.foreign += 1
            self._strange("foreign", unit, frame[:MAX_STRANGE_BYTES], None)
            return Wrong(
                asked.unit,
                f"问 {asked.unit} 号从站，{unit} 号应答了"
                f" / asked unit {asked.unit}, unit {unit} answered",
                frame,
            )
        gone = self._abandoned.pop(number, None)
        if gone is None and asked is None:
            self._line.unsolicited += 1
            self._strange("unsolicited", unit, frame[:MAX_STRANGE_BYTES], None)
            return None
        latency_s = None if gone is None else (now_ns - gone[1]) / 1e9
        self._line.late += 1
        self._strange("late", unit, frame[:MAX_STRANGE_BYTES], latency_s)
        return None

    def expire(self, timeout_s: float, now_ns: int) -> Outcome:
        """The time is up; returns how the transaction ended."""
        asked = self._asked
        if asked is None:
            raise RuntimeError("nothing is asked")
        # Garbage that looked like a header may have kept the reply waiting behind it.
        while (at := self._held.find(self._expected[:4], 1)) > 0:
            self._skip(at)
            frame = self._next()
            outcome = self._judge(frame, now_ns) if frame is not None else None
            if outcome is not None:
                return outcome
        rest = bytes(self._held)
        self._skip(len(rest))
        self.abandon(now_ns)
        if rest[:4] == self._expected[:4]:
            why = "应答没有到齐 / the reply was cut short"
            return Wrong(asked.unit, f"{asked.unit}: {why}", rest)
        return Silent(asked.unit, timeout_s)

    def abandon(self, _now_ns: int) -> None:
        """Nobody waits any more; the reply, should it come, is dropped as late."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        if len(self._abandoned) >= MAX_ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]
        self._abandoned[self._id] = (asked.unit, self._sent_ns)
