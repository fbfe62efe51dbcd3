"""`campus-gateway verify`: read everything once and name the first thing that is wrong.

Reads only; the gateway may be running. Checks FORMAT.md's invariants by number.

Keeps   The chain is read WINDOW_ROWS at a time, so that the gateway can cut its WAL off in between.
Bound   about 10 s for a million records; SQLite's own check of the tables reads the file once more.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.store.journal import GENESIS, check, claimed_seq, hash_of
from gateway.store.opening import read_only
from gateway.store.pages import has_table
from gateway.store.recover import read_head

PROGRESS_EVERY: Final = 100_000
WINDOW_ROWS: Final = 5000


@dataclass(frozen=True, slots=True)
class _Chain:
    """One of the two chains: what its lines are called, how they are read, which holes are told."""

    word: str
    table: str
    sql: str
    gaps: tuple[str, str]


_JOURNAL: Final = _Chain(
    "record",
    "record",
    "SELECT seq, body FROM record WHERE seq > ? ORDER BY seq LIMIT ?",
    ("skip_to", "expired_to"),
)
_TRAIL: Final = _Chain(
    "audit entry",
    "audit",
    "SELECT seq, body FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
    ("audit_skip_to", "audit_expired_to"),
)


def verify(folder: Path, progress: Callable[[int], None] = lambda _done: None) -> list[str]:
    """Check the store in folder; returns one line per fault, the journal's first one first.

    progress  called with the number of records read so far, now and then
    """
    path = folder / "events.db"
    if not path.is_file():
        return [f"{path}: 没有事件库 there is no store here"]
    head_seq, _head_ns = read_head(folder)  # before the records: they may only grow meanwhile
    faults: list[str] = []
    try:
        with contextlib.closing(
            sqlite3.connect(read_only(path), uri=True, isolation_level=None)
        ) as db:
            for part in (
                _chain(db, _JOURNAL, progress, head_seq),
                _chain(db, _TRAIL, progress, 0),
                _structure(db),
                _references(db),
            ):
                faults.extend(part)
    except sqlite3.Error as error:
        faults.append(f"{path}: {error}")
    faults += [
        f"{aside}: 曾损坏的事件库 a store that was damaged and moved aside; see why.txt in it"
        for aside in sorted(folder.glob("damaged-*"))
    ]
    return faults


def _chain(
    db: sqlite3.Connection, chain: _Chain, progress: Callable[[int], None], head_seq: int
) -> Iterator[str]:
    """Invariants 1 to 3, or 13 and 14; stops at the first break: all after it hangs on it."""
    last_seq, last_hash = 0, GENESIS
    for done, (seq, body) in enumerate(_lines(db, chain), start=1):
        gap = seq != last_seq + 1
        if gap and seq - 1 > _gaps_to(db, chain):
            yield f"{chain.word} {last_seq + 1}: 缺失 missing (next is {seq})"
            return
        if not isinstance(body, bytes):
            yield f"{chain.word} {seq}: it is no bytes"
            return
        wrong = check(body, None if gap else last_hash)
        if wrong is None and claimed_seq(body) != seq:
            wrong = "it carries another sequence number"
        if wrong is not None:
            yield f"{chain.word} {seq}: {wrong}"
            return
        last_seq, last_hash = seq, hash_of(body)
        if done % PROGRESS_EVERY == 0:
            progress(done)
    if head_seq > max(last_seq, _gaps_to(db, chain)):
        yield f"{chain.word} {last_seq + 1}: 缺失 missing ({head_seq} were noted in head.json)"


def _lines(db: sqlite3.Connection, chain: _Chain) -> Iterator[tuple[int, object]]:
    if not has_table(db, chain.table):
        return  # a store of an older version that no gateway of this one has opened yet
    last = 0
    while rows := db.execute(chain.sql, (last, WINDOW_ROWS)).fetchall():
        yield from rows
        last = rows[-1][0]


def _gaps_to(db: sqlite3.Connection, chain: _Chain) -> int:
    """Up to which number lines may be missing: retention removed them, or a salvage lost them."""
    found = db.execute(
        "SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key IN (?, ?)", chain.gaps
    )
    return int(found.fetchone()[0] or 0)


def _structure(db: sqlite3.Connection) -> Iterator[str]:
    """Invariant 10: the tables and indexes agree with each other, by SQLite's own check."""
    for (line,) in db.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield f"events.db: {line}"


def _references(db: sqlite3.Connection) -> Iterator[str]:
    """Invariants 4 and 5: no delivery or open alarm without its record."""
    for receiver, seq in db.execute(
        "SELECT receiver, seq FROM delivery d WHERE (state = 0 OR state = 7)"
        " AND NOT EXISTS (SELECT 1 FROM record r WHERE r.seq = d.seq) LIMIT 10"
    ):
        yield f"delivery of record {seq} to receiver {receiver}: the record is missing"
    for alarm_id, seq in db.execute(
        "SELECT alarm_id, raised_seq FROM alarm a WHERE is_open = 1"
        " AND NOT EXISTS (SELECT 1 FROM record r WHERE r.seq = a.raised_seq) LIMIT 10"
    ):
        yield f"alarm {alarm_id}: its record {seq} is missing"
