"""One camera through the real client into the real store: every picture once, every gap named."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import av
import pytest

from gateway.clock import SystemClock
from gateway.links.rtsp import RtspSettings
from gateway.recorder.camera import CameraRecorder
from gateway.store.video import Located, VideoStore, Volumes, recover
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera, read_number

SEGMENT_S = 2.0
PATIENCE = 1200
"""Looks, a twentieth of a second apart; only a test that fails needs them all."""
YEAR_NS = 365 * 86_400_000_000_000


async def until(enough: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if enough():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


@dataclass
class Room:
    """A store with one volume, and a camera being recorded into it."""

    folder: Path
    store: VideoStore
    recorder: CameraRecorder
    camera: LiveCamera
    told: list[tuple[bool, str]]
    task: asyncio.Task[None]

    async def segments(self) -> list[Located]:
        now = self.store.clock.utc_ns()
        return await self.store.segments("gate", now - YEAR_NS, now + YEAR_NS)

    async def until_segments(self, count: int) -> list[Located]:
        for _ in range(PATIENCE):
            if len(found := await self.segments()) >= count:
                return found
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{len(found)} segments of {count}")

    async def until_pictures(self, count: int) -> None:
        """Have so many more pictures on their way to the disk."""
        wanted = self.recorder.state.pictures + count
        await until(lambda: self.recorder.state.pictures >= wanted)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for writer in self.store.writers:
            await writer.seal("test")


def settings_of(url: str) -> RtspSettings:
    """A simulated camera's address; who we are stands in it."""
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return RtspSettings(url=plain, username=parts.username, password=parts.password, silence_s=3.0)


@asynccontextmanager
async def recording(folder: Path, camera: Camera) -> AsyncIterator[Room]:
    clock = SystemClock()
    (folder / "disk").mkdir()
    volumes = Volumes.open([folder / "disk"], site="s", clock=clock, spare_bytes=0)
    store = await VideoStore.open(folder, volumes, clock)
    told: list[tuple[bool, str]] = []
    try:
        await recover(store)
        async with Cameras([camera]) as cameras:
            live = cameras[camera.name]
            recorder = CameraRecorder(
                "gate",
                settings_of(live.url),
                store,
                clock,
                told=lambda _camera, recording, why: told.append((recording, why)),
                segment_s=SEGMENT_S,
            )
            task = asyncio.create_task(recorder.run())
            room = Room(folder, store, recorder, live, told, task)
            try:
                yield room
            finally:
                await room.end()
    finally:
        await store.close()


def numbers(room: Room, found: Sequence[Located]) -> list[int]:
    """The number that stands in every picture of these files, in the order of their times."""
    seen = []
    for located in found:
        data = (room.folder / "disk" / located.segment.path).read_bytes()
        with av.open(io.BytesIO(data)) as container:
            seen += [read_number(frame) for frame in container.decode(video=0)]
    return seen


@pytest.mark.timeout(180)
async def test_across_many_cuts_every_picture_is_there_once(tmp_path: Path) -> None:
    async with recording(tmp_path, Camera(name="gate", main=SMALL, sub=None)) as room:
        await room.until_segments(4)
        await room.end()
        found = await room.segments()
        seen = numbers(room, found)
        assert len(found) >= 4
        assert seen == list(range(seen[0], seen[0] + len(seen)))
        for before, after in pairwise(found):
            assert before.segment.end_ns == after.segment.facts.started_ns
        assert room.told == [(True, "")]


@pytest.mark.timeout(180)
async def test_a_camera_that_hangs_up_leaves_one_gap_and_goes_on(tmp_path: Path) -> None:
    async with recording(tmp_path, Camera(name="gate", main=SMALL, sub=None)) as room:
        await room.until_pictures(30)
        await room.camera.hang_up()
        await room.until_pictures(30)
        await room.end()
        found = await room.segments()
        first, last = found[0].segment, found[-1].segment
        timeline = await room.store.timeline("gate", first.facts.started_ns, last.end_ns)
        assert [gap.reason for gap in timeline.gaps] == ["camera"]
        assert room.recorder.state.sessions == 2
        assert [recorded for recorded, _ in room.told] == [True, False, True]
        seen = numbers(room, found)
        assert sorted(set(seen)) == seen, "none twice, none out of order"


@pytest.mark.timeout(180)
async def test_a_camera_that_is_not_there_is_told_and_recorded_as_soon_as_it_is(
    tmp_path: Path,
) -> None:
    async with recording(tmp_path, Camera(name="gate", main=SMALL, sub=None)) as room:
        await room.until_pictures(10)
        await room.camera.power_off()
        await until(lambda: not room.recorder.state.is_recording)
        assert room.recorder.state.why
        await room.camera.power_on()
        await room.until_pictures(10)
        assert room.recorder.state.is_recording
