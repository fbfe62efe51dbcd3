import asyncio
import signal
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.server import ServerSettings, _Connection, serve
from gateway.console.tokens import Role, TokenBook
from gateway.errors import ConfigError
from tests.conftest import Certificates
from tests.console.conftest import Console, StartConsole, running, until_closed
from tests.console.memory_desk import FakeClock, MemoryDesk, alarm

CLOSE = "/api/v1/alarms/a-1/close"


def small_app(book: TokenBook, clock: FakeClock) -> FastAPI:
    site = Site(id="1", name="校", gateway="g")
    return build_app(MemoryDesk(clock), book, CollectorRegistry(), site=site, clock=clock)


def head(console: Console, *lines: str, path: str = CLOSE, method: str = "POST") -> bytes:
    first = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    auth = f"Authorization: {console.bearer()['Authorization']}"
    return "\r\n".join([*first, auth, *lines, "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_two_lengths_for_one_body_are_refused_and_the_connection_closed(
    console: Console,
) -> None:
    console.desk.rows.append(alarm())
    smuggled = b"GET /api/v1/alarms HTTP/1.1\r\nHost: x\r\n\r\n"
    request = head(
        console,
        "Content-Type: application/json",
        "Content-Length: 4",
        "Transfer-Encoding: chunked",
    )
    answer = await console.raw(request + b"0\r\n\r\n" + smuggled)
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1") == 1
    assert b"two_lengths" in answer


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: -4"],
        ["Content-Length: +4"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Bad Header"],
        ["X: " + "x" * 300_000],
    ],
)
async def test_a_request_that_is_not_http_gets_an_error_and_the_door(
    console: Console, lines: list[str]
) -> None:
    answer = await console.raw(head(console, *lines) + b"abcd")
    assert 400 <= status(answer) < 500 or status(answer) == 501
    assert answer.count(b"HTTP/1.1") == 1
    assert (await console.get("/healthz")).status == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(console: Console) -> None:
    answer = await console.raw(
        head(console, "Content-Type: application/json", f"Content-Length: {64 << 20}")
    )
    assert status(answer) == 413
    assert b"connection: close" in answer.lower()


async def test_a_body_that_does_not_say_its_length_is_counted(console: Console) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    lines = ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    writer.write(head(console, *lines) + chunk * 16)
    await writer.drain()
    writer.write(chunk)
    answer = await reader.read()
    assert status(answer) == 413
    writer.close()


async def test_a_body_is_not_asked_for_before_its_sender_is_known(console: Console) -> None:
    request = (
        f"POST {CLOSE} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    writer.write(request.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(start_console: StartConsole) -> None:
    console = await start_console(body_s=0.2)
    lines = ["Content-Type: application/json", "Content-Length: 100"]
    answer = await console.raw(head(console, *lines) + b'{"disposition"')
    assert status(answer) == 408
    assert b"connection: close" in answer.lower()


async def test_a_head_that_never_ends_is_cut_off(start_console: StartConsole) -> None:
    console = await start_console(head_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def drip() -> None:
        for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 1_000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    dripping = asyncio.ensure_future(drip())
    assert await until_closed(reader, writer) == b""
    assert loop.time() - began < 15  # all of it would have taken 20 s
    dripping.cancel()


async def test_the_head_of_a_second_request_is_timed_too(start_console: StartConsole) -> None:
    console = await start_console(head_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b'"intake":true}}')).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /heal")
    assert await until_closed(reader, writer) == b""


async def test_a_request_that_takes_longer_than_a_head_may_is_answered(
    start_console: StartConsole,
) -> None:
    console = await start_console(head_s=0.2)
    async with console.http.get(
        f"{console.url}/api/v1/stream", headers=console.bearer()
    ) as response:
        await response.content.readuntil(b"\n\n")
        await asyncio.sleep(0.5)  # nothing to await: what is shown is that nothing happens
        body = await console.desk.record()
        assert body in await response.content.readuntil(b"\n\n")


async def test_a_reader_that_takes_nothing_of_a_large_answer_is_cut_off(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = await start_console(stall_s=0.3)
    cut_off = asyncio.Event()
    lose = _Connection.connection_lost

    def note(connection: _Connection, why: Exception | None) -> None:
        lose(connection, why)
        cut_off.set()

    monkeypatch.setattr(_Connection, "connection_lost", note)
    for _ in range(1_000):
        await console.desk.record(size=19_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port, limit=1024)
    writer.write(head(console, path="/api/v1/events?limit=1000", method="GET"))
    await reader.readexactly(1024)
    async with asyncio.timeout(30):  # a reader that sleeps is what is tested
        await cut_off.wait()
    assert len(await until_closed(reader, writer)) < 1_000 * 19_000


async def test_stopping_ends_streams_in_good_order_and_frees_the_port(
    tmp_path: Path, clock: FakeClock
) -> None:
    book = TokenBook(tmp_path / "tokens.json", clock)
    token = book.create(Role.GUARD, "a")
    app = small_app(book, clock)
    before = signal.getsignal(signal.SIGTERM)
    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        async with running(app, ServerSettings(port=0)) as port:
            assert signal.getsignal(signal.SIGTERM) is before
            response = await http.get(
                f"http://127.0.0.1:{port}/api/v1/stream",
                headers={"Authorization": f"Bearer {token}"},
            )
            await response.content.readuntil(b"\n\n")
        assert await response.read() == b""  # ended, not reset
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_port_that_is_taken_is_a_configuration_fault(
    console: Console,
) -> None:
    with pytest.raises(ConfigError, match=r"console\.listen.*cannot listen"):
        await serve(console.app, ServerSettings(port=console.port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_nobody_listens_beyond_this_machine_without_tls(console: Console, host: str) -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        await serve(console.app, ServerSettings(host=host, port=0))


async def test_a_proxy_in_front_may_be_declared(tmp_path: Path, clock: FakeClock) -> None:
    app = small_app(TokenBook(tmp_path / "tokens.json", clock), clock)
    settings = ServerSettings(host="0.0.0.0", port=0, plain_allowed=True)
    async with (
        running(app, settings) as port,
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/healthz") as answer,
    ):
        assert answer.status == 200


async def test_with_tls_the_cookie_travels_on_tls_only(
    tmp_path: Path, clock: FakeClock, certificates: Certificates
) -> None:
    book = TokenBook(tmp_path / "tokens.json", clock)
    app = small_app(book, clock)
    settings = ServerSettings(port=0, cert=certificates.server_cert, key=certificates.server_key)
    trust = ssl.create_default_context(cafile=str(certificates.ca))
    async with (
        running(app, settings) as port,
        aiohttp.ClientSession() as http,
        http.post(
            f"https://localhost:{port}/login",
            data={"token": book.create(Role.GUARD, "a")},
            ssl=trust,
            allow_redirects=False,
        ) as answer,
    ):
        cookie = answer.headers["Set-Cookie"]
    assert answer.status == 303
    assert "Secure" in cookie
    assert "HttpOnly" in cookie


async def test_a_certificate_without_its_key_does_not_start(
    console: Console, certificates: Certificates
) -> None:
    with pytest.raises(ConfigError, match="only one of"):
        await serve(console.app, ServerSettings(port=0, cert=certificates.server_cert))
    wrong = ServerSettings(port=0, cert=certificates.server_cert, key=certificates.stranger_key)
    with pytest.raises(ConfigError, match=r"console\.cert"):
        await serve(console.app, wrong)


async def test_a_web_socket_is_not_spoken_here(console: Console) -> None:
    answer = await console.get(
        "/api/v1/stream-ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"}
    )
    assert answer.status == 404
