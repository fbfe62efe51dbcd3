"""One figure, and the table of them."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Sense = Literal["<=", ">="]


@dataclass(slots=True, kw_only=True)
class Row:
    """One measured figure.

    name     what was measured; the same row of another run has the same name
    group    heading it stands under
    target   what the issue demands, None for peers and raw limits: they are only context
    sense    on which side of the target is good, and which of several runs is the best
    against  name of the row this one is compared with: a peer or a raw limit of the same run
    worst    True: of several runs keep the worst (losses: once is too often)
    note     what else was seen
    required it must be measured: without a value the run fails
    value    None: it could not be measured, the note says why
    """

    group: str
    name: str
    value: float | None
    unit: str
    sense: Sense = "<="
    target: float | None = None
    against: str | None = None
    worst: bool = False
    note: str = ""
    required: bool = False
    runs: list[float] = field(default_factory=list)

    def better(self, other: float) -> bool:
        """Whether another run's value is the one to keep."""
        if self.value is None:
            return True
        smaller = other < self.value
        return smaller == ((self.sense == "<=") != self.worst)

    @property
    def verdict(self) -> str:
        """Say met, MISSED, or nothing where nothing is demanded."""
        if self.value is None:
            return "NOT MEASURED" if self.required else "not measured"
        if self.target is None:
            return ""
        good = self.value <= self.target if self.sense == "<=" else self.value >= self.target
        return "met" if good else "MISSED"


def merge(rows: dict[str, Row], new: Sequence[Row]) -> None:
    """Put one more run into the table: the best of each row, or the worst where it says so."""
    for row in new:
        known = rows.setdefault(row.name, row)
        if row.value is not None:
            if known is not row and known.better(row.value):
                known.value, known.note = row.value, row.note
            known.runs.append(row.value)


def render(rows: dict[str, Row]) -> str:
    """Return the whole table as text."""
    lines: list[tuple[str, ...]] = []
    group = ""
    groups = list(dict.fromkeys(row.group for row in rows.values()))
    for row in sorted(rows.values(), key=lambda row: groups.index(row.group)):
        if row.group != group:
            group = row.group
            lines.append((f"[{group}]",))
        lines.append(
            (
                f"  {row.name}",
                "" if row.target is None else f"{row.sense} {number(row.target)}",
                "-" if row.value is None else f"{number(row.value)} {row.unit}",
                _ratio(row, rows),
                row.verdict,
                row.note,
            )
        )
    head = ("", "target", "measured", "ratio", "", "")
    return _columns([head, *lines])


def _ratio(row: Row, rows: dict[str, Row]) -> str:
    peer = rows.get(row.against or "")
    if peer is None or not peer.value or row.value is None:
        return ""
    return f"{number(row.value / peer.value)} x {peer.name}"


def number(value: float) -> str:
    """Three digits that matter, and no more."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _columns(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [0] * 5
    for line in lines:
        if len(line) > 1:
            for index, cell in enumerate(line[:5]):
                widths[index] = max(widths[index], _width(cell))
    out = []
    for line in lines:
        if len(line) == 1:
            out.append(line[0])
            continue
        cells = [cell + " " * (widths[index] - _width(cell)) for index, cell in enumerate(line[:5])]
        out.append("  ".join([*cells, line[5]]).rstrip())
    return "\n".join(out)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
