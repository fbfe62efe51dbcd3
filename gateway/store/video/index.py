"""video.sqlite: opening it, and the rows of segments, gaps and folders.

Owns    the tables of schema/0001_initial.sql, but for holds (.holds) and what retention notes.
Needs   gateway.store.opening for SQLite's errors, .names, .segment for the words.
Keeps   1. One connection writes, in one thread (.store); WAL, synchronous=FULL.
        2. segment, folder and joined change together in one transaction (V4, V5).
        3. A file that is no sound index of ours is moved aside, and can be rebuilt from the files.
Bound   opening looks through an index of up to QUICK_BYTES; a larger one is found out by use.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from gateway.errors import StoreDamaged, StoreError, StoreNewer
from gateway.store.batch import transaction
from gateway.store.opening import explain
from gateway.store.video import names
from gateway.store.video.segment import QUALITIES, Facts, Segment

FILE: Final = "video.sqlite"
APPLICATION_ID: Final = 0x43475756  # "CGWV"
QUICK_BYTES: Final = 16 * 1024 * 1024
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
JOIN_NS: Final = 200_000_000
"""Two segments with less than this between them are one recording: five pictures at 25/s."""
GAP_MOST_NS: Final = 400 * names.DAY_NS
"""A longer gap is a clock's leap, and only its end is noted."""
REST_KEY: Final = "rest_ns"
REST_NS: Final = names.DAY_NS
"""How long retention rests after a step of the clock, and after the index was made anew."""
_LAST: Final = 2**63 - 1

Key = tuple[int, int, int]
"""camera, start_ns, volume"""
Folder = tuple[int, int, str]
"""volume, camera, day"""


def migrations() -> list[str]:
    """The text of schema/NNNN_*.sql in order."""
    folder = files("gateway.store.video") / "schema"
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in found]


def connect(path: Path) -> sqlite3.Connection:
    """Open the index for writing, in the thread that will use it.

    raises  StoreDamaged (not a sound index of ours), StoreNewer, StoreFull, StoreError
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, cached_statements=256, timeout=5.0)
    except sqlite3.Error as error:
        raise explain(error) from error
    try:
        _prepare(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise explain(error) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    mine = db.execute("PRAGMA application_id").fetchone()[0]
    texts = migrations()
    if version and mine != APPLICATION_ID:
        raise StoreDamaged(f"{path}: a database of another program")
    if version > len(texts):
        raise StoreNewer(f"{path}: version {version}, this gateway knows {len(texts)}")
    if path.stat().st_size <= QUICK_BYTES:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreDamaged(f"{path}: {found}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA cache_size=-16384")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    for number, text in enumerate(texts[version:], start=version + 1):
        db.executescript(
            f"BEGIN IMMEDIATE;\n{text}\nPRAGMA application_id={APPLICATION_ID};\n"
            f"PRAGMA user_version={number};\nCOMMIT;"
        )


def meta(db: sqlite3.Connection, key: str) -> int | None:
    """A number noted under a key."""
    row = db.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def set_meta(db: sqlite3.Connection, key: str, value: int) -> None:
    """Note a number under a key."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, str(value)))


def camera_number(db: sqlite3.Connection, name: str) -> int:
    """The camera's number, given at its first use."""
    db.execute("INSERT OR IGNORE INTO camera (name) VALUES (?)", (name,))
    return int(db.execute("SELECT id FROM camera WHERE name = ?", (name,)).fetchone()[0])


def known_camera(db: sqlite3.Connection, name: str) -> int | None:
    """The camera's number; None when nothing was ever recorded of it. Writes nothing."""
    row = db.execute("SELECT id FROM camera WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def cameras(db: sqlite3.Connection) -> list[tuple[int, str]]:
    """All cameras that were ever recorded, by name."""
    return db.execute("SELECT id, name FROM camera ORDER BY name").fetchall()


def volume_number(db: sqlite3.Connection, uuid: str, path: str = "") -> int:
    """The volume's number, given at its first use; a path that is given is noted."""
    db.execute(
        "INSERT INTO volume (uuid, path) VALUES (?1, ?2) ON CONFLICT (uuid)"
        " DO UPDATE SET path = ?2 WHERE ?2 <> '' AND path <> ?2",
        (uuid, path),
    )
    return int(db.execute("SELECT id FROM volume WHERE uuid = ?", (uuid,)).fetchone()[0])


def _stream_number(db: sqlite3.Connection, facts: Facts) -> int:
    form = (facts.codec, facts.width, facts.height)
    db.execute("INSERT OR IGNORE INTO stream (codec, width, height) VALUES (?, ?, ?)", form)
    sql = "SELECT id FROM stream WHERE codec = ? AND width = ? AND height = ?"
    return int(db.execute(sql, form).fetchone()[0])


def insert(db: sqlite3.Connection, segments: Iterable[Segment]) -> int:
    """Add rows of sealed segments, inside the caller's transaction; returns how many were new.

    One that is there already stays as it is.
    """
    return sum(_insert(db, segment) for segment in segments)


def _insert(db: sqlite3.Connection, segment: Segment) -> int:
    facts = segment.facts
    camera = camera_number(db, facts.camera)
    key = (camera, facts.started_ns, volume_number(db, segment.volume))
    made = db.execute(
        "INSERT OR IGNORE INTO segment (camera, start_ns, volume, length_ns, stream, quality,"
        " offset_ms, frames, size_bytes, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *key,
            segment.end_ns - facts.started_ns,
            _stream_number(db, facts),
            QUALITIES.index(facts.quality),
            facts.offset_ms,
            segment.frames,
            segment.size_bytes,
            segment.sha256,
        ),
    ).rowcount
    if not made:
        return 0
    if facts.aged_ns is not None:
        db.execute(
            "INSERT OR REPLACE INTO doubtful (camera, start_ns, volume, aged_ns)"
            " VALUES (?, ?, ?, ?)",
            (*key, facts.aged_ns),
        )
    db.execute(
        "INSERT INTO folder (volume, camera, day, segments, bytes) VALUES (?1, ?2, ?3, 1, ?4)"
        " ON CONFLICT (volume, camera, day) DO UPDATE SET segments = segments + 1,"
        " bytes = bytes + ?4",
        (key[2], camera, names.day_of(facts.started_ns), segment.size_bytes),
    )
    rejoin(db, key)
    rejoin(db, (camera, facts.started_ns, key[2] + 1))
    return 1


def delete(db: sqlite3.Connection, rows: Iterable[tuple[Key, int]]) -> list[Key]:
    """Take (key, size_bytes) out, inside the caller's transaction; returns those that were there.

    Their files are still there: a crash before they go leaves files without rows, which recovery
    finds because the folder is not settled any more.
    """
    gone: list[tuple[Key, int]] = []
    for key, size_bytes in rows:
        if db.execute(
            "DELETE FROM segment WHERE camera = ? AND start_ns = ? AND volume = ?", key
        ).rowcount:
            gone.append((key, size_bytes))
    keys = [key for key, _ in gone]
    db.executemany("DELETE FROM doubtful WHERE camera = ? AND start_ns = ? AND volume = ?", keys)
    _uncount(db, gone)
    _rejoin_after(db, keys)
    return keys


def delete_run(db: sqlite3.Connection, rows: Sequence[tuple[Key, int]]) -> None:
    """Take neighbours out, in the order of their keys: as delete(), for a tenth of its cost.

    rows    all that one camera has between the first and the last, looked up in this transaction
    raises  StoreError when it is not all of it: roll back
    """
    (camera, *first), *_ = (key for key, _ in rows)
    last = rows[-1][0][1:]
    # start_ns by itself is what the key's order is used for; the pairs are for its two ends.
    between = (
        " WHERE camera = ? AND start_ns BETWEEN ? AND ?"
        " AND (start_ns, volume) >= (?, ?) AND (start_ns, volume) <= (?, ?)"
    )
    values = (camera, first[0], last[0], *first, *last)
    found = db.execute("DELETE FROM segment" + between, values).rowcount  # noqa: S608
    if found != len(rows):
        raise StoreError(f"camera {camera}: {found} rows instead of {len(rows)}; nothing deleted")
    db.execute("DELETE FROM doubtful" + between, values)  # noqa: S608
    _uncount(db, rows)
    rejoin(db, rows[-1][0])


def _uncount(db: sqlite3.Connection, gone: Iterable[tuple[Key, int]]) -> None:
    """What is gone counts no more (V5), and its folder is not settled."""
    folders: dict[tuple[int, int, int], list[int]] = {}
    for (camera, start_ns, volume), size_bytes in gone:
        folder = folders.setdefault((volume, camera, start_ns // names.DAY_NS), [0, 0])
        folder[0] += 1
        folder[1] += size_bytes
    for (volume, camera, days), (segments, size_bytes) in folders.items():
        db.execute(
            "UPDATE folder SET segments = segments - ?, bytes = bytes - ?, settled = 0"
            " WHERE volume = ? AND camera = ? AND day = ?",
            (segments, size_bytes, volume, camera, names.day_of(days * names.DAY_NS)),
        )


def _rejoin_after(db: sqlite3.Connection, gone: Iterable[Key]) -> None:
    """Rejoin what follows each: once for many that were neighbours, for one segment follows all."""
    follower: Key | None = None
    for key in sorted(gone):
        if follower is None or key[0] != follower[0] or key > follower:
            follower = rejoin(db, key)


def rejoin(db: sqlite3.Connection, key: Key) -> Key:
    """Say anew whether the first segment at or after key goes on where the one before it ended.

    returns  that one's key; behind all of the camera when there is none
    """
    row = db.execute(
        "SELECT start_ns, volume, length_ns, joined FROM segment"
        " WHERE camera = ? AND (start_ns, volume) >= (?, ?) ORDER BY start_ns, volume LIMIT 1",
        key,
    ).fetchone()
    if row is None:
        return key[0], _LAST, _LAST
    start_ns, volume, length_ns, was = row
    earlier = db.execute(
        "SELECT start_ns, volume, length_ns FROM segment WHERE camera = ?"
        " AND (start_ns, volume) < (?, ?) ORDER BY start_ns DESC, volume DESC LIMIT 1",
        (key[0], start_ns, volume),
    ).fetchone()
    joined = (
        earlier is not None
        and earlier[1] == volume
        and abs(start_ns - earlier[0] - earlier[2]) <= JOIN_NS
        and start_ns + length_ns >= earlier[0] + earlier[2]
        and names.day_of(start_ns) == names.day_of(earlier[0])
    )
    if joined != bool(was):
        db.execute(
            "UPDATE segment SET joined = ? WHERE camera = ? AND start_ns = ? AND volume = ?",
            (joined, key[0], start_ns, volume),
        )
    return key[0], start_ns, volume


def add_gap(db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int, reason: str) -> None:
    """Note why there is no video; in pieces of a day, so that a look at a day finds them all."""
    number = camera_number(db, camera)
    from_ns = max(from_ns, to_ns - GAP_MOST_NS, 0)
    while from_ns < to_ns:
        end_ns = min(to_ns, (from_ns // names.DAY_NS + 1) * names.DAY_NS)
        db.execute(
            "INSERT OR IGNORE INTO gap (camera, from_ns, to_ns, reason) VALUES (?, ?, ?, ?)",
            (number, from_ns, end_ns, reason[:100]),
        )
        from_ns = end_ns


def newest_end(db: sqlite3.Connection, camera: int, before_ns: int = _LAST) -> int | None:
    """Where the newest segment that begins before a time ends."""
    row = db.execute(
        "SELECT start_ns + length_ns FROM segment WHERE camera = ? AND start_ns < ?"
        " ORDER BY start_ns DESC, volume DESC LIMIT 1",
        (camera, before_ns),
    ).fetchone()
    return None if row is None else int(row[0])


def oldest(db: sqlite3.Connection, camera: int) -> int | None:
    """Where the oldest segment begins."""
    row = db.execute(
        "SELECT start_ns FROM segment WHERE camera = ? ORDER BY start_ns LIMIT 1", (camera,)
    ).fetchone()
    return None if row is None else int(row[0])


def unsettle(db: sqlite3.Connection, uuid: str, camera: str, day: str) -> None:
    """Note that a file is about to be written in a folder: recovery has to look into it."""
    with transaction(db):
        key = (volume_number(db, uuid), camera_number(db, camera), day)
        db.execute(
            "INSERT INTO folder (volume, camera, day) VALUES (?, ?, ?)"
            " ON CONFLICT (volume, camera, day) DO UPDATE SET settled = 0 WHERE settled = 1",
            key,
        )


def settle(db: sqlite3.Connection, volume: int, camera: int, day: str) -> None:
    """Note that a folder agrees with the rows, and forget one that is empty."""
    db.execute(
        "UPDATE folder SET settled = 1 WHERE volume = ? AND camera = ? AND day = ?",
        (volume, camera, day),
    )
    db.execute(
        "DELETE FROM folder WHERE volume = ? AND camera = ? AND day = ? AND segments = 0",
        (volume, camera, day),
    )


def forget_empty(db: sqlite3.Connection, folders: Sequence[Folder]) -> None:
    """Forget folders that are gone from the disk, unless somebody records there again."""
    db.executemany(
        "DELETE FROM folder WHERE volume = ? AND camera = ? AND day = ? AND segments = 0", folders
    )
