"""Housekeeping: a clock that jumps and a disk that fills are faults that end by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.housekeeping import Housekeeping
from gateway.store.disk import Reserve
from tests.clocks import FakeClock
from tests.parts import PATIENCE_S, Core, core


class JumpyClock(FakeClock):
    """Says by how much it jumped, as the system's does."""

    step_ns = 0


@asynccontextmanager
async def keeping(made: Core) -> AsyncIterator[Housekeeping]:
    keeper = Housekeeping(
        made.store,
        made.intake,
        made.clock,  # type: ignore[arg-type]
        retention_days=90,
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run())
        try:
            yield keeper
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def look(made: Core, keeper: Housekeeping) -> None:
    """Let it look once more."""
    before = keeper.progress
    async with asyncio.timeout(PATIENCE_S):
        while keeper.progress == before:
            made.clock.advance(2.0)
            await made.turn()
    await made.turn()


def faults(made: Core, name: str) -> list[str]:
    found = [body for kind in ("fault.raised", "fault.restored") for body in made.bodies(kind)]
    return [body["type"].split(".")[2] for body in found if body["data"]["point"] == name]


async def test_a_clock_that_jumped_is_one_fault_until_it_is_trusted_again(tmp_path: Path) -> None:
    clock = JumpyClock()
    async with core(tmp_path, clock) as made, keeping(made) as keeper:
        await look(made, keeper)
        assert faults(made, "clock") == []
        clock.quality, clock.step_ns = "stepped", 3600 * 10**9
        for _ in range(3):
            await look(made, keeper)
        assert faults(made, "clock") == ["raised"]
        assert made.bodies("fault.raised")[0]["data"]["attributes"]["step_seconds"] == 3600
        clock.quality = "trusted"
        await look(made, keeper)
        assert faults(made, "clock") == ["raised", "restored"]


async def test_a_disk_with_little_room_stops_telemetry_and_says_so_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core(tmp_path, JumpyClock()) as made, keeping(made) as keeper:
        await look(made, keeper)
        assert made.intake.judge.keep_readings
        with monkeypatch.context() as patch:
            patch.setattr(Reserve, "free_bytes", property(lambda _self: 0))
            await look(made, keeper)
            assert faults(made, "disk") == ["raised"]
            assert not made.intake.judge.keep_readings
            await made.press()
            assert made.told("panic") == ["alarm.raised"]
        await look(made, keeper)
        assert faults(made, "disk") == ["raised", "restored"]
        assert made.intake.judge.keep_readings
