"""Read a damaged database page by page, and go on around what cannot be read.

Keeps   1. An error of SQLite ends one page of rows, never the reading.
        2. Every loop ends: a page that does not come forward counts as unreadable.
Bound   STEP_ROWS rows at a time.
"""

import contextlib
import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

STEP_ROWS: Final = 1000

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """How to read one table page by page: columns, which rows, and the key that orders them."""

    name: str
    columns: str
    where: str
    key: tuple[int, ...]

    def read(
        self, old: sqlite3.Connection, last: Row | None, *, down: bool
    ) -> tuple[list[Row], bool]:
        """The page after `last`, and whether it could be read to its end."""
        rows, whole = read_page(old, *self.page(last, down=down))
        if rows and last is not None and self._key_of(rows[-1]) == self._key_of(last):
            # A text that is no UTF-8 sorts elsewhere once it is read: the same page for ever.
            return [], False
        return rows, whole

    def _key_of(self, row: Row) -> Row:
        return tuple(row[place] for place in self.key)

    def page(self, last: Row | None, *, down: bool) -> tuple[str, Row]:
        """Statement and parameters for the page after `last`, in one direction or the other."""
        names = self.columns.split(", ")
        key = [names[place] for place in self.key]
        after, values = "", ()
        if last is not None:
            marks = ",".join("?" * len(key))
            after = f" AND ({','.join(key)}) {'<' if down else '>'} ({marks})"
            values = self._key_of(last)
        order = ",".join(f"{name} {'DESC' if down else 'ASC'}" for name in key)
        # Every name in it comes from the constants below.
        return (
            f"SELECT {self.columns} FROM {self.name} WHERE {self.where}{after}"  # noqa: S608
            f" ORDER BY {order} LIMIT {STEP_ROWS}",
            values,
        )


def has_table(db: sqlite3.Connection, name: str) -> bool:
    """Whether there is such a table: older versions have fewer. Raises sqlite3.Error."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def rows_of(old: sqlite3.Connection, sql: str, values: Row = ()) -> Iterator[Row]:
    """Rows until the first page that cannot be read."""
    with contextlib.suppress(sqlite3.Error):
        yield from old.execute(sql, values)


def read_page(old: sqlite3.Connection, sql: str, values: Row) -> tuple[list[Row], bool]:
    """The rows of one page, and whether it could be read to its end."""
    rows: list[Row] = []
    try:
        rows.extend(old.execute(sql, values))
    except sqlite3.Error:
        return rows, False
    return rows, True


def pages(old: sqlite3.Connection, table: Table) -> Generator[list[Row], None, bool]:
    """All that can be read of a table, from both ends: one bad page costs only what it hides.

    Returns whether there was no bad page.
    """
    for down in (False, True):
        last: Row | None = None
        whole = True
        while whole:
            rows, whole = table.read(old, last, down=down)
            if not rows:
                break
            yield rows
            last = rows[-1]
        if whole:
            return not down
    return False


def by_halves(old: sqlite3.Connection, low: int, end: int) -> list[Row]:
    """Records low <= seq < end, reading ever smaller parts around a bad page."""
    rows, whole = read_page(
        old,
        "SELECT seq, stored_ns, alarm_id, body FROM record WHERE seq >= ? AND seq < ?",
        (low, end),
    )
    if whole or end - low <= 1:
        return rows
    middle = (low + end) // 2
    return by_halves(old, low, middle) + by_halves(old, middle, end)
