"""The read planner: what the devices of a bus want, in as few reads as they allow. Pure.

Owns    which registers are asked for together.
Needs   nothing of ours.
Keeps   1. Every want is inside exactly one read, whole.
        2. A read never asks for more than the smallest limit of those in it, nor for an address
           that nobody of them wants where their device calls that illegal (quirk rows 5 and 6).
        3. What is wanted often is never asked for less often; what is wanted seldom rides along
           only where that costs the line less than a read of its own.

Cost is bytes per second on the line: a read costs OVERHEAD_BYTES (request, address, checksum, the
unit's time to think) and what it returns, as often as its most impatient want. The cheapest way to
cut the sorted wants into reads is found exactly, by dynamic programming.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

OVERHEAD_BYTES: Final = 30.0
"""8 of the request, 5 of the reply, and about 17 characters of silence and thinking."""
MAX_GAP: Final = 32
"""Registers (or 16 times as many bits) read over for nothing, where gaps may be read at all."""


@dataclass(frozen=True, slots=True)
class Want:
    """A run of addresses one device wants.

    owner, part   whose it is and which of his parts; handed back in Slice
    limit         most registers or bits its device gives in one read
    gaps          whether addresses between wants may be read over
    urgent        an alarm depends on it
    """

    unit: int
    function: int
    address: int
    count: int
    period_s: float
    urgent: bool
    limit: int
    gaps: bool
    owner: int
    part: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Slice:
    """Where in a read the data of one want is: `at` counts registers or bits."""

    owner: int
    part: int
    at: int
    count: int


@dataclass(frozen=True, slots=True)
class Read:
    """One request that is made again and again.

    urgent    an alarm depends on something in it
    """

    unit: int
    function: int
    address: int
    count: int
    period_s: float
    urgent: bool
    slices: tuple[Slice, ...]

    @property
    def reply_bytes(self) -> int:
        """Data bytes of the reply."""
        return (self.count + 7) // 8 if self.function <= 2 else self.count * 2


def plan_reads(wants: Iterable[Want]) -> list[Read]:
    """Put wants together into reads, by unit, function and address."""
    ordered = sorted(wants, key=lambda want: (want.unit, want.function, want.address, want.end))
    reads: list[Read] = []
    for (unit, function), group in groupby(ordered, lambda want: (want.unit, want.function)):
        bundles = [list(same) for _, same in groupby(group, lambda want: (want.address, want.end))]
        spans = [_in_one(same) for same in bundles]
        for first, last in _cuts(spans, bits=function <= 2):
            inside = [want for same in bundles[first:last] for want in same]
            reads.append(_read(unit, function, inside))
    return reads


def _in_one(same: Sequence[Want]) -> Want:
    """One want for those of the same addresses: a panel's points share its registers."""
    if len(same) == 1:
        return same[0]
    return replace(
        same[0],
        period_s=min(want.period_s for want in same),
        limit=min(want.limit for want in same),
        gaps=all(want.gaps for want in same),
    )


def split(read: Read, wants: Sequence[Want]) -> list[Read]:
    """Return the reads to make instead of one that a device refused: halves, cut between wants.

    wants  those of the read. A single want comes back alone: then it is that one that is refused.
    """
    inside = [want for want in wants if _is_in(want, read)]
    inside.sort(key=lambda want: (want.address, want.end))
    if len(inside) < 2:
        return [read]
    middle = len(inside) // 2
    return [_read(read.unit, read.function, half) for half in (inside[:middle], inside[middle:])]


def _is_in(want: Want, read: Read) -> bool:
    key = (want.owner, want.part)
    return any((piece.owner, piece.part) == key for piece in read.slices)


def _read(unit: int, function: int, wants: Sequence[Want]) -> Read:
    start = min(want.address for want in wants)
    end = max(want.end for want in wants)
    return Read(
        unit=unit,
        function=function,
        address=start,
        count=end - start,
        period_s=min(want.period_s for want in wants),
        urgent=any(want.urgent for want in wants),
        slices=tuple(
            Slice(want.owner, want.part, want.address - start, want.count) for want in wants
        ),
    )


def _cuts(wants: Sequence[Want], *, bits: bool) -> list[tuple[int, int]]:
    """Return the cheapest runs as (first, behind the last)."""
    width = 1 / 8 if bits else 2.0
    most_gap = MAX_GAP * 16 if bits else MAX_GAP
    count = len(wants)
    cheapest = [0.0] + [float("inf")] * count
    came_from = [0] * (count + 1)
    for first in range(count):
        end, limit, gaps = wants[first].end, wants[first].limit, True
        period, has_gap, start = wants[first].period_s, False, wants[first].address
        for last in range(first, count):
            want = wants[last]
            gaps = gaps and want.gaps
            limit = min(limit, want.limit)
            jump = want.address - end
            has_gap = has_gap or jump > 0
            if jump > most_gap or (has_gap and not gaps):
                break
            end = max(end, want.end)
            span = end - start
            if span > limit and last > first:
                break
            period = min(period, want.period_s)
            cost = cheapest[first] + (OVERHEAD_BYTES + span * width) / period
            if cost < cheapest[last + 1]:
                cheapest[last + 1], came_from[last + 1] = cost, first
    runs: list[tuple[int, int]] = []
    at = count
    while at:
        runs.append((came_from[at], at))
        at = came_from[at]
    return runs[::-1]
