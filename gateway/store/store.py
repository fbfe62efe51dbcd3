"""The store: one SQLite file, one writing connection, one reading one.

Owns    events.db and what lies beside it (FORMAT.md lists every file). Nothing else writes them.
Needs   gateway.store.batch, .journal, .disk, .recover; aiosqlite.
Keeps   1. commit() returns only after the transaction is on disk with synchronous=FULL.
        2. One connection writes, and it alone checkpoints (SQLite's WAL-reset bug needs two).
        3. A store that cannot be read is moved aside, never deleted.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import structlog

from gateway.errors import StoreDamaged, StoreError, StoreFull, StoreNewer
from gateway.store import recover
from gateway.store.batch import Batch, write
from gateway.store.disk import Reserve, write_file
from gateway.store.journal import GENESIS, hash_of

APPLICATION_ID: Final = 0x43475731  # "CGW1"
CHECKPOINT_PAGES: Final = 4000
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
"""A store up to this size is looked through at every opening (0.1 s); a larger one while it runs."""
HEAD_EVERY: Final = 1000
"""Records between two writings of the head file that notices a journal gone backwards."""

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(slots=True)
class Start:
    """What the gateway has to know when it begins.

    seq, head    newest record's number and hash
    alarms       docs of everything open, oldest first
    points       (device, name) → doc
    seen         device → UTC ns
    inbox        (link, mid) → digest
    receivers    name → number
    floor_ns     newest time the store has seen
    complaints   what was found and done at opening, for faults a person must see
    """

    seq: int = 0
    head: str = GENESIS
    alarms: list[str] = field(default_factory=list)
    points: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    inbox: dict[tuple[str, int], int] = field(default_factory=dict)
    receivers: dict[str, int] = field(default_factory=dict)
    floor_ns: int = 0
    complaints: list[str] = field(default_factory=list)


class Store:
    """Made by open(); closed by close()."""

    def __init__(self, folder: Path, reserve: Reserve, lock: int) -> None:
        self.folder = folder
        self.reserve = reserve
        self._lock = lock
        self._writer: aiosqlite.Connection
        self._reader: aiosqlite.Connection
        self._since_head = 0

    @classmethod
    async def open(
        cls, folder: Path, *, reserve_mib: int = 64, receivers: Sequence[str] = ()
    ) -> tuple["Store", Start]:
        """Open or make the store; never stays dead because of a bad file.

        Raises StoreError (another process has it, the folder cannot be written) and StoreNewer.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            lock = _lock(folder)
            reserve = Reserve(folder / "reserve", reserve_mib * 1024 * 1024)
            reserve.fill()
        except OSError as error:
            raise StoreError(f"{folder}: {error}") from error
        store = cls(folder, reserve, lock)
        complaints = recover.before_open(folder)
        start: Start | None = None
        for attempt in (1, 2):
            try:
                await store._connect()
                start = await store._call(_load, tuple(receivers))
                break
            except StoreDamaged as error:
                await store._disconnect()
                if attempt == 2:
                    raise
                complaints.append(recover.move_aside(folder, str(error)))
            except BaseException:
                await store._disconnect()
                os.close(lock)
                raise
        assert start is not None  # noqa: S101 the loop either set it or raised
        start.complaints = complaints + start.complaints
        await store._salvage(start, tuple(receivers))
        head_seq, head_floor = recover.read_head(folder)
        if head_seq > start.seq:
            start.complaints.append(
                f"事件库倒退:序号 {head_seq} 之后只找到 {start.seq} journal went backwards"
            )
            await store._call(_skip_to, head_seq)
            start.seq = head_seq
        start.floor_ns = max(start.floor_ns, head_floor)
        return store, start

    async def _salvage(self, start: Start, receivers: tuple[str, ...]) -> None:
        """Bring over what a store that was moved aside still holds; seconds, not minutes."""
        aside = recover.newest_aside(self.folder)
        if aside is None:
            return
        report = await self._call(recover.salvage, aside)
        start.complaints.append(report)
        fresh = await self._call(_load, receivers)
        fresh.complaints = start.complaints
        for name in fresh.__slots__:
            setattr(start, name, getattr(fresh, name))

    async def _connect(self) -> None:
        path = self.folder / "events.db"
        self._writer = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
        await self._call(_prepare, path)
        self._reader = await aiosqlite.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None
        )

    async def _disconnect(self) -> None:
        for name in ("_reader", "_writer"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                await connection.close()

    async def _call(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401
        """Run work(connection, *args) in the writer's thread as one step.

        aiosqlite's public calls are one thread hop each (60 µs here, eight for a commit of one alarm);
        a transaction is one step for us, so it is one hop (decision 0007).
        """

        def step() -> T:
            try:
                return work(self._writer._conn, *args)  # noqa: SLF001
            except sqlite3.Error as error:
                raise explain(error) from error

        return await self._writer._execute(step)  # type: ignore[no-any-return,no-untyped-call] # noqa: SLF001

    async def commit(self, batch: Batch) -> None:
        """Write everything in the batch with one sync. Safe to call again with the same batch.

        Raises StoreFull (make room, call again), StoreDamaged (move aside), StoreError (call again).
        """
        await self._call(write, batch)
        self._since_head += len(batch.records)
        if batch.records and self._since_head >= HEAD_EVERY:
            self.write_head(batch.records[-1].seq, batch.records[-1].stored_ns)

    def write_head(self, seq: int, utc_ns: int) -> None:
        """Note outside the database how far it is; a disk too full for it is no reason to stop."""
        self._since_head = 0
        try:
            write_file(self.folder / "head.json", b'{"seq":%d,"utc_ns":%d}' % (seq, utc_ns))
        except OSError as error:
            log.warning("head file not written, tried again later", error=str(error))

    async def read(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
        """Run one short SELECT on the reading connection."""
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
        await self._disconnect()
        os.close(self._lock)

    async def abandon(self) -> None:
        """Close without writing anything: the file cannot be trusted any more."""
        await self._disconnect()
        os.close(self._lock)


def explain(error: sqlite3.Error) -> StoreError:
    """Turn SQLite's error into one whose consequence is known (errors.py)."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    text = f"{name}: {error}"
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_WRITE:
        return StoreFull(
            text
        )  # a file size limit gives IOERR_WRITE, a full disk FULL or IOERR_WRITE
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or code in {
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_DATA if hasattr(sqlite3, "SQLITE_IOERR_DATA") else -1,
    }:
        return StoreDamaged(text)
    return StoreError(text)


def _lock(folder: Path) -> int:
    """Take the folder for this process; a second gateway on it would write into our chain."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            f"{folder}: 另一个网关进程正在使用此存储 another gateway process uses this store; stop it first"
        ) from None
    return descriptor


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Set the connection up and bring the schema to our version."""
    db.execute("PRAGMA synchronous=FULL")
    application, version = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and path.stat().st_size <= QUICK_CHECK_BYTES:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreDamaged(f"{path}: {found}")
    if tables and application != APPLICATION_ID:
        raise StoreDamaged(f"{path}: a database of something else (application id {application})")
    steps = migrations()
    if version > len(steps):
        raise StoreNewer(
            f"{path}: written by a newer version (schema {version}, this one knows {len(steps)})"
        )
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    for number, text in enumerate(steps[version:], start=version + 1):
        db.executescript(
            f"BEGIN IMMEDIATE;\n{text}\nPRAGMA application_id={APPLICATION_ID};\n"
            f"PRAGMA user_version={number};\nCOMMIT;"
        )


def migrations() -> list[str]:
    """The text of schema/NNNN_*.sql in order; the number of the last is the store's version."""
    folder = files("gateway.store") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _load(db: sqlite3.Connection, receivers: tuple[str, ...]) -> Start:
    start = Start()
    row = db.execute("SELECT seq, stored_ns, body FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    if row is not None:
        start.seq, start.floor_ns, start.head = row[0], row[1], hash_of(bytes(row[2]))
    skipped = db.execute("SELECT value FROM meta WHERE key = 'skip_to'").fetchone()
    if skipped is not None:
        start.seq = max(start.seq, int(skipped[0]))
    start.alarms = [
        doc for (doc,) in db.execute("SELECT doc FROM alarm WHERE is_open = 1 ORDER BY raised_seq")
    ]
    start.points = {(d, n): doc for d, n, doc in db.execute("SELECT device, name, doc FROM point")}
    start.seen = dict(db.execute("SELECT device, at_ns FROM seen").fetchall())
    start.inbox = {(k, m): d for k, m, d in db.execute("SELECT link, mid, digest FROM inbox")}
    known = dict(db.execute("SELECT name, id FROM receiver").fetchall())
    missing = [name for name in receivers if name not in known]
    if missing:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO receiver (name) VALUES (?)", [(name,) for name in missing])
        db.execute("COMMIT")
    start.receivers = dict(db.execute("SELECT name, id FROM receiver").fetchall())
    return start


def _skip_to(db: sqlite3.Connection, seq: int) -> None:
    """Numbers that receivers may already know are never given again."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('skip_to', ?)", (str(seq),))


def checkpoint(db: sqlite3.Connection) -> None:
    """Move the WAL into the database and cut it off, so that a flipped byte in it costs little."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
