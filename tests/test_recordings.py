"""What the alarm process sees of recordings: a camera without video is a fault while it is so."""

from pathlib import Path

from gateway.config.settings import Camera
from gateway.links.rtsp import RtspSettings
from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.tracks import g711_track
from gateway.recordings import SILENT_S, Recordings
from gateway.store.video import VideoReader, VideoStore, Volumes
from tests.clocks import FakeClock
from tests.parts import Core, core

GATE = Camera(
    id="gate", name="西门枪机", place="西门", stream=RtspSettings(url="rtsp://192.0.2.5/1")
)
S = 1_000_000_000


def told(made: Core) -> list[str]:
    return [record.type for record in made.records]


async def record(store: VideoStore, clock: FakeClock, seconds: int) -> None:
    """Seal one segment that ends now."""
    track = g711_track("pcma")
    began = clock.utc_ns() - seconds * S
    writer = store.begin("gate", began, "trusted", init_segment([track]), codec="alaw", width=0,
                         height=0)  # fmt: skip
    data = fragment(1, [Run(1, 0, [Sample(b"\0" * 160, 160)])])
    assert await writer.add(data, clock.utc_ns(), 1)
    assert await writer.seal("test") is not None


async def test_a_camera_without_video_is_a_fault_until_there_is_some(tmp_path: Path) -> None:
    clock = FakeClock()
    (tmp_path / "disk").mkdir()
    volumes = Volumes.open([tmp_path / "disk"], site="s", clock=clock, spare_bytes=0)
    async with core(tmp_path / "events", clock) as made:
        reader = VideoReader(tmp_path)
        recordings = Recordings([GATE], reader, made.intake, clock)
        recordings.begin()
        await recordings.look()
        await made.turn()
        assert told(made) == [], "an index that is not there yet is no fault at once"
        await made.pass_time(SILENT_S, step=60)
        await recordings.look()
        await made.turn()
        assert told(made) == ["fault.raised"]
        store = await VideoStore.open(tmp_path, volumes, clock)
        try:
            await record(store, clock, 60)
            await recordings.look()
            await made.turn()
            assert told(made) == ["fault.raised", "fault.restored"]
            await recordings.look()
            await made.turn()
            assert len(made.records) == 2
        finally:
            await store.close()
        await reader.close()
