"""A recording of some minutes, made at once: the sizes of 1080p25 at 3 Mbit/s, in real fragments.

Needs   gateway.store.video and gateway.media to write it as the recorder does.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from gateway.clock import SystemClock
from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.nal import join_lengths
from gateway.media.tracks import video
from gateway.store.video import VideoStore, Volumes
from simulators.cameras import MAIN
from simulators.cameras.clip import load
from simulators.cameras.scene import Picture

CAMERA: Final = "cam-1"
GROUP: Final = 50
GROUP_NS: Final = 2_000_000_000
TICKS: Final = 3600
PICTURE_BYTES: Final = 15_000
SEGMENT_GROUPS: Final = 30


def make(store: Path, disk: Path, minutes: int, *, real: bool = False) -> tuple[int, int]:
    """Write it; returns when it begins and ends, UTC nanoseconds: it ends an hour ago.

    real  pictures of a simulated camera, which a player shows; otherwise bytes that nobody decodes
    """
    disk.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_make(store, disk, minutes, real=real))


def _pictures(*, real: bool) -> list[Sample]:
    """A group of pictures."""
    if not real:
        return [Sample(os.urandom(PICTURE_BYTES), TICKS, 0, index == 0) for index in range(GROUP)]
    clip = load("bench", MAIN, Picture.NORMAL)
    coded = (
        join_lengths([unit for unit in clip.units(number) if unit not in clip.sets])
        for number in range(GROUP)
    )
    return [Sample(data, TICKS, 0, index == 0) for index, data in enumerate(coded)]


async def _make(folder: Path, disk: Path, minutes: int, *, real: bool) -> tuple[int, int]:
    clock = SystemClock()
    begin = at = (clock.utc_ns() // GROUP_NS - 3600) * GROUP_NS - minutes * 60 * 10**9
    volumes = Volumes.open([disk], site="320612-0001", clock=clock)
    store = await VideoStore.open(folder, volumes, clock)
    track = video("h264", 90_000, load("bench", MAIN, Picture.NORMAL).sets)
    samples = _pictures(real=real)
    try:
        for _ in range(minutes):
            writer = store.begin(
                CAMERA, at, "trusted", init_segment([track]),
                codec=track.codec_string, width=1920, height=1080,
            )  # fmt: skip
            for number in range(SEGMENT_GROUPS):
                at += GROUP_NS
                data = fragment(number + 1, [Run(1, number * GROUP * TICKS, samples)])
                await writer.add(data, at, GROUP)
                await writer.flush()
            await writer.seal("length")
    finally:
        await store.close()
    return begin, at
