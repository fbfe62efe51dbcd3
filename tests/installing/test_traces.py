"""Five minutes of what is looked at: bounded, honest about holes, over when nobody looks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import Scalar
from gateway.installing.traces import DEVICES_MOST, KEEP_S, NAMES_MOST, Traces, numbers_of
from tests.clocks import FakeClock


class Readings:
    """What devices read now; how often somebody asked."""

    def __init__(self) -> None:
        self.now: dict[str, Mapping[str, Scalar | None]] = {"gas": {"level": 1}}
        self.asked: list[str] = []

    def read(self, device: str) -> dict[str, float | None] | None:
        self.asked.append(device)
        found = self.now.get(device)
        return None if found is None else numbers_of(found)


async def after(clock: FakeClock, seconds: int) -> None:
    """Let time pass, and whoever waits for it do what he does then."""
    for _ in range(seconds):
        await settled()
        clock.advance(1)
        await settled()


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(traces: Traces) -> AsyncIterator[None]:
    task = asyncio.ensure_future(traces.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_sample_a_second_and_never_more_than_five_minutes_of_them() -> None:
    clock, house = FakeClock(), Readings()
    traces = Traces(house.read, clock)
    async with running(traces):
        first = traces.since("gas", 0)
        assert first["values"] == {"level": [1.0]}
        house.now["gas"] = {"level": 2}
        await after(clock, 1)
        told = traces.since("gas", first["at_ms"][-1])
        assert told["values"] == {"level": [2.0]}
        assert told["at_ms"][0] - first["at_ms"][-1] == 1000
        for _ in range(KEEP_S + 20):
            traces.since("gas", told["at_ms"][-1])
            await after(clock, 1)
        whole = traces.since("gas", 0)
        assert len(whole["at_ms"]) == KEEP_S == len(whole["values"]["level"])


async def test_what_is_not_known_is_a_hole_and_a_number_that_comes_later_was_unknown_before() -> (
    None
):
    clock, house = FakeClock(), Readings()
    traces = Traces(house.read, clock)
    async with running(traces):
        traces.since("gas", 0)
        house.now["gas"] = {"level": None, "battery": 80}
        await after(clock, 1)
        assert traces.since("gas", 0)["values"] == {"level": [1.0, None], "battery": [None, 80.0]}


async def test_nobody_looks_nothing_is_asked_and_a_device_that_goes_takes_its_ring_along() -> None:
    clock, house = FakeClock(), Readings()
    traces = Traces(house.read, clock)
    async with running(traces):
        await after(clock, 10)
        assert house.asked == []
        traces.since("gas", 0)
        await after(clock, KEEP_S + 3)
        house.asked.clear()
        await after(clock, 5)
        assert house.asked == []
        traces.since("gas", 0)
        house.now.clear()
        await after(clock, 1)
        house.asked.clear()
        await after(clock, 5)
        assert house.asked == []


async def test_of_many_devices_those_looked_at_last_are_kept_and_of_many_numbers_a_few() -> None:
    clock, house = FakeClock(), Readings()
    names = [f"d{number}" for number in range(DEVICES_MOST + 1)]
    house.now = {name: {f"n{n}": n for n in range(NAMES_MOST + 5)} for name in names}
    traces = Traces(house.read, clock)
    async with running(traces):
        for name in names:
            assert len(traces.since(name, 0)["values"]) == NAMES_MOST
            await after(clock, 1)
        house.asked.clear()
        await after(clock, 1)
        assert sorted(house.asked) == sorted(names[1:])


@pytest.mark.parametrize("value", [True, False, "12", "nan"])
def test_yes_and_no_and_texts_are_no_numbers(value: Scalar) -> None:
    assert numbers_of({"x": value}) == {}


@given(st.one_of(st.floats(), st.integers()))
def test_any_number_can_be_written_for_a_page(value: float) -> None:
    (found,) = numbers_of({"x": value}).values()
    assert found is None or (abs(found) <= 1e15 and found == value)
