"""A master that sends bytes as they are told and keeps what comes back, over TCP or a terminal."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from simulators.modbus import PtyServed, TcpServed


class Master:
    """Bytes out, bytes in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: str) -> None:
        self.writer.write(bytes.fromhex(text))

    async def hear(self, size: int, *, within_s: float = 30.0) -> str:
        async with asyncio.timeout(within_s):
            return (await self.reader.readexactly(size)).hex(" ").upper()

    async def ask(self, text: str, size: int) -> str:
        self.send(text)
        return await self.hear(size)

    async def end_of_stream(self) -> bytes:
        """What still came before the other end closed or broke the connection."""
        async with asyncio.timeout(30):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def hears_nothing_for(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                heard = await self.reader.read(1)
        except TimeoutError:
            return True
        return heard == b""


@asynccontextmanager
async def tcp_master(served: TcpServed) -> AsyncIterator[Master]:
    reader, writer = await asyncio.open_connection(served.host, served.port)
    try:
        yield Master(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def serial_master(served: PtyServed) -> AsyncIterator[Master]:
    end = os.open(served.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(end)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    loop.add_reader(end, lambda: reader.feed_data(os.read(end, 256)))
    with os.fdopen(os.dup(end), "wb", buffering=0) as raw:
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, raw)
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            yield Master(reader, writer)
        finally:
            loop.remove_reader(end)
            writer.close()
            os.close(end)
