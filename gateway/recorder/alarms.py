"""The alarms of the alarm process, read from its store: what the video process knows of them.

Needs   events.db, read only (store/FORMAT.md, table alarm). Nothing is asked of the alarm process
        and nothing is told it: what is committed is all there is to know, and it does not get lost.
Keeps   1. The store may be missing, busy, moved aside or another one at any time: StoreError, ask
           again; `generation` says that it is another file and has to be read from its beginning.
        2. Reads are pages of PAGE rows in a thread of their own: no checkpoint waits for them.
        3. What cannot be read of one alarm costs that one; it is told.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from gateway.errors import StoreError
from gateway.events import Category
from gateway.store.opening import explain, read_only
from gateway.store.video.names import LAST_NS, is_camera
from gateway.store.video.stills import is_alarm
from gateway.store.video.workers import Workers

FILE: Final = "events.db"
PAGE: Final = 500
CAMERAS_MOST: Final = 64
WAIT_S: Final = 1.0

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm as far as video is concerned.

    seq        of the record that raised it
    cameras    as its device names them
    closed_ns  None while it is open
    """

    alarm_id: str
    seq: int
    raised_ns: int
    closed_ns: int | None
    cameras: tuple[str, ...]


class AlarmReader:
    """Used from one event loop; close() ends its thread. Methods raise StoreError: ask again.

    generation  rises whenever another file is read than before
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._workers = Workers("alarms-reader")
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)
        self.generation = 0

    async def newest_seq(self) -> int:
        """The newest alarm's number; 0 when there is none."""
        return await self._workers.run(self._read, _newest, ())

    async def after(self, seq: int) -> tuple[list[Raised], int]:
        """A page of alarms that were raised behind a record, oldest first, and the last one's seq.

        The same seq again: there are none.
        """
        found, last = await self._page("raised_seq > ? ORDER BY raised_seq", seq)
        return found, seq if last is None else last

    async def upto(self, seq: int) -> tuple[list[Raised], int]:
        """A page of alarms up to a record, newest first, and the seq from which to go on.

        0: that was all.
        """
        found, last = await self._page("raised_seq <= ? ORDER BY raised_seq DESC", seq)
        return found, 0 if last is None else max(last - 1, 0)

    async def open_ids(self) -> set[str]:
        """The alarms that are open."""
        return await self._workers.run(self._read, _open_ids, ())

    async def those(self, alarm_ids: Sequence[str]) -> list[Raised]:
        """These alarms, as far as they are there."""
        return await self._workers.run(self._read, _those, (alarm_ids,))

    async def close(self) -> None:
        """End the thread."""
        await self._workers.run(self._drop)
        self._workers.stop()

    async def _page(self, where: str, seq: int) -> tuple[list[Raised], int | None]:
        return await self._workers.run(self._read, _page, (where, seq))

    def _read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            return work(self._connected(), *args)
        except sqlite3.Error as error:
            self._drop()
            raise explain(error) from error

    def _connected(self) -> sqlite3.Connection:
        try:
            about = self._path.stat()
        except OSError as error:
            self._drop()
            raise StoreError(
                f"{self._path}: 还没有事件库 no store of events yet; holds wait for it"
            ) from error
        file = (about.st_dev, about.st_ino)
        if file != self._file:
            self._drop()
            self._file = file
            self.generation += 1
        if self._db is None:
            self._db = sqlite3.connect(
                read_only(self._path), uri=True, isolation_level=None, timeout=WAIT_S
            )
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        self._file = (0, 0)  # once we let go of it, another file may get the same number


def _newest(db: sqlite3.Connection) -> int:
    row = db.execute(
        "SELECT max(raised_seq) FROM alarm WHERE category = ?", (Category.ALARM,)
    ).fetchone()
    return int(row[0] or 0)


def _open_ids(db: sqlite3.Connection) -> set[str]:
    rows = db.execute(
        "SELECT alarm_id FROM alarm WHERE category = ? AND is_open = 1", (Category.ALARM,)
    )
    return {str(alarm_id) for (alarm_id,) in rows}


def _page(db: sqlite3.Connection, where: str, seq: int) -> tuple[list[Raised], int | None]:
    rows = db.execute(
        "SELECT alarm_id, raised_seq, doc FROM alarm"  # noqa: S608 two constants of this file
        f" WHERE category = ? AND {where} LIMIT ?",
        (Category.ALARM, seq, PAGE),
    ).fetchall()
    found = [raised for row in rows if (raised := _raised(*row)) is not None]
    return found, rows[-1][1] if rows else None


def _those(db: sqlite3.Connection, alarm_ids: Sequence[str]) -> list[Raised]:
    rows = [
        db.execute(
            "SELECT alarm_id, raised_seq, doc FROM alarm WHERE alarm_id = ?", (alarm_id,)
        ).fetchone()
        for alarm_id in alarm_ids
    ]
    return [raised for row in rows if row and (raised := _raised(*row)) is not None]


def _raised(alarm_id: object, seq: object, doc: object) -> Raised | None:
    """An alarm's row; None for one that cannot be read, which is told."""
    try:
        said: Any = json.loads(str(doc))
        closed = said.get("closed_ns")
        cameras = [name for name in map(str, said["cameras"]) if is_camera(name)]
        return Raised(
            alarm_id=_id(alarm_id),
            seq=int(str(seq)),
            raised_ns=_moment(said["raised_ns"]),
            closed_ns=None if closed is None else _moment(closed),
            cameras=tuple(cameras[:CAMERAS_MOST]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.error("an alarm cannot be read; its video is not held", alarm=alarm_id, why=str(error))
        return None


def _id(value: object) -> str:
    if not isinstance(value, str) or not is_alarm(value):
        raise ValueError(f"no alarm's id: {value!r}")
    return value


def _moment(value: object) -> int:
    if type(value) is not int or not 0 <= value < LAST_NS:
        raise ValueError(f"no moment: {value!r}")
    return value
