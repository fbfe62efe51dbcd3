"""Cells: what may stand in one, and how its text becomes safe to show, to store and to compare.

Owns    Odd, Row, Table and their bounds; cleaning of text, numbers as people write them. Pure.
Needs   gateway.config.inspection for the two languages.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.config.inspection import both

MAX_ROWS: Final = 20_000
"""Rows of one list that hold something: as many as a gateway may have devices."""
MAX_COLUMNS: Final = 64
MAX_SCANNED: Final = 65_536
"""Rows that are looked at: formatted but empty rows may go on to the end of a sheet."""
MAX_CELL_CHARS: Final = 1000
"""What is looked at of one cell."""


class Odd(Enum):
    """What is in a cell and is no value: the sentence that says so, Chinese and English."""

    FORMULA = ("是公式", "is a formula", "选择性粘贴为数值", "its value: paste as values")
    MERGED = ("属于合并单元格", "is part of a merged cell", "取消合并，每行写全", "one value a row")
    DATE = (
        "变成了日期",
        "has become a date",
        "设为文本格式再写",
        "the text, in a cell of type text",
    )
    ERROR = ("是错误值", "is an error value", "改正", "a value")

    @property
    def problem(self) -> str:
        """What is wrong."""
        return both(self.value[0], self.value[1])

    @property
    def expected(self) -> str:
        """What would be right."""
        return both(self.value[2], self.value[3])


Cell = str | int | float | bool | Odd | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row. number: as a spreadsheet or an editor shows it, from 1."""

    number: int
    cells: tuple[Cell, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is written in it; the rest of a merged cell is something."""
        return all(cell is None or cell == "" for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """What a list holds.

    rows     those that hold something, at most MAX_ROWS
    empty    numbers of the empty ones between them
    stopped  the first row that was not looked at; None when all were
    """

    rows: tuple[Row, ...]
    empty: tuple[int, ...]
    stopped: int | None = None


class TooLong(ValueError):
    """More than the bounds allow; the whole list is refused."""

    def __init__(self) -> None:
        super().__init__(
            both(
                f"超过 {MAX_ROWS} 行，一行也没有导入：请分成几个文件",
                f"more than {MAX_ROWS} rows, none was imported: split the list",
            )
        )


def gather(found: Iterable[Row]) -> Table:
    """Put rows together within the bounds; raises TooLong."""
    rows: list[Row] = []
    empty: list[int] = []
    waiting: list[int] = []
    for row in found:
        if row.number > MAX_SCANNED:
            return Table(tuple(rows), tuple(empty), row.number)
        if row.empty:
            waiting.append(row.number)
            continue
        if len(rows) >= MAX_ROWS:
            raise TooLong
        rows.append(row)
        empty += waiting  # empty rows at the end are the end, not a gap
        waiting.clear()
    return Table(tuple(rows), tuple(empty))


def clean(text: str) -> str:
    """Return a text without control, format and private characters, white space made single.

    Full-width letters, digits and spaces become plain ones, so that "Ａ１" and "A1" are the same
    room; at most MAX_CELL_CHARS characters are looked at.
    """
    plain = unicodedata.normalize("NFKC", text[:MAX_CELL_CHARS])
    kept = [" " if char.isspace() else char for char in plain if char.isspace() or _shown(char)]
    return " ".join("".join(kept).split())


def _shown(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def text_of(cell: Cell) -> str:
    """Return what a cell says as clean text; "" for nothing and for what is no value."""
    if cell is None or isinstance(cell, Odd):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return clean(str(cell))


_WHOLE: Final = re.compile(r"(?:第)?(-?[0-9]{1,9})(?:\.0{1,6})?(?:号|#|回路|区|路)?")


def whole_number(cell: Cell) -> int | None:
    """Return the whole number people mean by 7, 7.0, "007" or "7号"; None for anything else."""
    if isinstance(cell, bool):
        return None
    found = _WHOLE.fullmatch(text_of(cell))
    return None if found is None else int(found[1])


def number(cell: Cell) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(cell, (bool, Odd)) or cell is None:
        return None
    found = re.fullmatch(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?", text_of(cell))
    return None if found is None else float(found[0])
