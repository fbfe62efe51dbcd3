"""What is written, in which order, what proves it, and what is never written."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.modbus import Driver
from simulators.modbus import (
    Exceptional,
    IgnoredWrite,
    Line,
    Only,
    Silent,
    Times,
    Unit,
    Write,
    WrongEcho,
)
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model
from tests.drivers.modbus_bench import House, device, driving, model

FAST = {"timeout_seconds": 0.2, "alarm_period_seconds": 0.2}
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def at_work(simulated: Model, *commands: str) -> AsyncIterator[tuple[House, Driver]]:
    """A driver of one device, which allows these commands and was read once."""
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(
            served.url, house := House(), device("detector", "d-1", *commands), **FAST
        ) as driver,
    ):
        await house.until(lambda: house.actives("gas"))
        yield house, driver


def told(unit: Unit) -> list[tuple[int, int, tuple[int, ...]]]:
    return [(write.function, write.address, write.values) for write in unit.writes]


async def test_a_command_nobody_allowed_is_refused_and_nothing_is_written() -> None:
    simulated = model("detector")
    async with at_work(simulated, "reset") as (_, driver):
        outcome = await driver.command("d-1", "close")
        assert outcome.state == "refused"
        assert "commands = ['close']" in outcome.why
        assert (await driver.command("d-1", "dance")).state == "refused"
        assert (await driver.command("d-9", "close")).state == "refused"
        assert told(simulated.unit) == []


async def test_the_steps_of_a_command_come_in_order_and_the_position_proves_it() -> None:
    simulated = model("detector")
    async with at_work(simulated, "close") as (house, driver):
        outcome = await driver.command("d-1", "close")
        assert (outcome.state, outcome.why) == ("done", "valve = closed")
        assert told(simulated.unit) == [(6, 30, (0xA5,)), (16, 31, (1, 0x5A))]
        await house.until(lambda: house.actives("valve")[-1:] == [True])


async def test_a_proof_that_comes_late_but_in_time_is_a_proof() -> None:
    simulated = model("detector")
    simulated.deaf_commands.add("close")
    async with at_work(simulated, "close") as (_, driver):
        closing = asyncio.create_task(driver.command("d-1", "close"))
        await simulated.unit.written(address=31)
        simulated.set("valve", "moving")
        await simulated.unit.asked(address=2, times=3)
        assert not closing.done()
        simulated.set("valve", "closed")
        assert (await closing).state == "done"


async def test_a_valve_that_confirms_and_does_not_move_has_failed() -> None:
    simulated = model("detector")
    simulated.deaf_commands.add("close")
    async with at_work(simulated, "close") as (_, driver):
        began_s = time.monotonic()
        outcome = await driver.command("d-1", "close")
        assert outcome.state == "failed"
        assert "2 s: valve = open" in outcome.why
        assert time.monotonic() - began_s >= 2.0


async def test_a_write_that_changes_nothing_is_not_proved_by_its_echo() -> None:
    """The relay has not moved, whatever the device confirms."""
    simulated = model("detector")
    simulated.unit.fault = Only(IgnoredWrite(), function=6)
    async with at_work(simulated, "sound") as (_, driver):
        assert (await driver.command("d-1", "sound")).state == "failed"


async def test_without_a_proof_the_outcome_is_never_done() -> None:
    simulated = model("detector")
    async with at_work(simulated, "reset") as (_, driver):
        assert (await driver.command("d-1", "reset")).state == "sent"


async def test_a_device_that_refuses_has_failed_the_command_at_once() -> None:
    simulated = model("detector")
    simulated.unit.guard = lambda write: 4
    async with at_work(simulated, "close") as (_, driver):
        outcome = await driver.command("d-1", "close")
        assert outcome.state == "failed"
        assert "4" in outcome.why
        assert len([asked for asked in simulated.unit.requests if asked.function == 6]) == 1


@pytest.mark.parametrize("name", ["reset", "toggle"])
async def test_row_14_a_busy_device_is_told_again_even_what_must_not_be_repeated(name: str) -> None:
    """Busy means that nothing was done."""
    simulated = model("detector")
    simulated.unit.fault = Only(Times(Exceptional(6), 2), function=6)
    async with at_work(simulated, name) as (_, driver):
        assert (await driver.command("d-1", name)).state == "sent"
        assert len(simulated.unit.writes) == 1


async def test_a_write_that_is_not_answered_is_repeated_only_when_that_does_no_harm() -> None:
    simulated = model("detector")
    async with at_work(simulated, "reset", "toggle") as (_, driver):
        simulated.unit.fault = Only(Times(Silent(), 2), function=6)
        assert (await driver.command("d-1", "reset")).state == "sent"
        simulated.unit.fault = Only(Times(Silent(), 1), function=6)
        assert (await driver.command("d-1", "toggle")).state == "failed"
        sent = [asked.address for asked in simulated.unit.requests if asked.function == 6]
        assert sent == [33, 33, 33, 34]


async def test_a_command_to_a_silent_device_fails_and_the_others_are_read_meanwhile() -> None:
    dead, alive = model("detector", unit=1), model("spot", unit=2, device=1)
    dead.unit.fault = Silent()
    house = House()
    devices = [device("detector", "dead", "close", unit=1), device("spot", "alive", unit=2)]
    async with (
        Line([dead.unit, alive.unit]).rtu_over_tcp() as served,
        driving(f"{served.url}?drain_s=1", house, *devices, **FAST) as driver,
    ):
        await house.until(lambda: house.gone("dead"))
        before, began_s = len(alive.unit.requests), time.monotonic()
        outcome = await driver.command("dead", "close")
        took_s = time.monotonic() - began_s
        assert outcome.state == "failed"
        assert "没有应答" in outcome.why
        # Three time-outs of 0.2 s and no more are the others' cost.
        assert len(alive.unit.requests) - before >= (took_s - 1.0) / 0.2 * 0.6


async def test_row_11_a_wrong_echo_is_no_failure_where_the_profile_knows_of_it() -> None:
    simulated = model("detector")
    simulated.unit.fault = Only(WrongEcho(), function=16)

    def act(_write: Write) -> None:
        simulated.set("siren", 1)

    simulated.unit.on_write(act, address=35)
    async with at_work(simulated, "odd", "close") as (_, driver):
        assert (await driver.command("d-1", "odd")).state == "done"
        assert len([write for write in simulated.unit.writes if write.address == 35]) == 1
        # Where the profile does not know, only reading back tells: here that it did happen.
        assert (await driver.command("d-1", "close")).state == "done"


async def test_row_26_a_broadcast_reaches_everybody_and_waits_for_nobody() -> None:
    units = [model("detector", unit=number).unit for number in (1, 2)]
    house = House()
    devices = [device("detector", f"d-{number}", "everybody", unit=number) for number in (1, 2)]
    async with (
        Line(units).rtu_over_tcp() as served,
        driving(served.url, house, *devices, **FAST) as driver,
    ):
        await house.until(lambda: house.actives("gas", "d-2"))
        assert (await driver.command("d-1", "everybody")).state == "sent"
        await house.until(lambda: all(told(unit) == [(6, 36, (1,))] for unit in units))


async def test_a_proof_by_a_value_made_of_others_reads_what_it_is_made_of() -> None:
    simulated = model("detector")
    simulated.set("level", 60)
    simulated.deaf_commands.add("lower")
    simulated.unit.on_write(lambda _write: simulated.set("level", 10), address=37)
    async with at_work(simulated, "lower") as (_, driver):
        assert (await driver.command("d-1", "lower")).state == "done"


async def test_what_falls_back_is_repeated_until_another_command_ends_it() -> None:
    simulated = model("detector")
    async with at_work(simulated, "sound", "silence", "reset") as (_, driver):
        assert (await driver.command("d-1", "sound")).state == "done"
        await simulated.unit.written(address=3)
        assert (await driver.command("d-1", "reset")).state == "sent"
        await simulated.unit.written(address=3)  # another place: the siren goes on
        assert (await driver.command("d-1", "silence")).state == "done"
        with pytest.raises(TimeoutError):
            await simulated.unit.written(address=3, timeout_s=1.5)
        assert simulated.value("siren") == 0


async def test_two_commands_at_once_do_not_mix_their_steps() -> None:
    simulated = model("detector")
    async with at_work(simulated, "close", "reset", "toggle") as (_, driver):
        await asyncio.gather(*(driver.command("d-1", name) for name in ("close", "reset", "close")))
        places = [write.address for write in simulated.unit.writes]
        assert sorted(places) == [30, 30, 31, 31, 33]
        assert all(places[at + 1] == 31 for at, place in enumerate(places[:-1]) if place == 30), (
            places
        )


async def test_a_command_whose_caller_has_gone_is_not_sent_any_more() -> None:
    simulated, slow = model("detector"), model("spot", unit=2, device=1)
    async with (
        Line([simulated.unit, slow.unit]).tcp() as served,
        driving(
            served.url,
            house := House(),
            device("detector", "d-1", "reset"),
            device("spot", "d-2", unit=2),
            alarm_period_seconds=0.2,
            timeout_seconds=2.0,
        ) as driver,
    ):
        await house.until(lambda: house.actives("gas"))
        slow.unit.fault = Silent()
        await slow.unit.asked()  # the bus waits for it now
        order = asyncio.create_task(driver.command("d-1", "reset"))
        await asyncio.sleep(0)
        order.cancel()
        await asyncio.gather(order, return_exceptions=True)
        await simulated.unit.asked(times=3)
        assert told(simulated.unit) == []


async def test_while_the_link_is_down_a_command_fails_at_once_and_never_comes_late() -> None:
    simulated = model("detector")
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house := House(), device("detector", "d-1", "reset"), **FAST) as driver,
    ):
        await house.until(lambda: house.actives("gas"))
        await served.down()
        await house.until(lambda: any(not ok for _, ok, _ in house.notices))
        outcome = await driver.command("d-1", "reset")
        assert outcome.state == "failed"
        assert "断开" in outcome.why
        since = house.mark()
        await served.up()
        await since.until(lambda: since.actives("gas"))
        assert told(simulated.unit) == []


# Acknowledging alarms that latch in the device.


async def test_an_alarm_is_acknowledged_to_the_device_only_once_it_is_stored() -> None:
    """Promise 1."""
    simulated = model("detector")
    async with at_work(simulated, "reset") as (house, _):
        house.gate.clear()
        simulated.show("gas")
        await simulated.unit.asked(address=0, times=6)
        assert told(simulated.unit) == [], "acknowledged before it was on disk"
        written = asyncio.create_task(simulated.unit.written(address=33))
        house.gate.set()
        await written
        assert house.actives("gas")[-1] is True


async def test_an_acknowledgement_nobody_allowed_is_not_sent_and_is_no_fault() -> None:
    """By default nothing is written; an alarm must not become two."""
    simulated = model("detector")
    async with at_work(simulated) as (house, _):
        simulated.show("gas")
        await house.until(lambda: house.actives("gas")[-1])
        await simulated.unit.asked(times=6)
        assert told(simulated.unit) == []
        assert house.garbled() == []


async def test_an_acknowledgement_that_fails_is_told() -> None:
    simulated = model("detector")
    simulated.unit.guard = lambda write: 4
    async with at_work(simulated, "reset") as (house, _):
        simulated.show("gas")
        await house.until(lambda: any("reset" in why for why in house.garbled()))


KILLED = """
import asyncio, sys
from tests.drivers.modbus_bench import House, device, driving

async def main():
    house = House()
    async with driving(sys.argv[1], house, device("detector", "d-1", "reset"),
                       alarm_period_seconds=0.2):
        await house.until(lambda: False, 30)

asyncio.run(main())
"""


async def test_a_kill_between_storing_and_acknowledging_leaves_the_alarm_in_the_device() -> None:
    """Promise 1: the device still latches, so the next life reads it again."""
    simulated = model("detector")
    simulated.show("gas")
    async with Line([simulated.unit]).tcp() as served:
        life = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            KILLED,
            served.url,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CAMPUS_CRASH_AT": "modbus.command"},
            stdout=subprocess.DEVNULL,
        )
        code = await asyncio.wait_for(life.wait(), 60)
        assert code == -signal.SIGKILL
        assert told(simulated.unit) == []
        async with driving(
            served.url, house := House(), device("detector", "d-1", "reset"), **FAST
        ):
            await simulated.unit.written(address=33)
            assert house.actives("gas") == [True]


# Mailboxes.


async def test_a_mailbox_is_filled_last_register_last_and_read_when_it_has_cleared() -> None:
    simulated = model("detector")
    async with at_work(simulated, "who") as (house, _):
        await house.until(lambda: house.readings(point="serial"))
        assert house.readings(point="serial")[0].value == 4711
        assert [write.address for write in simulated.unit.writes] == [23, 20]


async def test_a_mailbox_nobody_allowed_is_never_asked() -> None:
    simulated = model("detector")
    async with at_work(simulated) as (_, _):
        await simulated.unit.asked(times=10)
        assert told(simulated.unit) == []
        assert not any(asked.covers(22) for asked in simulated.unit.requests)


async def test_a_mailbox_that_never_clears_is_told_and_nothing_is_read_from_it() -> None:
    simulated = model("detector")
    simulated.stuck_queries.add("who")
    async with at_work(simulated, "who") as (house, _):
        await house.until(lambda: any("did not clear" in why for why in house.garbled()))
        assert not house.readings(point="serial")


async def test_a_mailbox_that_says_it_failed_is_told_and_nothing_is_read_from_it() -> None:
    simulated = model("detector")
    simulated.set("result", 3)
    async with at_work(simulated, "who") as (house, _):
        await house.until(lambda: any("result = 3" in why for why in house.garbled()))
        assert not house.readings(point="serial")


async def test_a_failed_query_of_a_stopped_device_does_not_call_it_alive() -> None:
    simulated = model("detector")
    life = Behaviour(simulated)
    simulated.unit.fault = Silent()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house := House(), device("detector", "d-1", "who"), **FAST),
    ):
        await house.until(house.gone)
        await house.until(house.garbled)
        assert not house.is_online()
        life.regain_comms()
        await house.until(house.is_online)
