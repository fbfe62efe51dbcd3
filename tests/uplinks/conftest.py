"""Peers on loopback for the uplinks: real servers, some of them hostile, and a throw-away CA."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """Fails a test after which something of it still runs."""
    before = asyncio.all_tasks()
    yield
    # A cancelled server connection needs a few turns of the loop to be gone.
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2.0)
    if left:
        pytest.fail(f"tasks left behind: {left}")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pem(authority: trustme.CA, tmp_path: Path) -> Path:
    """A folder with ca.pem, server.pem, client.pem (key inside), and stranger.pem of another CA."""
    folder = tmp_path / "pem"
    folder.mkdir()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    authority.issue_cert("gw-1").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    other = trustme.CA()
    other.cert_pem.write_to_path(folder / "other-ca.pem")
    other.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        folder / "stranger.pem"
    )
    return folder


def server_tls(certificate: Path, *, clients_of: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if clients_of is not None:
        context.load_verify_locations(clients_of)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(speak: Speak, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server that talks as `speak` to each connection; yields the port, ends all after."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
