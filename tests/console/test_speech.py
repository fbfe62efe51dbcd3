"""Spoken texts over HTTP: the file, or a plain no; never anything beside the folder."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest_asyncio
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.server import ServerSettings
from gateway.console.speech import FILE_BYTES, SpeechRoutes
from gateway.console.tokens import Role, TokenBook
from tests.console.conftest import Console, running
from tests.console.memory_desk import FakeClock, MemoryDesk


@pytest_asyncio.fixture
async def spoken(tmp_path: Path) -> AsyncIterator[Console]:
    clock = FakeClock()
    desk, book = MemoryDesk(clock), TokenBook(tmp_path / "tokens.json", clock)
    tokens = {role: book.create(role, f"某{role}") for role in Role}
    site = Site(id="320612-0001", name="示范小学", gateway="gw-1")
    app = build_app(
        desk, book, CollectorRegistry(), site=site, clock=clock, more=[SpeechRoutes(tmp_path)]
    )
    place = tmp_path / "sounds" / "speech" / "btn-1"
    place.mkdir(parents=True)
    (place / "button.zh.ogg").write_bytes(b"OggS spoken")
    (place / "big.zh.ogg").write_bytes(bytes(FILE_BYTES + 1))
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(running(app, ServerSettings(port=0)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Console(
            app=app, desk=desk, clock=clock, book=book, http=http, port=port, tokens=tokens
        )


async def test_a_text_that_was_made_is_played_by_whoever_may_read(spoken: Console) -> None:
    answer = await spoken.get("/api/v1/speech/btn-1/button.zh.ogg")
    assert (answer.status, answer.body) == (200, b"OggS spoken")
    assert answer.headers["Content-Type"] == "audio/ogg"
    assert (await spoken.get("/api/v1/speech/btn-1/button.zh.ogg", None)).status == 401


async def test_whatever_else_is_asked_for_is_not_there(spoken: Console) -> None:
    for path in (
        "btn-1/button.en.ogg", "btn-1/button.fr.ogg", "btn-1/button.zh.wav", "btn-2/button.zh.ogg",
        "btn-1/big.zh.ogg", "%2e%2e/tokens.json", "../tokens.json", "btn-1/..%2f..%2ftokens.json",
        "btn-1/%00.zh.ogg", "btn-1/" + "a" * 79,
    ):  # fmt: skip
        answer = await spoken.get(f"/api/v1/speech/{path}")
        assert answer.status == 404, path
