"""A line: the Modbus units on one bus, one transaction after another.

    line = Line([Unit(1), Unit(2)], baud=9600)
    async with line.tcp() as served: …            served.url is "tcp://127.0.0.1:40001"
    async with line.rtu_over_tcp() as served: …
    async with line.pty() as served: …            served.path is "/dev/pts/7"
    async with line.dtu("127.0.0.1", port, registration=b"DTU-0001"): …   dials in

Owns    whose turn it is on the wire, and how long bytes take there.
Needs   wire, unit, faults and ports of this package.
Keeps   1. One transaction at a time, however many masters are connected. A unit whose fault is
           `late` gives the turn away while it thinks.
        2. Bounds: 256 units, 64 connections, 256 requests waiting for a late unit; 20,000
           requests and writes remembered.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Literal

from simulators.modbus import wire
from simulators.modbus.faults import Silent
from simulators.modbus.memory import Log
from simulators.modbus.ports import Dialling, Dtu, Port, PtyServed, TcpServed
from simulators.modbus.tables import Asked, Write
from simulators.modbus.unit import Exchange, Piece, Unit
from simulators.modbus.wire import Frame, Framing

MAX_LATE_COUNT: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A box between TCP and the serial line: it waits, and answers for units that do not.

    timeout_s  how long it waits for a unit; the line is held meanwhile
    code       exception it then gives: 11, some give 10, 0x0B's cousins 0x41 to 0x4B; None silence
    """

    timeout_s: float = 0.5
    code: int | None = 0x0B


@dataclass(slots=True, kw_only=True)
class Rival:
    """Another master on the same wire; `poll_count` is how often it asked."""

    poll_count: int = 0


class Line:
    """Units that share a wire.

    baud               bits per second, so that bytes take their time; None is at once
    bits_per_byte      10 for 8N1, 11 for 8E1 or 8N2
    turnaround_s       what each unit thinks before it answers
    gateway            what stands between TCP and the wire; None: a silent unit is just silence
    ignores_unit_id    the only unit answers to any number, as devices with their own socket do
    local_echo         RTU only: the master reads its own bytes before the reply; may be switched
    client_limit       TCP: how many may be connected; may be changed
    when_full          "refuse" the next one, or "kick" the oldest
    """

    def __init__(
        self,
        units: Iterable[Unit],
        *,
        baud: int | None = None,
        bits_per_byte: int = 10,
        turnaround_s: float = 0.0,
        gateway: Gateway | None = None,
        ignores_unit_id: bool = False,
    ) -> None:
        self.units: dict[int, Unit] = {}
        self.baud = baud
        self.bits_per_byte = bits_per_byte
        self.turnaround_s = turnaround_s
        self.gateway = gateway
        self.ignores_unit_id = ignores_unit_id
        self.local_echo = False
        self.client_limit = 64
        self.when_full: Literal["refuse", "kick"] = "refuse"
        self.requests: Log[Asked] = Log()
        self.writes: Log[Write] = Log()
        self.ports: list[Port] = []
        self._turn = asyncio.Lock()
        self._late: set[asyncio.Task[None]] = set()
        self._thinking: defaultdict[int, deque[tuple[Port, Frame]]] = defaultdict(deque)
        self._served_count = 0
        for unit in units:
            self.add(unit)

    def __getitem__(self, number: int) -> Unit:
        """The unit of that number."""
        return self.units[number]

    def add(self, unit: Unit) -> None:
        """Connect one more; raises ValueError for a number that is taken (see faults.Duplicate)."""
        if unit.number in self.units:
            raise ValueError(f"unit {unit.number} is there already; faults.Duplicate makes two")
        self.units[unit.number] = unit
        unit.on_write(self.writes.add)

    def remove(self, number: int) -> None:
        """Disconnect one; its number falls silent."""
        del self.units[number]

    @asynccontextmanager
    async def tcp(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[TcpServed]:
        """Serve Modbus TCP; port 0 takes a free one."""
        async with self._serving(), TcpServed(self, Framing.MBAP, host, port) as served:
            yield served

    @asynccontextmanager
    async def rtu_over_tcp(
        self, host: str = "127.0.0.1", port: int = 0
    ) -> AsyncIterator[TcpServed]:
        """Serve serial frames through TCP, as a transparent serial server does."""
        async with self._serving(), TcpServed(self, Framing.RTU, host, port) as served:
            yield served

    @asynccontextmanager
    async def pty(self) -> AsyncIterator[PtyServed]:
        """Serve a pseudo terminal that a serial client can open."""
        async with self._serving(), PtyServed(self) as served:
            yield served

    @asynccontextmanager
    async def dtu(
        self,
        host: str,
        port: int,
        *,
        registration: bytes = b"",
        heartbeat: bytes = b"",
        heartbeat_s: float = 30.0,
        redial_s: float = 0.2,
    ) -> AsyncIterator[Dtu]:
        """Dial in as a 4G box does: say who it is, then be an RTU slave; dials again for ever."""
        habits = Dialling(registration, heartbeat, heartbeat_s, redial_s)
        async with self._serving(), Dtu(self, host, port, habits) as dtu:
            yield dtu

    @asynccontextmanager
    async def rival(
        self,
        unit: int,
        *,
        function: int = 3,
        address: int = 0,
        count: int = 1,
        every_s: float = 0.2,
        polite: bool = True,
    ) -> AsyncIterator[Rival]:
        """Let a second master poll a unit; RTU masters hear it and the replies (quirk 25).

        Its requests are not in the logs: those say what the gateway under test did.

        polite  False talks amid the transactions of others too, as a laptop left behind does
        """
        rival = Rival()
        pdu = bytes([function]) + address.to_bytes(2) + count.to_bytes(2)
        task = asyncio.create_task(self._poll(rival, unit, pdu, every_s, polite=polite))
        try:
            yield rival
        finally:
            await _end({task})

    async def noise(self, data: bytes) -> None:
        """Send bytes nobody asked for to every RTU master."""
        async with self._turn:
            await self._broadcast(data)

    async def transact(self, port: Port, frame: Frame) -> None:
        """Take one request from the wire and send what comes back."""
        async with self._turn:
            await self._take_time(frame.raw, port)
            if self.local_echo and port.framing is Framing.RTU:
                await port.send(frame.raw)
            unit = self._find(frame.unit)
            if unit is None:
                if frame.unit == 0:
                    self._hear_broadcast(frame.pdu)
                else:
                    await self._nobody_answers(port, frame)
                return
            self.requests.add(unit.note(frame.pdu))
            late = self._thinking[unit.number] or (unit.fault is not None and unit.fault.late)
            if late and not self._is_behind_gateway(port):
                self._answer_later(port, frame, unit)
            else:
                await self._answer(port, frame, self._pieces(port, frame, unit))

    def _find(self, number: int) -> Unit | None:
        if self.ignores_unit_id and len(self.units) == 1:
            return next(iter(self.units.values()))
        return self.units.get(number)

    def _is_behind_gateway(self, port: Port) -> bool:
        return self.gateway is not None and port.framing is Framing.MBAP

    def _hear_broadcast(self, pdu: bytes) -> None:
        """All do it, none answers; reading by broadcast means nothing (V1.02, 2.1)."""
        for unit in self.units.values():
            self.requests.add(unit.note(pdu))
            if pdu and pdu[0] not in wire.READS and not isinstance(unit.fault, Silent):
                unit.answer(pdu)

    def _pieces(self, port: Port, frame: Frame, unit: Unit) -> list[Piece]:
        exchange = Exchange(
            owner=unit,
            framing=port.framing,
            unit=frame.unit,
            transaction=frame.transaction,
            pdu=frame.pdu,
        )
        if unit.fault is not None:
            return unit.fault.pieces(exchange)
        return [Piece(exchange.seal(exchange.answer()))]

    async def _answer(self, port: Port, frame: Frame, pieces: list[Piece]) -> None:
        """Send while the turn is ours."""
        if self.turnaround_s:
            await asyncio.sleep(self.turnaround_s)
        box = self.gateway if self._is_behind_gateway(port) else None
        if not pieces or (box is not None and pieces[0].after_s > box.timeout_s):
            await self._nobody_answers(port, frame)  # what comes later is thrown away by the box
            return
        for piece in pieces:
            await self._send_piece(port, piece)

    async def _nobody_answers(self, port: Port, frame: Frame) -> None:
        if self.gateway is None or not self._is_behind_gateway(port):
            return
        await asyncio.sleep(self.gateway.timeout_s)
        if self.gateway.code is not None:
            pdu = wire.refusal(frame.pdu[0] if frame.pdu else 0, self.gateway.code)
            await port.send(wire.seal_mbap(frame.transaction, frame.unit, pdu))

    async def _send_piece(self, port: Port, piece: Piece) -> None:
        if piece.after_s:
            await asyncio.sleep(piece.after_s)
        await self._take_time(piece.data, port)
        await port.send(piece.data)
        if piece.hang_up:
            port.hang_up()

    def _answer_later(self, port: Port, frame: Frame, unit: Unit) -> None:
        """Put it in the unit's own queue; whoever finds the queue empty works it off."""
        queue = self._thinking[unit.number]
        if len(queue) >= MAX_LATE_COUNT:
            return  # a device's buffer is full too: the request is lost
        queue.append((port, frame))
        if len(queue) == 1:
            task = asyncio.create_task(self._work_off(unit))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _work_off(self, unit: Unit) -> None:
        queue = self._thinking[unit.number]
        while queue:
            port, frame = queue[0]
            for piece in self._pieces(port, frame, unit):
                await asyncio.sleep(piece.after_s)
                async with self._turn:
                    await self._send_piece(port, Piece(piece.data, hang_up=piece.hang_up))
            queue.popleft()

    async def _take_time(self, data: bytes, port: Port) -> None:
        """Wait as long as the bytes are on the wire, with the silence that ends a frame."""
        if self.baud is None:
            return
        on_wire = len(data) - (4 if port.framing is Framing.MBAP else 0)  # header 7, no CRC: 1 + 2
        await asyncio.sleep((max(on_wire, 1) + 3.5) * self.bits_per_byte / self.baud)

    async def _broadcast(self, data: bytes) -> None:
        for port in [port for port in self.ports if port.framing is Framing.RTU]:
            await port.send(data)

    async def _poll(
        self, rival: Rival, number: int, pdu: bytes, every_s: float, *, polite: bool
    ) -> None:
        while True:
            due_s = time.monotonic() + every_s
            async with self._turn if polite else nullcontext():
                await self._broadcast(wire.seal_rtu(number, pdu))
                unit = self.units.get(number)
                if unit is not None and unit.fault is None:
                    await self._broadcast(wire.seal_rtu(number, unit.answer(pdu)))
                rival.poll_count += 1
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        self._served_count += 1
        try:
            yield
        finally:
            self._served_count -= 1
            if not self._served_count:
                await _end(self._late)
                self._thinking.clear()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
