"""`campus-gateway verify`: read everything once and name the first thing that is wrong.

Reads only; the gateway may be running. Checks FORMAT.md's invariants by number.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gateway.store.journal import check, hash_of

PROGRESS_EVERY: Final = 100_000


def verify(folder: Path, progress: Callable[[int], None] = lambda _done: None) -> list[str]:
    """Check the store in folder; returns one line per fault, the journal's first one first.

    progress  called with the number of records read so far, now and then
    """
    path = folder / "events.db"
    if not path.exists():
        return [f"{path}: 没有事件库 there is no store here"]
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            faults = list(_chain(db, progress))
            faults += _structure(db)
            faults += _references(db)
    except sqlite3.Error as error:
        faults = [f"{path}: {error}"]
    faults += [
        f"{aside}: 曾损坏的事件库 a store that was damaged and moved aside; see why.txt in it"
        for aside in sorted(folder.glob("damaged-*"))
    ]
    return faults


def _chain(db: sqlite3.Connection, progress: Callable[[int], None]) -> Iterator[str]:
    """Invariants 1 to 3; stops at the first break, because all after it hangs on it."""
    meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
    gap_to = int(meta.get("skip_to", 0))
    expired_to = int(meta.get("expired_to", 0))
    last_seq, last_hash = 0, None
    for done, (seq, body) in enumerate(db.execute("SELECT seq, body FROM record ORDER BY seq")):
        body = bytes(body)
        gap = seq != last_seq + 1
        allowed = seq <= max(gap_to, expired_to) + 1 or (last_seq == 0 and expired_to >= seq - 1)
        if gap and not allowed:
            yield f"record {last_seq + 1}: 缺失 missing (next is {seq})"
            return
        wrong = check(body, None if gap else last_hash)
        if wrong is not None:
            yield f"record {seq}: {wrong}"
            return
        if f'"seq":{seq},'.encode() not in body[:600]:
            yield f"record {seq}: it carries another sequence number"
            return
        last_seq, last_hash = seq, hash_of(body)
        if done % PROGRESS_EVERY == 0:
            progress(done)


def _structure(db: sqlite3.Connection) -> list[str]:
    return [
        f"events.db: {line}" for (line,) in db.execute("PRAGMA integrity_check(10)") if line != "ok"
    ]


def _references(db: sqlite3.Connection) -> list[str]:
    """Invariants 4 and 5: no delivery or open alarm without its record."""
    faults = [
        f"delivery of record {seq} to receiver {receiver}: the record is missing"
        for receiver, seq in db.execute(
            "SELECT receiver, seq FROM delivery d WHERE state = 0"
            " AND NOT EXISTS (SELECT 1 FROM record r WHERE r.seq = d.seq) LIMIT 10"
        )
    ]
    faults += [
        f"alarm {alarm_id}: its record {seq} is missing"
        for alarm_id, seq in db.execute(
            "SELECT alarm_id, raised_seq FROM alarm a WHERE is_open = 1"
            " AND NOT EXISTS (SELECT 1 FROM record r WHERE r.seq = a.raised_seq) LIMIT 10"
        )
    ]
    return faults
