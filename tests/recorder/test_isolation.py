"""A camera that misbehaves costs itself only: beside it another loses no picture."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from gateway.clock import SystemClock
from gateway.recorder.camera import CameraRecorder
from gateway.store.video import Located, VideoStore, Volumes, recover
from simulators.cameras import SMALL, Camera, Cameras, Conduct, read_number
from tests.recorder.test_camera import settings_of, until

SEGMENT_S = 2.0
DAY_NS = 86_400_000_000_000
OTHER = replace(SMALL, width=704, height=400)
"""What a camera changes to that is given another resolution."""


@dataclass
class Row:
    """Cameras in one process and one store."""

    folder: Path
    store: VideoStore
    cameras: Cameras
    recorders: dict[str, CameraRecorder]
    tasks: list[asyncio.Task[None]]

    async def end(self) -> None:
        """Stop recording, and have everything sealed."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for writer in self.store.writers:
            await writer.seal("test")

    async def segments(self, name: str) -> list[Located]:
        now = self.store.clock.utc_ns()
        return await self.store.segments(name, now - DAY_NS, now + DAY_NS)

    async def numbers(self, name: str) -> list[int]:
        """The number in every picture that was recorded of a camera, by time."""
        seen: list[int] = []
        for located in await self.segments(name):
            seen += await asyncio.to_thread(_numbers, located.path)
        return seen

    async def until_pictures(self, name: str, count: int) -> None:
        state = self.recorders[name].state
        wanted = state.pictures + count
        await until(lambda: state.pictures >= wanted)


def _numbers(path: Path) -> list[int]:
    with av.open(io.BytesIO(path.read_bytes())) as container:
        return [read_number(frame) for frame in container.decode(video=0)]


@asynccontextmanager
async def row_of(folder: Path, cameras: Sequence[Camera]) -> AsyncIterator[Row]:
    clock = SystemClock()
    (folder / "disk").mkdir()
    volumes = Volumes.open([folder / "disk"], site="s", clock=clock, spare_bytes=0)
    store = await VideoStore.open(folder, volumes, clock)
    try:
        await recover(store)
        async with Cameras(cameras) as live:
            recorders = {
                camera.settings.name: CameraRecorder(
                    camera.settings.name,
                    settings_of(camera.url),
                    store,
                    clock,
                    segment_s=SEGMENT_S,
                )
                for camera in live
            }
            tasks = [asyncio.create_task(recorder.run()) for recorder in recorders.values()]
            row = Row(folder, store, live, recorders, tasks)
            try:
                yield row
            finally:
                await row.end()
    finally:
        await store.close()


HOSTILE = {
    "silent": Conduct(stall=True),
    "deaf": Conduct(mute=True),
    "garbage": Conduct(garbage_rate=0.5, garbage_bytes=4000),
    "torn": Conduct(truncate_rate=0.05),
    "lossy": Conduct(lost_rate=0.1, swapped_rate=0.1, doubled_rate=0.1),
    "absurd": Conduct(absurd_rate=0.5),
    "frozen": Conduct(frozen_timestamps=True),
    "storm": Conduct(die_after=3),
    "locked": Conduct(storm_401=True),
    "busy": Conduct(answers={"DESCRIBE": 503}),
    "drip": Conduct(drip_s=0.01),
    "bomb": Conduct(sdp_padding_bytes=1 << 20),
}


def hostile() -> list[Camera]:
    return [Camera(name=name, label="gate", main=SMALL, sub=None) for name in HOSTILE]


@pytest.mark.timeout(300)
async def test_beside_twelve_that_misbehave_one_that_does_not_loses_no_picture(
    tmp_path: Path,
) -> None:
    good = Camera(name="gate", label="gate", main=SMALL, sub=None)
    change = Camera(name="change", label="gate", main=SMALL, sub=None)
    async with row_of(tmp_path, [good, change, *hostile()]) as row:
        for name, conduct in HOSTILE.items():
            row.cameras[name].conduct = conduct
        await row.until_pictures("gate", 50)
        await row.cameras["change"].show(shape=OTHER, stream="main")
        row.cameras["absurd"].jump(3600.0)
        await row.until_pictures("gate", 100)
        for name in HOSTILE:
            row.cameras[name].conduct = Conduct()
        await row.until_pictures("gate", 25)
        state = row.recorders["gate"].state
        assert (state.sessions, state.lost) == (1, 0)
        await row.end()
        seen = await row.numbers("gate")
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        assert len(seen) >= 175
        for before, after in pairwise(await row.segments("gate")):
            assert before.segment.end_ns == after.segment.facts.started_ns
        sizes = {(each.segment.facts.width, each.segment.facts.height)
                 for each in await row.segments("change")}  # fmt: skip
        assert sizes == {(640, 360), (704, 400)}
