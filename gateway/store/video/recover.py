"""What is done after a crash, and when the index is lost: the files say everything (FORMAT.md).

Needs   .store; .boxes for what files say; works in the volumes' threads and the index's.
Keeps   1. A file that was open is cut behind its last whole fragment and sealed, nothing more.
        2. A row without a file becomes a gap; a file without a row gets one from its seal.
        3. Nothing that may hold a picture is deleted; what cannot be read is put aside by name.
        4. Recording goes on meanwhile: files of this process are left alone.
Bound   only folders that are not settled are looked into (a few for each camera; all of them when
        the index is new); rows go in ROWS at a time; a file is read PIECE by piece.
"""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from gateway.crash import here as crash_here
from gateway.store.batch import transaction
from gateway.store.video import boxes, holds, index, names
from gateway.store.video.segment import Facts, Segment, facts_from, sealing
from gateway.store.video.store import VideoStore
from gateway.store.video.timeline import Located, segments_of_day
from gateway.store.video.volumes import Volume

ROWS: Final = 500
RECOVERED: Final = "recovered"
MISSING: Final = "missing"
ASIDE: Final = ".damaged"
DAMAGE_MARKS: Final = 2
"""So many marks behind the last whole fragment are no crash: a crash cuts one off."""

Progress = Callable[[int, int], None]
"""Called with folders done and folders to do."""


@dataclass(slots=True)
class Recovered:
    """What was found and done.

    mended     open files that were cut and sealed
    indexed    files that got a row
    missing    rows whose file is gone: each became a gap
    damaged    files whose seal or head does not hold; they were not changed, `named` says the first
    failed     folders that could not be finished: looked at again next time
    """

    folders: int = 0
    mended: int = 0
    indexed: int = 0
    missing: int = 0
    damaged: int = 0
    failed: int = 0
    named: str = ""

    def note(self, why: str) -> None:
        """Keep the first thing that is wrong, for a person."""
        self.named = self.named or why[:300]


async def recover(
    store: VideoStore,
    *,
    everything: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> Recovered:
    """Bring files and index together; run it at each start and when a volume has come back.

    everything  look into settled folders too: what a person says who has doubts
    raises      StoreError when the index fails; run it again, nothing is done twice
    """
    found = Recovered()
    waiting: list[tuple[Volume, str, str]] = []
    for volume in store.volumes.all:
        if volume.is_readable:
            try:
                present = await volume.workers.run(_folders, volume.path)
            except OSError as error:
                found.failed += 1
                found.note(f"{volume.path}: {error}")
                continue
            known = await store.run(_known, volume)
            todo = _to_do(known, set(present), everything=everything)
            waiting += [(volume, camera, day) for camera, day in todo]
    for done, (volume, camera, day) in enumerate(waiting, start=1):
        try:
            async with store.changing:
                await _folder(store, found, volume, camera, day)
        except OSError as error:
            found.failed += 1
            found.note(f"{volume.path / camera / day}: {error}")
        found.folders += 1
        progress(done, len(waiting))
    if store.connection.is_new:
        if found.indexed + found.mended + found.failed:
            await store.run(index.set_meta, index.REST_KEY, index.REST_NS)
        elif all(volume.is_readable for volume in store.volumes.all):
            await store.run(holds.confirm)  # nothing was ever recorded, so nothing was held
    await store.note_recovered()
    return found


def _folders(root: Path) -> list[tuple[str, str]]:
    """(camera, day) of all folders on a volume; a few thousand."""
    return [
        (camera.name, day.name)
        for camera in os.scandir(root)
        if names.is_camera(camera.name) and camera.is_dir(follow_symlinks=False)
        for day in os.scandir(camera.path)
        if names.is_day(day.name) and day.is_dir(follow_symlinks=False)
    ]


def _known(db: sqlite3.Connection, volume: Volume) -> dict[tuple[str, str], int]:
    """(camera, day) → whether it is settled, for all folders the index knows on a volume."""
    number = index.volume_number(db, volume.uuid, str(volume.path))
    rows = db.execute(
        "SELECT c.name, f.day, f.settled FROM folder f JOIN camera c ON c.id = f.camera"
        " WHERE f.volume = ?",
        (number,),
    )
    return {(camera, day): settled for camera, day, settled in rows}


def _to_do(
    known: dict[tuple[str, str], int], there: set[tuple[str, str]], *, everything: bool
) -> list[tuple[str, str]]:
    """Folders to look into: not settled, not known, or known and gone. Oldest first."""
    todo = {key for key in there if everything or not known.get(key)} | (known.keys() - there)
    return sorted(todo, key=lambda key: (key[1], key[0]))


async def _folder(
    store: VideoStore, found: Recovered, volume: Volume, camera: str, day: str
) -> None:
    """Rows are read before files are listed: a row that is there has had its file by then."""
    mine = store.mine(volume)
    rows = await store.run(_rows, volume, camera, day)
    files = await volume.workers.run(_files, volume.path / camera / day)
    mine |= store.mine(volume)
    fresh: list[Segment] = []
    clean = True
    for name in sorted(files):
        path = volume.path / camera / day / name
        if name in rows or path in mine:
            continue
        if name.endswith(names.OPEN_ENDING):
            segment = await volume.workers.run(_mend, volume, path, found)
            found.mended += segment is not None
        else:
            segment = await volume.workers.run(_read, volume, path, found)
            found.indexed += segment is not None
        if segment is not None:
            fresh.append(segment)
        if len(fresh) >= ROWS:
            await store.run(_insert, fresh)
            fresh = []
    await store.run(_insert, fresh)
    for name, place in rows.items():
        if name in files and files[name] != place.segment.size_bytes:
            found.damaged += 1
            clean = False
            found.note(f"{place.path}: {files[name]} bytes, expected {place.segment.size_bytes}")
    gone = [place.segment for name, place in rows.items() if name not in files]
    found.missing += await store.run(_forget, volume, gone)
    if clean and store.may_settle(volume, camera, day):
        await store.run(_settle, volume, camera, day)


def _rows(db: sqlite3.Connection, volume: Volume, camera: str, day: str) -> dict[str, Located]:
    number = index.known_camera(db, camera)
    if number is None:
        return {}
    return segments_of_day(db, number, index.volume_number(db, volume.uuid), day)


def _files(folder: Path) -> dict[str, int]:
    """Name → length of the segments in a folder, open ones too; none when it is not there."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return {}
    return {
        entry.name: entry.stat(follow_symlinks=False).st_size
        for entry in entries
        if names.start_of_name(entry.name) is not None and entry.is_file(follow_symlinks=False)
    }


def _mend(volume: Volume, path: Path, found: Recovered) -> Segment | None:
    """Cut an open file behind its last whole fragment and seal it; see FORMAT.md for the order."""
    disk = volume.disk
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            walked = boxes.walk(file)
            marks = boxes.marks_after(file, walked.whole_bytes)
            if walked.fragments and marks >= DAMAGE_MARKS:
                _keep_rest(volume, path, file, walked.whole_bytes, found)
            length = file.seek(0, 2)
        if not walked.fragments:
            begun = bool(walked.head) or (length <= boxes.INIT_MOST + boxes.SEAL_MOST and not marks)
            _clear(volume, path, found, is_empty=begun and marks < DAMAGE_MARKS)
            return None
        facts = facts_from(walked.head)
        _check_place(volume, path.with_suffix(""), facts)
        last = walked.fragments[-1]
        frames = sum(part.frames for part in walked.fragments)
        said = sealing(facts, last.end_ns, frames, len(walked.fragments), RECOVERED)
        seal = boxes.seal_box(said, walked.digest)
        disk.cut(descriptor, walked.whole_bytes)
        disk.write(descriptor, [seal])
        crash_here("recover.boxed")
        disk.sync(descriptor)
        disk.rename(path, path.with_suffix(""))
        crash_here("recover.renamed")
        disk.sync_folder(path.parent)
    except boxes.NotBoxes as error:
        found.note(f"{path}: {error}")
        _clear(volume, path, found, is_empty=False)
        return None
    finally:
        os.close(descriptor)
    return Segment(
        facts=facts,
        volume=volume.uuid,
        end_ns=last.end_ns,
        frames=frames,
        size_bytes=walked.whole_bytes + len(seal),
        sha256=walked.digest,
    )


def _check_place(volume: Volume, path: Path, facts: Facts, *, is_there: bool = False) -> None:
    """Raise NotBoxes when a file of these facts does not belong here, or the place is taken."""
    if volume.path / names.relative(facts.camera, facts.started_ns) != path:
        raise boxes.NotBoxes("内容属于另一个文件 its content is of another file")
    if path.exists() != is_there:
        raise boxes.NotBoxes(f"{path.name}: 已存在 there is a sealed one already")


def _keep_rest(volume: Volume, path: Path, file: BinaryIO, at: int, found: Recovered) -> None:
    """What lies behind a damage that cannot be walked over is kept in a file of its own (V10)."""
    aside = path.with_name(path.name + ASIDE)
    volume.disk.remove(aside)  # of a mending that was cut off
    copy = volume.disk.create(aside)
    try:
        file.seek(at)
        while piece := file.read(boxes.PIECE):
            volume.disk.write(copy, [piece])
        volume.disk.sync(copy)
    finally:
        os.close(copy)
    volume.disk.sync_folder(path.parent)
    found.damaged += 1
    found.note(f"{aside}: 损坏处之后的部分 what lies behind byte {at} of it could not be read")


def _clear(volume: Volume, path: Path, found: Recovered, *, is_empty: bool) -> None:
    """Take away a file without a picture; put aside one that may have some."""
    if is_empty:
        volume.disk.remove(path)
    else:
        volume.disk.rename(path, path.with_name(path.name + ASIDE))
        found.damaged += 1
        found.note(f"{path}{ASIDE}: 无法读取，已留存 cannot be read and is kept under this name")
    volume.disk.sync_folder(path.parent)


def _read(volume: Volume, path: Path, found: Recovered) -> Segment | None:
    """A sealed file's row, from its seal; from its head and fragments when the seal is damaged."""
    try:
        with path.open("rb") as file:
            try:
                said, _ = boxes.read_seal(file)
                digest = bytes.fromhex(str(said["sha256"]))
                end_ns, frames = int(said["ended_ns"]), int(said["frames"])
            except (boxes.NotBoxes, KeyError, TypeError) as error:
                found.damaged += 1
                found.note(f"{path}: {error}")
                walked = boxes.walk(file)
                if not walked.fragments:
                    return None
                said, digest, end_ns = walked.head, walked.digest, walked.fragments[-1].end_ns
                frames = sum(part.frames for part in walked.fragments)
            size_bytes = file.seek(0, 2)
        facts = facts_from(said)
        _check_place(volume, path, facts, is_there=True)
    except FileNotFoundError:
        return None
    except boxes.NotBoxes as error:
        found.damaged += 1
        found.note(f"{path}: {error}")
        return None
    return Segment(
        facts=facts,
        volume=volume.uuid,
        end_ns=end_ns,
        frames=frames,
        size_bytes=size_bytes,
        sha256=digest,
    )


def _insert(db: sqlite3.Connection, fresh: list[Segment]) -> None:
    with transaction(db):
        index.insert(db, fresh)


def _forget(db: sqlite3.Connection, volume: Volume, gone: list[Segment]) -> int:
    """Rows whose files are gone become gaps; what retention took meanwhile is no loss."""
    count = 0
    with transaction(db):
        number = index.volume_number(db, volume.uuid)
        for segment in gone:
            facts = segment.facts
            key = (index.camera_number(db, facts.camera), facts.started_ns, number)
            if index.delete(db, [(key, segment.size_bytes)]):
                index.add_gap(db, facts.camera, facts.started_ns, segment.end_ns, MISSING)
                count += 1
    return count


def _settle(db: sqlite3.Connection, volume: Volume, camera: str, day: str) -> None:
    with transaction(db):
        number, known = index.volume_number(db, volume.uuid), index.camera_number(db, camera)
        index.settle(db, number, known, day)
