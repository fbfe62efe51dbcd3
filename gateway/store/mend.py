"""A database whose first hundred bytes are gone: everything else of it can still be read.

Owns    mended.db (and its WAL) beside a damaged database: a copy with a header made anew.
Source  SQLite's description of its file format, section 1.3 "The Database Header".
Keeps   1. The damaged file itself is only read.
        2. Nothing is copied that is larger than MOST_BYTES, or that would fill the disk.
"""

import shutil
import sqlite3
import struct
from pathlib import Path
from typing import Final

from gateway.store.disk import sync_folder

MENDED: Final = "mended.db"
MOST_BYTES: Final = 1024 * 1024 * 1024
PAGE_BYTES: Final = 4096
"""What our stores have: SQLite's default, which no migration changes."""
_HEADER: Final = struct.Struct(">16sHBBBBBB12I20s2I")


def mend(aside: Path) -> Path:
    """Return the copy with a new header; raises sqlite3.OperationalError when none can be made."""
    damaged, mended = aside / "events.db", aside / MENDED
    if mended.is_file():
        return mended
    size = damaged.stat().st_size
    if size > MOST_BYTES or shutil.disk_usage(aside).free < 2 * size:
        raise sqlite3.OperationalError("header unreadable; too large to be copied and mended here")
    temporary = aside / f"{MENDED}.tmp"
    wal = aside / "events.db-wal"
    try:
        shutil.copyfile(damaged, temporary)
        with temporary.open("r+b") as file:
            file.write(_header(size // PAGE_BYTES, with_wal=wal.is_file()))
        if wal.is_file():
            shutil.copyfile(wal, aside / f"{MENDED}-wal")
        temporary.replace(mended)
        sync_folder(aside)
    except OSError as error:
        forget(aside)
        raise sqlite3.OperationalError(f"header unreadable; not mended: {error}") from error
    return mended


def forget(aside: Path) -> None:
    """Remove the copy; the damaged file stays."""
    for name in (MENDED, f"{MENDED}.tmp", f"{MENDED}-wal", f"{MENDED}-shm"):
        (aside / name).unlink(missing_ok=True)


def _header(pages: int, *, with_wal: bool) -> bytes:
    """A header for a UTF-8 database without free pages, whose other numbers nobody relies on."""
    mode = 2 if with_wal else 1
    counters = (1, pages, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0)
    return _HEADER.pack(
        b"SQLite format 3\0",
        PAGE_BYTES,
        *(mode, mode, 0, 64, 32, 32),
        *counters,
        bytes(20),
        1,
        sqlite3.sqlite_version_info[0] * 1_000_000,
    )
