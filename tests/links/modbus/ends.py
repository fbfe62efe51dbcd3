"""The other end of a bus, written from the Modbus specification: it says what a test tells it to.

The CRC is pymodbus' own, byte by byte; nothing here comes from our frames.
"""

import asyncio
import contextlib
import os
import socket
import struct
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pymodbus.framer.rtu import FramerRTU

from gateway.clock import Clock, SystemClock
from gateway.errors import DeviceError
from gateway.links.modbus import BusSettings, ModbusConnection, Request

SOON_S = 0.05
"""A time-out that a test waits out."""
PATIENT_S = 10.0
"""One that it does not."""


def rtu(unit: int, pdu: bytes) -> bytes:
    """A frame on a serial line."""
    frame = bytes([unit]) + pdu
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")


def mbap(number: int, unit: int, pdu: bytes) -> bytes:
    """A frame of Modbus TCP."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


def words(*values: int) -> bytes:
    """Registers as they travel."""
    return struct.pack(f">{len(values)}H", *values)


def registers(*values: int, function: int = 3) -> bytes:
    """The data unit of a reply to a read of registers."""
    return bytes([function, 2 * len(values)]) + words(*values)


class Heard(NamedTuple):
    """One request as the device sees it; number is None on RTU."""

    number: int | None
    unit: int
    pdu: bytes
    raw: bytes

    def reply(self, pdu: bytes, *, unit: int | None = None) -> bytes:
        """A sound frame in answer to it."""
        sender = self.unit if unit is None else unit
        return rtu(sender, pdu) if self.number is None else mbap(self.number, sender, pdu)


class Device:
    """Hears requests, says bytes."""

    def __init__(self, *, has_numbers: bool) -> None:
        self.has_numbers = has_numbers
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.say: Callable[[bytes], None]
        self.caller: asyncio.Transport | None = None
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Take in what the master wrote."""
        self._held += data
        while (size := self._size()) and len(self._held) >= size:
            raw, self._held = self._held[:size], self._held[size:]
            if self.has_numbers:
                self.heard.put_nowait(Heard(int.from_bytes(raw[:2], "big"), raw[6], raw[7:], raw))
            else:
                assert rtu(raw[0], raw[1:-2]) == raw, "a request whose CRC does not fit"
                self.heard.put_nowait(Heard(None, raw[0], raw[1:-2], raw))

    def _size(self) -> int:
        if self.has_numbers:
            return 6 + int.from_bytes(self._held[4:6], "big") if len(self._held) >= 6 else 0
        if len(self._held) < 7:
            return 0
        return 9 + self._held[6] if self._held[1] in {15, 16} else 8

    async def next(self) -> Heard:
        """The next request; fails after 10 s without one."""
        async with asyncio.timeout(10):
            return await self.heard.get()


@dataclass
class Bus:
    """Both ends of one line, and what the connection reported."""

    connection: ModbusConnection
    device: Device
    strange: list[tuple[str, int, bytes, float | None]] = field(default_factory=list)
    hang_up: Callable[[], None] = lambda: None

    def stop_reading(self) -> None:
        """Have a TCP device read no more, and its socket hold as little as it can."""
        assert self.device.caller is not None
        wire = self.device.caller.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.device.caller.pause_reading()

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(what, unit) for what, unit, _, _ in self.strange]

    def ask(
        self, request: Request, timeout_s: float = PATIENT_S, gap_s: float = 0.0
    ) -> "asyncio.Task[bytes | DeviceError]":
        """Begin to ask; the task's result is the data or the error."""
        return asyncio.create_task(ends_with(self.connection.ask(request, timeout_s, gap_s)))

    async def exchange(
        self, request: Request, *said: bytes | Callable[[Heard], bytes], timeout_s: float = 10.0
    ) -> bytes | DeviceError:
        """Ask, have the device say these, and return how it ended."""
        asking = self.ask(request, timeout_s)
        heard = await self.device.next()
        for item in said:
            self.device.say(item if isinstance(item, bytes) else item(heard))
        return await asking

    async def settles(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened, at most 10 s."""
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 counters have no event
                await asyncio.sleep(0)


async def ends_with(asking: Awaitable[bytes]) -> bytes | DeviceError:
    try:
        return await asking
    except DeviceError as error:
        return error


@asynccontextmanager
async def tcp_device(device: Device) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Serve one connection after another; yields the port and how to hang up."""
    loop = asyncio.get_running_loop()
    callers: list[asyncio.Transport] = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            callers.append(transport)
            device.say = transport.write
            device.caller = transport

        def data_received(self, data: bytes) -> None:
            device.feed(data)

    server = await loop.create_server(Server, "127.0.0.1", 0)

    def hang_up() -> None:
        for caller in callers:
            caller.abort()

    try:
        yield server.sockets[0].getsockname()[1], hang_up
    finally:
        server.close()
        hang_up()
        await asyncio.sleep(0)


@asynccontextmanager
async def pty_device(device: Device) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Put the device at the far end of a pty; yields the near end's name and how to unplug it."""
    loop = asyncio.get_running_loop()
    far, near = os.openpty()
    tty.setraw(far)
    tty.setraw(near)
    name = os.ttyname(near)
    os.set_blocking(far, False)
    plugged = True

    def hear() -> None:
        with contextlib.suppress(OSError):
            device.feed(os.read(far, 4096))

    def unplug() -> None:
        nonlocal plugged
        if plugged:
            plugged = False
            loop.remove_reader(far)
            os.close(far)
            os.close(near)

    device.say = lambda data: (os.write(far, data), None)[1]
    loop.add_reader(far, hear)
    try:
        yield name, unplug
    finally:
        unplug()


@asynccontextmanager
async def bus(scheme: str = "tcp", clock: Clock | None = None, **given: Any) -> AsyncIterator[Bus]:
    """A connection and the device at its other end."""
    device = Device(has_numbers=scheme == "tcp")
    far = pty_device(device) if scheme == "serial" else tcp_device(device)
    async with far as (where, hang_up):
        place = {"device": where} if scheme == "serial" else {"host": "127.0.0.1", "port": where}
        settings = BusSettings(scheme=scheme, **(place | given))  # type: ignore[arg-type]
        connection = await ModbusConnection.open(settings, clock or SystemClock())
        both = Bus(connection, device, hang_up=hang_up)
        connection.on_strange = lambda *told: both.strange.append(told)
        try:
            if scheme != "serial":
                await both.settles(lambda: hasattr(device, "say"))
            yield both
        finally:
            await connection.close()
