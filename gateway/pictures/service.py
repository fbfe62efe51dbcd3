"""The pictures process: stills for whoever asks, and the parts that look at key frames.

Owns    `<store>/pictures.sock` (mode 0600) and the process's life.
Needs   gateway.config, .bench, .find. The video process starts it (recorder/child.py).
Keeps   1. A part that fails, or a client that hangs, ends nothing else.
        2. It ends with its parent: when the pipe it was given as standard input ends.
        3. The socket's name is never removed at the end: it may be the next process's already.
Bound   CLIENTS_MOST at once, one request each, CLIENT_S for all of it.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway import logs
from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.pictures.bench import HANG_S, Bench
from gateway.pictures.errors import PictureError
from gateway.pictures.find import Finder
from gateway.pictures.wire import (
    LINE_MOST,
    SOCKET,
    NotAsAgreed,
    picture_line,
    read_request,
    refusal_line,
    socket_path,
)
from gateway.store.video import VideoReader
from gateway.supervise import keep_running, told_to_stop

CLIENTS_MOST: Final = 32
CLIENT_S: Final = 15.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    """What a part of this process is given."""

    config: Config
    clock: Clock
    reader: VideoReader
    bench: Bench


Part = Callable[[Tools], Awaitable[None]]
"""Runs until it is cancelled; run again after a pause when it fails. Decodes at the bench only."""


async def run(config: Config, parts: Mapping[str, Part], *, leashed: bool) -> int:
    """Live until SIGTERM, or with leashed until standard input ends; returns the exit code.

    parts  by name, beside the stills
    """
    logs.set_up(config.log.format, config.log.level)
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(told_to_stop())
        if leashed:
            await stack.enter_async_context(_leash(stop))
        await live(config, parts, stop, SystemClock(), hang_s=HANG_S)
    return 0


async def live(
    config: Config,
    parts: Mapping[str, Part],
    stop: asyncio.Event,
    clock: Clock,
    *,
    hang_s: float | None = None,
) -> None:
    """Serve stills and run the parts until stop is set.

    hang_s  see Bench: given by a process of its own only
    """
    reader = VideoReader(config.store.path)
    finder = Finder(config.volumes, reader, clock)
    bench = Bench(finder, hang_s=hang_s)
    tools = Tools(config, clock, reader, bench)
    every: dict[str, Part] = {"stills": stills, **parts}
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(keep_running(name, _bound(part, tools), clock))
                for name, part in every.items()
            ]
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        bench.close()
        finder.close()
        await reader.close()


def _bound(part: Part, tools: Tools) -> Callable[[], Awaitable[None]]:
    return lambda: part(tools)


async def stills(tools: Tools) -> None:
    """Answer requests over the socket, for ever."""
    clients = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal clients
        clients += 1
        try:
            async with asyncio.timeout(CLIENT_S):
                if clients > CLIENTS_MOST:
                    writer.write(refusal_line("太忙 too many ask at once; ask again"))
                else:
                    await _answer(tools.bench, reader, writer)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never said what he wants
        finally:
            clients -= 1
            writer.close()

    bound = _bind(tools.config.store.path)
    async with await asyncio.start_unix_server(client, sock=bound, limit=LINE_MOST) as server:
        log.info("stills are served", socket=str(tools.config.store.path / SOCKET))
        await server.serve_forever()


async def _answer(bench: Bench, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        wanted = read_request(await reader.readuntil(b"\n"))
        made, place = await bench.still(wanted.camera, wanted.at_ns, wanted.width)
    except (NotAsAgreed, PictureError) as error:
        writer.write(refusal_line(str(error)))
    else:
        writer.write(picture_line(place.at_ns, place.end_ns, len(made.data)))
        writer.write(made.data)


def _bind(folder: Path) -> socket.socket:
    """A socket under its name, readable for us alone; one that a dead process left is replaced."""
    fresh = f"{SOCKET}.{os.getpid()}.tmp"
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)  # noqa: FBT003 as the standard library has it
        with socket_path(folder, fresh) as path:
            bound.bind(path)
        (folder / fresh).chmod(0o600)
        bound.listen(CLIENTS_MOST)
        (folder / fresh).rename(folder / SOCKET)
    except BaseException:
        bound.close()
        raise
    return bound


@contextlib.asynccontextmanager
async def _leash(stop: asyncio.Event) -> AsyncIterator[None]:
    """Set stop when the other end of our standard input is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    async def watch() -> None:
        while await reader.read(4096):
            pass
        stop.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            transport.close()
