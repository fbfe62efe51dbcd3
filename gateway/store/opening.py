"""From a path to a database that is ours: look at it, bring it to our version, load what is in it.

Plain functions on plain connections, run in another thread than the event loop.

Keeps   1. probe() changes nothing: what it finds wanting can be moved aside as it is.
        2. A number in the header alone is not believed: a flipped bit there must neither stop the
           gateway for ever (StoreNewer) nor make an old store of a new one (migrations).
        3. A migration is one transaction with its version number in it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.errors import StoreDamaged, StoreError, StoreFull, StoreNewer
from gateway.store.batch import transaction
from gateway.store.journal import GENESIS, check, hash_of

APPLICATION_ID: Final = 0x43475731  # "CGW1"
CHECKPOINT_PAGES: Final = 4000
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
QUICK_CHECK_BYTES: Final = 64 * 1024 * 1024
"""A store up to this size is looked through at every opening (0.1 s); a larger one by verify."""

_FULL: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # a file size limit, and a full disk on some file systems
    sqlite3.SQLITE_IOERR_SHMSIZE,  # not even room for the WAL's index: a cold start on a full disk
}
_DAMAGED: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}
"""A sector that cannot be read will not be readable after a restart either."""


@dataclass(slots=True)
class Start:
    """What the gateway has to know when it begins.

    seq, head    newest record's number and hash
    alarms       docs of everything open, oldest first
    points       (device, name) → doc
    seen         device → UTC ns
    inbox        (link, mid) → digest
    receivers    name → number
    audit_seq, audit_head  newest entry's number and hash in the audit trail
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
    audit_seq: int = 0
    audit_head: str = GENESIS
    floor_ns: int = 0
    complaints: list[str] = field(default_factory=list)


def explain(error: sqlite3.Error) -> StoreError:
    """Turn SQLite's error into one whose consequence is known (errors.py)."""
    code = getattr(error, "sqlite_errorcode", None)
    text = f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
    codes = {code, code & 0xFF} if isinstance(code, int) else set()
    if codes & _FULL:
        return StoreFull(text)
    if codes & _DAMAGED:
        return StoreDamaged(text)
    return StoreError(text)


def migrations() -> list[str]:
    """The text of schema/NNNN_*.sql in order; the number of the last is the store's version."""
    folder = files("gateway.store") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def read_only(path: Path) -> str:
    """The address under which SQLite opens a file without writing to it."""
    return f"{path.absolute().as_uri()}?mode=ro"


def refuse_newer(path: Path) -> None:
    """Raise StoreNewer when the store was written by a newer version, and change nothing.

    Raises StoreDamaged too, for what cannot be asked: probe() says the same again.
    """
    _look_at_files(path)
    with _reading(path) as db:
        if db is not None:
            _version(db, path)


def probe(path: Path) -> None:
    """Look at what is there without changing it. Raises StoreDamaged, StoreNewer."""
    _look_at_files(path)
    with _reading(path) as db:
        if db is not None:
            _version(db, path)
            if path.stat().st_size <= QUICK_CHECK_BYTES:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise StoreDamaged(f"{path}: {found}")


def _look_at_files(path: Path) -> None:
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]
    for file in (path, *beside):
        if file.exists() and not file.is_file():
            raise StoreDamaged(f"{file}: not a file")
    empty = not path.exists() or path.stat().st_size == 0
    if empty and beside[0].exists() and beside[0].stat().st_size:
        # SQLite would delete the WAL, in which everything may still be.
        raise StoreDamaged(f"{path}: empty or missing beside a WAL that is not")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that cannot write; None when there is nothing to read."""
    if not path.is_file() or path.stat().st_size == 0:
        yield None
        return
    try:
        with contextlib.closing(
            sqlite3.connect(read_only(path), uri=True, isolation_level=None)
        ) as db:
            yield db
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(code, int) and code & 0xFF == sqlite3.SQLITE_READONLY:
            return  # a rollback journal has to be played back first, which prepare() does
        if isinstance(code, int) and code & 0xFF == sqlite3.SQLITE_CANTOPEN:
            raise explain(error) from error
        raise _damage(path, error) from error


def _damage(path: Path, error: sqlite3.Error) -> StoreError:
    """At opening a table that is missing or a text that is none is damage too."""
    told = explain(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF == sqlite3.SQLITE_ERROR:
        return StoreDamaged(f"{path}: {told}")
    return told


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The schema version on which header and table agree; 0 for a database with nothing in it."""
    application, version, tables = (
        db.execute(sql).fetchone()[0]
        for sql in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if not tables:
        return 0
    if application != APPLICATION_ID:
        raise StoreDamaged(f"{path}: a database of something else (application id {application})")
    noted = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if noted is None or noted[0] != str(version):
        raise StoreDamaged(f"{path}: schema version {version} in its header, {noted} in its table")
    known = len(migrations())
    if version > known:
        raise StoreNewer(
            f"{path}: 由更新版本写入 written by a newer version (schema {version}, this one knows"
            f" {known}); nothing was touched, install that version again"
        )
    return int(version)


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Set the writing connection up and bring the schema to our version."""
    db.execute("PRAGMA synchronous=FULL")
    version = _version(db, path)
    mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"{path}: this file system cannot hold a WAL ({mode}); use a local disk")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    for number, text in enumerate(migrations()[version:], start=version + 1):
        db.executescript(
            f"BEGIN IMMEDIATE;\n{text}\nPRAGMA application_id={APPLICATION_ID};\n"
            f"PRAGMA user_version={number};\n"
            f"REPLACE INTO meta (key, value) VALUES ('schema', '{number}');\nCOMMIT;"
        )


def load(db: sqlite3.Connection, receivers: tuple[str, ...]) -> Start:
    """Read what the gateway begins with. Raises StoreDamaged when it cannot be read."""
    try:
        _add_receivers(db, receivers)
        return _load(db)
    except sqlite3.Error as error:
        raise _damage(Path("events.db"), error) from error


def _add_receivers(db: sqlite3.Connection, receivers: tuple[str, ...]) -> None:
    known = {name for (name,) in db.execute("SELECT name FROM receiver")}
    missing = [(name,) for name in receivers if name not in known]
    if missing:
        with transaction(db):
            db.executemany("INSERT INTO receiver (name) VALUES (?)", missing)


def _load(db: sqlite3.Connection) -> Start:
    start = Start()
    row = db.execute("SELECT seq, stored_ns, body FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    if row is not None:
        body: Any = row[2]
        body = body if isinstance(body, bytes) else str(body).encode("utf-8", "replace")
        start.seq, start.floor_ns, start.head = row[0], row[1], hash_of(body)
        wrong = check(body, None)
        if wrong is not None:
            start.complaints.append(f"最新记录 {row[0]} 已损坏 newest record: {wrong}")
    start.seq = max(start.seq, _number(db, "skip_to"))
    _load_trail(db, start)
    for alarm_id, doc in db.execute(
        "SELECT alarm_id, doc FROM alarm WHERE is_open = 1 ORDER BY raised_seq"
    ):
        if _is_object(doc):
            start.alarms.append(doc)
        else:
            start.complaints.append(f"警情 {alarm_id} 无法读取 this open alarm cannot be read")
    for device, name, doc in db.execute("SELECT device, name, doc FROM point"):
        if _is_object(doc):  # else the point begins as unknown (promise 5)
            start.points[device, name] = doc
    start.seen = dict(db.execute("SELECT device, at_ns FROM seen").fetchall())
    start.inbox = {(k, m): d for k, m, d in db.execute("SELECT link, mid, digest FROM inbox")}
    start.receivers = dict(db.execute("SELECT name, id FROM receiver").fetchall())
    return start


def _load_trail(db: sqlite3.Connection, start: Start) -> None:
    row = db.execute("SELECT seq, at_ns, body FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    if row is not None:
        body = row[2] if isinstance(row[2], bytes) else str(row[2]).encode("utf-8", "replace")
        start.audit_seq, start.audit_head = row[0], hash_of(body)
        start.floor_ns = max(start.floor_ns, row[1])
        wrong = check(body, None)
        if wrong is not None:
            start.complaints.append(f"最新审计条目 {row[0]} 已损坏 newest audit entry: {wrong}")
    start.audit_seq = max(start.audit_seq, _number(db, "audit_skip_to"))


def _number(db: sqlite3.Connection, key: str) -> int:
    noted = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return int(noted[0]) if noted is not None and str(noted[0]).isdecimal() else 0


def _is_object(doc: object) -> bool:
    try:
        return isinstance(orjson.loads(doc), dict)  # type: ignore[arg-type]
    except (orjson.JSONDecodeError, TypeError):
        return False
