"""CSV as spreadsheets and old tools write it, into rows. Pure.

Owns    the guess of encoding and separator.
Needs   cells.py, columns.py (a separator is right when the header's words appear).
Keeps   A cell that begins with "=" is a formula, never text.
"""

import csv
import io
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from gateway.config.inspection import both
from gateway.pointlist.cells import MAX_COLUMNS, Cell, Odd, Row, Table, gather
from gateway.pointlist.columns import recognised

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS: Final = (",", ";", "\t")
_HEADER_LINES: Final = 20


def read_csv(raw: bytes) -> Table:
    """Return the rows of a CSV file; raises ValueError with a sentence when it is none."""
    text = _decode(raw)
    if "\0" in text:
        raise ValueError(both("不是文字文件", "no text file"))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        return gather(_rows(reader))
    except csv.Error as error:
        place = reader.line_num
        raise ValueError(
            both(
                f"第 {place} 行的引号或分隔不对，一行也没有导入（{error}）",
                f"line {place}: quotes or separators do not fit, no row was imported ({error})",
            )
        ) from error


def _rows(reader: "Reader") -> Iterator[Row]:
    """A row is numbered by its first line: a quoted field may hold line ends."""
    line = 1
    for fields in reader:
        yield Row(line, tuple(map(_cell, fields[:MAX_COLUMNS])))
        line = reader.line_num + 1


def _decode(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(both("是 UTF-16 编码", "is encoded as UTF-16"))
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(both("既不是 UTF-8 也不是 GB 18030", "neither UTF-8 nor GB 18030"))


def _separator(text: str) -> str:
    """The separator under which most of a header's words are found; a comma when none is."""
    head = list(itertools.islice(io.StringIO(text[:65_536]), _HEADER_LINES))

    def found(separator: str) -> int:
        fields = csv.reader(head, delimiter=separator)
        try:
            return max((sum(map(recognised, row)) for row in fields), default=0)
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=found)


def _cell(text: str) -> Cell:
    return Odd.FORMULA if text.lstrip().startswith("=") else text
