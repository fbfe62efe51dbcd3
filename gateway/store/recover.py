"""When the file is not what it should be: move it aside, begin anew, bring over what can be read.

Owns    the folders damaged-NNNN/ beside the database.
Keeps   1. Nothing is deleted: the damaged files stay until a person removes them.
        2. What alarms need (open alarms, points, undelivered records) is brought over before the
           gateway starts, the rest of the journal in steps of STEP_ROWS while it runs.
        3. A record is brought over only if its own hash still holds.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.errors import StoreError
from gateway.store.disk import sync_folder, write_file
from gateway.store.journal import check

STEP_ROWS: Final = 2000
_FILES: Final = ("events.db", "events.db-wal", "events.db-shm")
_DONE: Final = "salvaged.json"
_SUSPECT: Final = "suspect.txt"
_ESSENTIAL: Final = (
    ("meta", "key, value", "key != ''", "key"),
    ("receiver", "id, name", "id > 0", "id"),
    ("alarm", "alarm_id, category, is_open, raised_seq, doc", "is_open = 1", "alarm_id"),
    ("point", "device, name, doc", "device != ''", "device"),
    ("seen", "device, at_ns", "device != ''", "device"),
    ("inbox", "link, mid, digest", "link != ''", "link"),
    (
        "delivery",
        "receiver, seq, lane, state, attempts, at_ns, reference, reason",
        "state = 0 OR state = 7",
        "receiver",
    ),
)
_REST: Final = (
    ("alarm", "alarm_id, category, is_open, raised_seq, doc", "is_open = 0", "alarm_id"),
    (
        "delivery",
        "receiver, seq, lane, state, attempts, at_ns, reference, reason",
        "state != 0 AND state != 7",
        "receiver",
    ),
    ("quarantine", "id, at_ns, device, why, size_bytes, raw", "id > 0", "id"),
    ("reading", "rowid, at_ns, device, point, value", "rowid > 0", "rowid"),
)


def before_open(folder: Path) -> list[str]:
    """Remove unfinished temporary files, which nothing names, and move a suspect store aside."""
    for leftover in folder.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    suspect = folder / _SUSPECT
    if not suspect.exists():
        return []
    told = move_aside(folder, suspect.read_text(encoding="utf-8", errors="replace")[:500])
    suspect.unlink()
    return [told]


def mark_suspect(folder: Path, why: str) -> None:
    """Note that the database failed while running; the next opening moves it aside."""
    write_file(folder / _SUSPECT, why.encode())


def read_head(folder: Path) -> tuple[int, int]:
    """The sequence number and time noted outside the database; (0, 0) when there is none."""
    try:
        noted = json.loads((folder / "head.json").read_bytes())
        return int(noted["seq"]), int(noted["utc_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def move_aside(folder: Path, why: str) -> str:
    """Move the database and its companions to damaged-NNNN/; returns what to tell a person."""
    number = 1
    while (aside := folder / f"damaged-{number:04d}").exists():
        number += 1
    try:
        aside.mkdir()
        for name in _FILES:
            with contextlib.suppress(FileNotFoundError):
                (folder / name).rename(aside / name)
        write_file(aside / "why.txt", why.encode())
        sync_folder(aside)
        sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{folder}: the damaged store cannot be moved aside: {error}") from error
    return f"事件库损坏,已移到 {aside.name} store damaged and moved aside: {why}"


def newest_aside(folder: Path) -> Path | None:
    """The newest damaged store that was not brought over yet."""
    waiting = [p for p in sorted(folder.glob("damaged-*")) if not (p / _DONE).exists()]
    return waiting[-1] if waiting else None


def salvage(db: sqlite3.Connection, aside: Path) -> str:
    """Bring over what alarms need; returns a sentence for the fault. Never raises for bad input."""
    try:
        old = _open_damaged(aside)
    except sqlite3.Error as error:
        _finish(aside, {"unreadable": str(error)})
        return f"{aside.name}: 无法读取任何内容 nothing in it can be read ({error})"
    counts: dict[str, int] = {}
    with contextlib.closing(old):
        db.execute("BEGIN IMMEDIATE")
        for table, columns, where, order in _ESSENTIAL:
            counts[table] = _copy(db, old, table, columns, where, order)
        needed = [
            seq for (seq,) in db.execute("SELECT DISTINCT seq FROM delivery WHERE state IN (0, 7)")
        ]
        counts["record"] = sum(_copy_record(db, old, seq) for seq in needed)
        newest = _value(old, "SELECT max(seq) FROM record") or max(needed, default=0)
        counts["record"] += _copy_record(db, old, newest)
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('skip_to', ?)", (str(newest),))
        db.execute("COMMIT")
    told = ", ".join(f"{table} {count}" for table, count in counts.items())
    return f"{aside.name}: 已恢复 brought over: {told}; 其余在后台恢复 the rest follows"


@dataclass(slots=True)
class Cursor:
    """How far bringing over the rest has got."""

    before_seq: int
    table: int = 0
    records: int = 0
    lost: int = 0


def salvage_step(db: sqlite3.Connection, aside: Path, cursor: Cursor | None) -> Cursor | None:
    """Bring over the next STEP_ROWS records, newest first, then the other tables; None when done."""
    try:
        old = _open_damaged(aside)
    except sqlite3.Error as error:
        _finish(aside, {"unreadable": str(error)})
        return None
    with contextlib.closing(old):
        if cursor is None:
            cursor = Cursor(before_seq=(_value(old, "SELECT max(seq) FROM record") or 0) + 1)
        db.execute("BEGIN IMMEDIATE")
        if cursor.before_seq > 1:
            low = max(1, cursor.before_seq - STEP_ROWS)
            found = _copy_range(db, old, low, cursor.before_seq)
            cursor.records += found
            cursor.before_seq = low
        elif cursor.table < len(_REST):
            _copy(db, old, *_REST[cursor.table])
            cursor.table += 1
        db.execute("COMMIT")
    if cursor.before_seq <= 1 and cursor.table >= len(_REST):
        _finish(aside, {"records": cursor.records})
        return None
    return cursor


def _open_damaged(aside: Path) -> sqlite3.Connection:
    """Open read-write, because a WAL can only be replayed so; it is our copy to lose now."""
    old = sqlite3.connect(aside / "events.db", isolation_level=None)
    try:
        old.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        old.close()
        raise
    return old


def _value(old: sqlite3.Connection, sql: str) -> int | None:
    with contextlib.suppress(sqlite3.Error):
        row = old.execute(sql).fetchone()
        return None if row is None else row[0]
    return None


def _rows_of(old: sqlite3.Connection, sql: str) -> Iterator[tuple[Any, ...]]:
    """Rows until the first page that cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from old.execute(sql)


def _copy(
    db: sqlite3.Connection,
    old: sqlite3.Connection,
    table: str,
    columns: str,
    where: str,
    order: str,
) -> int:
    """Copy what can be read, from both ends of the table, so that one bad page costs only itself."""
    names = columns.split(", ")
    marks = ",".join("?" * len(names))
    copied = 0
    for direction in ("ASC", "DESC"):
        # Table and column names come from the constants above, never from outside.
        select = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order} {direction}"  # noqa: S608
        for row in _rows_of(old, select):
            with contextlib.suppress(sqlite3.IntegrityError):
                copied += db.execute(
                    f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608
                    row,
                ).rowcount
    return copied


def _copy_record(db: sqlite3.Connection, old: sqlite3.Connection, seq: int) -> int:
    return _copy_range(db, old, seq, seq + 1)


def _copy_range(db: sqlite3.Connection, old: sqlite3.Connection, low: int, end: int) -> int:
    """Copy the records low <= seq < end whose hash holds; halve the range around what is unreadable."""
    try:
        rows = old.execute(
            "SELECT seq, stored_ns, alarm_id, body FROM record WHERE seq >= ? AND seq < ?",
            (low, end),
        ).fetchall()
    except sqlite3.Error:
        if end - low <= 1:
            return 0
        middle = (low + end) // 2
        return _copy_range(db, old, low, middle) + _copy_range(db, old, middle, end)
    sound = [row for row in rows if check(bytes(row[3]), None) is None]
    db.executemany(
        "INSERT OR IGNORE INTO record (seq, stored_ns, alarm_id, body) VALUES (?, ?, ?, ?)", sound
    )
    return len(sound)


def _finish(aside: Path, report: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        write_file(aside / _DONE, json.dumps(report).encode())
