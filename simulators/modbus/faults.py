"""Everything a Modbus device does wrong, one class each, to be switched while it runs.

    unit.fault = LateReply(after_s=0.7)      unit.fault = Only(WrongEcho(), function=16)
    unit.fault = Times(Exceptional(6), 3)    unit.fault = None

Owns    how an honest reply is spoiled. What the whole line suffers (echo, a second master, one TCP
        slot, noise) is switched on simulators.modbus.line.Line.
Needs   wire and unit of this package.
Keeps   A fault spoils replies and nothing else: a request that reaches a device is done by it, as
        with real ones, unless the fault says otherwise (Silent, Exceptional, IgnoredWrite).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from simulators.modbus import wire
from simulators.modbus.tables import TABLE_OF_FUNCTION, Table
from simulators.modbus.unit import Exchange, Fault, Piece, Unit
from simulators.modbus.wire import Framing

_HONEST: Final = Fault()


class Silent(Fault):
    """Hears nothing and says nothing: no power, a cut wire, a wrong address."""

    def pieces(self, _exchange: Exchange) -> list[Piece]:
        """Nothing."""
        return []


@dataclass
class Slow(Fault):
    """Takes its time, and the line waits; `inner` is what else is wrong with the reply."""

    delay_s: float
    inner: Fault = _HONEST

    def begin(self, unit: Unit) -> None:
        """Both begin."""
        self.inner.begin(unit)

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """The first piece waits."""
        return [
            Piece(one.data, one.after_s + (0 if place else self.delay_s), one.hang_up)
            for place, one in enumerate(self.inner.pieces(exchange))
        ]


@dataclass
class LateReply(Slow):
    """Answers when the master has given up and speaks to others (quirk 8).

    A unit works on one request at a time: what comes meanwhile is answered afterwards, in order.
    """

    late = True


class OneBehind(Fault):
    """Answers each request with the reply to the one before; the first gets none (quirk 8)."""

    def __init__(self) -> None:
        self._before: bytes | None = None

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """What should have been said last time."""
        before, self._before = self._before, exchange.answer()
        return [] if before is None else [Piece(exchange.seal(before))]


@dataclass
class ShortReply(Fault):
    """Gives fewer bytes of data than were asked for, in a frame that is sound (quirk 9).

    keep_bytes  of the data that is there
    """

    keep_bytes: int = 4

    def reply(self, exchange: Exchange) -> bytes:
        """Cut, with a byte count that fits what is left."""
        pdu = exchange.answer()
        if exchange.function not in wire.READS or pdu[0] & 0x80:
            return pdu
        data = pdu[2 : 2 + self.keep_bytes]
        return bytes([pdu[0], len(data)]) + data


@dataclass
class WrongCount(Fault):
    """Says in the byte count something else than it sends; by is added to the count."""

    by: int = 2

    def reply(self, exchange: Exchange) -> bytes:
        """The data is right, the count before it is not."""
        pdu = exchange.answer()
        if exchange.function not in wire.READS or pdu[0] & 0x80:
            return pdu
        return bytes([pdu[0], (pdu[1] + self.by) % 256]) + pdu[2:]


@dataclass
class WrongFunction(Fault):
    """Answers with another function (quirk 10); unsaid, 3 and 4 change places, 1 and 2 too."""

    function: int | None = None

    def reply(self, exchange: Exchange) -> bytes:
        """The rest is right."""
        pdu = exchange.answer()
        other = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 15: 16, 16: 15}.get(pdu[0], pdu[0])
        return bytes([other if self.function is None else self.function]) + pdu[1:]


@dataclass
class WrongEcho(Fault):
    """Confirms a write with another number than was sent (quirk 11).

    what  "count" (of 15 and 16; "value" of 5 and 6) or "address"
    by    added to it: the vibration cable says 8 for 9
    """

    what: str = "count"
    by: int = -1

    def reply(self, exchange: Exchange) -> bytes:
        """The write itself is done."""
        pdu = exchange.answer()
        if exchange.function not in {5, 6, 15, 16} or pdu[0] & 0x80:
            return pdu
        at = 1 if self.what == "address" else 3
        wrong = (int.from_bytes(pdu[at : at + 2]) + self.by) % 0x10000
        return pdu[:at] + wrong.to_bytes(2) + pdu[at + 2 :]


@dataclass
class WrongUnit(Fault):
    """Answers under another unit's number (quirk 15); unsaid, the next one."""

    number: int | None = None

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """The PDU is right."""
        number = (exchange.unit + 1) % 256 if self.number is None else self.number
        return exchange.seal(pdu, unit=number)


@dataclass
class WrongTransaction(Fault):
    """Answers under another transaction's number; does nothing on RTU, which has none."""

    by: int = 1

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """The PDU is right."""
        return exchange.seal(pdu, transaction=(exchange.transaction + self.by) % 0x10000)


@dataclass
class Exceptional(Fault):
    """Refuses: 1 to 6, 10, 11, or what gateways invent: 0x41 to 0x43, 0x4B (quirks 12 to 14).

    function_byte  0x80 as one maker does it; None is right, request + 0x80
    """

    code: int
    function_byte: int | None = None

    def reply(self, exchange: Exchange) -> bytes:
        """Nothing is done."""
        return wire.refusal(exchange.function, self.code, function_byte=self.function_byte)


@dataclass
class GarbageBefore(Fault):
    """Noise at the line's turn-round, right before the reply (quirk 17)."""

    noise: bytes = b"\x00\xff"

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """Noise and reply arrive as one."""
        return self.noise + exchange.seal(pdu)


@dataclass
class GarbageAfter(Fault):
    """Noise right behind the reply: it may end up before the next one."""

    noise: bytes = b"\xff\x00"

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """Reply and noise arrive as one."""
        return exchange.seal(pdu) + self.noise


@dataclass
class Partial(Fault):
    """Begins a reply and never ends it."""

    keep_bytes: int = 3

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """Cut."""
        return exchange.seal(pdu)[: self.keep_bytes]


@dataclass
class CutMidFrame(Fault):
    """Begins a reply and closes the TCP connection; a serial line just falls silent."""

    keep_bytes: int = 3

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """Cut, and gone."""
        return [Piece(exchange.seal(exchange.answer())[: self.keep_bytes], hang_up=True)]


@dataclass
class Fragments(Fault):
    """Sends a reply in small parts with pauses between."""

    size_bytes: int = 3
    pause_s: float = 0.02

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """All of it, bit by bit."""
        frame = exchange.seal(exchange.answer())
        return [
            Piece(frame[at : at + self.size_bytes], self.pause_s if at else 0.0)
            for at in range(0, len(frame), self.size_bytes)
        ]


class BadCrc(Fault):
    """A bit was lost on the way: wrong checksum on RTU, wrong protocol number on MBAP."""

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """The one field that tells is spoiled."""
        frame = bytearray(exchange.seal(pdu))
        frame[-1 if exchange.framing is Framing.RTU else 3] ^= 0x01
        return bytes(frame)


@dataclass
class Stuck(Fault):
    """The firmware froze behind a live interface: reads give what stood there when it began.

    addresses  only these stand still (a heartbeat, a counter); None is all of them
    """

    addresses: Collection[int] | None = None
    _frozen: dict[str, dict[int, int]] = field(default_factory=dict, repr=False)

    def begin(self, unit: Unit) -> None:
        """Remember everything."""
        wanted = self.addresses
        self._frozen = {
            name: {a: v for a, v in table.items() if wanted is None or a in wanted}
            for name, table in unit.tables.items()
        }

    def reply(self, exchange: Exchange) -> bytes:
        """Read from what was, write to what is."""
        name = TABLE_OF_FUNCTION.get(exchange.function)
        if name is None or exchange.function not in wire.READS:
            return exchange.answer()
        live = exchange.owner.tables[name]
        still = Table(live.largest, dict(live) | self._frozen[name])
        still.write_only = live.write_only
        return exchange.owner.answer(exchange.pdu, tables={name: still})


class IgnoredWrite(Fault):
    """Takes a command, confirms it, and does nothing: the relay has not moved."""

    def reply(self, exchange: Exchange) -> bytes:
        """Confirm only."""
        return exchange.owner.answer(exchange.pdu, stores=False)


@dataclass
class Duplicate(Fault):
    """Another device has the same address, and answers too.

    collide  both at once: levels on the wire mix, and the checksum is wrong; else one after another
    """

    other: Unit
    collide: bool = True

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """Both on one wire; where either pulls low, low is seen."""
        mine, theirs = exchange.seal(pdu), exchange.seal(self.other.answer(exchange.pdu))
        if not self.collide:
            return mine + theirs
        longer = max(len(mine), len(theirs))
        both = zip(mine.ljust(longer, b"\xff"), theirs.ljust(longer, b"\xff"), strict=True)
        return bytes(a & b for a, b in both)
