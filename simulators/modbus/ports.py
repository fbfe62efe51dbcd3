"""The ends of a line: TCP servers, a pseudo terminal, a box that dials in.

Owns    sockets, file descriptors and the tasks that read them.
Needs   simulators.modbus.wire; a line that takes requests (the Bus protocol below).
Keeps   1. Everything opened is closed on leaving, and every task has ended.
        2. Bounds: 64 connections or the line's own limit; 512 bytes are read at once; a serial
           frame ends after 50 ms of silence; a client that does not read for 5 s is cut off.
"""

import asyncio
import os
import socket
import struct
import tty
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Protocol, Self

from simulators.modbus.memory import Log
from simulators.modbus.wire import Frame, Framing, MbapSplitter, RtuSplitter, Unframed

CHUNK_BYTES: Final = 512
FRAME_SILENCE_S: Final = 0.05
SEND_LIMIT_S: Final = 5.0


class Port(Protocol):
    """One master's end."""

    @property
    def framing(self) -> Framing:
        """What it speaks."""

    async def send(self, data: bytes) -> None:
        """Bring bytes to the master; nothing happens when it has gone."""

    def hang_up(self) -> None:
        """End the connection; a serial line has none to end."""


class Bus(Protocol):
    """What a port needs of a line."""

    ports: list[Port]
    baud: int | None
    client_limit: int
    when_full: Literal["refuse", "kick"]

    async def transact(self, port: Port, frame: Frame) -> None:
        """Take one request."""


class _TcpPort:
    def __init__(self, framing: Framing, writer: asyncio.StreamWriter) -> None:
        self.framing = framing
        self.writer = writer

    async def send(self, data: bytes) -> None:
        if self.writer.is_closing():
            return
        self.writer.write(data)
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self.writer.drain()
        except OSError:  # a TimeoutError too
            self.writer.transport.abort()

    def hang_up(self) -> None:
        self.writer.close()


async def _read_requests(bus: Bus, port: Port, reader: asyncio.StreamReader) -> None:
    """Take requests until the stream ends."""
    splitter = MbapSplitter() if port.framing is Framing.MBAP else RtuSplitter()
    bus.ports.append(port)
    try:
        while True:
            try:
                async with asyncio.timeout(FRAME_SILENCE_S if splitter.waits_for_more else None):
                    data = await reader.read(CHUNK_BYTES)
            except TimeoutError:
                frames = splitter.silence()
            else:
                if not data:
                    return
                frames = splitter.feed(data)
            for frame in frames:
                await bus.transact(port, frame)
    except (OSError, Unframed):
        port.hang_up()
    finally:
        bus.ports.remove(port)


class TcpServed:
    """A listening TCP port before a line.

    connections  who connected, as "host:port", refused ones not counted
    """

    def __init__(self, bus: Bus, framing: Framing, host: str, port: int) -> None:
        self.host, self.port, self.framing = host, port, framing
        self.connections: Log[str] = Log(1000)
        self.refusals: Log[str] = Log(1000)
        self._bus = bus
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """As gateway.toml wants it."""
        scheme = "tcp" if self.framing is Framing.MBAP else "rtu-over-tcp"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def open_count(self) -> int:
        """Connections there are."""
        return len(self._open)

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.down()

    async def up(self) -> None:
        """Listen, on the port it had before if it had one."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse everybody, and break what is connected: the cable was pulled."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self.cut()
        if server is not None:
            await server.wait_closed()

    async def cut(self, *, reset: bool = True) -> None:
        """Break every connection, with RST or politely; new ones are taken."""
        for writer in self._open.values():
            if reset:
                _reset(writer)
            else:
                writer.close()
        for task in self._open:
            task.cancel()  # it may be waiting for its turn on the line
        if self._open:
            await asyncio.wait(list(self._open))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover  start_server always runs it in one
            return
        peer = ":".join(str(part) for part in writer.get_extra_info("peername")[:2])
        if len(self._open) >= self._bus.client_limit:
            if self._bus.when_full == "refuse":
                self.refusals.add(peer)
                _reset(writer)
                return
            oldest = next(iter(self._open))
            _reset(self._open.pop(oldest))
            oldest.cancel()
        self._open[task] = writer
        self.connections.add(peer)
        try:
            await _read_requests(self._bus, _TcpPort(self.framing, writer), reader)
        except asyncio.CancelledError:
            pass  # only cut() and a newcomer cancel it, and both mean this end of it
        finally:
            self._open.pop(task, None)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class PtyServed:
    """A pseudo terminal before a line: `path` is what a serial client opens."""

    framing: Final = Framing.RTU

    def __init__(self, bus: Bus) -> None:
        self.path = ""
        self.overrun_bytes = 0
        self._bus = bus
        self._ours = self._theirs = -1
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """As gateway.toml wants it, at the line's own speed (9600 when it has none) and 8N1."""
        return f"serial:{self.path}?baud={self._bus.baud or 9600}&parity=N"

    async def __aenter__(self) -> Self:
        """Open both ends; theirs stays open, so that a client may come and go."""
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._ours)
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)
        reader = asyncio.StreamReader(limit=4096)
        asyncio.get_running_loop().add_reader(self._ours, self._pull, reader)
        self._task = asyncio.create_task(_read_requests(self._bus, self, reader))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both ends."""
        asyncio.get_running_loop().remove_reader(self._ours)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        os.close(self._ours)
        os.close(self._theirs)

    async def send(self, data: bytes) -> None:
        """Write; what the terminal's buffer does not take is lost, as in a UART."""
        try:
            written = os.write(self._ours, data)
        except BlockingIOError:
            written = 0
        self.overrun_bytes += len(data) - written

    def hang_up(self) -> None:
        """A wire cannot hang up."""

    def _pull(self, reader: asyncio.StreamReader) -> None:
        with suppress(BlockingIOError):
            reader.feed_data(os.read(self._ours, CHUNK_BYTES))


@dataclass(frozen=True, slots=True)
class Dialling:
    """How a box dials in: what it says first, what it says every heartbeat_s, when it redials."""

    registration: bytes = b""
    heartbeat: bytes = b""
    heartbeat_s: float = 30.0
    redial_s: float = 0.2


class Dtu:
    """A box with a SIM card that connects to a listening gateway and is an RTU slave there.

    heartbeat_before_replies  may be set: the heartbeat's bytes run right into each reply
    """

    framing: Final = Framing.RTU

    def __init__(self, bus: Bus, host: str, port: int, habits: Dialling) -> None:
        self.connections: Log[str] = Log(1000)
        self.heartbeat_before_replies = False
        self._bus = bus
        self._where = (host, port)
        self._habits = habits
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to dial."""
        self._task = asyncio.create_task(self._dial_for_ever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def drop(self) -> None:
        """Lose the mobile network for a moment: RST, then it dials again."""
        if self._writer is not None:
            _reset(self._writer)

    async def _dial_for_ever(self) -> None:
        while True:
            with suppress(OSError):
                await self._dial()
            await asyncio.sleep(self._habits.redial_s)

    async def _dial(self) -> None:
        reader, writer = await asyncio.open_connection(*self._where)
        self._writer = writer
        port = _DtuPort(self, writer, self._habits.heartbeat)
        try:
            await port.send_plain(self._habits.registration)
            self.connections.add(":".join(str(part) for part in self._where))
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat(port))
                await _read_requests(self._bus, port, reader)
                beating.cancel()
        finally:
            self._writer = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _beat(self, port: "_DtuPort") -> None:
        while self._habits.heartbeat:
            await asyncio.sleep(self._habits.heartbeat_s)
            await port.send_plain(self._habits.heartbeat)


class _DtuPort(_TcpPort):
    def __init__(self, dtu: Dtu, writer: asyncio.StreamWriter, heartbeat: bytes) -> None:
        super().__init__(Framing.RTU, writer)
        self._dtu = dtu
        self._heartbeat = heartbeat

    async def send_plain(self, data: bytes) -> None:
        await super().send(data)

    async def send(self, data: bytes) -> None:
        before = self._heartbeat if self._dtu.heartbeat_before_replies else b""
        await super().send(before + data)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once and send RST instead of FIN (socket(7), SO_LINGER with time 0)."""
    plain = writer.get_extra_info("socket")
    if plain is not None:
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
