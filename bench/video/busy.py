"""Record cameras beside a thread that is always busy, and say how late each picture was taken.

  python -m bench.video.busy --folder DIR --seconds 20 --segment-s 5 URL …

The recorder's own parts, with a busy thread of pure Python beside them: the worst neighbour there
is. A picture's delay is from when its camera took it, by its time stamp, to when the recorder was
given it; the smallest of a camera is counted as none, because the clocks' difference is unknown.
Writes one line of JSON when it is done.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.links.rtsp import RtspSession, RtspSettings
from gateway.links.rtsp.unit import AccessUnit
from gateway.recorder import camera as recorder
from gateway.store.video import VideoStore, Volumes, recover

DELAYS: dict[str, list[int]] = {}
"""By address: when each picture was taken from the session, less its time stamp; nanoseconds."""


class Timed(RtspSession):
    """A session that notes when each picture is given away."""

    async def __anext__(self) -> AccessUnit:
        """See RtspSession."""
        unit = await super().__anext__()
        rate = self.tracks[unit.track].clock_rate
        late_ns = time.monotonic_ns() - unit.ticks * 1_000_000_000 // rate
        DELAYS.setdefault(self.settings.url, []).append(late_ns)
        return unit


def busy(stop: threading.Event) -> None:
    """Hold the interpreter whenever it is to be had."""
    number = 0
    while not stop.is_set():
        for _ in range(10_000):
            number = (number * 3 + 1) % 1_000_003


async def record(options: argparse.Namespace) -> dict[str, Any]:
    """Record for so long; returns what is to be said."""
    recorder.RtspSession = Timed  # type: ignore[attr-defined] # one class in place of another
    clock = SystemClock()
    disk = options.folder / "disk"
    disk.mkdir()
    volumes = Volumes.open([disk], site="s", clock=clock)
    store = await VideoStore.open(options.folder, volumes, clock)
    await recover(store)
    recorders = [
        recorder.CameraRecorder(
            f"cam-{at}", RtspSettings(url=url), store, clock, segment_s=options.segment_s
        )
        for at, url in enumerate(options.urls, 1)
    ]
    tasks = [asyncio.ensure_future(one.run()) for one in recorders]
    stop = threading.Event()
    neighbour = threading.Thread(target=busy, args=(stop,))
    try:
        while not all(one.state.pictures for one in recorders):
            await asyncio.sleep(0.1)
        DELAYS.clear()
        await asyncio.sleep(options.seconds / 4)  # without the neighbour: what is no delay
        before = {url: len(found) for url, found in DELAYS.items()}
        neighbour.start()
        await asyncio.sleep(options.seconds)
        beside = [
            late - min(found)
            for url, found in DELAYS.items()
            for late in found[before.get(url, 0) :]
        ]
        alone = [
            late - min(found) for url, found in DELAYS.items() for late in found[: before.get(url)]
        ]
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in store.writers:
            await writer.seal("stopped")
        await store.close()
    neighbour.join()
    return {
        "pictures": len(beside),
        "p99_ms": _share(beside, 0.99),
        "worst_ms": _share(beside, 1),
        "alone_p99_ms": _share(alone, 0.99),
        "lost": sum(one.state.lost for one in recorders),
        "sessions": sum(one.state.sessions for one in recorders),
    }


def _share(found: list[int], share: float) -> float:
    """So many of them are not above, milliseconds."""
    ordered = sorted(found)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e6


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(prog="bench.video.busy", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--segment-s", type=float, default=5.0)
    parser.add_argument("urls", nargs="+")
    json.dump(asyncio.run(record(parser.parse_args())), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
