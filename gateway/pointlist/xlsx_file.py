"""XLSX into rows, through openpyxl's reader that keeps one row in memory at a time.

Owns    opening a workbook that may be hostile, and finding its merged cells.
Needs   openpyxl, cells.py.
Keeps   1. A workbook that unpacks to more than MAX_UNPACKED_BYTES is not opened.
        2. Formulas are seen as formulas: their stored results may be stale, so none is used.
"""

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from itertools import islice
from typing import Any, Final
from xml.etree import ElementTree

from openpyxl import load_workbook
from openpyxl.utils.cell import column_index_from_string
from openpyxl.utils.exceptions import InvalidFileException

from gateway.config.inspection import both, one_of
from gateway.pointlist.cells import MAX_COLUMNS, MAX_SCANNED, Cell, Odd, Row, Table, TooLong, gather

MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_MEMBERS: Final = 2000
MAX_MERGED: Final = 10_000
"""Merged ranges that are remembered; more of them are no point list."""
MAX_COVERED: Final = 8 * MAX_SCANNED
"""Rows times merged ranges in them."""
_CHUNK_BYTES: Final = 1024 * 1024
_MAX_INDEX_BYTES: Final = 1024 * 1024

_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, OSError, EOFError, ElementTree.ParseError,
    KeyError, IndexError, TypeError, AttributeError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What openpyxl and the zip reader raise for files that are damaged, protected or made up."""

Range = tuple[int, int, int, int]
"""First row, last row, first column, last column, all from 1."""


def read_xlsx(raw: bytes, sheet: str | None) -> Table:
    """Return the rows of one sheet; raises ValueError with a sentence when it cannot be used."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _check_size(archive)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # styles and validations openpyxl does not know
                return _read(raw, archive, sheet)
    except (_Refused, TooLong):
        raise
    except _BROKEN as error:
        problem = both("打不开：文件损坏或加了密码", "cannot be opened: damaged or protected")
        raise ValueError(problem) from error


class _Refused(ValueError):
    """Already a sentence for a person."""


def _check_size(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or size > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES // 1024 // 1024
        raise _Refused(
            both(f"解压后超过 {limit} MiB", f"unpacks to more than {limit} MiB"),
        )


def _read(raw: bytes, archive: zipfile.ZipFile, sheet: str | None) -> Table:
    book = load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
    try:
        names = [worksheet.title for worksheet in book.worksheets]
        title = sheet or (names[0] if names else "")
        if title not in names:
            shown = title[:60]
            raise _Refused(
                both(f"没有工作表 {shown}", f"there is no sheet {shown}") + f" ({one_of(names)})"
            )
        merged = _merged(archive, title)
        return gather(_rows(book[title].iter_rows(max_col=MAX_COLUMNS), merged))
    finally:
        book.close()


def _rows(found: Iterable[tuple[Any, ...]], merged: Iterable[Range]) -> Iterator[Row]:
    covered = _covered(merged)
    for number, cells in enumerate(found, 1):
        row = [_cell(cell) for cell in cells]
        for first_row, _, first, last in covered.get(number, ()):
            row += [None] * (min(last, MAX_COLUMNS) - len(row))
            for column in range(first, min(last, MAX_COLUMNS) + 1):
                if row[column - 1] is None and (number, column) != (first_row, first):
                    row[column - 1] = Odd.MERGED
        yield Row(number, tuple(row))


def _cell(cell: Any) -> Cell:  # noqa: ANN401 openpyxl has no types
    value = cell.value
    if cell.data_type == "f" or (isinstance(value, str) and value.lstrip().startswith("=")):
        return Odd.FORMULA
    if cell.data_type == "e":
        return Odd.ERROR
    if isinstance(value, (date, time, timedelta)):  # datetime is a date
        return Odd.DATE
    if value is None or isinstance(value, (str, int, float)):
        return value
    return Odd.FORMULA  # array formulas and data tables come as objects


# --- merged cells ------------------------------------------------------------------------------
# The reader that keeps one row at a time does not tell them, so the sheet's own text is searched.

_MERGE: Final = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref="\$?([A-Z]{1,3})\$?([0-9]{1,7}):\$?([A-Z]{1,3})\$?([0-9]{1,7})"'
)
_SPREADSHEET: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def _merged(archive: zipfile.ZipFile, title: str) -> list[Range]:
    with archive.open(_path_of(archive, title)) as file:
        found = islice(_ranges(iter(lambda: file.read(_CHUNK_BYTES), b"")), MAX_MERGED + 1)
        ranges = list(found)
    if len(ranges) > MAX_MERGED:
        raise _Refused(
            both(f"合并单元格超过 {MAX_MERGED} 处", f"more than {MAX_MERGED} merged cells"),
        )
    return ranges


def _ranges(chunks: Iterable[bytes]) -> Iterator[Range]:
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        end = 0
        for found in _MERGE.finditer(text):
            end = found.end()
            first, last = (column_index_from_string(found[at].decode()) for at in (1, 3))
            yield int(found[2]), int(found[4]), first, last
        rest = text[max(end, len(text) - 200) :]


def _path_of(archive: zipfile.ZipFile, title: str) -> str:
    """The member that holds a sheet, by way of the workbook's list and its relations."""
    book = _index(archive, "xl/workbook.xml")
    relation = next(
        (
            each.get(_RELATION)
            for each in book.iter(f"{_SPREADSHEET}sheet")
            if each.get("name") == title
        ),
        None,
    )
    for each in _index(archive, "xl/_rels/workbook.xml.rels"):
        if each.get("Id") == relation:
            target = each.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(title)


def _index(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with archive.open(name) as file:
        text = file.read(_MAX_INDEX_BYTES + 1)
    if len(text) > _MAX_INDEX_BYTES or b"<!DOCTYPE" in text:
        raise zipfile.BadZipFile(name)  # no workbook declares entities: somebody wants us to expand
    return ElementTree.fromstring(text)  # noqa: S314 bounded, and without a DTD


def _covered(merged: Iterable[Range]) -> dict[int, list[Range]]:
    """The ranges that touch each row within the bounds."""
    rows: dict[int, list[Range]] = {}
    total = 0
    for each in merged:
        first, last = each[0], min(each[1], MAX_SCANNED)
        total += max(last - first + 1, 0)
        if total > MAX_COVERED:  # ranges cannot overlap in a real sheet, so it is none
            raise zipfile.BadZipFile("merged cells overlap")
        for row in range(first, last + 1):
            rows.setdefault(row, []).append(each)
    return rows
