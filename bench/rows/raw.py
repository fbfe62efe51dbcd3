"""What this machine can do at best: its disk's sync, and SQLite with nothing around it."""

import os
import sqlite3
import time
from contextlib import closing

from bench.rig import Rig
from bench.rows import Size
from bench.rows.flow import Measure
from bench.table import Row

BODY = b"x" * 900
"""About the size of one record."""
FOR_S = 1.0


def fsync(rig: Rig, size: Size) -> list[Row]:
    """Append 4 KiB and fdatasync, for a second."""
    del size
    times: list[int] = []
    path = rig.place("fsync") / "file"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        end = time.monotonic() + FOR_S
        while time.monotonic() < end:
            os.write(descriptor, b"\0" * 4096)
            began = time.monotonic_ns()
            os.fdatasync(descriptor)
            times.append(time.monotonic_ns() - began)
    finally:
        os.close(descriptor)
    times.sort()
    return [
        Row(
            group="raw limits", name="fdatasync, p50", value=times[len(times) // 2] / 1e6, unit="ms"
        ),
        Row(
            group="raw limits",
            name="fdatasync, p99",
            value=times[int(len(times) * 0.99)] / 1e6,
            unit="ms",
        ),
    ]


def sqlite(rig: Rig, size: Size) -> list[Row]:
    """Rows a second of 900 bytes, WAL and synchronous=FULL, one and 256 in a transaction."""
    del size
    return [_sqlite(rig, batch) for batch in (1, 256)]


def _sqlite(rig: Rig, batch: int) -> Row:
    path = rig.place("sqlite") / "raw.db"
    rows = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        began = time.monotonic()
        while time.monotonic() < began + FOR_S:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO record (body) VALUES (?)", [(BODY,)] * batch)
            db.execute("COMMIT")
            rows += batch
        took_s = time.monotonic() - began
    return Row(
        group="raw limits",
        name=f"SQLite alone, {batch} a commit",
        value=rows / took_s,
        unit="/s",
        sense=">=",
    )


ALL: dict[str, Measure] = {"fsync": fsync, "sqlite": sqlite}
