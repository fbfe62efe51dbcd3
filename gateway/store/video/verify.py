"""`campus-gateway verify`, the video part: read every byte once and name what does not match.

Reads only; the recorder may be running. Checks FORMAT.md's invariants V1 to V5 and V6's copies.

Keeps   1. What retention takes away meanwhile is no fault: the row is looked for again.
        2. A volume that is not there is one line, not one for each of its segments.
Bound   as fast as the disks and one core hash (90 days of one camera at 3 Mbit/s: 3 TB, hours);
        FAULTS_MOST lines; rows are read WINDOW at a time.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gateway.store.opening import read_only
from gateway.store.video import boxes, index, names, notes
from gateway.store.video.timeline import COLUMNS, Located, located
from gateway.store.video.volumes import read_marker

WINDOW: Final = 1000
FAULTS_MOST: Final = 100
PROGRESS_EVERY: Final = 100


def verify(folder: Path, progress: Callable[[int], None] = lambda _done: None) -> list[str]:
    """Check all video an index knows; one line for each fault, the first in time of a camera first.

    folder    where video.sqlite lies; no video there is no fault
    progress  called with the number of segments read so far, now and then
    """
    path = folder / index.FILE
    if not path.is_file():
        return []
    faults: list[str] = []
    try:
        with contextlib.closing(
            sqlite3.connect(read_only(path), uri=True, isolation_level=None)
        ) as db:
            for part in (_volumes(db), _files(db, progress), _tables(db), _holds(db, folder)):
                for fault in part:
                    faults.append(fault)
                    if len(faults) >= FAULTS_MOST:
                        return faults
    except sqlite3.Error as error:
        faults.append(f"{path}: {error}")
    return faults


def check_file(place: Located) -> str | None:
    """What is wrong with one segment's file, read to its end; None when it is as it was sealed."""
    segment = place.segment
    try:
        with place.path.open("rb") as file:
            length = file.seek(0, 2)
            if length != segment.size_bytes:
                return f"{length} 字节 bytes, expected {segment.size_bytes}"
            facts, covered = boxes.read_seal(file)
            if facts.get("sha256") != segment.sha256.hex():
                return "封存的哈希与索引不同 the seal has another hash than the index"
            if boxes.digest_of(file, covered) != segment.sha256:
                return "内容与哈希不符 the content does not match its hash"
    except FileNotFoundError:
        return "文件缺失 the file is missing"
    except (OSError, boxes.NotBoxes) as error:
        return str(error)
    return None


def _volumes(db: sqlite3.Connection) -> Iterator[str]:
    for uuid, path in _mounted(db):
        if not _is_there(uuid, path):
            yield f"{path}: 录像卷 {uuid} 不在此处 not here; its segments are not read"


def _mounted(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute(
        "SELECT uuid, path FROM volume v WHERE EXISTS"
        " (SELECT 1 FROM folder f WHERE f.volume = v.id AND f.segments > 0) ORDER BY id"
    ).fetchall()


def _is_there(uuid: str, path: str) -> bool:
    try:
        marker = read_marker(Path(path))
    except OSError:
        return False
    return marker is not None and marker.uuid == uuid


def _files(db: sqlite3.Connection, progress: Callable[[int], None]) -> Iterator[str]:
    """Invariants V1 and V2: every row has its file, and the file is as it was sealed."""
    there = {uuid for uuid, path in _mounted(db) if _is_there(uuid, path)}
    done = 0
    for camera, _name in index.cameras(db):
        for place in _places(db, camera):
            if place.segment.volume not in there:
                continue
            wrong = check_file(place)
            if wrong is not None and _is_row(db, camera, place):
                yield f"{place.path}: {wrong}"
            done += 1
            if done % PROGRESS_EVERY == 0:
                progress(done)


def _places(db: sqlite3.Connection, camera: int) -> Iterator[Located]:
    at = (-1, 0)
    while rows := db.execute(
        COLUMNS + "WHERE s.camera = ? AND (s.start_ns, s.volume) > (?, ?)"
        " ORDER BY s.start_ns, s.volume LIMIT ?",
        (camera, *at, WINDOW),
    ).fetchall():
        found = [located(row) for row in rows]
        yield from found
        last = found[-1].segment
        at = (last.facts.started_ns, _number(db, last.volume))


def _number(db: sqlite3.Connection, uuid: str) -> int:
    return int(db.execute("SELECT id FROM volume WHERE uuid = ?", (uuid,)).fetchone()[0])


def _is_row(db: sqlite3.Connection, camera: int, place: Located) -> bool:
    key = (camera, place.segment.facts.started_ns, _number(db, place.segment.volume))
    sql = "SELECT 1 FROM segment WHERE camera = ? AND start_ns = ? AND volume = ?"
    return db.execute(sql, key).fetchone() is not None


def _tables(db: sqlite3.Connection) -> Iterator[str]:
    """Tables and indexes agree; invariants V4 and V5, in one look so that it is of one moment."""
    for (line,) in db.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield f"{index.FILE}: {line}"
    for volume, camera, day in db.execute("SELECT volume, camera, day FROM folder").fetchall():
        begin_ns = names.start_of_day(day)
        wrong = db.execute(  # one statement: of one moment, whatever the recorder does
            "SELECT c.name, f.segments, x.n, f.bytes, x.b FROM folder f, (SELECT count(*) AS n,"
            " ifnull(sum(size_bytes), 0) AS b FROM segment WHERE camera = ?2 AND volume = ?1"
            " AND start_ns >= ?4 AND start_ns < ?5) x JOIN camera c ON c.id = f.camera"
            " WHERE f.volume = ?1 AND f.camera = ?2 AND f.day = ?3"
            " AND (f.segments <> x.n OR f.bytes <> x.b)",
            (volume, camera, day, begin_ns, begin_ns + names.DAY_NS),
        ).fetchone()
        if wrong is not None:
            yield (
                f"folder {wrong[0]}/{day}: {wrong[1]} segments of {wrong[3]} bytes are noted,"
                f" {wrong[2]} of {wrong[4]} bytes have rows"
            )
    for camera, start_ns in db.execute(
        "SELECT c.name, x.start_ns FROM (SELECT camera, start_ns, joined, volume, length_ns,"
        " lag(volume) OVER w AS was, lag(start_ns) OVER w AS began,"
        " lag(start_ns + length_ns) OVER w AS ended"
        " FROM segment WINDOW w AS (PARTITION BY camera ORDER BY start_ns, volume)) x"
        " JOIN camera c ON c.id = x.camera WHERE x.joined <> ifnull(was = volume"
        " AND abs(start_ns - ended) <= ? AND start_ns + length_ns >= ended"
        " AND start_ns / 86400000000000 = began / 86400000000000, 0) LIMIT 10",
        (index.JOIN_NS,),
    ):
        yield f"segment {camera} {start_ns}: joined is wrong"


def _holds(db: sqlite3.Connection, folder: Path) -> Iterator[str]:
    noted = notes.read(folder)
    if noted is None:
        yield f"{folder / notes.FILE}: 缺失或损坏 missing or damaged"
        return
    known = {
        (alarm, camera): (from_ns, to_ns)
        for alarm, camera, from_ns, to_ns in db.execute(
            "SELECT h.alarm_id, c.name, h.from_ns, h.to_ns FROM hold h"
            " JOIN camera c ON c.id = h.camera"
        )
    }
    for key in sorted(known.keys() ^ noted.holds.keys())[:10]:
        yield f"hold of {key[0]} on {key[1]}: in one of index and notes only"
