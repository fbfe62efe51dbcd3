"""A whole console on a free port: real uvicorn, real sockets, a desk in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from gateway.clock import SystemClock
from gateway.console.api import Site, build_app
from gateway.console.server import ServerSettings, serve
from gateway.console.tokens import Role, TokenBook
from gateway.supervise import keep_running
from tests.console.memory_desk import FakeClock, MemoryDesk


@dataclass(kw_only=True)
class Console:
    app: FastAPI
    desk: MemoryDesk
    clock: FakeClock
    book: TokenBook
    http: aiohttp.ClientSession
    port: int
    tokens: dict[Role, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bearer(self, role: Role = Role.GUARD) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    async def get(self, path: str, role: Role | None = Role.GUARD, **options: Any) -> "Answer":
        return await self.ask("GET", path, role, **options)

    async def post(self, path: str, role: Role | None = Role.GUARD, **options: Any) -> "Answer":
        return await self.ask("POST", path, role, **options)

    async def ask(self, method: str, path: str, role: Role | None, **options: Any) -> "Answer":
        headers = {} if role is None else self.bearer(role)
        headers |= options.pop("headers", {})
        options = {"allow_redirects": False} | options
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return Answer(response.status, response.headers, await response.read(), response)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return all that comes until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        return await until_closed(reader, writer)


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what comes until the server closes or resets; fail when it keeps the connection."""
    got = bytearray()
    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                got += piece
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return bytes(got)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    body: bytes
    response: aiohttp.ClientResponse

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


StartConsole = Callable[..., Awaitable[Console]]


@asynccontextmanager
async def running(app: FastAPI, settings: ServerSettings) -> AsyncIterator[int]:
    """Serve an application and yield its port; cancelling the task is how it is stopped."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, settings, port.set_result))
    board = asyncio.create_task(keep_running("board", app.state.board.run, SystemClock()))
    await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await port if port.done() else await task  # type: ignore[func-returns-value]
    finally:
        for each in (task, board):
            each.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(asyncio.CancelledError):
            await board


@pytest_asyncio.fixture
async def start_console(tmp_path: Path) -> AsyncIterator[StartConsole]:
    async with AsyncExitStack() as stack:

        async def start(heartbeat_s: float = 15.0, body_s: float = 15.0, **limits: Any) -> Console:
            clock = FakeClock()
            desk = MemoryDesk(clock)
            book = TokenBook(tmp_path / "tokens.json", clock)
            tokens = {role: book.create(role, f"某{role}") for role in Role}
            metrics = CollectorRegistry()
            Counter("campus_events", "Events", registry=metrics).inc(7)
            app = build_app(
                desk,
                book,
                metrics,
                site=Site(id="320612-0001", name="示范小学", gateway="gw-1"),
                clock=clock,
                heartbeat_s=heartbeat_s,
                body_s=body_s,
            )
            port = await stack.enter_async_context(running(app, ServerSettings(port=0, **limits)))
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
            )
            return Console(
                app=app, desk=desk, clock=clock, book=book, http=http, port=port, tokens=tokens
            )

        yield start


@pytest_asyncio.fixture
async def console(start_console: StartConsole) -> Console:
    return await start_console()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
