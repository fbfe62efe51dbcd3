"""The connection to video.sqlite that writes: a thread of its own, and what to do when it fails.

Owns    video.sqlite with its companions, video-lock, video-reserve, video-suspect.txt and the
        folders video-damaged-NNNN.
Needs   .index for the tables, gateway.store.disk for files.
Keeps   1. One process writes (flock), through one connection (SQLite's WAL-reset fault needs two).
        2. A damaged index is moved aside as it is and never deleted; the files hold all it said.
        3. On a full disk the reserve is given back before anything is refused.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import StoreDamaged, StoreError, StoreFull
from gateway.store.disk import Reserve, sync_folder, write_file
from gateway.store.opening import explain
from gateway.store.video import index
from gateway.store.video.reader import VideoReader
from gateway.store.video.workers import Workers

RESERVE_BYTES: Final = 8 * 1024 * 1024
SUSPECT: Final = "video-suspect.txt"
_COMPANIONS: Final = ("-wal", "-shm", "-journal", "")

T = TypeVar("T")


class Connection:
    """Made by open(); run(), submit() and read() from anywhere; closed by close().

    is_new   the index was made at this opening: recovery fills it from the files
    told     what was found at opening, for a person
    failure  None, or why the last write failed
    """

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.path = folder / index.FILE
        self.reserve = Reserve(folder / "video-reserve", RESERVE_BYTES)
        self.is_new = False
        self.told: list[str] = []
        self.failure: str | None = None
        self._lock = lock
        self._workers = Workers("video-index")
        self._reader = VideoReader(folder)
        self._db: sqlite3.Connection | None = None

    @classmethod
    async def open(cls, folder: Path) -> "Connection":
        """Take the folder and open the index in it, a new one if need be.

        raises  StoreError (another recorder has it, it cannot be written), StoreFull, StoreNewer
        """
        found = cls(folder, _take(folder))
        try:
            await found._workers.run(found._open)
        except BaseException:
            await found.close()
            raise
        return found

    def _open(self) -> None:
        self.reserve.fill()
        suspect = self.folder / SUSPECT
        if suspect.exists():
            self._move_aside(suspect.read_text("utf-8", "replace"))
        for attempt in (1, 2):
            self.is_new = not self.path.exists()
            try:
                self._db = index.connect(self.path)
            except StoreDamaged as error:
                if attempt == 2:  # made a moment ago: it is the disk or the memory
                    raise
                self._move_aside(str(error))
            except StoreFull:
                if attempt == 2 or not self.reserve.release():
                    raise
            else:
                return

    def _move_aside(self, why: str) -> None:
        number = 1
        while (aside := self.folder / f"video-damaged-{number:04d}").exists():
            number += 1
        try:
            aside.mkdir()
            for end in _COMPANIONS:
                with contextlib.suppress(FileNotFoundError):
                    name = self.path.name + end
                    (self.folder / name).rename(aside / name)
            write_file(aside / "why.txt", why.encode("utf-8", "replace"))
            (self.folder / SUSPECT).unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be moved aside: {error}") from error
        self.told.append(
            f"录像索引损坏，已移到 {aside.name},从录像文件重建"
            f" video index damaged, moved to {aside.name} and rebuilt from the files: {why[:300]}"
        )

    async def run(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have work(connection, *args) done as one step; it is not undone by cancelling."""
        return await self._workers.run(self._call, work, args)

    def submit(self, work: Callable[..., T], *args: Any) -> "Future[T]":  # noqa: ANN401
        """As run(), from any thread and without waiting."""
        return self._workers.submit(self._call, work, args)

    async def read(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Have work(connection, *args) read what takes longer than some ten milliseconds.

        In a thread and through a connection of its own, so that no seal and no hold waits for it;
        what was submitted to be written before is there. Raises StoreError.
        """
        await self.run(_nothing)
        try:
            return await self._reader.run(work, *args)
        except StoreDamaged as error:
            await self._workers.run(self._mark_suspect, str(error))
            raise

    def _call(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        if self._db is None:
            raise StoreError(f"{self.path}: closed")
        while True:
            try:
                result = work(self._db, *args)
            except sqlite3.Error as error:
                told = explain(error)
                self.failure = str(told)
                if isinstance(told, StoreFull) and self.reserve.release():
                    continue
                if isinstance(told, StoreDamaged):
                    self._mark_suspect(str(told))
                raise told from error
            self.failure = None
            return result

    def _mark_suspect(self, why: str) -> None:
        """The next start begins with a new index; if this cannot be noted, the next use does."""
        with contextlib.suppress(OSError):
            write_file(self.folder / SUSPECT, why.encode("utf-8", "replace"))

    async def close(self) -> None:
        """End the threads and let go of the folder."""
        await self._reader.close()
        if self._db is not None:
            db, self._db = self._db, None
            with contextlib.suppress(sqlite3.Error):
                await self._workers.run(db.close)
        self._workers.stop()
        os.close(self._lock)


def _nothing(_db: sqlite3.Connection) -> None:
    """Stand in line: what came before has been done."""


def _take(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = os.open(folder / "video-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StoreError(f"{folder}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(
            f"{folder}: 另一个录像进程正在使用此存储"
            " another recorder uses this store; stop it first"
        ) from None
    return lock
