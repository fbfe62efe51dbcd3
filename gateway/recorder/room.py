"""Room on a volume that runs full: told first, made after it.

Owns    when video goes for want of room, and the finding that comes before it.
Needs   Retention for what would go, the reporter for whether a person could be told.
Keeps   1. Nothing goes before a report that says so was on the disk for GRACE_S, or could not be
           written for GRACE_MOST_S. From then on, while the finding lasts, room is made at once.
        2. It begins LOW_BYTES before the last volume is full, so that recording goes on meanwhile:
           as long as another one has room, nothing goes. Then the oldest goes, wherever it lies.
        3. What is held stays. When nothing else is left, that is told and nothing goes.
        4. Days that could not be kept are told for SHORT_S after the last of them went, also
           across a restart, and the time they covered is a gap with the reason NO_ROOM.
Bound   ROOM_BYTES at a time, a fiftieth of a small volume.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.events import Scalar
from gateway.recorder.disks import label
from gateway.recorder.reporter import Reporter
from gateway.reports import Finding
from gateway.store.batch import transaction
from gateway.store.video import Retention, RoomPlan, State, VideoStore, Volume, index
from gateway.store.video.aging import Row
from gateway.words import Said

LOW_BYTES: Final = 2 << 30
ROOM_BYTES: Final = 2 << 30
SMALL_PART: Final = 50
GRACE_S: Final = 15.0
GRACE_MOST_S: Final = 60.0
CALM_S: Final = 3600.0
SHORT_S: Final = 86_400.0
SHORT_KEY: Final = "room_short_ns"
NO_ROOM: Final = "no_room"
"""The reason of a gap: there was video, and it went before its days were over."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Case:
    """A volume that runs full.

    begun_ns   monotonic, when it was noticed · report  the first one that tells of it
    told_ns    monotonic, when that was seen to be written · last_ns  when it last needed room
    """

    said: Said
    begun_ns: int
    report: int
    last_ns: int
    told_ns: int | None = None
    freed_bytes: int = 0
    is_short: bool = False
    is_stuck: bool = False


class Room:
    """See the module."""

    def __init__(self, store: VideoStore, retention: Retention, reporter: Reporter) -> None:
        self._store = store
        self._retention = retention
        self._reporter = reporter
        self._cases: dict[Volume, _Case] = {}
        self._short_ns: int | None = None

    async def begin(self) -> None:
        """Remember what was told before a restart. Raises StoreError."""
        self._short_ns = await self._store.run(index.meta, SHORT_KEY)

    async def look(self) -> None:
        """Look at every volume, and make room where it is time. Raises StoreError."""
        volumes = self._store.volumes.all
        low = [volume for volume in volumes if _is_low(volume)]
        if any(each.is_usable and not each.is_resting for each in volumes if each not in low):
            low = []  # recording goes on there
        self._forget_what_is_over()
        plans = [(volume, await self._plan(volume)) for volume in low]
        due = [pair for pair in plans if pair[1].rows]
        if due:
            volume, plan = min(due, key=lambda pair: pair[1].oldest_ns)
            case = self._cases[volume]
            if self._may(case, self._store.clock.mono_ns()):
                await self._make(volume, case, plan)

    def _forget_what_is_over(self) -> None:
        now = self._store.clock.mono_ns()
        over = [each for each, case in self._cases.items() if now - case.last_ns > CALM_S * 1e9]
        for volume in over:
            del self._cases[volume]

    async def _plan(self, volume: Volume) -> RoomPlan:
        now = self._store.clock.mono_ns()
        case = self._cases.get(volume)
        plan = await self._retention.plan_room(volume, _part(volume, ROOM_BYTES))
        if case is None:
            case = _Case(plan.told, now, self._reporter.progress + 1, now)
            self._cases[volume] = case
            self._reporter.changed()
        case.last_ns = now
        case.is_stuck = not plan.rows
        return plan

    def _may(self, case: _Case, now: int) -> bool:
        """Keep 1."""
        if case.told_ns is None and self._reporter.told(case.report):
            case.told_ns = now
        if case.told_ns is not None:
            return now - case.told_ns >= GRACE_S * 1e9
        return now - case.begun_ns >= GRACE_MOST_S * 1e9

    async def _make(self, volume: Volume, case: _Case, plan: RoomPlan) -> None:
        log.error("no room for video", told=str(plan.told), younger=plan.is_short)
        case.said = plan.told
        if plan.is_short:
            case.is_short = True
            self._short_ns = self._store.clock.utc_ns()
            await self._store.run(_note, self._short_ns)
        case.freed_bytes += await self._retention.make_room(plan)
        if plan.is_short:
            await self._store.run(_explain, plan.rows)
        await self._store.volumes.look([volume])

    def findings(self) -> Iterator[Finding]:
        """What a person has to know about room."""
        for volume, case in self._cases.items():
            figures: dict[str, Scalar] = {
                "path": str(volume.path),
                "free_bytes": volume.free_bytes,
                "freed_bytes": case.freed_bytes,
            }
            said = case.said
            if case.is_stuck:
                said = Said(
                    f"{volume.path}: 录像盘已满，剩下的都是留证录像，新录像写不下：释放留证或加盘",
                    f"{volume.path}: volume full and all that is left is held: release holds or"
                    " add a disk",
                )
            yield Finding(f"video-room.{label(self._store.volumes, volume)}", said, figures)
        if self._is_short():
            yield Finding(
                "video-short",
                Said(
                    "录像没有存够天数：磁盘不够，已删除未到期的录像，请加盘或降低码率",
                    "video younger than its days had to go: add a disk or lower the bit rate",
                ),
            )

    def _is_short(self) -> bool:
        if self._short_ns is None:
            return False
        return abs(self._store.clock.utc_ns() - self._short_ns) < SHORT_S * 1e9


def _is_low(volume: Volume) -> bool:
    if volume.state is State.FULL:
        return volume.is_readable
    low = volume.free_bytes - volume.spare_bytes < _part(volume, LOW_BYTES)
    return volume.is_usable and low


def _part(volume: Volume, size_bytes: int) -> int:
    return max(1, min(size_bytes, volume.total_bytes // SMALL_PART))


def _explain(db: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Say why it is missing (V9); what a hold saved meanwhile is not."""
    gone: list[tuple[str, int, int]] = []
    for camera, start_ns, volume, _, length_ns, name in sorted(rows, key=lambda row: row[:2]):
        key = (camera, start_ns, volume)
        sql = "SELECT 1 FROM segment WHERE camera = ? AND start_ns = ? AND volume = ?"
        if db.execute(sql, key).fetchone() is not None:
            continue
        if gone and gone[-1][0] == name and start_ns - gone[-1][2] <= index.JOIN_NS:
            gone[-1] = (name, gone[-1][1], max(gone[-1][2], start_ns + length_ns))
        else:
            gone.append((name, start_ns, start_ns + length_ns))
    with transaction(db):
        for name, from_ns, to_ns in gone:
            index.add_gap(db, name, from_ns, to_ns, NO_ROOM)


def _note(db: sqlite3.Connection, utc_ns: int) -> None:
    with transaction(db):
        index.set_meta(db, SHORT_KEY, utc_ns)
