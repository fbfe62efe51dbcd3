"""Stills of alarms: the picture of the moment, one for each camera, beside the video.

Owns    STORE/stills/ALARM/CAMERA.jpg and CAMERA.json: their form, their write order, their end.
Needs   gateway.store.disk. Blocks for small files: call it in a thread.
Keeps   1. A still counts from the moment its CAMERA.json is there, and that is written last: a
           picture without one is half a still and is written anew.
        2. What a still says of itself is looked at before it is believed: its bytes are hashed.
        3. A still goes only when its alarm is not held any more and it is older than was asked; or
           to make room among those. What is held stays: then nothing new is written, and told.
Bound   JPEG_MOST for one, STILLS_MOST and BYTES_MOST for all of them (Shelf).
"""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.crash import here as crash_here
from gateway.errors import StoreError, StoreFull
from gateway.store.disk import sync_folder, write_file
from gateway.store.video.names import LAST_NS, is_camera

FOLDER: Final = "stills"
JPEG_MOST: Final = 32 * 1024 * 1024
NOTE_MOST: Final = 4096
STILLS_MOST: Final = 20_000
BYTES_MOST: Final = 4 * 1024**3
VERSION: Final = 1

_ALARM: Final = re.compile(r"(?!pictures\Z)[A-Za-z0-9][A-Za-z0-9-]{0,63}")
"""stills/pictures/ is no alarm's: gateway/pictures/album.py keeps its own there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StillNote:
    """What is known of a still.

    wanted_ns   the moment it was asked for: when the alarm was raised
    at_ns       when its picture was taken, our UTC: at or before that moment
    size_bytes  and sha256 (64 hexadecimal digits) of the JPEG
    """

    alarm_id: str
    camera: str
    wanted_ns: int
    at_ns: int
    size_bytes: int
    sha256: str


def is_alarm(alarm_id: str) -> bool:
    """Whether an alarm's id can name a folder."""
    return _ALARM.fullmatch(alarm_id) is not None


def path_of(store: Path, alarm_id: str, camera: str) -> Path:
    """Where a still's picture lies. Raises ValueError for what cannot name a file."""
    if not is_alarm(alarm_id) or not is_camera(camera):
        raise ValueError(f"{alarm_id!r}, {camera!r}")
    return store / FOLDER / alarm_id / f"{camera}.jpg"


def write_still(
    store: Path, alarm_id: str, camera: str, jpeg: bytes, *, wanted_ns: int, at_ns: int
) -> StillNote:
    """Keep a still, whole and synced when it returns. Raises OSError, ValueError."""
    path = path_of(store, alarm_id, camera)
    if not 0 < len(jpeg) <= JPEG_MOST:
        raise ValueError(f"a still of {len(jpeg)} bytes")
    for folder in (path.parent.parent, path.parent):
        if not folder.is_dir():
            folder.mkdir(mode=0o750)
            sync_folder(folder.parent)
    note = StillNote(
        alarm_id=alarm_id,
        camera=camera,
        wanted_ns=wanted_ns,
        at_ns=at_ns,
        size_bytes=len(jpeg),
        sha256=hashlib.sha256(jpeg).hexdigest(),
    )
    write_file(path, jpeg)
    crash_here("still.made")
    content = json.dumps({"v": VERSION, **asdict(note)}, sort_keys=True)
    write_file(path.with_suffix(".json"), content.encode() + b"\n")
    crash_here("still.noted")
    return note


def note_of(store: Path, alarm_id: str, camera: str) -> StillNote | None:
    """What is known of a still; None when there is none, or its note is not one of ours."""
    try:
        path = path_of(store, alarm_id, camera).with_suffix(".json")
        said: Any = json.loads(_read(path, NOTE_MOST))
        note = StillNote(**{name: said[name] for name in StillNote.__slots__})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    numbers = (note.wanted_ns, note.at_ns, note.size_bytes)
    sound = all(type(number) is int and 0 <= number <= LAST_NS for number in numbers)
    return note if sound and (note.alarm_id, note.camera) == (alarm_id, camera) else None


def read_still(store: Path, alarm_id: str, camera: str) -> tuple[bytes, StillNote] | None:
    """A still and its note; None when there is none.

    raises  StoreError when its bytes are not those that were written: it was changed
    """
    note = note_of(store, alarm_id, camera)
    if note is None:
        return None
    try:
        jpeg = _read(path_of(store, alarm_id, camera), JPEG_MOST)
    except OSError:
        return None
    if hashlib.sha256(jpeg).hexdigest() != note.sha256:
        raise StoreError(f"stills/{alarm_id}/{camera}.jpg: its bytes do not match its note")
    return jpeg, note


def stills_of(store: Path, alarm_id: str) -> list[StillNote]:
    """The stills of an alarm, by camera."""
    if not is_alarm(alarm_id):
        return []
    try:
        found = sorted(entry.name for entry in os.scandir(store / FOLDER / alarm_id))
    except OSError:
        return []
    cameras = [name.removesuffix(".json") for name in found if name.endswith(".json")]
    notes = [note_of(store, alarm_id, camera) for camera in cameras]
    return [note for note in notes if note is not None]


class Shelf:
    """All stills of a store, counted, so that there are never too many. For one thread at a time.

    held  the alarms whose video is still held
    """

    def __init__(
        self,
        store: Path,
        held: Callable[[], Collection[str]],
        *,
        stills_most: int = STILLS_MOST,
        bytes_most: int = BYTES_MOST,
    ) -> None:
        self._store = store
        self._held = held
        self._most = (stills_most, bytes_most)
        self._count: tuple[int, int] | None = None

    def put(self, alarm_id: str, camera: str, jpeg: bytes, *, wanted_ns: int, at_ns: int) -> None:
        """Keep a still, and make room among those that are not held.

        raises  StoreFull when there is none, StoreError: neither is kept, ask again
        """
        try:
            if self._is_too_much(len(jpeg)):
                self.remove(self._counts()[0] // 10 + 1, older_than_ns=LAST_NS)
            if self._is_too_much(len(jpeg)):
                raise StoreFull(
                    "警情照片已满，且都在留证中，放行旧的留证后才能再存"
                    " no room for stills of alarms: all are held; release old holds"
                )
            count, total = self._counts()
            write_still(self._store, alarm_id, camera, jpeg, wanted_ns=wanted_ns, at_ns=at_ns)
        except OSError as error:
            raise StoreError(f"{self._store / FOLDER}: {error}; it is tried again") from error
        self._count = (count + 1, total + len(jpeg))

    def remove(self, most: int, *, older_than_ns: int) -> int:
        """Remove stills of alarms that are not held, oldest first; returns how many went.

        most           whole alarms are removed until so many stills have gone
        older_than_ns  only of alarms whose stills are all from before it
        raises         OSError
        """
        ready: list[tuple[int, Path]] = []
        held = self._held()
        for folder in self._folders():
            if folder.name not in held:
                newest_ns = max((each.stat().st_mtime_ns for each in folder.iterdir()), default=0)
                if newest_ns < older_than_ns:
                    ready.append((newest_ns, folder))
        gone = 0
        for _, folder in sorted(ready):
            if gone >= most:
                break
            gone += self._remove(folder)
        self._count = None
        return gone

    def _remove(self, folder: Path) -> int:
        """Notes first: what is cut off leaves pictures nobody counts, for the next time."""
        files = sorted(folder.iterdir(), key=lambda path: path.suffix != ".json")
        for path in files:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
        return sum(path.suffix == ".jpg" for path in files)

    def _is_too_much(self, size_bytes: int) -> bool:
        count, total = self._counts()
        return count >= self._most[0] or total + size_bytes > self._most[1]

    def _counts(self) -> tuple[int, int]:
        """How many there are and their bytes: counted once, then kept up with."""
        if self._count is None:
            self._count = self._counted()
        return self._count

    def _counted(self) -> tuple[int, int]:
        count = total = 0
        for folder in self._folders():
            for entry in os.scandir(folder):
                if entry.name.endswith(".jpg"):
                    count, total = count + 1, total + entry.stat(follow_symlinks=False).st_size
        return count, total

    def _folders(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._store / FOLDER):
                if entry.is_dir(follow_symlinks=False) and is_alarm(entry.name):
                    yield Path(entry.path)


def _read(path: Path, most: int) -> bytes:
    """A plain file of at most so many bytes. Raises OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path}: not a file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"{path}: longer than {most} bytes")
    return content
