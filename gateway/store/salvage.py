"""Bring over what a damaged store still holds: first what alarms need, then the rest in steps.

Owns    salvaged.json in the folder of a damaged store; its other files are only read.
Needs   gateway.store.carve for what no table leads to any more.
Keeps   1. A record is brought over only if its own hash holds and its number is its own.
        2. A pending delivery is brought over only with its record; what is lost is told.
        3. Receivers are matched by name, never by number: the numbers of a new store are others.
        4. All of it may be done again from the start: what is there already stays as it is.
        5. A step holds the writer for at most STEP_ROWS rows or CARVE_BYTES bytes.
"""

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from gateway.crash import here as crash_here
from gateway.store import carve, mend
from gateway.store.batch import transaction
from gateway.store.disk import read_head, write_file
from gateway.store.journal import check, claimed_seq
from gateway.store.pages import (
    STEP_ROWS,
    Row,
    Table,
    by_halves,
    has_table,
    pages,
    read_page,
    rows_of,
)

CARVE_BYTES: Final = 1024 * 1024
SKIP_AHEAD: Final = 100_000
"""Numbers left out when records were lost: more than can have been stored since the last head."""
DONE: Final = "salvaged.json"
_DELIVERY: Final = "receiver, seq, lane, state, attempts, at_ns, reference, reason"
_ALARM: Final = "alarm_id, category, is_open, raised_seq, doc"

_SIMPLE: Final = (
    Table("meta", "key, value", "key != 'schema'", (0,)),
    Table("alarm", _ALARM, "is_open = 1", (0,)),
    Table("point", "device, name, doc", "device != ''", (0, 1)),
    Table("seen", "device, at_ns", "device != ''", (0,)),
    Table("inbox", "link, mid, digest", "link != ''", (0, 1)),
)
_RECEIVER: Final = Table("receiver", "id, name", "id > 0", (0,))
_PENDING: Final = Table("delivery", _DELIVERY, "(state = 0 OR state = 7)", (0, 1))
_REST: Final = (
    Table("alarm", _ALARM, "is_open != 1", (0,)),
    Table("delivery", _DELIVERY, "state != 0 AND state != 7", (0, 1)),
    Table("audit", "seq, at_ns, action, subject, origin, body", "seq > 0", (0,)),
    Table("quarantine", "id, at_ns, device, why, size_bytes, raw", "id > 0", (0,)),
    Table("reading", "rowid, at_ns, device, point, value", "rowid > 0", (0,)),
)


@dataclass(slots=True)
class Cursor:
    """How far bringing over the rest has got.

    before_seq  records below this are still to be read
    table, down, last   place in the other tables, each read from both ends
    unreadable  how often something could not be read; then the files are searched byte by byte
    """

    before_seq: int
    table: int = 0
    down: bool = False
    last: Row | None = None
    unreadable: int = 0
    records: int = 0
    carved: int = 0
    place: carve.Place = field(default_factory=carve.Place)


def is_salvaged(db: sqlite3.Connection, aside: Path) -> bool:
    """Whether what alarms need was brought over from there already."""
    row = db.execute("SELECT 1 FROM meta WHERE key = ?", (f"salvaged:{aside.name}",)).fetchone()
    return row is not None


def salvage(db: sqlite3.Connection, aside: Path) -> str:
    """Bring over what alarms need; returns a sentence for the fault.

    Takes about 30 s for a million undelivered records, and 10 s for a GiB more when some of them
    have to be looked for byte by byte. Bad input raises nothing; raises
    sqlite3.Error when our own database fails, and may then be called again.
    """
    try:
        old = _open_damaged(aside)
    except sqlite3.Error as error:
        newest = carve.newest_seq(aside)
        with transaction(db):
            _note_newest(db, aside, newest, 0)
        return (
            f"{aside.name}: 表无法读取，在后台逐字节搜寻 its tables cannot be read ({error});"
            " its files are searched for records while the gateway runs"
        )
    with contextlib.closing(old):
        counts = _salvage_tables(db, old)
        outbox = _salvage_pending(db, old, aside)
        counts["delivery"] = outbox.copied
        _copy_alarm_records(db, old)
        newest, whole = newest_sound(old)
        if not whole:
            newest = max(newest, carve.newest_seq(aside))
        with transaction(db):
            _copy_records(db, old, [newest])
            _note_newest(db, aside, newest, _newest_entry(old))
    counts["record"] = db.execute("SELECT count(*) FROM record").fetchone()[0]
    crash_here("salvage.essential")
    told = ", ".join(f"{table} {count}" for table, count in counts.items())
    told += outbox.told()
    return f"{aside.name}: 已恢复 brought over: {told}; 其余在后台恢复 the rest follows"


def salvage_step(db: sqlite3.Connection, aside: Path, cursor: Cursor | None) -> Cursor | None:
    """Bring over the next bit, records newest first, then the other tables; None when done.

    Raises sqlite3.Error when our own database fails; call it again with the same cursor.
    """
    try:
        old = _open_damaged(aside)
    except sqlite3.Error:
        old = None
    if old is None:
        cursor = cursor or Cursor(before_seq=0, table=len(_REST), unreadable=1)
        cursor.before_seq, cursor.table, cursor.unreadable = 0, len(_REST), 1
    else:
        with contextlib.closing(old):
            if cursor is None:
                newest, whole = newest_sound(old)
                cursor = Cursor(before_seq=newest + 1, unreadable=int(not whole))
            if cursor.before_seq > 1:
                _records_step(db, old, cursor)
                return cursor
            if cursor.table < len(_REST):
                _table_step(db, old, cursor)
                return cursor
    if cursor.unreadable and carve.find(aside, cursor.place, CARVE_BYTES):
        with transaction(db):
            cursor.carved += _insert_records(db, cursor.place.found)
        cursor.place.found.clear()
        return cursor
    report = {
        "records": cursor.records,
        "records_found_outside_tables": cursor.carved,
        "unreadable_places": cursor.unreadable,
    }
    with contextlib.suppress(OSError):  # then it is done again: that changes nothing
        write_file(aside / DONE, json.dumps(report).encode())
        mend.forget(aside)
    return None


def newest_sound(old: sqlite3.Connection) -> tuple[int, bool]:
    """Number of the newest record whose hash holds, 0 for none; and whether all could be read."""
    rows, whole = read_page(
        old, "SELECT seq, stored_ns, alarm_id, body FROM record ORDER BY seq DESC LIMIT 1000", ()
    )
    return max((row[0] for row in rows if _is_sound(row)), default=0), whole


def _newest_entry(old: sqlite3.Connection) -> int:
    """Number of the newest entry of the audit trail that can be read, 0 for none."""
    seqs = rows_of(old, "SELECT seq FROM audit ORDER BY seq DESC LIMIT 1")
    return max((row[0] for row in seqs if isinstance(row[0], int)), default=0)


def _has_trail(old: sqlite3.Connection) -> bool:
    try:
        return has_table(old, "audit")
    except sqlite3.Error:
        return False


def _open_damaged(aside: Path) -> sqlite3.Connection:
    """Open for reading only: nothing of it may change, not even its WAL. Raises sqlite3.Error.

    When it is only the header that is no database's, a copy with a new one is opened instead.
    """
    path = aside / "events.db"
    if not path.is_file() or not path.stat().st_size:
        raise sqlite3.OperationalError("no database file in it")
    try:
        return _open(path)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_NOTADB:
            raise
    return _open(mend.mend(aside))


def _open(path: Path) -> sqlite3.Connection:
    old = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    old.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        old.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        old.close()
        raise
    return old


def _salvage_tables(db: sqlite3.Connection, old: sqlite3.Connection) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in _SIMPLE:
        counts[table.name] = 0
        for rows in pages(old, table):
            with transaction(db):
                counts[table.name] += _insert(db, table, rows)
    return counts


def _insert(db: sqlite3.Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert what is not there yet and could be ours: types and JSON are looked at."""
    before = db.total_changes
    if table.name == "reading":  # its row numbers are taken by new readings, so it has no key
        db.executemany(
            "INSERT INTO reading (at_ns, device, point, value) SELECT ?1, ?2, ?3, ?4 WHERE"
            " NOT EXISTS (SELECT 1 FROM reading WHERE device = ?2 AND point = ?3 AND at_ns = ?1)",
            [row[1:] for row in rows if isinstance(row[1], int)],
        )
        return db.total_changes - before
    if table.name == "audit":  # an entry that is there stays: its triggers allow nothing else
        db.executemany(
            "INSERT INTO audit (seq, at_ns, action, subject, origin, body) SELECT ?1, ?2, ?3, ?4,"
            " ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM audit WHERE seq = ?1 OR origin = ?5)",
            [row for row in rows if _is_sound((row[0], row[1], None, row[5]))],
        )
        return db.total_changes - before
    if "doc" in table.columns:
        rows = [row for row in rows if _is_object(row[-1])]
    if table.name == "quarantine":  # the same for its ids
        db.executemany(
            "INSERT INTO quarantine (at_ns, device, why, size_bytes, raw) SELECT ?1, ?2, ?3, ?4, ?5"
            " WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE device = ?2 AND at_ns = ?1)",
            [row[1:] for row in rows if isinstance(row[1], int) and isinstance(row[5], bytes)],
        )
        return db.total_changes - before
    marks = ",".join("?" * len(table.columns.split(", ")))
    db.executemany(
        f"INSERT OR IGNORE INTO {table.name} ({table.columns}) VALUES ({marks})",  # noqa: S608
        rows,
    )
    return db.total_changes - before


def _is_object(doc: object) -> bool:
    try:
        return isinstance(orjson.loads(doc), dict)  # type: ignore[arg-type]
    except (orjson.JSONDecodeError, TypeError):
        return False


def _receivers(db: sqlite3.Connection, old: sqlite3.Connection) -> dict[int, int]:
    """The old store's numbers to ours; a number whose name cannot be read keeps its value."""
    numbers: dict[int, int] = {}
    with transaction(db):
        for rows in pages(old, _RECEIVER):
            for number, name in rows:
                if isinstance(name, str) and name.isprintable() and "\ufffd" not in name:
                    db.execute("INSERT OR IGNORE INTO receiver (name) VALUES (?)", (name,))
                    found = db.execute("SELECT id FROM receiver WHERE name = ?", (name,))
                    numbers[number] = found.fetchone()[0]
    return numbers


@dataclass(slots=True)
class _Outbox:
    """Undelivered records: how many were brought over, which are lost, and whether that is all."""

    copied: int = 0
    lost: list[int] = field(default_factory=list)
    whole: bool = True

    def told(self) -> str:
        """What a person has to know beyond the number."""
        told = ""
        if self.lost:
            told += (
                f"; {len(self.lost)} 条未送达记录无法读取 undelivered records that cannot be read:"
                f" {len(self.lost)}, sequence numbers {self.lost[:20]}"
            )
        if not self.whole:
            told += (
                "; 部分待送清单无法读取，请与接收方核对 a part of the outbox cannot be read: ask"
                " the receivers for their newest records and compare"
            )
        return told


def _salvage_pending(db: sqlite3.Connection, old: sqlite3.Connection, aside: Path) -> _Outbox:
    """Undelivered records with their deliveries.

    A record that its table does not give is looked for in the bytes: about 10 s for a GiB.
    """
    receivers, outbox = _receivers(db, old), _Outbox()
    missing: list[Row] = []
    unread = pages(old, _PENDING)
    while True:
        try:
            rows = next(unread)
        except StopIteration as end:
            outbox.whole = end.value
            break
        mapped = [
            (receivers.get(row[0], row[0]), *row[1:])
            for row in rows
            if isinstance(row[1], int) and isinstance(row[2], int)
        ]
        with transaction(db):
            _copy_records(db, old, sorted({row[1] for row in mapped}))
            copied, left = _insert_deliveries(db, mapped)
        outbox.copied += copied
        missing += left
    if missing:
        _carve_records(db, aside, {row[1] for row in missing})
        with transaction(db):
            copied, missing = _insert_deliveries(db, missing)
        outbox.copied += copied
    outbox.lost = sorted({row[1] for row in missing})
    return outbox


def _insert_deliveries(db: sqlite3.Connection, rows: Sequence[Row]) -> tuple[int, list[Row]]:
    """Insert those whose record is there; returns how many, and the others."""
    copied, missing = 0, []
    for row in rows:
        if db.execute("SELECT 1 FROM record WHERE seq = ?", (row[1],)).fetchone() is None:
            missing.append(row)
            continue
        copied += db.execute(
            f"INSERT OR IGNORE INTO delivery ({_DELIVERY}) VALUES (?,?,?,?,?,?,?,?)",  # noqa: S608
            row,
        ).rowcount
    return copied, missing


def _carve_records(db: sqlite3.Connection, aside: Path, wanted: set[int]) -> None:
    place = carve.Place()
    while carve.find(aside, place, CARVE_BYTES):
        with transaction(db):
            _insert_records(db, [row for row in place.found if row[0] in wanted])
        place.found.clear()


def _copy_alarm_records(db: sqlite3.Connection, old: sqlite3.Connection) -> None:
    """The records of what is open: a guard sees how it came to be."""
    open_ids = [row[0] for row in db.execute("SELECT alarm_id FROM alarm WHERE is_open = 1")]
    for alarm_id in open_ids:
        found = [
            row[0]
            for row in rows_of(
                old, "SELECT seq FROM record WHERE alarm_id = ? ORDER BY seq", (alarm_id,)
            )
        ]
        with transaction(db):
            _copy_records(db, old, found)


def _copy_records(db: sqlite3.Connection, old: sqlite3.Connection, seqs: Sequence[int]) -> int:
    copied = 0
    for at in range(0, len(seqs), 500):
        some = seqs[at : at + 500]
        marks = ",".join("?" * len(some))
        sql = f"SELECT seq, stored_ns, alarm_id, body FROM record WHERE seq IN ({marks})"  # noqa: S608
        rows, whole = read_page(old, sql, tuple(some))
        if not whole:
            rows = [
                row
                for seq in some
                for row in rows_of(
                    old, "SELECT seq, stored_ns, alarm_id, body FROM record WHERE seq = ?", (seq,)
                )
            ]
        copied += _insert_records(db, rows)
    return copied


def _insert_records(db: sqlite3.Connection, rows: Sequence[Row]) -> int:
    before = db.total_changes
    db.executemany(
        "INSERT OR IGNORE INTO record (seq, stored_ns, alarm_id, body) VALUES (?, ?, ?, ?)",
        [row for row in rows if _is_sound(row)],
    )
    return db.total_changes - before


def _is_sound(row: Row) -> bool:
    seq, stored_ns, alarm_id, body = row
    return (
        isinstance(body, bytes)
        and isinstance(stored_ns, int)
        and (alarm_id is None or isinstance(alarm_id, str))
        and claimed_seq(body) == seq
        and check(body, None) is None
    )


def _records_step(db: sqlite3.Connection, old: sqlite3.Connection, cursor: Cursor) -> None:
    sql = (
        "SELECT seq, stored_ns, alarm_id, body FROM record WHERE seq < ? AND seq > 0"
        " ORDER BY seq DESC LIMIT ?"
    )
    rows, whole = read_page(old, sql, (cursor.before_seq, STEP_ROWS))
    low = rows[-1][0] if rows else 0
    if not whole:
        # What it could read is kept; the rest of the range is read by halves around the bad page.
        end = rows[-1][0] if rows else cursor.before_seq
        low = max(1, end - STEP_ROWS)
        rows += by_halves(old, low, end)
        cursor.unreadable += 1
    with transaction(db):
        copied = _insert_records(db, rows)
    cursor.records += copied
    cursor.before_seq = low


def _table_step(db: sqlite3.Connection, old: sqlite3.Connection, cursor: Cursor) -> None:
    table = _REST[cursor.table]
    if table.name == "audit" and not _has_trail(old):
        cursor.table += 1
        return
    rows, whole = table.read(old, cursor.last, down=cursor.down)
    if rows and table.name == "delivery":
        receivers = _receivers(db, old)
        mapped = [(receivers.get(row[0], row[0]), *row[1:]) for row in rows]
    else:
        mapped = rows
    with transaction(db):
        _insert(db, table, mapped)
    if whole and rows:
        cursor.last = rows[-1]
    elif whole or cursor.down:  # its end, or the bad page again from the other side
        cursor.table, cursor.last, cursor.down = cursor.table + 1, None, False
    else:
        cursor.last, cursor.down = None, True
        cursor.unreadable += 1


def _note_newest(db: sqlite3.Connection, aside: Path, newest: int, newest_entry: int) -> None:
    """Numbers up to the newest, and a good many after, are taken; it need not be done again.

    Both in one transaction: a kill between them would give a number twice (invariant 1). The head
    file may know of more than can be read, and is itself behind by less than SKIP_AHEAD. The audit
    trail goes on above the newest entry that can be read, by as much.
    """
    newest = max(newest, read_head(aside.parent)[0])
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('skip_to', ?) ON CONFLICT (key) DO UPDATE"
        " SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (str(newest + SKIP_AHEAD),),
    )
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('audit_skip_to', ?) ON CONFLICT (key) DO UPDATE"
        " SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (str(newest_entry + SKIP_AHEAD),),
    )
    db.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
        (f"salvaged:{aside.name}", str(newest)),
    )
