"""What video leaves the disk, and when: nothing young, nothing held, nothing by a doubtful clock.

Needs   .store, .holds for what is held.
Keeps   1. expire() removes only segments whose end is older than the camera's days by a clock that
           is trusted and has not stepped for REST_NS; held ones stay (V6, V7).
        2. The horizon moves by at most MOST_DAYS in PASS_NS: a leap of time empties nothing.
        3. Row first, then file: a crash between leaves a file that recovery gives a row again.
        4. make_room() is for a full disk only, takes the oldest that are not held, and does what a
           plan says that a person was told of before.
Bound   STEP segments in one step: some ten milliseconds of the index, less of each volume.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.clock import SANE_NS, STEP_NS
from gateway.crash import here as crash_here
from gateway.store.batch import transaction
from gateway.store.video import index, names
from gateway.store.video.holds import HELD
from gateway.store.video.store import VideoStore
from gateway.store.video.volumes import State, Volume

DAYS: Final = 90
MOST_DAYS: Final = 3
PASS_NS: Final = names.DAY_NS // 4
SEEN_KEY: Final = "clock_seen_ns"
RESTART_NS: Final = 3600 * names.SECOND_NS
STEP: Final = 500
FUTURE_NS: Final = 3600 * names.SECOND_NS
PLAN_MOST: Final = 20_000

_FREE: Final = (
    "SELECT s.camera, s.start_ns, s.volume, s.size_bytes, s.length_ns, c.name,"  # noqa: S608
    " ifnull(d.aged_ns, s.start_ns) FROM segment s JOIN camera c ON c.id = s.camera"
    " LEFT JOIN doubtful d ON d.camera = s.camera AND d.start_ns = s.start_ns"
    f" AND d.volume = s.volume WHERE NOT {HELD}"
)
"""A Row and since when it ages, of everything that is not held."""
_KEY: Final = " AND s.camera = ? AND s.start_ns = ? AND s.volume = ?"

Row = tuple[int, int, int, int, int, str]
"""camera, start_ns, volume, size_bytes, length_ns, the camera's name"""


class Refused(StrEnum):
    """Why nothing was removed for its age."""

    CLOCK_UNTRUSTED = "clock_untrusted"
    CLOCK_STEPPED = "clock_stepped"
    HOLDS_UNKNOWN = "holds_unknown"


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step did. more: there is more to do now; refused: why not."""

    segments: int = 0
    size_bytes: int = 0
    more: bool = False
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What would go to make room on a full volume: for the fault that comes first.

    rows      the oldest that are not held, oldest first
    youngest_ns  the age limit is given up to here: the newest one's end
    is_short  some of it is younger than its camera's days
    is_enough whether it makes the room that was asked for
    """

    volume: Volume
    rows: Sequence[Row]
    size_bytes: int
    oldest_ns: int
    youngest_ns: int
    is_short: bool
    is_enough: bool
    told: str


@dataclass(slots=True)
class Retention:
    """How long each camera's video is kept; watches the clock between two steps.

    One for a store: it is the only one who may look at the clock for this.

    days    for all cameras; days_of for those that differ
    """

    store: VideoStore
    days: int = DAYS
    days_of: Mapping[str, int] = field(default_factory=dict)
    _seen: tuple[int, int] | None = None

    async def expire(self) -> Expired:
        """Remove one step's worth of what is too old. Call it again at once while `more`.

        raises  StoreError: try again later, nothing is lost by it
        """
        refused = await self.store.run(self._clock_refuses)
        if await self.store.holds_are_unknown():  # told first: it does not pass by itself
            refused = Refused.HOLDS_UNKNOWN
        if refused is not None:
            return Expired(refused=refused)
        async with self.store.changing:
            rows = await self.store.run(self._take_rows, self.store.clock.utc_ns())
            crash_here("expire.marked")
            await remove_files(self.store, rows)
        size = sum(row[3] for row in rows)
        return Expired(len(rows), size, more=len(rows) >= STEP)

    def _clock_refuses(self, db: sqlite3.Connection) -> Refused | None:
        """What the clock did since the last look, restarts included; notes the rest that is left.

        A restart after more than RESTART_NS counts as a step: nobody knows how long it really was.
        """
        clock = self.store.clock
        mono_ns, utc_ns = clock.mono_ns(), clock.utc_ns()
        noted_ns = index.meta(db, SEEN_KEY)
        seen, self._seen = self._seen, (mono_ns, utc_ns)
        passed_ns = 0
        if seen is not None:
            passed_ns = mono_ns - seen[0]
            stepped = abs(utc_ns - seen[1] - passed_ns) > STEP_NS + passed_ns // 1000
        else:
            stepped = noted_ns is not None and not -STEP_NS <= utc_ns - noted_ns <= RESTART_NS
        untrusted = clock.quality != "trusted" or utc_ns < SANE_NS
        rest_ns = max(0, (index.meta(db, index.REST_KEY) or 0) - passed_ns)
        with transaction(db):
            index.set_meta(db, SEEN_KEY, utc_ns)
            if stepped or untrusted:
                rest_ns = index.REST_NS
            index.set_meta(db, index.REST_KEY, rest_ns)
        if untrusted:
            return Refused.CLOCK_UNTRUSTED
        return Refused.CLOCK_STEPPED if rest_ns else None

    def _take_rows(self, db: sqlite3.Connection, now_ns: int) -> list[Row]:
        """Rows that go now; they are out of the index when this returns."""
        with transaction(db):
            self._age_the_future(db, now_ns)
            slack_ns = now_ns - _horizon(db, now_ns)
            doomed: list[Row] = []
            for camera, name in index.cameras(db):
                if len(doomed) >= STEP:
                    break
                limit_ns = now_ns - self.days_of.get(name, self.days) * names.DAY_NS - slack_ns
                doomed += _old(db, camera, limit_ns, STEP - len(doomed))
                db.execute("DELETE FROM gap WHERE camera = ? AND to_ns < ?", (camera, limit_ns))
            index.delete(db, [(row[:3], row[3]) for row in doomed])
        return doomed

    def _age_the_future(self, db: sqlite3.Connection, now_ns: int) -> None:
        """What carries a time that cannot be ages from now on: a clock was put right."""
        if (index.meta(db, "floor_ns") or 0) > now_ns + FUTURE_NS:
            self.store.reset_floor(db, now_ns)
        db.execute(
            "UPDATE doubtful SET aged_ns = ?1 WHERE aged_ns > ?1 + ?2 OR aged_ns < ?3",
            (now_ns, FUTURE_NS, SANE_NS),
        )
        for camera, _name in index.cameras(db):
            db.execute(
                "INSERT OR IGNORE INTO doubtful (camera, start_ns, volume, aged_ns)"
                " SELECT camera, start_ns, volume, ?1 FROM segment"
                " WHERE camera = ?2 AND start_ns > ?1 + ?3",
                (now_ns, camera, FUTURE_NS),
            )

    async def plan_room(self, volume: Volume, size_bytes: int) -> RoomPlan:
        """What would have to go from a full volume for that much room; changes nothing.

        Raise the fault with its `told`, then give it to make_room(). Not more than PLAN_MOST.
        """
        now_ns = self.store.clock.utc_ns()
        rows, short = await self.store.run(self._plan, volume, size_bytes, now_ns)
        total = sum(row[3] for row in rows)
        oldest = min((row[1] for row in rows), default=0)
        youngest = max((row[1] + row[4] for row in rows), default=0)
        days = f"{names.day_of(oldest)} – {names.day_of(youngest)}" if rows else "–"
        told = (
            f"{volume.path}: 录像盘已满,将删除最旧的 {len(rows)} 段 ({days}),留证的不删"
            f" volume full: the oldest {len(rows)} segments ({total} bytes) that are not held go"
        )
        enough = total >= size_bytes
        return RoomPlan(volume, rows, total, oldest, youngest, short, enough, told)

    def _plan(
        self, db: sqlite3.Connection, volume: Volume, size_bytes: int, now_ns: int
    ) -> tuple[list[Row], bool]:
        number = index.volume_number(db, volume.uuid)
        plan: list[Row] = []
        ages: list[tuple[int, Row]] = []
        total = 0
        days = db.execute(
            "SELECT DISTINCT day FROM folder WHERE volume = ? AND segments > 0 ORDER BY day",
            (number,),
        ).fetchall()
        for (day,) in days:
            begin_ns = names.start_of_day(day)
            cameras = db.execute(
                "SELECT camera FROM folder WHERE volume = ? AND day = ? AND segments > 0",
                (number, day),
            ).fetchall()
            for (camera,) in cameras:
                ages += _of_day(db, camera, number, begin_ns)
            # A doubtful one counts by since when it ages, which may be a later day.
            later = [pair for pair in ages if pair[0] >= begin_ns + names.DAY_NS]
            for age_ns, row in sorted(ages):
                if age_ns >= begin_ns + names.DAY_NS or total >= size_bytes:
                    break
                plan.append(row)
                total += row[3]
            ages = later
            if total >= size_bytes or len(plan) >= PLAN_MOST:
                break
        for _, row in sorted(ages):
            if total >= size_bytes:
                break
            plan.append(row)
            total += row[3]
        plan = plan[:PLAN_MOST]
        short = any(
            row[1] + row[4] > now_ns - self.days_of.get(row[5], self.days) * names.DAY_NS
            for row in plan
        )
        return plan, short

    async def make_room(self, plan: RoomPlan) -> int:
        """Do what a plan says that was told as a fault; returns the bytes that were freed.

        What is held by now stays. raises StoreError when the index cannot be written.
        """
        freed = 0
        for at in range(0, len(plan.rows), STEP):
            async with self.store.changing:
                rows = await self.store.run(_take_if_free, plan.rows[at : at + STEP])
                crash_here("expire.marked")
                await remove_files(self.store, rows)
            freed += sum(row[3] for row in rows)
        return freed


def _horizon(db: sqlite3.Connection, now_ns: int) -> int:
    """Up to which moment `now` is believed: itself, approached by MOST_DAYS a pass."""
    passed_ns, to_ns = index.meta(db, "retention_pass_ns"), index.meta(db, "retention_to_ns")
    if passed_ns is None or to_ns is None:
        ends = [index.newest_end(db, camera, now_ns) for camera, _ in index.cameras(db)]
        to_ns = min(now_ns, max((end for end in ends if end and end >= SANE_NS), default=now_ns))
        passed_ns = now_ns
    elif now_ns < passed_ns:  # the clock went back: begin a pass, and win nothing by it
        to_ns, passed_ns = min(now_ns, to_ns), now_ns
    elif now_ns - passed_ns >= PASS_NS:
        to_ns, passed_ns = min(now_ns, to_ns + MOST_DAYS * names.DAY_NS), now_ns
    else:
        to_ns = min(now_ns, to_ns)
    index.set_meta(db, "retention_pass_ns", passed_ns)
    index.set_meta(db, "retention_to_ns", to_ns)
    return to_ns


def _old(db: sqlite3.Connection, camera: int, limit_ns: int, most: int) -> list[Row]:
    """Oldest first: what ended before the limit, is not held, and whose times can be believed."""
    plain = db.execute(
        _FREE + " AND s.camera = ? AND s.start_ns < ? AND s.start_ns + s.length_ns < ?"
        " AND d.aged_ns IS NULL ORDER BY s.start_ns LIMIT ?",
        (camera, limit_ns, limit_ns, most),
    ).fetchall()
    doubtful = db.execute(
        _FREE + " AND d.camera = ? AND d.aged_ns + s.length_ns < ? LIMIT ?",
        (camera, limit_ns, most - len(plain)),
    ).fetchall()
    return [row[:6] for row in plain + doubtful]


def _of_day(
    db: sqlite3.Connection, camera: int, volume: int, begin_ns: int
) -> list[tuple[int, Row]]:
    """(since when it ages, row) of what is not held in one folder."""
    rows = db.execute(
        _FREE + " AND s.camera = ? AND s.start_ns >= ? AND s.start_ns < ? AND s.volume = ?",
        (camera, begin_ns, begin_ns + names.DAY_NS, volume),
    )
    return [(row[6], row[:6]) for row in rows]


def _take_if_free(db: sqlite3.Connection, rows: Sequence[Row]) -> list[Row]:
    """Take rows out of the index that are still there and not held since the plan was made."""
    with transaction(db):
        free = [row for row in rows if db.execute(_FREE + _KEY, row[:3]).fetchone()]
        index.delete(db, [(row[:3], row[3]) for row in free])
    return free


async def remove_files(store: VideoStore, rows: Sequence[Row]) -> None:
    """Take the files away whose rows are gone; what fails now is found again by recovery."""
    uuids = dict(await store.run(_volumes))
    for volume in store.volumes.all:
        paths = [
            volume.path / names.relative(row[5], row[1])
            for row in rows
            if uuids.get(row[2]) == volume.uuid
        ]
        if paths and volume.is_readable:
            await volume.workers.run(_remove, volume, paths)


def _volumes(db: sqlite3.Connection) -> list[tuple[int, str]]:
    return db.execute("SELECT id, uuid FROM volume").fetchall()


def _remove(volume: Volume, paths: Sequence[Path]) -> None:
    """Unlink, and take away folders that are empty; no sync: what reappears is expired again."""
    for path in paths:
        try:
            volume.disk.remove(path)
            crash_here("expire.unlinked")
        except OSError as error:
            volume.fail(State.READ_ONLY, str(error))
            return
    for folder in {path.parent for path in paths}:
        volume.disk.remove_folder(folder)
