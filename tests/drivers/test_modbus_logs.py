"""Logs that a device keeps: every entry once, none lost, and what was lost is told."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway.events import Reading
from simulators.modbus import Exceptional, Line, Only, Times
from simulators.modbus.model import Model
from tests.drivers.modbus_bench import House, device, driving, model

FAST = {"timeout_seconds": 0.2, "alarm_period_seconds": 0.1}
ROOT = Path(__file__).parents[2]


def who(house: House) -> list[int]:
    return [_who(reading) for reading in house.readings(point="press")]


def _who(reading: Reading) -> int:
    return int(reading.attributes["who"])


def press(simulated: Model, *numbers: int) -> None:
    for number in numbers:
        simulated.log_event("events", what="press", who=number)


async def test_a_ring_is_followed_from_where_it_was_when_we_first_came() -> None:
    simulated = model("ring")
    press(simulated, 1, 2)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: house.marks)
        press(simulated, 3)
        await house.until(lambda: who(house) == [3])
        press(simulated, 4, 5)
        await house.until(lambda: who(house) == [3, 4, 5])
        assert house.garbled() == []


async def test_a_ring_is_read_on_after_a_restart_and_nothing_is_read_twice() -> None:
    simulated = model("ring")
    async with Line([simulated.unit]).tcp() as served:
        first = House()
        async with driving(served.url, first, device("ring"), **FAST):
            await first.until(lambda: first.marks)
            press(simulated, 1, 2)
            await first.until(lambda: who(first) == [1, 2])
        press(simulated, 3, 4)
        again = House(first.marks)
        async with driving(served.url, again, device("ring"), **FAST):
            await again.until(lambda: who(again) == [3, 4])
            press(simulated, 5)
            await again.until(lambda: who(again) == [3, 4, 5])
        assert again.garbled() == []


async def test_a_ring_that_wraps_goes_on_with_its_first_entry() -> None:
    simulated = model("ring")
    simulated.set("counter", 998)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: house.marks)
        press(simulated, 1, 2, 3)
        assert simulated.value("counter") == 1
        await house.until(lambda: who(house) == [1, 2, 3])
        assert house.garbled() == []


async def test_entries_that_were_overwritten_before_we_came_are_told() -> None:
    simulated = model("ring")
    house = House({("d-1", "log.events"): "0"})
    press(simulated, *range(1, 14))
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: who(house) == list(range(4, 14)))
        assert "3" in house.garbled()[0]
        assert "overwritten" in house.garbled()[0]


async def test_a_device_whose_memory_was_cleared_is_told_and_read_from_its_beginning() -> None:
    simulated = model("ring")
    press(simulated, 1, 2)
    house = House({("d-1", "log.events"): "400"})
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: who(house) == [1, 2])
        assert "cleared" in house.garbled()[0]
        press(simulated, 3)
        await house.until(lambda: who(house) == [1, 2, 3])
        assert len(house.garbled()) == 1


async def test_a_memory_cleared_to_nothing_is_told_once_and_the_next_entry_read() -> None:
    simulated = model("ring")
    house = House({("d-1", "log.events"): "400"})
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(house.garbled)
        press(simulated, 7)
        await house.until(lambda: who(house) == [7])
        assert len(house.garbled()) == 1


async def test_an_entry_that_does_not_decode_is_kept_as_it_is_and_the_next_is_read() -> None:
    simulated = model("ring")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: house.marks)
        press(simulated, 1)
        simulated.log_event("events", what=99, who=2)
        press(simulated, 3)
        await house.until(lambda: who(house) == [1, 3])
        kept = [each.garbled for each in house.arrivals if each.garbled is not None]
        assert [each.raw for each in kept] == [bytes([0, 99, 0, 2])]
        assert house.marks["d-1", "log.events"] == "3"


async def test_a_mark_that_cannot_be_read_is_as_if_there_were_none() -> None:
    simulated = model("ring")
    press(simulated, 1)
    house = House({("d-1", "log.events"): "rubbish"})
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: house.marks["d-1", "log.events"] == "1")
        press(simulated, 2)
        await house.until(lambda: who(house) == [2])


async def test_a_log_that_refuses_to_be_read_stays_told_until_it_does_not() -> None:
    simulated = model("ring")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("ring"), **FAST),
    ):
        await house.until(lambda: house.marks)
        simulated.unit.fault = Only(Times(Exceptional(4), 2), address=102)
        press(simulated, 1)
        await house.until(house.is_troubled)
        assert "events" in house.garbled()[0]
        await house.until(lambda: who(house) == [1])
        await house.until(lambda: not house.is_troubled())


# Queues.


async def test_a_queue_is_emptied_in_order_and_each_entry_taken_off_behind_the_disk() -> None:
    simulated = model("queue")
    press(simulated, 1, 2, 3)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("queue", "d-1", "take"), **FAST),
    ):
        await house.until(lambda: who(house) == [1, 2, 3])
        await simulated.unit.asked(times=3)
        assert simulated.value("counter") == 0
        assert len(simulated.commands) == 3


async def test_an_entry_is_not_taken_off_while_the_disk_has_not_got_it() -> None:
    """Promise 1."""
    simulated = model("queue")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("queue", "d-1", "take"), **FAST),
    ):
        await house.until(lambda: house.last("counter"))
        house.gate.clear()
        press(simulated, 1)
        await simulated.unit.asked(address=100)
        await simulated.unit.asked(address=0, times=5)
        assert len(simulated.commands) == 0
        house.gate.set()
        await simulated.commands.coming()


async def test_a_queue_nobody_may_take_from_is_told_and_left_alone() -> None:
    simulated = model("queue")
    press(simulated, 1)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("queue"), **FAST),
    ):
        await house.until(house.is_troubled)
        assert "'take'" in house.garbled()[0]
        assert not simulated.unit.writes


async def test_two_entries_that_look_alike_are_two() -> None:
    """Without the device's time nothing but their order tells them apart."""
    simulated = model("queue")
    press(simulated, 7, 7)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("queue", "d-1", "take"), **FAST),
    ):
        await house.until(lambda: who(house) == [7, 7])
        keys = [reading.duplicate for reading in house.readings(point="press")]
        assert keys[0] is None or keys[0] != keys[1], "the second would pass for the first again"


KILLED = """
import asyncio, sys
from tests.drivers.modbus_bench import House, device, driving

async def main():
    house = House()
    async with driving(sys.argv[1], house, device("queue", "d-1", "take"),
                       alarm_period_seconds=0.1):
        await house.until(lambda: False, 30)

asyncio.run(main())
"""


async def test_a_kill_between_storing_and_taking_off_leaves_the_entry_in_the_device() -> None:
    """Promise 1: it comes a second time rather than not at all."""
    simulated = model("queue")
    press(simulated, 1)
    async with Line([simulated.unit]).tcp() as served:
        life = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            KILLED,
            served.url,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CAMPUS_CRASH_AT": "modbus.log"},
            stdout=subprocess.DEVNULL,
        )
        assert await asyncio.wait_for(life.wait(), 60) == -signal.SIGKILL
        assert simulated.value("counter") == 1
        house = House()
        async with driving(served.url, house, device("queue", "d-1", "take"), **FAST):
            await house.until(lambda: who(house) == [1])
            await simulated.commands.coming()
