"""The store: one SQLite file, one writing connection, one reading one.

Owns    events.db and what lies beside it (FORMAT.md lists every file). Nothing else writes them.
Needs   gateway.store.opening, .batch, .recover, .disk; aiosqlite.
Keeps   1. commit() returns only after the transaction is on disk with synchronous=FULL.
        2. One connection writes, and it alone checkpoints (SQLite's WAL-reset bug needs two).
        3. A store that cannot be read is moved aside, never deleted.
        4. A sequence number that a receiver may have seen is never given again (invariant 1).
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import structlog

from gateway.crash import here as crash_here
from gateway.errors import StoreDamaged, StoreError, StoreFull
from gateway.store import opening, recover
from gateway.store.batch import Batch, transaction, write
from gateway.store.disk import STEPS, Reserve, write_file
from gateway.store.opening import Start, explain, load, migrations, prepare, probe
from gateway.store.salvage import SKIP_AHEAD

__all__ = ["Start", "Store", "checkpoint", "explain", "migrations"]

HEAD_EVERY: Final = 5000
"""Records between two writings of the head file that notices a journal gone backwards."""
READ_TIMEOUT_S: Final = 5.0
WAL_MISSING: Final = (
    "事件库的 WAL 文件不见了，最后写入的记录可能已丢失"
    " the store's WAL is gone, and with it perhaps the newest records"
)

T = TypeVar("T")
log = structlog.get_logger()


class Store:
    """Made by open(); closed by close()."""

    def __init__(self, folder: Path, reserve: Reserve, lock: int) -> None:
        self.folder = folder
        self.reserve = reserve
        self._lock = lock
        self._writer: aiosqlite.Connection
        self._reader: aiosqlite.Connection
        self._committed = 0
        self._since_head = 0
        self._head_lock = threading.Lock()
        self._wal_missing = False

    @classmethod
    async def open(
        cls, folder: Path, *, reserve_mib: int = 64, receivers: Sequence[str] = ()
    ) -> tuple["Store", Start]:
        """Open or make the store; never stays dead because of a bad file.

        Raises StoreError (another process has it, the folder cannot be written), StoreFull (not
        even with the reserve) and StoreNewer; the folder is free for another attempt then.
        """
        try:
            lock = _lock(folder)
        except OSError as error:
            raise StoreError(f"{folder}: {error}") from error
        store = cls(folder, Reserve(folder / "reserve", reserve_mib * 1024 * 1024), lock)
        try:
            start = await store._start(tuple(receivers))
        except BaseException:
            await store._disconnect()
            os.close(lock)
            raise
        return store, start

    async def _start(self, receivers: tuple[str, ...]) -> Start:
        path = self.folder / "events.db"
        complaints: list[str] = []
        damaged = full = 0
        begun = False
        while True:
            try:
                if not begun:
                    complaints += await self._begin(path)
                    begun = True
                await self._connect(path)
                start = await self._call(load, receivers)
                for aside in recover.waiting_asides(self.folder):
                    if not await self._call(recover.is_salvaged, aside):
                        complaints.append(await self._call(recover.salvage, aside))
                        start = await self._call(load, receivers)
            except StoreDamaged as error:
                await self._disconnect()
                damaged += 1
                if damaged > 1:  # a store made a moment ago: it is the disk or the memory
                    raise
                complaints.append(recover.move_aside(self.folder, str(error)))
            except StoreFull:
                await self._disconnect()
                full += 1
                if full > STEPS or not self.reserve.release():
                    raise
            else:
                break
        await self._skip_lost(start, complaints)
        recover.note_open(self.folder)
        start.complaints = complaints + start.complaints
        self._committed = start.seq
        return start

    async def _begin(self, path: Path) -> list[str]:
        """What comes before the database is opened for writing; returns what to tell a person."""
        # First of all, because a store of a newer version must not be touched in any way.
        if not recover.is_moving(self.folder):
            self._wal_missing = self._wal_missing or recover.is_wal_missing(self.folder)
            with contextlib.suppress(StoreDamaged):
                await asyncio.to_thread(opening.refuse_newer, path)
        told = recover.before_open(self.folder)
        self.reserve.fill()
        return told if not self._wal_missing else [*told, WAL_MISSING]

    async def _skip_lost(self, start: Start, complaints: list[str]) -> None:
        """Keep 4. The head file is behind by as many records as fit between two writings of it."""
        head_seq, head_ns = recover.read_head(self.folder)
        start.floor_ns = max(start.floor_ns, head_ns)
        if head_seq > start.seq:
            complaints.append(
                f"事件库倒退：已记到序号 {head_seq},只找到 {start.seq}"
                f" journal went backwards: {head_seq} was noted, {start.seq} is the newest found"
            )
        if head_seq > start.seq or self._wal_missing:
            start.seq = max(start.seq, head_seq) + SKIP_AHEAD
            start.audit_seq += SKIP_AHEAD  # entries went with the records, or may have
            await self._call(_skip_to, start.seq, start.audit_seq)

    async def _connect(self, path: Path) -> None:
        await asyncio.to_thread(probe, path)
        try:
            self._writer = await aiosqlite.connect(
                path, isolation_level=None, cached_statements=256
            )
            await self._call(prepare, path)
            recover.note_closed(self.folder)  # closing this connection would take the WAL away
            self._reader = await aiosqlite.connect(
                opening.read_only(path),
                uri=True,
                isolation_level=None,
                timeout=READ_TIMEOUT_S,
            )
        except sqlite3.Error as error:
            raise explain(error) from error

    async def _disconnect(self) -> None:
        for name in ("_reader", "_writer"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                with contextlib.suppress(
                    sqlite3.Error
                ):  # a checkpoint at closing may fail: the WAL stays
                    await connection.close()

    async def _call(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Run work(connection, *args) in the writer's thread as one step.

        aiosqlite's public calls are one thread hop each, seven for a commit of one alarm; a
        transaction is one step for us, so it is one hop (decision 0007).
        """

        def step() -> T:
            try:
                return work(self._writer._conn, *args)  # noqa: SLF001
            except sqlite3.Error as error:
                raise explain(error) from error

        return await self._writer._execute(step)  # type: ignore[no-any-return,no-untyped-call] # noqa: SLF001

    async def commit(self, batch: Batch) -> None:
        """Write everything in the batch with one sync. Safe to call again with the same batch.

        Raises StoreFull (make room, call again), StoreDamaged (move aside), StoreError (again).
        """
        await self._call(self._write, batch)

    def _write(self, db: sqlite3.Connection, batch: Batch) -> None:
        crash_here("commit.before")
        write(db, batch)
        crash_here("commit.after")
        if not batch.records:
            return
        newest = batch.records[-1]
        self._committed = newest.seq
        self._since_head += len(batch.records)
        if self._since_head >= HEAD_EVERY:
            self.write_head(newest.seq, newest.stored_ns)

    def write_head(self, seq: int, utc_ns: int) -> None:
        """Note outside the database how far it is; a disk too full for it is no reason to stop.

        Never beyond what is committed: a number sealed and not stored would look like a loss.
        """
        with self._head_lock:
            self._since_head = 0
            seq = min(seq, self._committed)
            try:
                write_file(self.folder / "head.json", b'{"seq":%d,"utc_ns":%d}' % (seq, utc_ns))
            except OSError as error:
                log.warning("head file not written, tried again later", error=str(error))

    async def read(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """Run one SELECT on the reading connection: all readers share it, so it must be short.

        Raises StoreError, and StoreDamaged when a page cannot be read.
        """
        try:
            rows = await self._reader.execute_fetchall(sql, args)
        except sqlite3.Error as error:
            raise explain(error) from error
        return [tuple(row) for row in rows]

    async def maintain(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Run a short piece of housekeeping (retention, checkpoint) between two commits."""
        return await self._call(work, *args)

    async def close(self, seq: int, utc_ns: int) -> None:
        """Checkpoint, note the head, let go of the lock."""
        try:
            await self._call(checkpoint)
        except StoreError as error:
            log.warning("checkpoint at closing failed, the WAL stays", error=str(error))
        if seq:
            self.write_head(seq, utc_ns)
        recover.note_closed(self.folder)
        await self._disconnect()
        os.close(self._lock)

    async def abandon(self) -> None:
        """Close without writing anything: the file cannot be trusted any more."""
        recover.note_closed(self.folder)
        await self._disconnect()
        os.close(self._lock)


def _lock(folder: Path) -> int:
    """Take the folder for this process; a second gateway on it would write into our chain."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            f"{folder}: 另一个网关进程正在使用此存储"
            " another gateway process uses this store; stop it first"
        ) from None
    return descriptor


def _skip_to(db: sqlite3.Connection, seq: int, audit_seq: int) -> None:
    """Numbers that receivers, or readers of an export, may already know are never given again."""
    with transaction(db):
        db.executemany(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
            [("skip_to", str(seq)), ("audit_skip_to", str(audit_seq))],
        )


def checkpoint(db: sqlite3.Connection) -> None:
    """Move the WAL into the database and cut it off, so that a flipped byte in it costs little.

    Never waits: with a reader in the way (verify, a slow query) it does what it can. The usual busy
    time-out would hold up every alarm for seconds.
    """
    busy_ms = db.execute("PRAGMA busy_timeout").fetchone()[0]
    db.execute("PRAGMA busy_timeout=0")
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.execute(f"PRAGMA busy_timeout={busy_ms}")
