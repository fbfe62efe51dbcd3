import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.console.feed import MAX_STREAMS, frame
from gateway.console.tokens import Role
from tests.console.conftest import Console, StartConsole, until_closed


class Listener:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def event(self) -> dict[str, bytes]:
        """Return the next event; a comment comes as {"": …}."""
        members: dict[str, bytes] = {}
        async with asyncio.timeout(30):
            while line := await self.response.content.readline():
                if line == b"\n":
                    return members
                name, _, value = line.rstrip(b"\n").partition(b":")
                members[name.decode()] = value.removeprefix(b" ")
        raise EOFError("the stream ended")

    async def record(self) -> tuple[int, bytes]:
        while True:
            members = await self.event()
            if "data" in members:
                return int(members["id"]), members["data"]


@asynccontextmanager
async def listen(
    console: Console, query: str = "", role: Role = Role.PLATFORM, **headers: str
) -> AsyncIterator[Listener]:
    async with console.http.get(
        f"{console.url}/api/v1/stream{query}",
        headers=console.bearer(role) | headers,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as response:
        assert response.status == 200, await response.read()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        listener = Listener(response)
        assert "retry" in await listener.event()
        yield listener


async def until_streams(console: Console, number: int) -> None:
    async with asyncio.timeout(30):
        while len(console.app.state.streams) != number:  # noqa: ASYNC110 it tells nobody
            await asyncio.sleep(0.01)


async def test_a_stream_begins_now_and_carries_the_frozen_bytes(console: Console) -> None:
    await console.desk.record(text="早先")
    async with listen(console) as listener:
        body = await console.desk.record(text="现在")
        assert await listener.record() == (2, body)


async def test_a_stream_resumes_after_the_last_event_it_had(console: Console) -> None:
    bodies = [await console.desk.record() for _ in range(120)]
    async with listen(console, "?after=3", **{"Last-Event-ID": "7"}) as listener:
        got = [await listener.record() for _ in range(113)]
        assert got == list(enumerate(bodies[7:], start=8))
    async with listen(console, "?after=119") as listener:
        assert await listener.record() == (120, bodies[119])


async def test_nothing_is_missed_while_records_and_readers_race(console: Console) -> None:
    async def write() -> None:
        for _ in range(300):
            await console.desk.record()
            await asyncio.sleep(0)

    async with listen(console, "?after=0") as one, listen(console, "?after=0") as two:
        writing = asyncio.ensure_future(write())
        for listener in (one, two):
            assert [(await listener.record())[0] for _ in range(300)] == list(range(1, 301))
        await writing


async def test_a_place_beyond_the_end_begins_the_present_journal_again(console: Console) -> None:
    body = await console.desk.record()
    async with listen(console, **{"Last-Event-ID": "5000"}) as listener:
        assert await listener.record() == (1, body)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "９"])
async def test_an_event_id_that_is_no_seq_is_refused(console: Console, last: str) -> None:
    answer = await console.get("/api/v1/stream", headers={"Last-Event-ID": last})
    assert answer.status == 422


async def test_a_silent_stream_shows_that_it_is_alive(start_console: StartConsole) -> None:
    console = await start_console(heartbeat_s=0.05)
    async with listen(console) as listener:
        assert await listener.event() == {"": b"alive"}
        assert await listener.event() == {"": b"alive"}


async def test_a_revoked_token_loses_its_stream(start_console: StartConsole) -> None:
    console = await start_console(heartbeat_s=0.05)
    async with listen(console, role=Role.AUDITOR) as listener:
        entry = next(entry for entry in console.book.list() if entry.role is Role.AUDITOR)
        console.book.revoke(entry.id)
        with pytest.raises(EOFError):
            await listener.record()


async def test_streams_are_capped_and_a_place_comes_free(console: Console) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        console.http, kept = http, console.http
        streams = [listen(console) for _ in range(MAX_STREAMS)]
        for stream in streams:
            await stream.__aenter__()
        full = await console.get("/api/v1/stream", Role.PLATFORM)
        assert (full.status, full.json()["error"]["code"]) == (503, "too_many_streams")
        assert (await console.get("/api/v1/alarms")).status == 200
        await streams[0].__aexit__(None, None, None)
        await until_streams(console, MAX_STREAMS - 1)
        async with listen(console) as listener:
            body = await console.desk.record()
            assert await listener.record() == (1, body)
            async with listen(console, role=Role.GUARD) as guard:
                # Nobody reads so many that a guard cannot: the oldest of those ends.
                body = await console.desk.record()
                assert await guard.record() == (2, body)
                assert len(console.app.state.streams) == MAX_STREAMS
        for stream in streams[1:]:
            await stream.__aexit__(None, None, None)
        await until_streams(console, 0)
        console.http = kept


async def test_a_reader_that_takes_nothing_is_cut_off_and_delays_nobody(
    start_console: StartConsole,
) -> None:
    console = await start_console(stall_s=0.5)
    for _ in range(1_000):
        await console.desk.record(size=19_000)  # more than any socket buffers by itself
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port, limit=1024)
    writer.write(
        b"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: "
        + console.bearer()["Authorization"].encode()
        + b"\r\n\r\n"
    )
    await until_streams(console, 1)
    async with listen(console) as listener:
        body = await console.desk.record()
        assert await listener.record() == (1_001, body)
        await until_streams(console, 1)  # the other one is gone
    assert len(await until_closed(reader, writer)) < 1_000 * 19_000


async def test_a_reader_who_leaves_frees_its_place(console: Console) -> None:
    async with listen(console):
        await until_streams(console, 1)
    await until_streams(console, 0)
    assert console.desk.waiting == 0


def test_a_frame_leaves_the_bytes_alone() -> None:
    body = b'{"seq": 12, "text":"\\n\\u2028"}'
    assert frame(body) == b"id: 12\ndata: " + body + b"\n\n"
