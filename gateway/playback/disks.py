"""Threads that read video: a few for each volume, so that one that hangs keeps nobody else.

Owns    the threads.
Needs   gateway.store.video.workers.
Keeps   1. The event loop never waits for a disk, and an alarm never for a viewer: nothing here is
           shared with the alarm store.
        2. A disk that does not answer in time is NotNow; what it does later is thrown away.
Bound   THREADS for each volume, VOLUMES_MOST volumes, what is beyond shares the last ones.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.playback.errors import NotNow
from gateway.store.video.workers import Strand, Workers

THREADS: Final = 2
VOLUMES_MOST: Final = 16
LIST_S: Final = 3.0
T = TypeVar("T")


class Disks:
    """Made by whoever serves; close() ends the threads."""

    def __init__(self) -> None:
        self._workers: dict[Path, Workers] = {}

    def of(self, volume: Path) -> Workers:
        """The threads of a volume."""
        found = self._workers.get(volume)
        if found is None:
            if len(self._workers) >= VOLUMES_MOST:
                return next(reversed(self._workers.values()))
            found = self._workers[volume] = Workers(f"playback-{len(self._workers)}", THREADS)
        return found

    async def all(
        self, jobs: Mapping[Path, tuple[Callable[..., T], *tuple[Any, ...]]], seconds: float
    ) -> list[T]:
        """Do a job on each volume side by side; raises NotNow when one takes longer."""
        futures = [self.of(volume).submit(*job) for volume, job in jobs.items()]
        done = await _settled(futures, seconds)
        if len(done) < len(futures):
            raise NotNow("录像磁盘没有响应 a disk with video does not answer")
        return [future.result() for future in futures]

    async def each(self, volumes: Sequence[Path], work: Callable[..., T], *args: Any) -> list[T]:  # noqa: ANN401
        """Have work(volume, *args) done on each; one that does not answer in LIST_S is left out."""
        futures = [self.of(volume).submit(work, volume, *args) for volume in volumes]
        return [future.result() for future in await _settled(futures, LIST_S)]

    def close(self) -> None:
        """End the threads; blocks until they have ended what they do, or hang."""
        for workers in self._workers.values():
            workers.stop()


async def _settled(futures: "Sequence[Future[T]]", seconds: float) -> "list[Future[T]]":
    if futures:
        wrapped = [asyncio.wrap_future(future) for future in futures]
        for one in wrapped:
            one.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait(wrapped, timeout=seconds)
    return [future for future in futures if future.done()]


class Chunks:
    """What a blocking iterator gives, read by the loop: one chunk at a time, in order.

    Closed by close(), also while a chunk is being read: its files are let go of behind it.
    """

    def __init__(self, workers: Workers, source: Iterator[bytes], seconds: float) -> None:
        self._strand = Strand(workers)
        self._source = source
        self._seconds = seconds

    async def next(self) -> bytes | None:
        """The next chunk, None at the end. Raises NotNow, and what the iterator raises."""
        future = asyncio.wrap_future(self._strand.submit(next, self._source, None))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(future)
        except TimeoutError as error:
            raise NotNow("录像磁盘没有响应 the disk does not answer") from error
        finally:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def close(self) -> None:
        """Let go of it, without waiting."""
        close = getattr(self._source, "close", None)
        if close is not None:
            self._strand.submit(close)
