"""One Modbus device: its tables, what it refuses, and what it was asked.

Owns    coils, discrete inputs, holding and input registers of one unit.
Needs   simulators.modbus.wire for the shape of requests and replies.
Keeps   1. Checks come in the document's order: function (1), quantity (3), address (2) (Application
           Protocol V1.1b3, state diagrams of section 6).
        2. A request changes all it names or nothing.
        3. Bounds: 20,000 requests and as many writes are remembered.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from simulators.modbus import wire
from simulators.modbus.memory import Log
from simulators.modbus.tables import TABLE_OF_FUNCTION, Asked, Gap, Table, Write, touches
from simulators.modbus.wire import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Framing, Refused, Request


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to send after a pause; `hang_up` closes a TCP connection behind them."""

    data: bytes
    after_s: float = 0.0
    hang_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request on its way through a unit.

    unit  the number that was asked, which a reply repeats
    """

    owner: "Unit"
    framing: Framing
    unit: int
    transaction: int
    pdu: bytes

    @property
    def function(self) -> int:
        """0 for an empty PDU."""
        return self.pdu[0] if self.pdu else 0

    @property
    def address(self) -> int:
        """First address, 0 when the request has none."""
        return int.from_bytes(self.pdu[1:3])

    def answer(self) -> bytes:
        """Let the unit do it, and return its honest PDU."""
        return self.owner.answer(self.pdu)

    def seal(self, pdu: bytes, *, unit: int | None = None, transaction: int | None = None) -> bytes:
        """Make a frame of a PDU, as this line frames them."""
        unit = self.unit if unit is None else unit
        if self.framing is Framing.RTU:
            return wire.seal_rtu(unit, pdu)
        return wire.seal_mbap(self.transaction if transaction is None else transaction, unit, pdu)


class Fault:
    """The root: an honest device. Each fault overrides the one stage at which it errs.

    late  the line goes on meanwhile: the master may ask others, and the reply falls among theirs
    """

    late: bool = False

    def begin(self, unit: "Unit") -> None:
        """The fault was switched on."""

    def reply(self, exchange: Exchange) -> bytes:
        """Say what the PDU is."""
        return exchange.answer()

    def frame(self, exchange: Exchange, pdu: bytes) -> bytes:
        """Put it into a frame."""
        return exchange.seal(pdu)

    def pieces(self, exchange: Exchange) -> list[Piece]:
        """Say what goes out, and when."""
        return [Piece(self.frame(exchange, self.reply(exchange)))]


Guard = Callable[[Write], int | None]
"""Asked before a write is stored: an exception code refuses it, None lets it happen."""

WriteHook = Callable[[Write], None]
"""Told after a write was stored; may change any table: a relay that moves, a mailbox that ends."""


@dataclass(slots=True, kw_only=True)
class Limits:
    """What a device puts up with, beyond which it answers with exception 3 (1 for functions).

    max_registers, max_bits  items of one request
    functions                the ones it knows
    gap                      an address it has not: exception 2, or read as 0
    refusal_byte             function byte of every exception; None is the right one, request + 0x80
    odd_coils                coil addresses where function 5 may carry any word: flash times
    toggle_word              a word of function 5 that turns a coil over; None when there is none
    """

    max_registers: int = 125
    max_bits: int = 2000
    functions: Collection[int] = wire.FUNCTIONS
    gap: Gap = "illegal"
    refusal_byte: int | None = None
    odd_coils: Collection[int] = field(default_factory=frozenset)
    toggle_word: int | None = None


class Unit:
    """One device on a line.

    number  1 to 247 on a serial line; 0 to 255 over TCP
    shared  function 4 sees what function 3 sees, and function 2 what function 1 sees
    """

    def __init__(self, number: int, *, shared: bool = False, limits: Limits | None = None) -> None:
        if not 0 <= number <= 255:
            raise ValueError(f"unit {number}: a unit is one byte")
        self.number = number
        self.limits = limits or Limits()
        self.coils = Table(1)
        self.holding = Table(0xFFFF)
        self.discrete = self.coils if shared else Table(1)
        self.input = self.holding if shared else Table(0xFFFF)
        self.tables: Final[Mapping[str, Table]] = {
            "coils": self.coils,
            "discrete": self.discrete,
            "holding": self.holding,
            "input": self.input,
        }
        self.requests: Log[Asked] = Log()
        self.writes: Log[Write] = Log()
        self.guard: Guard | None = None
        self._hooks: list[tuple[str | None, int | None, WriteHook]] = []
        self._fault: Fault | None = None

    @property
    def fault(self) -> Fault | None:
        """What is wrong with it now; set it, or set None, while the line is running."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        if fault is not None:
            fault.begin(self)
        self._fault = fault

    def set_words(self, function: int, address: int, values: Iterable[int]) -> None:
        """Let consecutive words or bits, as that function reads them, have these values."""
        table = self.tables[TABLE_OF_FUNCTION[function]]
        for place, value in enumerate(values, address):
            table[place] = value

    def words(self, function: int, address: int, count: int = 1) -> list[int]:
        """What stands there; raises KeyError for an address that does not exist."""
        table = self.tables[TABLE_OF_FUNCTION[function]]
        return [table[place] for place in range(address, address + count)]

    def on_write(
        self, hook: WriteHook, *, table: str | None = None, address: int | None = None
    ) -> None:
        """Call `hook` after each write, or after those that touch one address of one table."""
        self._hooks.append((table, address, hook))

    async def asked(
        self,
        *,
        function: int | None = None,
        address: int | None = None,
        times: int = 1,
        timeout_s: float = 30.0,
    ) -> list[Asked]:
        """Return the next requests of that function that touch that address; see Log.coming."""

        def matches(asked: Asked) -> bool:
            return (function is None or asked.function == function) and (
                address is None or asked.covers(address)
            )

        return await self.requests.coming(matches, times=times, timeout_s=timeout_s)

    async def written(
        self, *, table: str | None = None, address: int | None = None, timeout_s: float = 30.0
    ) -> Write:
        """Return the next write that touches that address of that table."""
        writes = await self.writes.coming(
            lambda write: touches(write, table, address), timeout_s=timeout_s
        )
        return writes[0]

    def periods_s(self, address: int, *, function: int | None = None) -> list[float]:
        """Seconds between the remembered requests that touch an address, oldest first."""
        times_ns = [
            asked.mono_ns
            for asked in self.requests
            if asked.covers(address) and function in {None, asked.function}
        ]
        return [(late - soon) / 1e9 for soon, late in pairwise(times_ns)]

    def note(self, pdu: bytes) -> Asked:
        """Remember that this request came, whatever becomes of it."""
        function, address, count = pdu[0] if pdu else 0, 0, 0
        try:
            request = wire.read_request(pdu)
            address, count = request.address, request.count
        except Refused:
            pass  # answered with the exception, later and elsewhere
        asked = Asked(
            unit=self.number,
            function=function,
            address=address,
            count=count,
            mono_ns=time.monotonic_ns(),
        )
        self.requests.add(asked)
        return asked

    def answer(
        self, pdu: bytes, *, tables: Mapping[str, Table] | None = None, stores: bool = True
    ) -> bytes:
        """Do what is asked and return the reply's PDU.

        tables  read from these instead of the unit's own: values that stand still
        stores  False takes a write, says so, and changes nothing
        """
        try:
            request = self._understand(pdu)
            table = TABLE_OF_FUNCTION[request.function]
            if request.function not in wire.READS:
                self._write(request, table, stores=stores)
                if request.function != wire.READ_WRITE:
                    return pdu[:5] if request.function in {15, 16} else pdu
            return self._read(request, (tables or self.tables)[table])
        except Refused as refused:
            function = pdu[0] if pdu else 0
            return wire.refusal(function, refused.code, function_byte=self.limits.refusal_byte)

    def _understand(self, pdu: bytes) -> Request:
        if not pdu or pdu[0] not in self.limits.functions:
            raise Refused(ILLEGAL_FUNCTION)
        return wire.read_request(pdu)

    def _read(self, request: Request, table: Table) -> bytes:
        self._check_count(request)
        values = table.look(request.address, request.count, self.limits.gap)
        data = wire.pack_bits(values) if table.largest == 1 else wire.pack_words(values)
        return bytes([request.function, len(data)]) + data

    def _check_count(self, request: Request) -> None:
        bits = request.function in wire.BIT_READS
        most = min(self.limits.max_bits, 2000) if bits else min(self.limits.max_registers, 125)
        if not 1 <= request.count <= most:
            raise Refused(ILLEGAL_VALUE)

    def _write(self, request: Request, name: str, *, stores: bool) -> None:
        table = self.tables[name]
        values = self._wished(request, table)
        if request.function == wire.READ_WRITE:
            self._check_count(request)
            table.look(request.address, request.count, self.limits.gap)
        elif request.function in {wire.WRITE_COILS, wire.WRITE_REGISTERS} and len(values) > (
            self.limits.max_bits if name == "coils" else self.limits.max_registers
        ):
            raise Refused(ILLEGAL_VALUE)
        table.check_writable(request.target, len(values))
        if request.function == wire.MASK_REGISTER:
            values = self._masked(request)
        write = Write(
            unit=self.number,
            function=request.function,
            table=name,
            address=request.target,
            values=request.values if request.function == wire.WRITE_COIL else values,
            mono_ns=time.monotonic_ns(),
        )
        code = self.guard(write) if self.guard is not None else None
        if code is not None:
            raise Refused(code)
        if stores:
            for place, value in enumerate(values, request.target):
                table[place] = value
        self.writes.add(write)
        if stores:
            self._tell(write)

    def _wished(self, request: Request, table: Table) -> tuple[int, ...]:
        """What a write would leave behind."""
        if request.function == wire.MASK_REGISTER:
            return (0,)
        if request.function != wire.WRITE_COIL:
            return request.values
        word = request.values[0]
        if word in {0x0000, 0xFF00}:
            return (int(word != 0),)
        if request.address in self.limits.odd_coils:
            return (1,)
        if word == self.limits.toggle_word:
            return (1 - table.get(request.address, 0),)
        raise Refused(ILLEGAL_VALUE)

    def _masked(self, request: Request) -> tuple[int, ...]:
        keep, put = request.masks
        return ((self.holding[request.target] & keep) | (put & ~keep & 0xFFFF),)

    def _tell(self, write: Write) -> None:
        for table, address, hook in self._hooks:
            if touches(write, table, address):
                hook(write)
