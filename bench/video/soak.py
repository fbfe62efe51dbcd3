"""A day of recording in minutes: cameras that hang up all the time, cuts, retention, one process.

Owns    the cameras and the recorder of one run, in this process, and what it counts meanwhile.
Needs   simulators.cameras; the recorder's own parts.
Keeps   1. Every camera is hung up on once in `every_s`, by turns; each second time without a word.
        2. Segments are short, so that there are as many cuts in an hour as else in a day.
        3. The clock of the retention runs so much faster that a day's video is gone in the run: it
           is a whole store beside the recorded one, with segments of a few bytes.
        4. Flat means: from the first third of the run to the last no file, no thread and no more
           than MEMORY_MOST_MIB came to stay.
"""

import argparse
import asyncio
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from bench.video.site import pss_mib
from gateway import logs
from gateway.clock import SystemClock
from gateway.links.rtsp import RtspSettings
from gateway.recorder.camera import CameraRecorder
from gateway.store.video import Retention, VideoStore, Volumes, recover
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera

SEGMENT_S: Final = 2.0
LOOK_S: Final = 1.0
MEMORY_MOST_MIB: Final = 8.0
DAY_S: Final = 86_400


class FastClock(SystemClock):
    """Ours, whose days pass in the run: what the retention believes."""

    def __init__(self, times: float) -> None:
        super().__init__()
        self._times = times
        self._began_ns = super().utc_ns()
        self._began_mono_ns = super().mono_ns()

    def mono_ns(self) -> int:
        """Monotonic, and so much faster."""
        passed = super().mono_ns() - self._began_mono_ns
        return self._began_mono_ns + int(passed * self._times)

    def utc_ns(self) -> int:
        """UTC, and so much faster: the two never part, so nothing looks like a step."""
        return self._began_ns + self.mono_ns() - self._began_mono_ns

    @property
    def quality(self) -> str:
        """It is believed."""
        return "trusted"


@dataclass(slots=True)
class Sample:
    """What the process has at a moment."""

    at_s: float
    memory_mib: float
    files: int
    threads: int
    tasks: int


@dataclass(slots=True)
class Soaked:
    """What a run found.

    expired  segments that retention took away in the fast store
    gaps     reasons of what is missing, and how often
    """

    seconds: float
    began_ns: int = 0
    samples: list[Sample] = field(default_factory=list)
    hung_up: int = 0
    sessions: int = 0
    segments: int = 0
    pictures: int = 0
    expired: int = 0
    written: int = 0
    gaps: dict[str, int] = field(default_factory=dict)

    def growth(self, what: str) -> float:
        """The median of the last third less that of the first, its first fifth left out."""
        third = len(self.samples) // 3
        early = self.samples[third // 5 : third] or self.samples[:1]
        late = self.samples[-third:] or self.samples[-1:]
        before = median(float(getattr(one, what)) for one in early)
        return median(float(getattr(one, what)) for one in late) - before

    def faults(self) -> list[str]:
        """What is not as it should be; empty for a good run."""
        found = []
        for what, most in (
            ("files", 0.5), ("threads", 0.5), ("tasks", 0.5), ("memory_mib", MEMORY_MOST_MIB)
        ):  # fmt: skip
            if (grown := self.growth(what)) > most:
                found.append(f"{what} grew by {grown:.1f}")
        if not self.segments or self.sessions <= self.hung_up // 2:
            found.append(f"{self.sessions} sessions, {self.segments} segments")
        if not self.expired:
            found.append("retention took nothing away")
        return found


async def soak(folder: Path, seconds: float, *, cameras: int = 4, every_s: float = 4.0) -> Soaked:
    """Run for so long; every camera is hung up on once in every_s."""
    soaked = Soaked(seconds)
    names = [f"cam-{number}" for number in range(1, cameras + 1)]
    made = [Camera(name=name, label="soak", main=SMALL, sub=None) for name in names]
    async with Cameras(made) as running, _store(folder / "kept", SystemClock()) as store:
        fast = FastClock(times=3 * DAY_S / seconds)
        async with _store(folder / "fast", fast) as days:
            clock = SystemClock()
            recorders = [
                CameraRecorder(name, _settings(running[name]), store, clock, segment_s=SEGMENT_S)
                for name in names
            ]
            soaked.began_ns = clock.utc_ns()
            tasks = [asyncio.ensure_future(one.run()) for one in recorders]
            tasks.append(asyncio.ensure_future(_hang_up(list(running), every_s, soaked)))
            tasks.append(asyncio.ensure_future(_days(days, fast, soaked)))
            try:
                await _watch(soaked, tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        for writer in store.writers:
            await writer.seal("stopped")
        await _count(store, names, recorders, soaked)
    return soaked


@asynccontextmanager
async def _store(folder: Path, clock: SystemClock) -> AsyncIterator[VideoStore]:
    disk = folder / "disk"
    disk.mkdir(parents=True)
    volumes = Volumes.open([disk], site="s", clock=clock, spare_bytes=0)
    store = await VideoStore.open(folder, volumes, clock)
    try:
        await recover(store)
        yield store
    finally:
        await store.close()


def _settings(camera: LiveCamera) -> RtspSettings:
    parts = urlsplit(camera.url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return RtspSettings(url=plain, username=parts.username, password=parts.password, silence_s=3.0)


async def _hang_up(cameras: list[LiveCamera], every_s: float, soaked: Soaked) -> None:
    while True:
        for camera in cameras:
            await asyncio.sleep(every_s / len(cameras))
            if camera.playing_count:
                await camera.hang_up(polite=soaked.hung_up % 2 == 0)
                soaked.hung_up += 1


async def _days(store: VideoStore, clock: FastClock, soaked: Soaked) -> None:
    """Segments of an hour each, in a row; what is older than a day goes."""
    retention = Retention(store, 1)
    head = (16).to_bytes(4, "big") + b"ftypiso6\0\0\0\0"
    body = (16).to_bytes(4, "big") + b"moof" + bytes(8) + (16).to_bytes(4, "big") + b"mdat"
    kept_ns = clock.utc_ns()
    while True:
        await asyncio.sleep(LOOK_S / 4)
        now = clock.utc_ns()
        while now - kept_ns > 600 * 1_000_000_000:
            writer = store.begin(
                "hour", kept_ns, "trusted", head, codec="avc1", width=640, height=360
            )
            kept_ns += 600 * 1_000_000_000
            await writer.add(body + bytes(8), kept_ns, 1)
            if await writer.seal("length") is not None:
                soaked.written += 1
        soaked.expired += (await retention.expire()).segments


async def _watch(soaked: Soaked, tasks: Sequence[asyncio.Future[None]]) -> None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < soaked.seconds:
        ended = [task for task in tasks if task.done()]
        for task in ended:
            task.result()
            raise RuntimeError("a part of the soak ended")
        soaked.samples.append(
            Sample(
                passed,
                pss_mib(os.getpid()),
                sum(1 for _ in Path("/proc/self/fd").iterdir()),
                threading.active_count(),
                len(asyncio.all_tasks()),
            )
        )
        await asyncio.sleep(min(LOOK_S, soaked.seconds / 60))


async def _count(
    store: VideoStore, names: list[str], recorders: list[CameraRecorder], soaked: Soaked
) -> None:
    soaked.sessions = sum(one.state.sessions for one in recorders)
    soaked.pictures = sum(one.state.pictures for one in recorders)
    for name in names:
        line = await store.timeline(name, soaked.began_ns, store.clock.utc_ns())
        for gap in line.gaps:
            soaked.gaps[gap.reason] = soaked.gaps.get(gap.reason, 0) + 1
    soaked.segments = len(list((store.folder / "disk").rglob("*.mp4")))


def told(soaked: Soaked) -> str:
    """The run in a few lines."""
    first, last = soaked.samples[0], soaked.samples[-1]
    lines = [
        f"{soaked.seconds:.0f} s: {soaked.hung_up} times hung up, {soaked.sessions} sessions,"
        f" {soaked.segments} segments, {soaked.pictures:,} pictures",
        f"retention: {soaked.expired} of {soaked.written} segments of the fast days gone",
        "missing: " + ", ".join(f"{reason} {count}" for reason, count in soaked.gaps.items()),
    ]
    lines += [
        f"{what}: {getattr(first, what):.1f} at first, {getattr(last, what):.1f} at last,"
        f" from the first third to the last {soaked.growth(what):+.1f}"
        for what in ("memory_mib", "files", "threads", "tasks")
    ]
    return "\n".join(lines + [f"FAULT: {fault}" for fault in soaked.faults()])


def main(arguments: Sequence[str]) -> int:
    """`python -m bench soak --hours H`; returns 1 when something grew or stood still."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=0.5, help="运行多久 / how long")
    parser.add_argument("--cameras", type=int, default=4, help="台数 / how many cameras")
    parser.add_argument(
        "--every-s", type=float, default=2.0, help="每台隔多久断一次 / each is hung up on so often"
    )
    parser.add_argument("--folder", type=Path, help="临时文件放哪里 / where temporary files go")
    options = parser.parse_args(arguments)
    logs.set_up("console", "error")
    with tempfile.TemporaryDirectory(prefix="campus-soak-", dir=options.folder) as folder:
        soaked = asyncio.run(
            soak(
                Path(folder),
                options.hours * 3600,
                cameras=options.cameras,
                every_s=options.every_s,
            )
        )
    print(told(soaked))
    return int(bool(soaked.faults()))
