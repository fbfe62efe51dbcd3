"""Whoever fills the doorway crowds out himself: on real sockets, from more than one address."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.doorway import EACH_LEAST, Doorway
from gateway.console.server import ServerSettings, _listen
from gateway.console.tokens import Role, TokenBook
from tests.conftest import Certificates
from tests.console.conftest import Console, StartConsole, running
from tests.console.memory_desk import FakeClock, MemoryDesk
from tests.console.test_feed import listen

ROOM = 24
ELSEWHERE = "127.0.0.2"
"""Another machine, as far as anybody can tell."""
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def come(port: int, said: bytes = b"", source: str = ELSEWHERE) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(said)
    return reader, writer


async def answered(connection: Connection) -> int:
    """The status of an answer whose head has come."""
    async with asyncio.timeout(30):
        head = await connection[0].readuntil(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1])


@asynccontextmanager
async def coming(connections: list[Connection]) -> AsyncIterator[list[Connection]]:
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.close()


async def guard_asks(console: Console) -> int:
    """As a browser that comes in anew."""
    url = f"{console.url}/api/v1/alarms"
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(url, headers=console.bearer()) as answer,
    ):
        return answer.status


@pytest.mark.parametrize(
    "said", [b"", b"GET /api/v1/alarms HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"]
)
async def test_strangers_who_open_connections_without_end_keep_no_guard_out(
    start_console: StartConsole, said: bytes
) -> None:
    console = await start_console(max_connections=ROOM)
    async with listen(console) as stream, coming([]) as crowd:
        for round_ in range(4):
            crowd += [await come(console.port, said) for _ in range(ROOM)]
            assert await guard_asks(console) == 200, "a guard who comes in anew"
            body = await console.desk.record()
            assert await stream.record() == (round_ + 1, body), "a guard who is in"


async def test_who_never_begins_a_handshake_counts_as_well(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> None:
    clock = FakeClock()
    book = TokenBook(tmp_path_factory.mktemp("book") / "tokens.json", clock)
    app = build_app(
        MemoryDesk(clock), book, CollectorRegistry(), site=Site(id="1", name="校", gateway="g"),
        clock=clock,
    )  # fmt: skip
    bearer = {"Authorization": f"Bearer {book.create(Role.GUARD, 'a')}"}
    settings = ServerSettings(
        port=0, cert=certificates.server_cert, key=certificates.server_key, max_connections=ROOM
    )
    trust = certificates.client_context(with_certificate=False)
    async with running(app, settings) as port, coming([]) as crowd:
        for _ in range(3):
            crowd += [await come(port) for _ in range(ROOM)]
            async with aiohttp.ClientSession() as browser:
                url = f"https://localhost:{port}/api/v1/alarms"
                async with browser.get(url, headers=bearer, ssl=trust) as answer:
                    assert answer.status == 200
        gone = crowd[:ROOM]
        async with asyncio.timeout(30):
            assert [await reader.read() for reader, _ in gone] == [b""] * ROOM, "they were let go"


async def test_a_viewer_who_holds_every_connection_gives_up_his_oldest(
    start_console: StartConsole,
) -> None:
    console = await start_console(max_connections=ROOM)
    token = console.bearer(Role.VIEWER)["Authorization"]
    ask = f"GET /api/v1/alarms HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode()
    async with coming([]) as crowd:
        for _ in range(ROOM):
            crowd.append(await come(console.port, ask))
            assert await answered(crowd[-1]) == 200
        assert await guard_asks(console) == 200
        async with asyncio.timeout(30):
            await crowd[0][0].read()
            assert crowd[0][0].at_eof()
        crowd[-1][1].write(ask)
        assert await answered(crowd[-1]) == 200, "the others are as they were"


def test_with_nobody_to_make_room_a_new_one_is_closed_and_none_is_lost_of_those_inside() -> None:
    with Doorway(_listen(ServerSettings(port=0)), EACH_LEAST) as doorway:
        address = doorway.getsockname()
        inside = []
        for number in range(EACH_LEAST):
            client = socket.create_connection(address)
            guest, came_from = doorway.accept()
            doorway.know(came_from, f"somebody {number}")
            inside.append((client, guest))
        assert inside[0][1].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with socket.create_connection(address) as late:
            with pytest.raises(ConnectionAbortedError):
                doorway.accept()
            assert late.recv(1) == b""
        assert len(doorway) == EACH_LEAST
        for client, guest in inside:
            guest.close()
            client.close()
        assert len(doorway) == 0
