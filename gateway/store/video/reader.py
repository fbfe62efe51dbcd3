"""Reading the index from another process: the alarm process's view of the recordings.

Needs   .timeline. Writes nothing, waits for nobody: WAL readers and the writer do not meet.
Keeps   1. An index that was moved aside and begun anew is noticed: the new one is read.
        2. Reads are short, so that they do not keep the WAL from being cut off.
Bound   the answers' own bounds (.timeline); one thread; WAIT_S for an index that is busy.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import StoreError
from gateway.store.opening import explain, read_only
from gateway.store.video import index
from gateway.store.video.timeline import SEGMENTS_MOST, Located, Timeline, segments, timeline
from gateway.store.video.workers import Workers

WAIT_S: Final = 2.0
T = TypeVar("T")


class VideoReader:
    """Made by VideoStore.reader(folder) at any time: the index may appear later."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / index.FILE
        self._workers = Workers("video-reader")
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    async def timeline(self, camera: str, from_ns: int, to_ns: int) -> Timeline:
        """What is there of a camera between two times, and what is not. Raises StoreError."""
        return await self.run(timeline, camera, from_ns, to_ns)

    async def segments(
        self, camera: str, from_ns: int, to_ns: int, limit: int = SEGMENTS_MOST
    ) -> list[Located]:
        """The segments that have something of it, oldest first. Raises StoreError."""
        return await self.run(segments, camera, from_ns, to_ns, limit)

    async def cameras(self) -> list[str]:
        """All cameras that were ever recorded. Raises StoreError."""
        return [name for _, name in await self.run(index.cameras)]

    async def run(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have work(connection, *args) read something. Raises StoreError: ask again later."""
        return await self._workers.run(self._read, work, args)

    def _read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            return work(self._connected(), *args)
        except sqlite3.Error as error:
            self._drop()
            raise explain(error) from error

    def _connected(self) -> sqlite3.Connection:
        try:
            inode = self._path.stat().st_ino
        except OSError as error:
            self._drop()
            raise StoreError(f"{self._path}: 还没有录像索引 no video index yet") from error
        if self._db is None or inode != self._inode:
            self._drop()
            self._db = sqlite3.connect(
                read_only(self._path), uri=True, isolation_level=None, timeout=WAIT_S
            )
            self._inode = inode
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    async def close(self) -> None:
        """End the thread."""
        await self._workers.run(self._drop)
        self._workers.stop()
