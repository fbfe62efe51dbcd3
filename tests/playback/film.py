"""Recordings made in no time: real pictures with their numbers, at the times a test wants.

A picture's number stands in it (simulators.cameras.strip), so that what comes out of an answer can
be compared with what was recorded, one by one.
"""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import av

from gateway.config.settings import Camera
from gateway.links.rtsp import RtspSettings
from gateway.media import Run, Sample, Track, fragment, init_segment
from gateway.media.nal import join_lengths
from gateway.media.tracks import g711_track, video
from gateway.store.video import SegmentWriter, VideoStore, Volumes, recover
from simulators.cameras import SMALL, read_number
from simulators.cameras.clip import Clip, Shape, load
from simulators.cameras.scene import Picture
from tests.clocks import NOON, SECOND, FakeClock

FPS = 25
GROUP = SMALL.group
PICTURE_NS = SECOND // FPS
GROUP_NS = GROUP * PICTURE_NS
CLOCK_HZ = 90_000
TICKS = CLOCK_HZ // FPS
LARGER = Shape(width=720, height=360, kbit_per_s=200, group=10, groups=2)
SOUND_HZ = 8000
SOUND_BYTES = 160
CAMERA = "cam-gate-west"


@cache
def clip_of(shape: Shape) -> Clip:
    return load("film", shape, Picture.NORMAL)


@cache
def track_of(shape: Shape) -> Track:
    return video(shape.codec, CLOCK_HZ, clip_of(shape).sets)


def picture(number: int, shape: Shape = SMALL) -> bytes:
    clip = clip_of(shape)
    return join_lengths([unit for unit in clip.units(number) if unit not in clip.sets])


@dataclass
class Film:
    """A store with volumes, and a camera that records into it whatever the test says."""

    root: Path
    clock: FakeClock
    store: VideoStore
    camera: str = CAMERA
    shape: Shape = SMALL
    sound: bool = False
    number: int = 0
    at_ns: int = NOON
    writer: SegmentWriter | None = None
    _begun_ns: int = 0
    _ticks: int = 0
    _sequence: int = 0
    _heard: int = 0
    taken: dict[int, int] = field(default_factory=dict)

    @property
    def tracks(self) -> tuple[Track, ...]:
        return (track_of(self.shape), *([g711_track("pcma")] if self.sound else []))

    def begin(self) -> SegmentWriter:
        tracks = self.tracks
        self.writer = self.store.begin(
            self.camera,
            self.at_ns,
            "trusted",
            init_segment(tracks),
            codec=",".join(track.codec_string for track in tracks),
            width=self.shape.width,
            height=self.shape.height,
        )
        self._begun_ns, self._ticks, self._sequence, self._heard = self.at_ns, 0, 0, 0
        return self.writer

    async def groups(self, count: int, *, sound_late: int = 0) -> None:
        """Record so many groups of pictures; sound_late: ticks its sound is behind."""
        writer = self.writer or self.begin()
        for _ in range(count):
            samples = []
            for index in range(GROUP):
                self.taken[self.number] = self.at_ns + index * PICTURE_NS
                samples.append(Sample(picture(self.number, self.shape), TICKS, 0, index == 0))
                self.number += 1
            runs = [Run(1, self._ticks, samples)]
            if self.sound:
                packets = GROUP_NS * SOUND_HZ // SECOND // SOUND_BYTES
                pieces = [Sample(bytes([0xD5]) * SOUND_BYTES, SOUND_BYTES)] * packets
                runs.append(Run(2, self._heard + sound_late, pieces))
                self._heard += packets * SOUND_BYTES
            self._ticks += GROUP * TICKS
            self._sequence += 1
            self.at_ns += GROUP_NS
            assert await writer.add(fragment(self._sequence, runs), self.at_ns, GROUP)
        await writer.flush()

    async def seal(self) -> None:
        assert self.writer is not None
        assert await self.writer.seal("length") is not None
        self.writer = None

    async def segments(self, count: int, groups: int = 5) -> None:
        """Record so many sealed segments, one behind the other."""
        for _ in range(count):
            await self.groups(groups)
            await self.seal()

    def pause(self, seconds: float, reason: str = "camera") -> None:
        """Nothing is recorded for a while."""
        before = self.at_ns
        self.at_ns += int(seconds * SECOND)
        self.number += round(seconds * FPS)
        self.store.gap(self.camera, before, self.at_ns, reason)


@asynccontextmanager
async def filming(root: Path, **given: object) -> AsyncIterator[Film]:
    clock = FakeClock(NOON)
    (root / "disk").mkdir(parents=True, exist_ok=True)
    volumes = Volumes.open([root / "disk"], site="s", clock=clock, spare_bytes=0)
    store = await VideoStore.open(root / "store", volumes, clock)
    try:
        await recover(store)
        yield Film(root, clock, store, **given)  # type: ignore[arg-type]
    finally:
        await store.close()


def camera_of(name: str = CAMERA, *, sub: bool = False) -> Camera:
    stream = RtspSettings(url="rtsp://192.0.2.30/main")
    return Camera(
        id=name,
        name="西门",
        place="西门门卫室",
        stream=stream,
        sub=RtspSettings(url="rtsp://192.0.2.30/sub") if sub else None,
    )


@dataclass(frozen=True)
class Seen:
    """What a decoder saw: numbers of pictures, and their times in nanoseconds from the start."""

    numbers: list[int]
    at_ns: list[int]
    heard_ns: list[int]


def look(answer: bytes) -> Seen:
    """Decode an answer."""
    numbers, times, heard = [], [], []
    with av.open(io.BytesIO(answer)) as container:
        for packet in container.demux():
            for frame in packet.decode():
                assert frame.pts is not None
                assert frame.time_base is not None
                at_ns = round(frame.pts * frame.time_base * SECOND)
                if isinstance(frame, av.VideoFrame):
                    numbers.append(read_number(frame))
                    times.append(at_ns)
                else:
                    heard.append(at_ns)
    return Seen(numbers, times, heard)


def is_close(one: Iterable[int], other: Iterable[int], within_ns: int = 20_000) -> bool:
    """Whether times are the same but for what is lost between ticks and nanoseconds."""
    return all(abs(a - b) <= within_ns for a, b in zip(one, other, strict=True))
