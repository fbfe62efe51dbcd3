"""The bus of the issue: 32 units, 5 dead, 2 slow, 1 that answers late, and everybody's own values.

What is physically possible: a read of 4 registers takes 8 + 13 characters and two silences, about
3 ms at 115,200 baud, and the gap_ms=2 of the URL. 64 reads are then about 0.35 s a round; two slow
units of 0.1 s a reply take 0.4 s more, probes at most one part in eleven, and the late one and its
time-outs fit in what is left of a period of 2 s. At 9,600 baud the same bus would need 4 s.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from statistics import median

import pytest

from gateway.events import ONLINE_POINT
from simulators.modbus import LateReply, Line, Silent, Slow, Unit
from simulators.modbus.model import Model
from tests.drivers.modbus_bench import House, device, driving, model

RUNS = ("a_0", "a_1", "a_2", "a_3", "b_0", "b_1", "b_2", "b_3", "c_0", "c_1")
DEAD = frozenset({3, 9, 15, 21, 27})
SLOW = frozenset({5, 18})
LATE = 12
SETTLING_ROUNDS = 3


def put_unique(simulated: Model, tick: int) -> None:
    """Every register of every unit says whose it is: 5 bits unit, 4 bits register, 7 bits time."""
    for number, name in enumerate(RUNS):
        simulated.set(name, simulated.unit.number % 32 << 11 | number << 7 | tick % 128)


def strangers(house: House, count: int) -> list[str]:
    """Values that were told of a register they do not belong to."""
    found = []
    for unit in range(1, count + 1):
        for reading in house.readings(f"d-{unit}"):
            if reading.point == ONLINE_POINT:
                continue
            value = int(reading.value or 0)
            whose = (value >> 11, RUNS[value >> 7 & 15] if value >> 7 & 15 < len(RUNS) else "?")
            if whose != (unit % 32, reading.point):
                found.append(f"d-{unit}/{reading.point} = {value:#06x}, which is {whose}")
    return found


@asynccontextmanager
async def counting(devices: Sequence[Model], every_s: float) -> AsyncIterator[None]:
    """Have every register of every device move."""

    async def move() -> None:
        tick = 0
        while True:
            tick += 1
            for each in devices:
                put_unique(each, tick)
            await asyncio.sleep(every_s)

    task = asyncio.create_task(move())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def spoil(line: Line) -> None:
    for number in DEAD:
        line[number].fault = Silent()
    for number in SLOW:
        line[number].fault = Slow(0.1)
    line[LATE].fault = LateReply(0.4)


def period_s_of(unit: Unit, since_ns: int) -> float:
    """The usual one of the reads of its first run, from then on.

    This machine may stand still during one of them, which is then asked again.
    """
    times = [
        asked.mono_ns
        for asked in unit.requests
        if asked.function == 3 and asked.covers(0) and asked.mono_ns >= since_ns
    ]
    return median((late - soon) / 1e9 for soon, late in pairwise(times))


async def _asked(line: Line, numbers: Sequence[int], rounds: int) -> None:
    await asyncio.gather(
        *(
            line[number].asked(function=3, address=0, times=rounds, timeout_s=10 * rounds)
            for number in numbers
        ),
    )


async def live_through(rounds: int) -> None:
    period_s = 2.0
    simulated = [model("block", unit=number) for number in range(1, 33)]
    line = Line([each.unit for each in simulated], baud=115_200)
    spoil(line)
    house = House()
    devices = [device("block", f"d-{number}", unit=number) for number in range(1, 33)]
    healthy = [number for number in range(1, 33) if number not in DEAD | SLOW | {LATE}]
    async with (
        counting(simulated, 0.3),
        line.rtu_over_tcp() as served,
        driving(
            f"{served.url}?baud=115200&gap_ms=2&drain_s=1",
            house,
            *devices,
            timeout_seconds=0.2,
            alarm_period_seconds=period_s,
        ),
    ):
        await house.until(lambda: all(house.gone(f"d-{number}") for number in DEAD))
        await house.until(lambda: all(house.readings(f"d-{number}", "c_1") for number in healthy))
        # What the first time-outs of the dead ones delayed is caught up with: that is over first.
        await _asked(line, healthy, SETTLING_ROUNDS)
        since_ns = time.monotonic_ns()
        await _asked(line, healthy, rounds)
        periods = {number: period_s_of(line[number], since_ns) for number in healthy}
    worst = max(periods, key=lambda number: abs(periods[number] - period_s))
    assert 0.8 * period_s <= periods[worst] <= 1.2 * period_s, (worst, periods)
    assert strangers(house, 32) == []
    assert not any(house.gone(f"d-{number}") for number in healthy)
    for number in SLOW:
        assert house.is_online(f"d-{number}"), "slow is not silent"
    assert "timeout_seconds" in " ".join(house.gone(f"d-{LATE}")), (
        "the installer is told what helps"
    )


async def test_healthy_units_keep_their_period_and_every_value_its_register() -> None:
    await live_through(4)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_they_do_so_for_minutes() -> None:
    await live_through(60)


async def test_a_serial_line_with_a_dead_a_slow_and_a_late_unit_keeps_values_apart() -> None:
    simulated = [model("block", unit=number) for number in range(1, 7)]
    line = Line([each.unit for each in simulated], baud=115_200)
    line[2].fault = Silent()
    line[3].fault = Slow(0.05)
    line[4].fault = LateReply(0.25)
    house = House()
    devices = [device("block", f"d-{number}", unit=number) for number in range(1, 7)]
    async with (
        counting(simulated, 0.3),
        line.pty() as served,
        driving(
            f"{served.url}&gap_ms=2&drain_s=0.5",
            house,
            *devices,
            timeout_seconds=0.15,
            alarm_period_seconds=1.0,
        ),
    ):
        await house.until(lambda: house.gone("d-2"))
        since_ns = time.monotonic_ns()
        await asyncio.gather(
            *(
                line[number].asked(function=3, address=0, times=4, timeout_s=40)
                for number in (1, 5, 6)
            )
        )
        periods = [period_s_of(line[number], since_ns) for number in (1, 5, 6)]
    assert all(0.8 <= each <= 1.2 for each in periods), periods
    assert strangers(house, 6) == []


async def test_several_buses_do_not_know_of_each_other() -> None:
    dead, alive = model("spot", unit=1, device=1), model("spot", unit=1, device=1)
    dead.unit.fault = Silent()
    one, other = House(), House()
    async with (
        Line([dead.unit]).tcp() as first,
        Line([alive.unit]).tcp() as second,
        driving(first.url, one, device("spot", "dead"), timeout_seconds=5.0),
        driving(second.url, other, device("spot", "alive"), alarm_period_seconds=0.1),
    ):
        await alive.unit.asked(times=10)
        assert other.is_online("alive")
        assert len(dead.unit.requests) <= 2
