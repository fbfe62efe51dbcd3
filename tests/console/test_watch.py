"""What consoles hear: a snapshot, every change behind it, and a sign of life that is true."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.console.board import TOLD_AT_ONCE, Board, Reader
from gateway.console.tokens import Role
from gateway.errors import StoreError
from tests.console.conftest import Console, StartConsole
from tests.console.memory_desk import FakeClock, MemoryDesk

STREAM = "/api/v1/console/stream"
Told = tuple[str, str, Any]
"""event, id, data"""


class Ear:
    """One console's end of the stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, *kinds: str) -> Told:
        """The next event, of these kinds only when some are named; beats are passed over."""
        async with asyncio.timeout(20):
            while True:
                told = await self._event()
                assert told is not None, "the stream ended"
                if (told[0] in kinds) if kinds else (told[0] != "beat"):
                    return told

    async def end(self) -> None:
        """Hear out a stream that ends; fail when it goes on."""
        async with asyncio.timeout(20):
            while await self._event() is not None:
                pass

    async def _event(self) -> Told | None:
        fields: dict[str, str] = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\n")
            if not text and "data" in fields:
                return fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
            name, _, value = text.partition(": ")
            fields[name] = value
        return None


@asynccontextmanager
async def listening(
    console: Console, after: int | None = None, role: Role = Role.GUARD
) -> AsyncIterator[Ear]:
    headers = console.bearer(role) | ({} if after is None else {"Last-Event-ID": str(after)})
    async with console.http.get(console.url + STREAM, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Ear(response)


def alarm(name: str, **some: Any) -> dict[str, Any]:
    return {"alarm_id": name, "state": "unack_active", "text": "按下", "deliveries": []} | some


async def test_a_console_begins_with_all_there_is(console: Console) -> None:
    console.desk.rows = [alarm("a")]
    console.desk.fault_rows = [alarm("f")]
    console.desk.device_rows = [{"id": "btn-1", "state": "online"}]
    console.desk.receiver_rows = [{"name": "police", "state": "ok"}]
    async with listening(console) as ear:
        kind, number, told = await ear.next()
    assert (kind, number) == ("snapshot", "")
    assert told["site"] == {"id": "320612-0001", "name": "示范小学", "gateway": "gw-1"}
    assert [each["alarm_id"] for each in told["alarms"] + told["faults"]] == ["a", "f"]
    assert (told["devices"], told["receivers"]) == (
        [{"id": "btn-1", "state": "online"}],
        [{"name": "police", "state": "ok"}],
    )


async def test_a_change_of_an_alarm_is_told_once_as_the_whole_row(console: Console) -> None:
    async with listening(console) as ear, listening(console) as other:
        await ear.next("snapshot")
        await other.next("snapshot")
        console.desk.rows = [alarm("a")]
        await console.desk.change()
        assert (await ear.next())[2] == alarm("a")
        assert (await other.next())[2] == alarm("a")
        await console.desk.change()  # nothing is different: nothing is told
        console.desk.rows = [alarm("a", deliveries=[{"receiver": "police", "state": "received"}])]
        await console.desk.change()
        assert (await ear.next())[2]["deliveries"][0]["state"] == "received"


async def test_an_alarm_that_was_closed_is_told_with_how_it_ended(console: Console) -> None:
    console.desk.rows = [alarm("a")]
    async with listening(console) as ear:
        await ear.next("snapshot")
        console.desk.rows = [alarm("a", state="closed", closed_by="张三")]
        await console.desk.change()
        assert await ear.next() == ("alarm", "", alarm("a", state="closed", closed_by="张三"))


async def test_records_come_as_they_were_frozen_and_those_that_were_missed_too(
    console: Console,
) -> None:
    for number in range(3):
        await console.desk.record(text=f"{number}")
    async with listening(console, after=1) as ear:
        await ear.next("snapshot")
        assert [(await ear.next())[1] for _ in range(2)] == ["2", "3"]
        await console.desk.record(text="new")
        kind, number, told = await ear.next()
        assert (kind, number, told["data"]["text"]) == ("record", "4", "new")


async def test_a_console_that_is_new_gets_the_recent_past_only(console: Console) -> None:
    for number in range(310):
        await console.desk.record(text=f"{number}")
    async with listening(console) as ear:
        await ear.next("snapshot")
        assert (await ear.next())[1] == "11"


async def test_devices_and_receivers_change_without_any_record(console: Console) -> None:
    console.desk.device_rows = [{"id": "btn-1", "state": "online"}]
    async with listening(console) as ear:
        await ear.next("snapshot")
        console.desk.device_rows = [{"id": "btn-1", "state": "offline"}]
        console.clock.forward(2)
        assert await ear.next() == ("device", "", {"id": "btn-1", "state": "offline"})


async def test_a_sign_of_life_comes_at_least_every_two_seconds(console: Console) -> None:
    async with listening(console) as ear:
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            told = (await ear.next("beat"))[2]
            assert (told["seq"], told["clock"]) == (0, "trusted")
        assert asyncio.get_running_loop().time() - began < 15  # two beats on a busy machine


async def test_a_store_that_cannot_be_read_ends_the_stream_instead_of_beating_on(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(**_options: Any) -> list[Any]:
        raise StoreError("the disk is gone")

    async with listening(console) as ear:
        await ear.next("snapshot")
        monkeypatch.setattr(console.desk, "alarms", broken)
        await console.desk.change()
        console.clock.forward(60)
        await ear.end()
    async with listening(console) as ear:
        await ear.end()


async def test_a_token_that_was_revoked_hears_nothing_more(start_console: StartConsole) -> None:
    console = await start_console()
    async with listening(console) as ear:
        await ear.next("snapshot")
        for entry in console.book.list():
            console.book.revoke(entry.id)
        await ear.end()


async def test_nobody_looks_on_without_a_token(console: Console) -> None:
    assert (await console.get(STREAM, role=None)).status == 401


async def test_while_nobody_reads_nothing_is_read(console: Console) -> None:
    async with listening(console) as ear:
        await ear.next("snapshot")
    reads = 0

    async def counted(**_options: Any) -> list[Any]:
        nonlocal reads
        reads += 1
        return []

    while len(console.app.state.board):  # noqa: ASYNC110 leaving tells nobody
        await asyncio.sleep(0.01)
    console.desk.alarms = counted  # type: ignore[method-assign]
    for _ in range(3):
        await console.desk.change()
    assert reads <= 1, "at most the look that was under way"


async def test_many_consoles_are_told_a_few_at_a_time_so_that_alarms_go_between() -> None:
    desk = MemoryDesk(FakeClock())
    board = Board(desk, SystemClock(), {})
    readers = [(await board.join())[0] for _ in range(10 * TOLD_AT_ONCE)]
    turns, told_in = 0, Counter[int]()

    async def hear(reader: Reader) -> None:
        assert b"event: alarm" in await reader.take(20)
        told_in[turns] += 1

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    hearing = [asyncio.create_task(hear(reader)) for reader in readers]
    running = asyncio.create_task(board.run())
    turning = asyncio.create_task(turn())
    await asyncio.sleep(0)
    desk.rows = [alarm("a")]
    await desk.change()
    await asyncio.gather(*hearing)
    for task in (running, turning):
        task.cancel()
    await asyncio.gather(running, turning, return_exceptions=True)
    assert max(told_in.values()) <= TOLD_AT_ONCE
