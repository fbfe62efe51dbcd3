"""What a long recording costs to ask for, and who may be served at once."""

import asyncio
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.playback import Busy, Playback
from gateway.playback.disks import Chunks, Disks
from gateway.playback.errors import NotNow
from gateway.playback.pace import BURST_BYTES, Pace
from tests.clocks import NOON, SECOND, FakeClock
from tests.playback.film import CAMERA, camera_of, filming, look


async def test_parts_of_one_range_cost_one_plan_also_while_it_grows(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.groups(2)
        playback = Playback([camera_of()], [tmp_path / "disk"], tmp_path / "store", SystemClock())
        to_ns = NOON + 60 * SECOND
        first = await playback.plan(CAMERA, NOON, to_ns, going_on=False)
        await film.groups(2)
        part = await playback.plan(CAMERA, NOON, to_ns, going_on=True)
        assert part is first, "a player that reads on gets the rest of what it began"
        grown = await playback.plan(CAMERA, NOON, to_ns, going_on=False)
        assert grown.size_bytes > first.size_bytes
        assert grown.etag != first.etag
        await film.seal()
        sealed = await playback.plan(CAMERA, NOON, film.at_ns, going_on=False)
        assert sealed.is_settled
        assert await playback.plan(CAMERA, NOON, film.at_ns, going_on=False) is sealed
        await playback.end()


async def test_a_stream_that_is_closed_while_it_reads_lets_go_of_its_place(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2)
        playback = Playback(
            [camera_of()], [tmp_path / "disk"], tmp_path / "store", SystemClock(), most=2
        )
        plan = await playback.plan(CAMERA, NOON, film.at_ns, going_on=False)
        one = playback.open(plan, 0, plan.size_bytes, playback.enter("one"))
        other = playback.open(plan, 0, plan.size_bytes, playback.enter("other"))
        with pytest.raises(Busy):
            playback.enter("third")
        reading = asyncio.create_task(one.next())
        await asyncio.sleep(0)
        one.close()
        one.close()
        await asyncio.gather(reading, return_exceptions=True)
        assert playback.viewers == 1
        got = bytearray()
        while chunk := await other.next():
            got += chunk
        other.close()
        assert look(bytes(got)).numbers == list(range(100))
        await playback.end()


async def test_a_disk_that_hangs_keeps_its_own_viewers_only() -> None:
    import threading  # noqa: PLC0415

    disks, hangs = Disks(), threading.Event()

    def never() -> bytes:
        hangs.wait(60)
        return b"late"

    def at_once(_volume: Path) -> bytes:
        return b"now"

    slow, quick = Path("/slow"), Path("/quick")
    chunks = Chunks(disks.of(slow), iter(never, b""), 0.2)
    with pytest.raises(NotNow):
        await chunks.next()
    with pytest.raises(NotNow):
        await disks.all({slow: (never,), quick: (at_once, quick)}, 0.2)
    assert await disks.each([quick], at_once) == [b"now"]
    hangs.set()
    disks.close()


async def test_beyond_a_burst_all_viewers_share_one_pace() -> None:
    clock = FakeClock()
    pace = Pace(clock, rate=1_000_000)
    await pace.take(BURST_BYTES)
    waiting = [asyncio.create_task(pace.take(500_000)) for _ in range(3)]
    for done in range(1, 4):
        while len(clock.slept) < 3:  # noqa: ASYNC110 the clock tells nobody
            await asyncio.sleep(0)
        clock.advance(0.5)
        for _ in range(5):
            await asyncio.sleep(0)
        assert sum(task.done() for task in waiting) == done
