"""A port at which running cameras are told what to do, a line at a time, as if typed at them.

Keeps   At most CALLERS at once, each with one line of MAX_LINE_BYTES within LINE_S; the answer goes
        back and the connection ends. Loopback only: whoever connects may do anything to cameras.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from simulators.cameras.cameras import Cameras
from simulators.cameras.console import obey

CALLERS: Final = 16
MAX_LINE_BYTES: Final = 1024
LINE_S: Final = 30.0


@asynccontextmanager
async def control(cameras: Cameras, host: str, port: int) -> AsyncIterator[int]:
    """Take orders at this address while the context is open; yields the port."""
    callers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(callers) >= CALLERS:
            writer.close()
            return
        callers.add(task)
        try:
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(LINE_S):
                    line = await reader.readline()
                    answer = await obey(cameras, line.decode("utf-8", "replace"))
                    writer.write(answer.encode() + b"\n")
                    await writer.drain()
        finally:
            callers.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, host, port, limit=MAX_LINE_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(callers):
            task.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
