"""The supervisor's edge: parts are run again, and what ends the gateway passes."""

import asyncio

import pytest

from gateway.errors import ConfigError, StoreError
from gateway.supervise import PAUSE_MOST_S, keep_running
from tests.clocks import FakeClock


class Bug(Exception):
    """Something nobody expected."""


class Enough(StoreError):
    """Ends the test: the store's errors pass."""


async def lives(*ends: float | Exception | None) -> tuple[list[float], list[str]]:
    """Run a part whose lives end so (a number: it lives so long, then fails)."""
    clock, told, left = FakeClock(), list[str](), list(ends)

    async def part() -> None:
        if not left:
            raise Enough
        end = left.pop(0)
        if isinstance(end, float):
            clock.advance(end)
            raise Bug
        if end is not None:
            raise end

    async with asyncio.TaskGroup() as group:

        async def kept() -> None:
            with pytest.raises(Enough):
                await keep_running("part", part, clock, told.append)

        task = group.create_task(kept())
        while not task.done():
            clock.advance(PAUSE_MOST_S)
            await asyncio.sleep(0)
    return clock.slept, told


async def test_a_part_that_fails_is_run_again_after_pauses_that_double_to_a_cap() -> None:
    slept, told = await lives(*[Bug("x")] * 10)
    assert slept[:4] == [0.2, 0.4, 0.8, 1.6]
    assert slept[-1] == PAUSE_MOST_S
    assert told[0] == "Bug: x"


async def test_a_part_that_ends_by_itself_is_told_and_run_again() -> None:
    _, told = await lives(None, None)
    assert told == ["it ended by itself"] * 2


async def test_a_long_life_begins_the_pauses_anew() -> None:
    slept, _ = await lives(Bug(), Bug(), 3600.0, Bug())
    assert slept == [0.2, 0.4, 0.2, 0.4]


@pytest.mark.parametrize("error", [ConfigError([]), StoreError("gone")])
async def test_what_ends_the_gateway_passes(error: Exception) -> None:
    async def part() -> None:
        raise error

    with pytest.raises(type(error)):
        await keep_running("part", part, FakeClock())


async def test_a_cancelled_part_stays_ended() -> None:
    began = asyncio.Event()

    async def part() -> None:
        began.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_running("part", part, FakeClock()))
        await began.wait()
        task.cancel()
    assert task.cancelled()
