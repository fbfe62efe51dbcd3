"""The machine's clock jumps by an hour, and to 1970: order, retry and escalation go by our own.

libfaketime stands between the gateway and the kernel's wall clock; the monotonic clock stays true.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from simulators.brokers import Mosquitto, MosquittoSettings
from simulators.buttons import Hand, JsonButton, JsonEvent
from simulators.inbox import Inbox
from simulators.mqtt import Publisher
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.harness import Gateway, GatewayFailed, http

pytestmark = pytest.mark.timeout(300)

LIBRARY = "libfaketime.so.1"
PLACES = (
    "/usr/lib/*/faketime",
    "/usr/lib/faketime",
    "/usr/lib64/faketime",
    "/usr/local/lib/faketime",
)
EVER_S = 365 * 24 * 3600 * 10
"""The police checks signatures by its own clock; here only the gateway's clock is on trial."""


def library() -> Path:
    for place in PLACES:
        root, _, pattern = place.partition("*")
        found = [Path(place)] if not pattern else list(Path(root).glob(f"*{pattern}"))
        for folder in found:
            if (folder / LIBRARY).is_file():
                return folder / LIBRARY
    pytest.fail("缺少 libfaketime，请安装软件包 faketime / install the package faketime")


class Faked:
    """The gateway's wall clock, which may be stepped while it runs."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.step("+0")

    def step(self, to: str) -> None:
        """Seconds from the true time ("-3600"), or a date ("@1970-01-02 00:00:00")."""
        new = self._file.with_suffix(".new")
        new.write_text(to + "\n", "utf-8")
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }


class Site:
    def __init__(self, gateway: Gateway, police: Police, clock: Faked, hands: list[Hand]) -> None:
        self.gateway = gateway
        self.police = police
        self.clock = clock
        self.door, self.button = hands
        self.sent = 0

    async def pass_through(self, count: int) -> None:
        for _ in range(count):
            await self.door.press()
            self.sent += 1

    async def everything_arrives(self, timeout_s: float = 60) -> None:
        await self.police.inbox.until(lambda box: len(self.doors(box)) >= self.sent, timeout_s)

    @staticmethod
    def doors(inbox: Inbox) -> list[str]:
        return [one.data["attributes"]["mark"] for one in inbox.received if one.device == "door"]


@asynccontextmanager
async def site(folder: Path, *, first: str = "+0", more: str = "") -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        settings = MosquittoSettings(max_inflight=0, max_queued=0)
        broker = await enter(Mosquitto(folder / "field", settings))
        police = await enter(
            Police(
                secret=POLICE_SECRET, inbox=Inbox(folder / "police.inbox"), tolerance_s=EVER_S * 10
            )
        )
        clock = Faked(folder)
        clock.step(first)
        devices = [JsonEvent("door"), JsonButton("btn")]
        devices[0].dice.seed(1)
        gateway = await enter(
            Gateway(
                folder=folder,
                field_port=broker.port,
                devices=devices,
                uplinks=[http("police", police.port)],
                env=clock.environment(),
                more=more,
            )
        )
        await gateway.start()
        hands = [
            Hand(one, await enter(Publisher(broker.address, client_id=f"hand-{one.name}")))
            for one in devices
        ]
        yield Site(gateway, police, clock, hands)


def stored_at(record: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(record["time"]))


async def test_a_step_is_a_fault_and_changes_neither_order_nor_times_of_records(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        gateway = here.gateway
        await here.pass_through(20)
        await here.everything_arrives()
        for step in ("+3600", "-3600", "@1970-01-02 00:00:00"):
            await here.police.down()
            await here.pass_through(10)
            here.clock.step(step)
            fault = await gateway.fault("gw-1/clock")
            assert "clock" in fault["text"]
            await here.pass_through(20)
            await here.police.up()
            await here.everything_arrives()
            here.clock.step("+0")
            await gateway.no_fault("gw-1/clock")
        await gateway.nothing_waits()
        marks = here.doors(here.police.inbox)
        by_lane = [[m for m in marks if m in lane] for lane in lanes(here.police.inbox)]
        assert all(lane == sorted(lane, key=number) for lane in by_lane), "order per device held"
        records = await gateway.records()
        assert [one["seq"] for one in records] == list(range(1, len(records) + 1))
        times = [stored_at(one) for one in records]
        assert all(before <= after for before, after in pairwise(times)), "time never went back"
        assert max(times) - min(times) < timedelta(minutes=5), "no record took the step for true"
        assert abs(max(times) - datetime.now(UTC)) < timedelta(minutes=5)
        quality = {one["data"]["clock"] for one in records}
        assert quality == {"trusted", "stepped"}, "records say what to think of their time"


def lanes(inbox: Inbox) -> list[set[str]]:
    """Marks by how urgent they are: order holds among equals."""
    found: dict[int, set[str]] = {}
    for one in inbox.received:
        if one.device == "door":
            priority = min(max(int(one.data["priority"]), 1), 3)
            found.setdefault(priority, set()).add(one.data["attributes"]["mark"])
    return list(found.values())


def number(mark: str) -> int:
    return int(mark.rpartition("#")[2])


async def test_an_alarm_escalates_by_true_seconds_whatever_the_clock_says(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, more="[escalation]\np1_seconds = [5]\n") as here:
        await here.button.press()
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        async def raised() -> bool:
            return "btn/button" in await here.gateway.alarms()

        await here.gateway.until(raised, "the alarm")
        here.clock.step("+3600")
        await here.gateway.fault("gw-1/clock")
        here.clock.step("-3600")

        async def escalated() -> bool:
            records = await here.gateway.records()
            return any(one["type"] == "campus.alarm.escalated.v1" for one in records)

        await here.gateway.until(escalated, "the escalation")
        took_s = loop.time() - began_s
        # An hour is what a wrong clock would make of it; a busy machine is late by seconds.
        assert 4.5 < took_s < 60, f"{took_s} s instead of 5"


async def test_a_board_that_starts_in_1970_takes_alarms_at_once_and_keeps_what_it_has(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, first="@1970-01-01 00:10:00") as here:
        gateway = here.gateway
        await gateway.fault("gw-1/clock")
        await here.pass_through(5)
        await here.everything_arrives()
        first = (await gateway.records())[0]
        assert first["data"]["clock"] == "unset"
        here.clock.step("+0")
        await gateway.no_fault("gw-1/clock")
        await here.pass_through(5)
        newest = (await gateway.records())[-1]
        assert newest["data"]["clock"] == "trusted"
        assert abs(stored_at(newest) - datetime.now(UTC)) < timedelta(minutes=1)
        here.clock.step("@1970-01-01 00:10:00")
        await gateway.kill()
        await gateway.start()
        await here.pass_through(5)
        await here.everything_arrives()
        records = await gateway.records()
        assert len([one for one in records if one["data"]["device"]["id"] == "door"]) == 15
        times = [stored_at(one) for one in records]
        after = times[times.index(stored_at(newest)) :]
        assert all(x <= y for x, y in pairwise(after)), "never below the newest time stored"


@pytest.mark.long
async def test_a_wild_clock_retries_no_faster_and_no_slower_and_deletes_nothing(
    tmp_path: Path,
) -> None:
    async with site(tmp_path) as here:
        await here.pass_through(10)
        await here.everything_arrives()
        kept = {one["id"] for one in await here.gateway.records()}
        await here.police.down()
        await here.pass_through(5)
        for step in ("+3600", "-7200", "+400d", "@1970-01-02 00:00:00", "+31536000"):
            here.clock.step(step)
            await here.gateway.fault("gw-1/clock")
            await here.pass_through(1)
        loop = asyncio.get_running_loop()
        await here.police.up()
        began_s = loop.time()
        await here.everything_arrives()
        assert loop.time() - began_s < 16, "the next try is at most 15 s away"
        assert kept <= {one["id"] for one in await here.gateway.records()}
        with contextlib.suppress(GatewayFailed):
            await here.gateway.nothing_waits(15)
        assert not here.police.inbox.changed
