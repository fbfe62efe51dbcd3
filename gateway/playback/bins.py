"""Bins: a timeline too fine for a screen, told in a few cells without hiding any gap. Pure.

Needs   a timeline's gaps.
Keeps   1. What is missing in a cell is told, however little of it: a cell is whole only when
           nothing of it is missing. The reason is that of most of what is missing.
        2. Neighbours that are alike (whole, or missing altogether for one reason) are one cell.
Bound   BINS_MOST cells.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.playback.moments import said
from gateway.playback.plan import Missing

BINS_MOST: Final = 2_000
Cell = tuple[int, int, int, str]
"""From, to, nanoseconds missing, the reason of most of that ("" when nothing is missing)."""


def cells(gaps: Iterable[Missing], from_ns: int, to_ns: int, most: int) -> list[Cell]:
    """The time between two moments in at most `most` cells, oldest first."""
    count = max(1, min(most, BINS_MOST, to_ns - from_ns))
    edges = [from_ns + (to_ns - from_ns) * place // count for place in range(count + 1)]
    lacking: list[dict[str, int]] = [{} for _ in range(count)]
    for begin, end, reason in _apart(gaps, from_ns, to_ns):
        place = (begin - from_ns) * count // (to_ns - from_ns)
        # The edges are rounded down: the division above may name the cell before or behind.
        while place + 1 < count and edges[place + 1] <= begin:
            place += 1
        while edges[place] > begin:
            place -= 1
        while place < count and edges[place] < end:
            part = min(end, edges[place + 1]) - max(begin, edges[place])
            if part > 0:
                lacking[place][reason] = lacking[place].get(reason, 0) + part
            place += 1
    found: list[Cell] = []
    for place, reasons in enumerate(lacking):
        missing = sum(reasons.values())
        reason = max(reasons, key=lambda name: (reasons[name], name)) if reasons else ""
        _join(found, (edges[place], edges[place + 1], missing, reason))
    return found


def _apart(gaps: Iterable[Missing], from_ns: int, to_ns: int) -> Iterable[tuple[int, int, str]]:
    """The gaps without what two of them tell: a moment is missing once."""
    covered = from_ns
    for gap in sorted(gaps, key=lambda gap: (gap.from_ns, gap.to_ns)):
        begin, end = max(gap.from_ns, covered), min(gap.to_ns, to_ns)
        if begin < end:
            yield begin, end, gap.reason
            covered = end


def _join(found: list[Cell], cell: Cell) -> None:
    begin, end, missing, reason = cell
    if found:
        first, last, lacked, why = found[-1]
        whole = lacked == 0 and missing == 0
        nothing = lacked == last - first and missing == end - begin and why == reason
        if whole or nothing:
            found[-1] = (first, end, lacked + missing, reason)
            return
    found.append(cell)


def as_rows(found: Sequence[Cell]) -> list[dict[str, Any]]:
    """Cells as the API shows them."""
    return [
        {
            "from": said(begin),
            "to": said(end),
            "missing_ms": -(-missing // 1_000_000),
            "reason": reason or None,
        }
        for begin, end, missing, reason in found
    ]
