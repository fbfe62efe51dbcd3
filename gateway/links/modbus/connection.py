"""One connection to one Modbus bus: one transaction at a time, by whoever's turn it is.

Owns    the socket or serial port from open to close, the turn, the gaps, the time-outs. A
        connection is never reused: whoever wants another opens another (rows 19 to 23: nothing here
        closes or opens by itself, and nothing raises anywhere but in open() and ask()).
Needs   mbap and rtu (whose reply is this), opening (how a connection is made), the Clock.
Keeps   1. At most one request is on the bus, in the order in which ask() was called for it.
        2. A caller that is cancelled leaves the connection sound: what it asked for is remembered
           and its reply is dropped when it comes (row 8).
        3. ask() to a unit in quarantine waits that out while asks to other units go on.
        4. Once the connection is lost every ask(), waiting or new, is LinkDown.
"""

import asyncio
import contextlib
from typing import Final, Protocol, Self

from gateway.clock import Clock
from gateway.errors import DeviceError, LinkDown
from gateway.links.modbus.errors import Refused, Silent, Wrong
from gateway.links.modbus.line import LineQuality, OnStrange, Strange
from gateway.links.modbus.mbap import MbapWire, Outcome
from gateway.links.modbus.opening import open_transport
from gateway.links.modbus.request import Request
from gateway.links.modbus.rtu import RtuWire
from gateway.links.modbus.settings import BusSettings

TURNAROUND_NS: Final = 100_000_000
"""Left after a broadcast, so that every unit has done it (Modbus over Serial Line 1.02, 2.4.1)."""
FLOOD_BYTES: Final = 64 * 1024
"""Garbage without one sound reply between; then whatever talks there is no Modbus."""
MAX_UNSENT_BYTES: Final = 4096
GOODBYE_S: Final = 1.0
_LONG_AGO_NS: Final = 1 << 62


class _Wire(Protocol):
    def send(self, request: Request, now_ns: int, /) -> bytes: ...
    def receive(self, data: bytes, now_ns: int, /) -> Outcome | None: ...
    def expire(self, timeout_s: float, now_ns: int, /) -> Outcome: ...
    def abandon(self, now_ns: int, /) -> None: ...


class ModbusConnection(asyncio.Protocol):
    """One connection to one bus. Make it with open().

    line        counters since it was opened
    lost        becomes done, with the reason, when the connection has ended, also by close()
    on_strange  called for every frame nobody asked for, see line.OnStrange; None to only count
    """

    def __init__(self, settings: BusSettings, clock: Clock) -> None:
        self.settings = settings
        self.line = LineQuality()
        self.on_strange: OnStrange | None = None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[LinkDown] = self._loop.create_future()
        self._why: str | None = None
        self._gone = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._rtu = _rtu_wire(settings, self.line, self._tell)
        self._wire: _Wire = self._rtu or MbapWire(self.line, self._tell)
        self._bus = asyncio.Lock()
        self._answer: asyncio.Future[Outcome | LinkDown] | None = None
        self._timeout_s = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._char_s = settings.char_s if settings.rtu else 0.0
        self._gap_ns = int(settings.gap_s * 1e9)
        self._free_ns = 0
        self._unit_done_ns: dict[int, int] = {}
        self._paid: dict[int, asyncio.Event] = {}
        self._garbage_mark = 0

    @classmethod
    async def open(
        cls, settings: BusSettings, clock: Clock, on_strange: OnStrange | None = None
    ) -> Self:
        """Connect, or wait for the DTU to have dialled in; LinkDown within connect_timeout_s."""
        connection = cls(settings, clock)
        connection.on_strange = on_strange
        try:
            await open_transport(settings, clock, connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    # What the transport tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment] # serial and TCP both are Transports

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol: one read's worth of the stream."""
        outcome = self._wire.receive(data, self._clock.mono_ns())
        if outcome is not None:
            self._settle(outcome)
        if self.line.garbage_bytes - self._garbage_mark > FLOOD_BYTES:
            self.end(
                f"收到 {FLOOD_BYTES} 多字节，没有一帧是 Modbus",
                f"more than {FLOOD_BYTES} bytes arrived and no Modbus frame among them",
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._gone.set()
        said = f": {exc}" if exc is not None else ""
        self.end(f"连接断了{said}", f"the connection ended{said}")

    def eof_received(self) -> None:
        """See asyncio.Protocol: the other side hung up; the transport closes itself."""

    # What a driver does.

    async def ask(self, request: Request, timeout_s: float, gap_s: float = 0.0) -> bytes:
        """Send one request and return what a read reads, b"" for a write or broadcast.

        timeout_s  from the last byte of the request on the wire to the last byte of the reply
        gap_s      at least this long since the last transaction with the same unit (row 24); others
                   go on meanwhile. The bus's own gap is kept in any case
        raises     Silent, Refused, Wrong: about this unit only. LinkDown: open another connection.
                   ValueError: a read of unit 0 on RTU, which nobody may answer

        Waits for its turn as long as it takes; only the transaction itself has a time-out. Safe to
        cancel at any moment (keep 2).
        """
        rtu = self._rtu
        if rtu is not None and request.unit == 0 and not request.broadcast:
            raise ValueError("unit 0 of an RTU bus is everybody; nobody answers a read of it")
        while True:
            if rtu is not None or gap_s:
                await self._wait_until_ready(request.unit, gap_s)
            async with self._bus:
                # Somebody before us may have sent the unit into quarantine.
                if rtu is None or not rtu.quiet_s(request.unit, self._clock.mono_ns()):
                    return await self._transact(request, timeout_s)

    def quiet_s(self, unit: int) -> float:
        """How long ask() would keep this unit waiting now: its quarantine; 0.0 on TCP."""
        return self._rtu.quiet_s(unit, self._clock.mono_ns()) if self._rtu is not None else 0.0

    async def close(self) -> None:
        """Close; whoever waits gets LinkDown. Safe to call twice; takes at most GOODBYE_S."""
        self.end("已由本机关闭", "closed by us")
        if self.settings.scheme != "serial":  # a serial port is closed at once and says nothing
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._gone.wait()

    # One transaction.

    async def _transact(self, request: Request, timeout_s: float) -> bytes:
        """The caller has the turn."""
        gap_ns = self._free_ns - self._clock.mono_ns()
        if gap_ns > 0:
            await self._clock.sleep(gap_ns / 1e9)
        self._check()
        transport = self._transport
        if transport is None:
            raise LinkDown("the connection is not open yet")
        answer = self._answer = self._loop.create_future()
        frame = self._wire.send(request, self._clock.mono_ns())
        transport.write(frame)
        self.line.requests += 1
        gap_ns = self._gap_ns
        try:
            if request.broadcast:
                gap_ns = max(gap_ns, TURNAROUND_NS)
                return b""
            self._set_deadline(timeout_s, timeout_s + len(frame) * self._char_s)
            outcome = await answer
        finally:
            now_ns = self._clock.mono_ns()
            if answer.cancelled():
                self._wire.abandon(now_ns)  # keep 2
            self._answer = None
            self._unit_done_ns[request.unit] = now_ns
            self._free_ns = now_ns + gap_ns
        if type(outcome) is bytes:
            self.line.replies += 1
            self._garbage_mark = self.line.garbage_bytes
            return outcome
        raise self._counted(outcome)

    def _counted(self, outcome: Outcome | LinkDown) -> DeviceError:
        line = self.line
        if isinstance(outcome, Refused):
            line.refused += 1
            self._garbage_mark = line.garbage_bytes
        elif isinstance(outcome, Wrong):
            line.wrong += 1
        elif isinstance(outcome, Silent):
            line.silent += 1
        elif isinstance(outcome, bytes):
            raise TypeError("data is no error")
        return outcome

    def _settle(self, outcome: Outcome | LinkDown) -> None:
        answer = self._answer
        if answer is not None and not answer.done():
            answer.set_result(outcome)

    def _set_deadline(self, timeout_s: float, wait_s: float) -> None:
        """One timer serves many transactions: making one for each would cost more than the rest."""
        self._timeout_s = timeout_s
        self._deadline = deadline = self._loop.time() + wait_s
        timer = self._timer
        if timer is None or timer.when() > deadline:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._answer is None or self._answer.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._on_time)
            return
        self._settle(self._wire.expire(self._timeout_s, self._clock.mono_ns()))
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.end("对方不再读取我们的请求", "the other side no longer reads what we send")

    # Units that must be left alone for a while.

    async def _wait_until_ready(self, unit: int, gap_s: float) -> None:
        while True:
            self._check()
            now_ns = self._clock.mono_ns()
            quiet_s = self.quiet_s(unit)
            gap_ns = self._unit_done_ns.get(unit, -_LONG_AGO_NS) + int(gap_s * 1e9) - now_ns
            if quiet_s > 0:
                await self._until_paid(unit, quiet_s)
            elif gap_s and gap_ns > 0:
                await self._clock.sleep(gap_ns / 1e9)
            else:
                return

    async def _until_paid(self, unit: int, quiet_s: float) -> None:
        """Wait that long, or until the unit's late reply has come or the connection is lost."""
        paid = self._paid.setdefault(unit, asyncio.Event())
        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(self._clock.sleep(quiet_s))
            waiter = group.create_task(paid.wait())
            sleeper.add_done_callback(lambda _: waiter.cancel())
            waiter.add_done_callback(lambda _: sleeper.cancel())

    def _tell(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        if what == "late" and unit in self._paid:
            self._paid.pop(unit).set()
        if self.on_strange is not None:
            self.on_strange(what, unit, raw, latency_s)

    # The end.

    def _check(self) -> None:
        if self._why is not None:
            raise LinkDown(self._why)

    def end(self, chinese: str, english: str) -> None:
        """Give the connection up at once, with the reason; does nothing when it has ended."""
        if self._why is not None:
            return
        where = self.settings.where
        self._why = f"{where}: {chinese}，稍后重连 / {where}: {english}; it is opened again later"
        if not self.lost.done():
            self.lost.set_result(LinkDown(self._why))
        self._settle(LinkDown(self._why))
        if self._timer is not None:
            self._timer.cancel()
        while self._paid:
            self._paid.popitem()[1].set()
        if self._transport is None:
            self._gone.set()
        else:
            self._transport.abort()  # nothing unsent is worth waiting for


def _rtu_wire(settings: BusSettings, line: LineQuality, strange: OnStrange) -> RtuWire | None:
    if not settings.rtu:
        return None
    heartbeats = settings.heartbeats
    if settings.registration:
        heartbeats = (*heartbeats, settings.registration)  # some DTUs say it again and again
    return RtuWire(
        line, strange, drain_s=settings.drain_s, echo=settings.echo, heartbeats=heartbeats
    )
