"""What video leaves the disk, and when: nothing young, nothing held, nothing by a doubtful clock.

Needs   .store, .holds for what is held.
Keeps   1. expire() removes only segments whose end is older than the camera's days by a clock that
           is trusted and has not stepped for REST_NS; held ones stay (V6, V7).
        2. The horizon moves by at most MOST_DAYS in PASS_NS: a leap of time empties nothing.
        3. Row first, then file: a crash between leaves a file that recovery gives a row again.
        4. make_room() is for a full disk only, takes the oldest that are not held, and does what a
           plan says that a person was told of before.
Bound   a step of expire() is one of .aging; make_room() takes ROOM_STEP segments at a time; files
        go FILES at a time, so that a volume's thread has other work in between.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from heapq import merge
from typing import Final

from gateway.clock import SANE_NS, STEP_NS
from gateway.crash import here as crash_here
from gateway.store.batch import transaction
from gateway.store.video import aging, holds, index, names
from gateway.store.video.aging import Place, Row, Taken
from gateway.store.video.store import VideoStore
from gateway.store.video.volumes import State, Volume
from gateway.words import Said

DAYS: Final = 90
MOST_DAYS: Final = 3
PASS_NS: Final = names.DAY_NS // 4
SEEN_KEY: Final = "clock_seen_ns"
RESTART_NS: Final = 3600 * names.SECOND_NS
ROOM_STEP: Final = 500
FILES: Final = 1_000
FUTURE_NS: Final = 3600 * names.SECOND_NS
FUTURE_MOST: Final = 5_000
"""So many of the future begin to age in one pass; the others do in the next ones."""
PLAN_MOST: Final = 20_000


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
    told: Said


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
    _place: Place = field(default_factory=Place)
    _emptied: list[index.Folder] = field(default_factory=list)
    _uuids: dict[int, str] = field(default_factory=dict)

    async def expire(self) -> Expired:
        """Remove one step's worth of what is too old. Call it again soon while `more`.

        raises  StoreError: try again later, nothing is lost by it
        """
        async with self.store.changing:
            done = await self.store.run(self._step)
            if isinstance(done, Refused):
                self._place = Place()
                return Expired(refused=done)
            self._place = done.next or Place()
            crash_here("expire.marked")
            self._emptied = await self._remove_files(done.rows)
        size = sum(row[3] for row in done.rows)
        return Expired(len(done.rows), size, more=done.next is not None)

    def _step(self, db: sqlite3.Connection) -> Refused | Taken:
        """One look at the clock and, if it may be, one step of the pass: one commit for both.

        What was seen of the clock is only remembered once it is noted: a step of the clock that
        met a full disk is met again.
        """
        mono_ns, utc_ns = self.store.clock.mono_ns(), self.store.clock.utc_ns()
        done: Refused | Taken | None
        with transaction(db):
            index.forget_empty(db, self._emptied)
            done = self._clock_refuses(db, mono_ns, utc_ns)
            if holds.are_unknown(db):  # told first: it does not pass by itself
                done = Refused.HOLDS_UNKNOWN
            if done is None:
                if self._place == Place():
                    self._age_the_future(db, utc_ns)
                limit_of = partial(self._limit_ns, _horizon(db, utc_ns))
                done = aging.take(db, self._place, limit_of, self.store.clock.mono_ns)
        self._seen, self._emptied = (mono_ns, utc_ns), []
        return done

    def _limit_ns(self, horizon_ns: int, camera: str) -> int:
        return horizon_ns - self._days_ns(camera)

    def _days_ns(self, camera: str) -> int:
        return self.days_of.get(camera, self.days) * names.DAY_NS

    def _clock_refuses(self, db: sqlite3.Connection, mono_ns: int, utc_ns: int) -> Refused | None:
        """What the clock did since the last look, restarts included; notes the rest that is left.

        A restart after more than RESTART_NS counts as a step: nobody knows how long it really was.
        """
        noted_ns, seen = index.meta(db, SEEN_KEY), self._seen
        passed_ns = 0
        if seen is not None:
            passed_ns = mono_ns - seen[0]
            stepped = abs(utc_ns - seen[1] - passed_ns) > STEP_NS + passed_ns // 1000
        else:
            stepped = noted_ns is not None and not -STEP_NS <= utc_ns - noted_ns <= RESTART_NS
        untrusted = self.store.clock.quality != "trusted" or utc_ns < SANE_NS
        rest_ns = max(0, (index.meta(db, index.REST_KEY) or 0) - passed_ns)
        index.set_meta(db, SEEN_KEY, utc_ns)
        if stepped or untrusted:
            rest_ns = index.REST_NS
        index.set_meta(db, index.REST_KEY, rest_ns)
        if untrusted:
            return Refused.CLOCK_UNTRUSTED
        return Refused.CLOCK_STEPPED if rest_ns else None

    def _age_the_future(self, db: sqlite3.Connection, now_ns: int) -> None:
        """What carries a time that cannot be ages from now on: a clock was put right."""
        if (index.meta(db, "floor_ns") or 0) > now_ns + FUTURE_NS:
            self.store.reset_floor(db, now_ns)
        db.execute(
            "UPDATE doubtful SET aged_ns = ?1 WHERE aged_ns > ?1 + ?2 OR aged_ns < ?3",
            (now_ns, FUTURE_NS, SANE_NS),
        )
        room = FUTURE_MOST
        for camera, _name in index.cameras(db):
            room -= db.execute(
                "INSERT INTO doubtful (camera, start_ns, volume, aged_ns)"
                " SELECT s.camera, s.start_ns, s.volume, ?1 FROM segment s"
                " WHERE s.camera = ?2 AND s.start_ns > ?1 + ?3 AND NOT EXISTS (SELECT 1"
                " FROM doubtful d WHERE d.camera = s.camera AND d.start_ns = s.start_ns"
                " AND d.volume = s.volume) LIMIT ?4",
                (now_ns, camera, FUTURE_NS, room),
            ).rowcount

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
        told = Said(
            f"{volume.path}: 录像盘已满，将删除最旧的 {len(rows)} 段 ({days}),留证的不删",
            f"{volume.path}: volume full: the oldest {len(rows)} segments ({total} bytes) that are"
            " not held go",
        )
        enough = total >= size_bytes
        return RoomPlan(volume, rows, total, oldest, youngest, short, enough, told)

    def _plan(
        self, db: sqlite3.Connection, volume: Volume, size_bytes: int, now_ns: int
    ) -> tuple[list[Row], bool]:
        plan: list[Row] = []
        total = 0
        for row in _oldest(db, index.volume_number(db, volume.uuid)):
            if total >= size_bytes or len(plan) >= PLAN_MOST:
                break
            plan.append(row)
            total += row[3]
        short = any(row[1] + row[4] > now_ns - self._days_ns(row[5]) for row in plan)
        return plan, short

    async def make_room(self, plan: RoomPlan) -> int:
        """Do what a plan says that was told as a fault; returns the bytes that were freed.

        What is held by now stays. raises StoreError when the index cannot be written.
        """
        freed = 0
        for at in range(0, len(plan.rows), ROOM_STEP):
            async with self.store.changing:
                rows = await self.store.run(_take_if_free, plan.rows[at : at + ROOM_STEP])
                crash_here("expire.marked")
                self._emptied += await self._remove_files(rows)
            freed += sum(row[3] for row in rows)
        return freed

    async def _remove_files(self, rows: Sequence[Row]) -> list[index.Folder]:
        """Take the files away whose rows are gone; what fails now is found again by recovery.

        returns  folders that went with their last file
        """
        if any(row[2] not in self._uuids for row in rows):
            self._uuids = dict(await self.store.run(_volumes))
        emptied: list[index.Folder] = []
        for volume in self.store.volumes.all:
            mine = [row for row in rows if self._uuids.get(row[2]) == volume.uuid]
            for at in range(0, len(mine), FILES):
                if volume.is_readable:
                    emptied += await volume.workers.run(_remove, volume, mine[at : at + FILES])
        return emptied


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


def _oldest(db: sqlite3.Connection, volume: int) -> Iterator[Row]:
    """What is not held on a volume, oldest first; read as it is asked for.

    Day by day, all cameras of a day together. A doubtful one counts by since when it ages, which
    may be a later day.
    """
    later: list[tuple[int, Row]] = []
    days = db.execute(
        "SELECT DISTINCT day FROM folder WHERE volume = ? AND segments > 0 ORDER BY day", (volume,)
    ).fetchall()
    for (day,) in days:
        begin_ns = names.start_of_day(day)
        end_ns = begin_ns + names.DAY_NS
        cameras = db.execute(
            "SELECT camera FROM folder WHERE volume = ? AND day = ? AND segments > 0", (volume, day)
        ).fetchall()
        now = [pair for pair in later if pair[0] < end_ns]
        later = [pair for pair in later if pair[0] >= end_ns]
        for (camera,) in cameras:
            for pair in _of_day(db, camera, volume, begin_ns, "d.aged_ns IS NOT NULL"):
                (later if pair[0] >= end_ns else now).append(pair)
        sound = [
            _of_day(db, camera, volume, begin_ns, "d.aged_ns IS NULL") for (camera,) in cameras
        ]
        yield from (row for _, row in merge(sorted(now), *sound))
    yield from (row for _, row in sorted(later))


def _of_day(
    db: sqlite3.Connection, camera: int, volume: int, begin_ns: int, which: str
) -> Iterator[tuple[int, Row]]:
    """(since when it ages, row) of what is not held in one folder, in the order of the starts."""
    held = holds.held_of(db, camera)
    rows = db.execute(
        f"{aging.SEGMENTS} WHERE s.camera = ? AND s.start_ns >= ? AND s.start_ns < ?"
        f" AND s.volume = ? AND {which} ORDER BY s.start_ns",
        (camera, begin_ns, begin_ns + names.DAY_NS, volume),
    )
    return ((row[6], row[:6]) for row in rows if not held.has(row[1], row[1] + row[4]))


def _take_if_free(db: sqlite3.Connection, rows: Sequence[Row]) -> list[Row]:
    """Take rows out of the index that are still there and not held since the plan was made."""
    with transaction(db):
        held = {camera: holds.held_of(db, camera) for camera in {row[0] for row in rows}}
        free = {row[:3]: row for row in rows if not held[row[0]].has(row[1], row[1] + row[4])}
        gone = index.delete(db, [(key, row[3]) for key, row in free.items()])
    return [free[key] for key in gone]


def _volumes(db: sqlite3.Connection) -> list[tuple[int, str]]:
    return db.execute("SELECT id, uuid FROM volume").fetchall()


def _remove(volume: Volume, rows: Sequence[Row]) -> list[index.Folder]:
    """Unlink, and take away folders that are empty; no sync: what reappears is expired again."""
    folders: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
    for row in rows:
        folders[row[2], row[0], row[1] // names.DAY_NS].append(row)
    emptied: list[index.Folder] = []
    for (number, camera, days), inside in folders.items():
        day = names.day_of(days * names.DAY_NS)
        path = volume.path / inside[0][5] / day
        try:
            volume.disk.remove_all(path, [names.file_name(row[1]) for row in inside])
        except OSError as error:
            volume.fail(State.READ_ONLY, str(error))
            break
        if volume.disk.remove_folder(path):
            emptied.append((number, camera, day))
    return emptied
