"""Offline and back, restarts, and a disk that does not keep up."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from drivers.modbus.health import OFFLINE_AFTER
from drivers.modbus.outbox import BATCH, MAX_WAITING
from gateway.errors import StoreError
from gateway.events import Arrival
from simulators.modbus import Line, Silent, Slow
from tests.drivers.modbus_bench import House, device, driving, make, model

FAST = {"timeout_seconds": 0.2, "alarm_period_seconds": 0.1}


async def test_a_silent_unit_is_offline_with_a_reason_within_the_stated_time() -> None:
    """Its period, three time-outs and as many pauses of 1 s at most: here 4 s."""
    simulated = model("spot", device=1)
    house = House()
    async with (
        Line([simulated.unit]).rtu_over_tcp() as served,
        driving(f"{served.url}?drain_s=1", house, device("spot"), **FAST),
    ):
        await house.until(lambda: house.actives("fire"))
        simulated.unit.fault = Silent()
        bound_s = 0.1 + OFFLINE_AFTER * (0.2 + 1.0)
        await house.until(house.gone, patience_s=bound_s + 5)
        asked = list(simulated.unit.requests)
        silent_ns = asked[-1].mono_ns - asked[-OFFLINE_AFTER].mono_ns
        assert silent_ns / 1e9 <= bound_s
        assert "没有应答" in house.gone()[0]
        assert len(house.gone()) == 1


async def test_one_that_comes_back_is_online_and_everything_is_told_anew() -> None:
    simulated = model("detector")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("detector"), **FAST),
    ):
        await house.until(lambda: house.readings(point="valve"))
        simulated.unit.fault = Silent()
        await house.until(house.gone)
        since = house.mark()
        simulated.show("gas")
        simulated.unit.fault = None
        await since.until(lambda: since.actives("gas") == [True])
        await since.until(lambda: since.actives("valve") == [False])
        assert since.is_online()


async def test_a_unit_that_misses_one_question_is_not_called_silent() -> None:
    simulated = model("spot", device=1)
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("spot"), **FAST),
    ):
        await house.until(lambda: house.actives("fire"))
        for _ in range(5):
            simulated.unit.fault = Silent()
            await simulated.unit.asked()
            simulated.unit.fault = None
            await simulated.unit.asked(times=3)
        assert not house.gone()


async def test_a_long_reply_on_a_slow_line_is_enough_to_come_back() -> None:
    """A probe must wait as long as its reply is on the wire: 205 bytes at 4,800 baud are 0.43 s."""
    simulated = [model("spot", unit=1, device=number) for number in (1, 100)]
    unit = simulated[0].unit
    unit.holding.define(1, 100)
    house = House()
    devices = [device("spot", f"d-{number}", device=number) for number in range(1, 101)]
    line = Line([unit], baud=4800)
    async with (
        line.rtu_over_tcp() as served,
        driving(f"{served.url}?baud=4800&drain_s=0.2", house, *devices, timeout_seconds=1.0),
    ):
        await house.until(lambda: house.actives("fire", "d-100"))
        unit.fault = Silent()
        await house.until(lambda: house.gone("d-100"))
        since = house.mark()
        unit.fault = None
        await since.until(lambda: since.actives("fire", "d-100"))
        assert since.is_online("d-1")


async def test_a_restart_in_alarm_tells_the_alarm_again_and_the_first_word_is_not_normal() -> None:
    simulated = model("detector")
    simulated.show("gas")
    async with Line([simulated.unit]).tcp() as served:
        for _ in range(2):
            house = House()
            async with driving(served.url, house, device("detector"), **FAST):
                await house.until(lambda house=house: house.actives("gas"))
                assert house.actives("gas") == [True]


async def test_a_slow_disk_stops_the_polling_and_loses_nothing() -> None:
    units = [model("spot", unit=1, device=1).unit]
    house = House()
    async with (
        Line(units).tcp() as served,
        driving(served.url, house, device("spot"), alarm_period_seconds=0.05) as driver,
    ):
        await house.until(lambda: house.actives("fire"))
        house.gate.clear()
        outbox = driver._bus.outbox
        flips = 0
        while not outbox.is_full:
            flips += 1
            units[0].set_words(3, 1, [flips % 2])
            # One change a poll would take minutes to fill it: the rest comes from beside.
            await units[0].asked(times=1)
            for _ in range(200):
                outbox.put(Arrival(link="bus", readings=[]))
        await asyncio.wait_for(_quiet(units[0]), 20)
        before = len(units[0].requests)
        with suppress(TimeoutError):
            await units[0].asked(timeout_s=0.5)
        assert len(units[0].requests) == before, "a full outbox and still polling"
        assert len(outbox._waiting) <= MAX_WAITING + 200
        house.gate.set()
        await house.until(lambda: len(house.actives("fire")) >= flips)
        told = house.actives("fire")
        expected = [False] + [bool(number % 2) for number in range(1, flips + 1)]
        assert told[: len(expected)] == expected, "in the order in which it happened"
        assert house.most_at_once <= BATCH
        await units[0].asked(times=3)


async def _quiet(unit: object) -> None:
    """Return when the unit has not been asked for a while."""
    while True:
        try:
            await unit.asked(timeout_s=0.4)  # type: ignore[attr-defined]
        except TimeoutError:
            return


async def test_a_run_that_the_store_ended_is_told_anew_by_the_next() -> None:
    simulated = model("detector")
    simulated.show("gas")
    house = House()

    async def broken(_arrivals: Sequence[Arrival]) -> None:
        raise StoreError("the disk is gone")

    async with Line([simulated.unit]).tcp() as served:
        driver = make(served.url, [device("detector")], **FAST)
        with pytest.raises(ExceptionGroup) as caught:
            await driver.run(broken, house.notice)
        assert caught.group_contains(StoreError)
        task = asyncio.create_task(driver.run(house.emit, house.notice))
        await house.until(lambda: house.actives("gas") == [True])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_busy_device_is_not_called_flooding_by_how_often_we_ask() -> None:
    """Supervision calls 200 messages in 10 s flooding; a polled device does not talk."""
    simulated = model("block")
    house = House()
    async with (
        Line([simulated.unit]).tcp() as served,
        driving(served.url, house, device("block"), alarm_period_seconds=0.05),
    ):
        for tick in range(80):
            for name in ("a_0", "b_0", "c_0"):
                simulated.set(name, tick)
            await simulated.unit.asked(address=0, function=3)
        assert house.heard() <= 20


async def test_a_slow_unit_slows_itself_before_its_neighbours() -> None:
    """Max-min fair: who wants little of the bus gets it all."""
    slow, quick = model("spot", unit=1, device=1), model("spot", unit=2, device=1)
    slow.unit.fault = Slow(0.3)
    house = House()
    devices = [device("spot", "slow", unit=1), device("spot", "quick", unit=2)]
    options = {"timeout_seconds": 0.5, "alarm_period_seconds": 0.2}
    async with (
        Line([slow.unit, quick.unit]).tcp() as served,
        driving(served.url, house, *devices, **options),
    ):
        await quick.unit.asked(times=15, timeout_s=30)
        before = len(slow.unit.requests), len(quick.unit.requests)
        await quick.unit.asked(times=20, timeout_s=30)
        asked = len(slow.unit.requests) - before[0], len(quick.unit.requests) - before[1]
        assert asked[1] > 1.2 * asked[0]
        assert house.is_online("slow")
