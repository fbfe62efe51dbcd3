"""Our own clock is put right while a camera is recorded: its video is then timed as alarms are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.recorder import camera
from gateway.recorder.camera import BEGINS_MOST, BEGINS_PER_SEGMENT, CameraRecorder
from gateway.store.video import Located, VideoStore, Volumes, recover
from simulators.cameras import SMALL, Camera, Cameras
from tests.clocks import FakeClock
from tests.recorder.test_camera import PATIENCE, settings_of
from tests.store.video.making import opened

HOUR_NS = 3600 * 10**9


class SetClock(SystemClock):
    """The machine's, as long as nobody sets it."""

    by_ns = 0

    def utc_ns(self) -> int:
        return super().utc_ns() + self.by_ns


@asynccontextmanager
async def recording(
    folder: Path, clock: SetClock, *, begins: float = BEGINS_MOST
) -> AsyncIterator[VideoStore]:
    (folder / "disk").mkdir()
    volumes = Volumes.open([folder / "disk"], site="s", clock=clock, spare_bytes=0)
    store = await VideoStore.open(folder, volumes, clock)
    try:
        await recover(store)
        async with Cameras([Camera(name="gate", main=SMALL, sub=None)]) as cameras:
            settings = settings_of(cameras["gate"].url)
            recorder = CameraRecorder("gate", settings, store, clock, segment_s=1.0)
            recorder._begins = begins
            task = asyncio.create_task(recorder.run())
            try:
                yield store
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    finally:
        await store.close()


async def segments_between(
    store: VideoStore, from_ns: int, to_ns: int, count: int
) -> list[Located]:
    for _ in range(PATIENCE):
        if len(found := await store.segments("gate", from_ns, to_ns)) >= count:
            return found
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{len(found)} segments of {count}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("by_ns", [-HOUR_NS, pytest.param(-8 * 10**9, marks=pytest.mark.long)])
async def test_when_our_clock_is_put_back_video_is_timed_by_it_again(
    tmp_path: Path, by_ns: int
) -> None:
    clock = SetClock()
    async with recording(tmp_path, clock) as store:
        began_ns = clock.utc_ns()
        await segments_between(store, began_ns - HOUR_NS, began_ns + HOUR_NS, 2)
        clock.by_ns = by_ns
        set_ns = clock.utc_ns()
        found = await segments_between(store, set_ns - 10**9, began_ns - 10**9, 3)
        for one in found:
            assert set_ns - 10**9 < one.segment.facts.started_ns <= clock.utc_ns()


@pytest.mark.timeout(180)
async def test_when_our_clock_is_put_forward_the_hour_that_never_was_is_told_as_the_clocks(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    async with recording(tmp_path, clock) as store:
        began_ns = clock.utc_ns()
        await segments_between(store, began_ns - HOUR_NS, began_ns + HOUR_NS, 2)
        clock.by_ns = HOUR_NS
        set_ns = clock.utc_ns()
        await segments_between(store, set_ns - 10**9, set_ns + HOUR_NS, 2)
        told = await store.timeline("gate", began_ns + 60 * 10**9, set_ns - 60 * 10**9)
        assert [gap.reason for gap in told.gaps] == ["clock"]


async def test_a_camera_whose_clock_always_jumps_makes_no_more_than_so_many_files(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as store:
        settings = settings_of("rtsp://user:word@127.0.0.1:1/main")
        recorder = CameraRecorder("gate", settings, store, clock, segment_s=60.0)
        assert [recorder.may_begin() for _ in range(BEGINS_MOST + 1)].count(True) == BEGINS_MOST
        clock.advance(60.0)
        again = [recorder.may_begin() for _ in range(BEGINS_MOST)]
        assert again.count(True) == BEGINS_PER_SEGMENT
        clock.advance(86_400.0)
        assert [recorder.may_begin() for _ in range(BEGINS_MOST + 1)].count(True) == BEGINS_MOST


@pytest.mark.timeout(180)
async def test_what_it_sends_beyond_that_is_left_out_and_told_and_it_is_recorded_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera, "BEGINS_PER_SEGMENT", 0.3)
    clock = SetClock()
    async with recording(tmp_path, clock, begins=1.0) as store:
        began_ns = clock.utc_ns()
        first, second = await segments_between(store, began_ns - HOUR_NS, began_ns + HOUR_NS, 2)
        assert second.segment.facts.started_ns > first.segment.end_ns
        told = await store.timeline("gate", first.segment.end_ns, second.segment.facts.started_ns)
        assert [gap.reason for gap in told.gaps] == ["stream"]
