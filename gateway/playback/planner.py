"""From "this camera, from then to then" to a plan: what the index knows, what the files say.

Owns    the plans that are kept for the next request of the same player.
Needs   VideoReader for the index, .files for beginnings and for what is not sealed yet, .disks.
Keeps   1. A player's many requests for parts of one range cost one plan, and get parts of one.
        2. A plan of video that is still growing is made anew for whoever begins with it.
        3. A file that is sealed while a plan is made is in it once.
Bound   SPAN_MOST_NS for one plan; PLANS_KEPT plans of PIECES_KEPT pieces together, KEPT_S long;
        PLANNING at once; DISK_S for the disks.
"""

import asyncio
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.playback import choosing, files
from gateway.playback.choosing import SEGMENT_MOST_NS, Candidate, Facts, planned, read_facts
from gateway.playback.disks import Disks
from gateway.playback.errors import NotNow, TooMuch
from gateway.playback.plan import PIECES_MOST, Missing, Plan
from gateway.store.video import Located, Timeline, VideoReader, names
from gateway.store.video.timeline import segments, timeline

SPAN_MOST_NS: Final = 6 * 3600 * names.SECOND_NS
PLANS_KEPT: Final = 64
PIECES_KEPT: Final = 20_000
KEPT_S: Final = 300.0
PLANNING: Final = 2
OPEN_MOST_NS: Final = 8 * names.DAY_NS
"""Open files are looked for in so many folders of days: recovery seals old ones soon."""
DISK_S: Final = 10.0

Key = tuple[str, int, int]
"""camera, from_ns, to_ns"""


class Planner:
    """See the module. For the event loop only; close() is the disks' and the reader's owner's."""

    def __init__(
        self, reader: VideoReader, volumes: Sequence[Path], disks: Disks, clock: Clock
    ) -> None:
        self._reader = reader
        self._volumes = tuple(volumes)
        self._disks = disks
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[Plan, int]] = OrderedDict()
        self._turns = asyncio.Semaphore(PLANNING)

    async def plan(self, camera: str, from_ns: int, to_ns: int, *, going_on: bool) -> Plan:
        """How to play a camera between two times.

        going_on  part of an answer that was begun: then the plan it was begun with, also when
                  more has been recorded meanwhile
        raises    TooMuch, NothingThere, NotNow
        """
        if to_ns - from_ns > SPAN_MOST_NS:
            raise TooMuch(f"{(to_ns - from_ns) // names.SECOND_NS} s")
        key = (camera, from_ns, to_ns)
        kept = self._find(key, going_on=going_on)
        if kept is not None:
            return kept
        async with self._turns:
            kept = self._find(key, going_on=going_on)
            if kept is None:
                kept = await self._make(*key)
                self._keep(key, kept)
        return kept

    async def open_spans(self, camera: str, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """What is recorded between two times and not sealed, oldest first."""
        found = await self._open_files(camera, from_ns, to_ns)
        facts = await self._facts(found, from_ns, to_ns)
        spans = [
            (max(each.begun_ns, from_ns), min(fact.end_ns, to_ns))
            for each in found
            if isinstance(fact := facts.get(each.path), Facts)
        ]
        return sorted(span for span in spans if span[0] < span[1])

    def forget(self, plan: Plan) -> None:
        """A file of it is gone: the next request makes another."""
        self._kept.pop((plan.camera, plan.from_ns, plan.to_ns), None)

    @staticmethod
    def gaps(told: Timeline, writing: Sequence[tuple[int, int]]) -> tuple[Missing, ...]:
        """What a timeline says is missing, without what is being written."""
        return choosing.gaps(told, (), writing, told.from_ns, told.to_ns)

    def _find(self, key: Key, *, going_on: bool) -> Plan | None:
        found = self._kept.get(key)
        if found is None:
            return None
        plan, made_ns = found
        if (self._clock.mono_ns() - made_ns) / 1e9 > KEPT_S:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return plan if going_on or plan.is_settled else None

    def _keep(self, key: Key, plan: Plan) -> None:
        self._kept[key] = (plan, self._clock.mono_ns())
        self._kept.move_to_end(key)
        pieces = sum(len(plan.pieces) for plan, _ in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > PLANS_KEPT or pieces > PIECES_KEPT):
            _, (oldest, _) = self._kept.popitem(last=False)
            pieces -= len(oldest.pieces)

    async def _make(self, camera: str, from_ns: int, to_ns: int) -> Plan:
        # Open files first: one that is sealed in between is then in the index, not in neither.
        open_files = await self._open_files(camera, from_ns, to_ns)
        try:
            known, told = await self._reader.run(_look, camera, from_ns, to_ns)
        except StoreError as error:
            raise NotNow(str(error)) from error
        found = [
            Candidate(one.path, one.segment.facts.started_ns, one.segment.end_ns) for one in known
        ]
        seen = {each.path for each in found}
        found += [each for each in open_files if each.path.with_suffix("") not in seen]
        found.sort(key=lambda each: (each.begun_ns, each.end_ns or 0))
        facts = await self._facts(found, from_ns, to_ns)
        # In a thread: a plan of thousands of pieces takes a moment, which an alarm may need.
        plan = await asyncio.to_thread(planned, camera, (from_ns, to_ns), found, facts, told)
        if len(known) >= PIECES_MOST and plan.next_ns is None:
            return replace(plan, next_ns=plan.end_ns, next_why="length")
        return plan

    async def _open_files(self, camera: str, from_ns: int, to_ns: int) -> list[Candidate]:
        """What is being written, or was when a recorder died."""
        now_ns = self._clock.utc_ns()
        until = min(to_ns, now_ns + names.DAY_NS)
        from_ns = max(from_ns, until - OPEN_MOST_NS)
        lists = await self._disks.each(
            self._volumes, files.named_in, camera, from_ns - SEGMENT_MOST_NS, until
        )
        return [Candidate(path, files.started_ns(path), None) for some in lists for path in some]

    async def _facts(
        self, found: Sequence[Candidate], from_ns: int, to_ns: int
    ) -> dict[Path, Facts | str]:
        by_volume: dict[Path, list[Candidate]] = {}
        for each in found:
            by_volume.setdefault(files.volume_of(each.path), []).append(each)
        jobs = {volume: (read_facts, some, from_ns, to_ns) for volume, some in by_volume.items()}
        answers = await self._disks.all(jobs, DISK_S)
        return {path: fact for some in answers for path, fact in some.items()}


def _look(
    db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int
) -> tuple[list[Located], Timeline]:
    return (
        segments(db, camera, from_ns, to_ns, PIECES_MOST),
        timeline(db, camera, from_ns, to_ns),
    )
