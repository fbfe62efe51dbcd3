"""Which files of a camera make one answer, and which bytes of each.

Needs   .files to read beginnings and fragments (read_facts: blocks); the rest is pure.
Keeps   1. An answer is made of whole fragments: from the key picture at or before `from`, or the
           first one behind it, to the last fragment that begins before `to`.
        2. It never goes on over a change of the picture's form, and never over pictures twice:
           where recordings overlap (a clock that was set back) it follows one of them.
        3. What is missing in it is told with its reason, a file that is gone or damaged too.
        4. An answer of INDEXED_NS at most says where its fragments lie: a player shows its first
           picture then without looking for all of them.
Bound   one read for a file that is played whole; heads of fragments only where it is cut, and of
        answers that say where they lie.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.media.errors import Unreadable
from gateway.playback import files, moof
from gateway.playback.errors import Gone, NothingThere
from gateway.playback.files import File, Part, Sealed
from gateway.playback.plan import PIECES_MOST, Missing, Plan, Source, lay_out, tag
from gateway.playback.segment_index import Fragment
from gateway.store.video import Timeline, names
from gateway.store.video.timeline import NOTHING_YET, UNKNOWN

SEGMENT_MOST_NS: Final = 600 * names.SECOND_NS
INDEXED_NS: Final = 600 * names.SECOND_NS
"""As much as the playback screen asks for. Of hours of video on a disk that turns, the heads alone
would take minutes to read: whoever asks for those takes all bytes anyway."""
SHORTEST_NS: Final = 1_000_000
"""Times are said in milliseconds: a shorter gap is the rounding of whoever asked."""
ROUNDING_NS: Final = 1_000
"""Two recordings overlap when it is by more than what is lost between ticks and nanoseconds."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that may be played: end_ns None while only the file says it."""

    path: Path
    begun_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself.

    parts  its fragments, where it is cut or still written
    heads  its fragments, where the answer says where they lie
    """

    init: bytes
    digest: bytes
    first: int
    size_bytes: int
    parts: tuple[Part, ...]
    end_ns: int
    heads: tuple[Part, ...] = ()


Known = tuple[Candidate, Facts]


def read_facts(found: Sequence[Candidate], from_ns: int, to_ns: int) -> dict[Path, Facts | str]:
    """Of each file what it says, or why it cannot be played; blocks."""
    inits: dict[bytes, bytes] = {}
    answers: dict[Path, Facts | str] = {}
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


def _of_file(each: Candidate, from_ns: int, to_ns: int) -> Facts | None:
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
        heads = list(parts)
        if not parts and to_ns - from_ns <= INDEXED_NS:
            with contextlib.suppress(Gone, Unreadable):  # whoever reads it finds that out, and says
                heads = [one for one in files.parts(file, begins.first) if isinstance(one, Part)]
        return Facts(
            begins.init, digest, begins.first, size_bytes, tuple(parts), end_ns, tuple(heads)
        )


def planned(
    camera: str,
    asked: tuple[int, int],
    found: Sequence[Candidate],
    facts: dict[Path, Facts | str],
    told: Timeline,
) -> Plan:
    """The plan for what was asked; told: what the index says of the same time.

    raises  NothingThere
    """
    from_ns, to_ns = asked
    playable = [
        (each, fact)
        for each in found
        if isinstance(fact := facts.get(each.path), Facts) and fact.end_ns > from_ns
    ]
    chosen = _chain(playable, from_ns)
    if not chosen:
        raise NothingThere(camera)
    first = chosen[0][1]
    lanes = moof.lanes(first.init)
    sources: list[Source] = []
    fragments: list[list[Fragment]] = []
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
            fragments.append(_fragments(fact, source, lanes))
    if not sources:
        raise NothingThere(camera)
    opening = next(pair for pair in chosen if pair[0].path == sources[0].path)
    origin_ns = min(from_ns, _earliest(opening, sources[0], lanes))
    begins, pieces = lay_out(first.init, lanes, origin_ns, sources, fragments)
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
        etag=tag(begins, origin_ns, pieces),
        gaps=gaps(told, lost, spans, from_ns, to_ns if next_ns is None else next_ns),
        next_ns=next_ns,
        next_why=why,
    )


def _chain(playable: Sequence[Known], from_ns: int) -> list[Known]:
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
    each: Candidate,
    fact: Facts,
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


def _fragments(fact: Facts, source: Source, lanes: tuple[moof.Lane, ...]) -> list[Fragment]:
    """Where pictures begin in what is played of a file."""
    track = files.picture(lanes).track
    return [
        Fragment(part.at, run.base, run.begins_with_key)
        for part in fact.heads
        if source.begin <= part.at < source.end and (run := part.runs.get(track)) is not None
    ]


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


def _earliest(chosen: Known, source: Source, lanes: tuple[moof.Lane, ...]) -> int:
    """When the first sample of any track is: no time in the answer is below zero."""
    each, fact = chosen
    for part in fact.parts:
        if part.at == source.begin:
            spans = [files.span(part, lane, each.begun_ns) for lane in lanes]
            return min((span[0] for span in spans if span), default=source.from_ns)
    return source.from_ns


def gaps(
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
    return tuple(
        sorted((h for h in cut if h.to_ns - h.from_ns >= SHORTEST_NS), key=lambda h: h.from_ns)
    )


def _without(hole: tuple[int, int], there: tuple[int, int]) -> list[tuple[int, int]]:
    begin, end = hole
    left = [(begin, min(end, there[0])), (max(begin, there[1]), end)]
    return [one for one in left if one[0] < one[1]]
