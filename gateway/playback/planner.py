"""From "this camera, from then to then" to a plan: what the index knows, what the files say.

Owns    the plans that are kept for the next request of the same player.
Needs   VideoReader for the index, .files for beginnings and for what is not sealed yet, .disks.
Keeps   1. A plan is made of whole fragments, from the key picture at or before `from`, or the first
           one behind it, to the last fragment that begins before `to`.
        2. It never goes on over a change of the picture's form, and never over pictures twice:
           where recordings overlap (a clock that was set back) it follows one of them.
        3. What is missing in it is told with its reason, a file that is gone too.
Bound   SPAN_MOST_NS for one plan; PLANS_KEPT plans of PIECES_KEPT pieces together, KEPT_S long;
        PLANNING at once; DISK_S for the disks.
"""

import asyncio
import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.media.errors import Unreadable
from gateway.playback import files, moof
from gateway.playback.disks import Disks
from gateway.playback.errors import Gone, NothingThere, NotNow, TooMuch
from gateway.playback.files import File, Part, Sealed
from gateway.playback.plan import PIECES_MOST, Missing, Plan, Source, lay_out
from gateway.store.video import Located, Timeline, VideoReader, names
from gateway.store.video.timeline import NOTHING_YET, UNKNOWN, segments, timeline

SPAN_MOST_NS: Final = 6 * 3600 * names.SECOND_NS
PLANS_KEPT: Final = 64
PIECES_KEPT: Final = 20_000
KEPT_S: Final = 300.0
PLANNING: Final = 2
DISK_S: Final = 10.0
SEGMENT_MOST_NS: Final = 600 * names.SECOND_NS
ROUNDING_NS: Final = 1_000
"""Two recordings overlap when it is by more than what is lost between ticks and nanoseconds."""

Key = tuple[str, int, int]
"""camera, from_ns, to_ns"""


@dataclass(frozen=True, slots=True)
class _File:
    """A segment that may be played: end_ns None while only the file says it."""

    path: Path
    begun_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a file says of itself: parts only where they were asked for."""

    init: bytes
    digest: bytes
    first: int
    size_bytes: int
    parts: tuple[Part, ...]
    end_ns: int


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
            if isinstance(fact := facts.get(each.path), _Facts)
        ]
        return sorted(span for span in spans if span[0] < span[1])

    def forget(self, plan: Plan) -> None:
        """A file of it is gone: the next request makes another."""
        self._kept.pop((plan.camera, plan.from_ns, plan.to_ns), None)

    @staticmethod
    def gaps(told: Timeline, writing: Sequence[tuple[int, int]]) -> tuple[Missing, ...]:
        """What a timeline says is missing, without what is being written."""
        return _gaps(told, (), writing, told.from_ns, told.to_ns)

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
            _File(each.path, each.segment.facts.started_ns, each.segment.end_ns) for each in known
        ]
        seen = {each.path for each in found}
        found += [each for each in open_files if each.path.with_suffix("") not in seen]
        found.sort(key=lambda each: (each.begun_ns, each.end_ns or 0))
        facts = await self._facts(found, from_ns, to_ns)
        plan = _planned(camera, (from_ns, to_ns), found, facts, told)
        if len(known) >= PIECES_MOST and plan.next_ns is None:
            return replace(plan, next_ns=plan.end_ns, next_why="length")
        return plan

    async def _open_files(self, camera: str, from_ns: int, to_ns: int) -> list[_File]:
        """What is being written, or was when a recorder died."""
        now_ns = self._clock.utc_ns()
        until = min(to_ns, now_ns + names.DAY_NS)
        lists = await self._disks.each(
            self._volumes, files.named_in, camera, from_ns - SEGMENT_MOST_NS, until
        )
        return [_File(path, files.started_ns(path), None) for some in lists for path in some]

    async def _facts(
        self, found: Sequence[_File], from_ns: int, to_ns: int
    ) -> dict[Path, _Facts | str]:
        by_volume: dict[Path, list[_File]] = {}
        for each in found:
            by_volume.setdefault(files.volume_of(each.path), []).append(each)
        jobs = {volume: (_read_facts, some, from_ns, to_ns) for volume, some in by_volume.items()}
        answers = await self._disks.all(jobs, DISK_S)
        return {path: fact for some in answers for path, fact in some.items()}


def _look(
    db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int
) -> tuple[list[Located], Timeline]:
    return (
        segments(db, camera, from_ns, to_ns, PIECES_MOST),
        timeline(db, camera, from_ns, to_ns),
    )


def _read_facts(found: Sequence[_File], from_ns: int, to_ns: int) -> dict[Path, _Facts | str]:
    """Of each file what it says, or why it cannot be played; blocks."""
    inits: dict[bytes, bytes] = {}
    answers: dict[Path, _Facts | str] = {}
    for each in found:
        try:
            facts = _of_file(each, from_ns, to_ns)
        except Gone:
            answers[each.path] = "missing"
        except Unreadable:
            answers[each.path] = "damaged"
        else:
            if facts is not None:  # beginnings that are alike are kept once
                init = inits.setdefault(facts.digest, facts.init)
                answers[each.path] = replace(facts, init=init)
    return answers


def _of_file(each: _File, from_ns: int, to_ns: int) -> _Facts | None:
    with File.of(each.path) as file:
        begins = files.beginning(file)
        if begins is None:
            return None  # it was begun a moment ago
        lanes = moof.lanes(begins.init)
        size_bytes = file.size_bytes
        parts: list[Part] = []
        end_ns = each.end_ns
        if end_ns is None or each.begun_ns < from_ns or end_ns > to_ns:
            lane = files.picture(lanes)
            last_ns = each.begun_ns
            for part in files.parts(file, begins.first):
                if isinstance(part, Sealed):
                    break
                span = files.span(part, lane, each.begun_ns)
                if span is not None and span[0] >= to_ns:
                    break
                parts.append(part)
                last_ns = last_ns if span is None else min(span[1], each.begun_ns + SEGMENT_MOST_NS)
            if end_ns is None and not parts:
                return None
            end_ns = last_ns if end_ns is None or last_ns < end_ns else end_ns
        digest = hashlib.sha256(begins.init).digest()
        return _Facts(begins.init, digest, begins.first, size_bytes, tuple(parts), end_ns)


def _planned(
    camera: str,
    asked: tuple[int, int],
    found: Sequence[_File],
    facts: dict[Path, _Facts | str],
    told: Timeline,
) -> Plan:
    from_ns, to_ns = asked
    playable = [
        (each, fact)
        for each in found
        if isinstance(fact := facts.get(each.path), _Facts) and fact.end_ns > from_ns
    ]
    chosen = _chain(playable, from_ns)
    if not chosen:
        raise NothingThere(camera)
    first = chosen[0][1]
    lanes = moof.lanes(first.init)
    sources: list[Source] = []
    next_ns, why = None, ""
    for each, fact in chosen:
        if fact.digest != first.digest:
            next_ns, why = each.begun_ns, "form"
            break
        if len(sources) >= PIECES_MOST:
            next_ns, why = each.begun_ns, "length"
            break
        source = _source(each, fact, lanes, asked, is_first=not sources)
        if source is not None:
            sources.append(source)
    if not sources:
        raise NothingThere(camera)
    origin_ns = min(from_ns, _earliest(chosen[0], sources[0], lanes))
    begins, pieces = lay_out(first.init, lanes, origin_ns, sources)
    end_ns = sources[-1].to_ns
    spans = [(source.from_ns, source.to_ns) for source in sources]
    lost = [
        Missing(each.begun_ns, each.end_ns, fact)
        for each in found
        if isinstance(fact := facts.get(each.path), str) and each.end_ns is not None
    ]
    return Plan(
        camera=camera,
        from_ns=from_ns,
        to_ns=to_ns,
        origin_ns=origin_ns,
        end_ns=end_ns,
        init=begins,
        pieces=pieces,
        gaps=_gaps(told, lost, spans, from_ns, to_ns if next_ns is None else next_ns),
        next_ns=next_ns,
        next_why=why,
    )


def _chain(playable: Sequence[tuple[_File, _Facts]], from_ns: int) -> list[tuple[_File, _Facts]]:
    """One recording: each file the first that begins where the one before it has ended.

    Of several that cover `from` it is the one that began last, so that each can be asked for.
    """
    covering = [pair for pair in playable if pair[0].begun_ns <= from_ns]
    chosen = covering[-1:]
    end_ns = chosen[0][1].end_ns if chosen else 0
    for pair in playable:
        if pair[0].begun_ns > from_ns and pair[0].begun_ns >= end_ns - ROUNDING_NS:
            chosen.append(pair)
            end_ns = pair[1].end_ns
    return chosen


def _source(
    each: _File,
    fact: _Facts,
    lanes: tuple[moof.Lane, ...],
    asked: tuple[int, int],
    *,
    is_first: bool,
) -> Source | None:
    """What of a file is played; None when nothing is."""
    from_ns, to_ns = asked
    begin, end = fact.first, fact.size_bytes
    starts_ns, ends_ns = each.begun_ns, fact.end_ns
    size_bytes = None if each.end_ns is None else fact.size_bytes
    if fact.parts:
        parts, lane = list(fact.parts), files.picture(lanes)
        if is_first and each.begun_ns < from_ns:
            at = _key_before(parts, lane, each.begun_ns, from_ns)
            parts = parts[at:]
            begin = parts[0].at
        spans = [span for part in parts if (span := files.span(part, lane, each.begun_ns))]
        if not spans:
            return None
        starts_ns, ends_ns = spans[0][0], spans[-1][1]
        if each.end_ns is None or each.end_ns > to_ns:
            end = parts[-1].end + files.MARK_BYTES
    elif each.end_ns is None:
        return None
    return Source(each.path, each.begun_ns, begin, end, starts_ns, ends_ns, size_bytes)


def _key_before(parts: Sequence[Part], lane: moof.Lane, begun_ns: int, from_ns: int) -> int:
    chosen = 0
    for index, part in enumerate(parts):
        span = files.span(part, lane, begun_ns)
        if span is None or not part.runs[lane.track].begins_with_key:
            continue
        if span[0] > from_ns:
            break
        chosen = index
    return chosen


def _earliest(chosen: tuple[_File, _Facts], source: Source, lanes: tuple[moof.Lane, ...]) -> int:
    """When the first sample of any track is: no time in the answer is below zero."""
    each, fact = chosen
    for part in fact.parts:
        if part.at == source.begin:
            spans = [files.span(part, lane, each.begun_ns) for lane in lanes]
            return min((span[0] for span in spans if span), default=source.from_ns)
    return source.from_ns


def _gaps(
    told: Timeline,
    lost: Sequence[Missing],
    there: Sequence[tuple[int, int]],
    from_ns: int,
    to_ns: int,
) -> tuple[Missing, ...]:
    """All that is missing between two times; what only the files know of is not."""
    holes: list[Missing] = list(lost)
    for gap in told.gaps:
        rest = [(gap.from_ns, gap.to_ns)]
        if gap.reason in {NOTHING_YET, UNKNOWN}:
            for span in there:
                rest = [left for one in rest for left in _without(one, span)]
        holes += [Missing(begin, end, gap.reason) for begin, end in rest]
    cut = [Missing(max(h.from_ns, from_ns), min(h.to_ns, to_ns), h.reason) for h in holes]
    return tuple(sorted((h for h in cut if h.from_ns < h.to_ns), key=lambda h: h.from_ns))


def _without(hole: tuple[int, int], there: tuple[int, int]) -> list[tuple[int, int]]:
    begin, end = hole
    left = [(begin, min(end, there[0])), (max(begin, there[1]), end)]
    return [one for one in left if one[0] < one[1]]
