"""A point list as a table: numbered rows of cells, whatever kind of file it came in.

Owns    the bounds of a file and of a cell, and choosing the reader by what the file holds.
Needs   csv_file.py, xlsx_file.py, cells.py.
Keeps   Nothing beyond the bounds is read: MAX_FILE_BYTES of a file, MAX_ROWS rows, MAX_COLUMNS
        columns, MAX_SCANNED rows with the empty ones. A list of more rows is refused as a whole,
        because one that was imported in part would look complete.
"""

from pathlib import Path
from typing import Final

from gateway.config.inspection import both
from gateway.errors import ConfigError, ConfigFault
from gateway.pointlist.cells import MAX_COLUMNS, MAX_ROWS, MAX_SCANNED, Table
from gateway.pointlist.csv_file import read_csv

__all__ = ["MAX_COLUMNS", "MAX_FILE_BYTES", "MAX_ROWS", "MAX_SCANNED", "Table", "read_table"]

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
_ZIP: Final = b"PK\x03\x04"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"


def read_table(path: Path, sheet: str | None = None) -> Table:
    """Return the rows of a point list.

    path    CSV (UTF-8 with or without a mark, GB 18030; comma, semicolon or tab) or XLSX; told by
            the content, not by the name
    sheet   which sheet of an XLSX; None takes the first
    raises  ConfigError when the file as a whole cannot be used; it says what to do about it
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problem = both(f"读不了：{error.strerror}", f"cannot be read: {error.strerror}")
        raise _refused(path, problem, both("可读的文件", "a readable file")) from error
    if len(raw) > MAX_FILE_BYTES:
        problem = both("文件太大", "the file is too big")
        limit = MAX_FILE_BYTES // 1024 // 1024
        raise _refused(path, problem, both(f"最大 {limit} MiB", f"{limit} MiB at most"))
    if raw.startswith(_OLD_EXCEL):
        problem = both("是旧的 .xls，或加了密码", "an old .xls, or protected by a password")
        raise _refused(path, problem, both("另存为 .xlsx 或 .csv", "saved as .xlsx or .csv"))
    try:
        table = _read_workbook(raw, sheet) if raw.startswith(_ZIP) else read_csv(raw)
    except ValueError as error:
        expected = both("CSV 或 XLSX 点表", "a point list as CSV or XLSX")
        raise _refused(path, str(error), expected) from error
    if not table.rows:
        problem = both("一行也没有", "there is no row")
        raise _refused(path, problem, both("一行表头和一些点", "a header and some points"))
    return table


def _refused(path: Path, problem: str, expected: str) -> ConfigError:
    return ConfigError([ConfigFault(str(path), "", problem, expected)])


def _read_workbook(raw: bytes, sheet: str | None) -> Table:
    from gateway.pointlist.xlsx_file import read_xlsx  # noqa: PLC0415 openpyxl costs 0.3 s

    return read_xlsx(raw, sheet)
