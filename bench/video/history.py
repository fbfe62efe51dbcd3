"""An index of many days of many cameras, made at once: rows as the recorder writes them, few files.

Needs   the index's own tables (gateway.store.video.index makes them); nothing else of the gateway.
Keeps   1. Folders are there, because recovery looks for them; they are settled, so it passes over.
        2. What is older than the days that are kept has its files too: retention takes them away.
           They are links to an empty file, so what a file system does to free blocks is not in it.
        3. Every hour there is a break of a second with its reason, as on a campus with some bad
           cameras; all else is joined.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.store.video import index, names

MINUTE_NS: Final = 60_000_000_000
DAY_NS: Final = 86_400_000_000_000
SIZE_BYTES: Final = 22_500_000
"""Of a minute at 3 Mbit/s."""
PER_HOUR: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What there is: days whole UTC days of cameras cameras, the last one yesterday.

    surplus  days beyond that, older, which retention has to take away
    """

    cameras: int
    days: int
    surplus: int
    today_ns: int

    @property
    def rows(self) -> int:
        """Segments in the index."""
        return self.cameras * (self.days + self.surplus) * DAY_NS // MINUTE_NS

    @property
    def first_ns(self) -> int:
        """When the oldest begins."""
        return self.today_ns - (self.days + self.surplus) * DAY_NS


def today_ns() -> int:
    """When this UTC day began."""
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(now.timestamp()) * 1_000_000_000


def make(store: Path, disk: Path, uuid: str, history: History) -> None:
    """Fill a new index and its folders."""
    store.mkdir(parents=True, exist_ok=True)
    path = store / index.FILE
    with closing(index.connect(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN")
        volume = index.volume_number(db, uuid, str(disk))
        db.execute("INSERT INTO stream (codec, width, height) VALUES ('avc1.640028', 1920, 1080)")
        for number in range(1, history.cameras + 1):
            camera = index.camera_number(db, f"cam-{number}")
            _fill(db, camera, volume, history)
            _folders(db, disk / f"cam-{number}", camera, volume, history)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_FILL: Final = (
    "WITH RECURSIVE minute (at) AS"
    " (SELECT 0 UNION ALL SELECT at + 1 FROM minute WHERE at + 1 < :count)"
    " INSERT INTO segment (camera, start_ns, volume, length_ns, joined, stream, quality, offset_ms,"
    " frames, size_bytes, sha256) SELECT :camera, :first_ns + at * :minute_ns, :volume,"
    " :minute_ns - 1000000000 * (at % :hour = :hour - 1), at % :hour <> 0, 1, 0, 12, 1500,"
    " :size_bytes, :digest FROM minute"
)
"""A minute each; the last of an hour is a second shorter, and an hour's first joins nothing.

In the order of the key and by one statement for a camera: a microsecond or two each."""


def _fill(db: sqlite3.Connection, camera: int, volume: int, history: History) -> None:
    count = history.rows // history.cameras
    values = {
        "count": count,
        "camera": camera,
        "first_ns": history.first_ns,
        "minute_ns": MINUTE_NS,
        "volume": volume,
        "hour": PER_HOUR,
        "size_bytes": SIZE_BYTES,
        "digest": bytes(range(32)),
    }
    db.execute(_FILL, values)
    db.executemany(
        "INSERT INTO gap (camera, from_ns, to_ns, reason) VALUES (?, ?, ?, 'camera')",
        (
            (camera, begin - 1_000_000_000, begin)
            for begin in (
                history.first_ns + hour * PER_HOUR * MINUTE_NS
                for hour in range(1, count // PER_HOUR)
            )
        ),
    )


def _folders(
    db: sqlite3.Connection, folder: Path, camera: int, volume: int, history: History
) -> None:
    per_day = DAY_NS // MINUTE_NS
    for day in range(history.days + history.surplus):
        begin = history.first_ns + day * DAY_NS
        name = names.day_of(begin)
        place = folder / name
        place.mkdir(parents=True)
        db.execute(
            "INSERT INTO folder (volume, camera, day, settled, segments, bytes)"
            " VALUES (?, ?, ?, 1, ?, ?)",
            (volume, camera, name, per_day, per_day * SIZE_BYTES),
        )
        if day < history.surplus:
            one = place / names.file_name(begin)
            one.touch()
            for minute in range(1, per_day):
                os.link(one, place / names.file_name(begin + minute * MINUTE_NS))
