"""What a measuring point has read over a time, in a few cells. Plain reading, for the console.

Needs   the tables of schema/; a connection of its own, so that a long question holds up nobody.
Keeps   1. Only what was stored: telemetry is kept thin (each change, and one a minute).
        2. A cell without a reading is absent, never made up.
Bound   BINS_MOST cells; QUERY_S for the whole question.
"""

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import StoreError
from gateway.store.opening import explain, read_only

FILE: Final = "events.db"
BINS_MOST: Final = 2_000
QUERY_S: Final = 5.0
WAIT_S: Final = 1.0
STEPS: Final = 20_000
"""Between two looks at the time; some tenths of a millisecond."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Readings of one stretch of time: from its first to its last, and how many."""

    first_ns: int
    last_ns: int
    low: float
    high: float
    mean: float
    count: int


def history(
    folder: Path, device: str, point: str, from_ns: int, to_ns: int, bins: int = BINS_MOST
) -> list[Cell]:
    """Numbers that a point has read between two times, oldest first; blocks.

    Booleans count as 0 and 1; text is no number. Raises StoreError: ask again, or for less.
    """
    step_ns = max(1, -(-(to_ns - from_ns) // max(1, min(bins, BINS_MOST))))
    sql = (
        "SELECT min(at_ns), max(at_ns), min(value), max(value), avg(value), count(*) FROM reading"
        " WHERE device = ? AND point = ? AND at_ns >= ? AND at_ns < ?"
        " AND typeof(value) IN ('integer', 'real') GROUP BY (at_ns - ?) / ? ORDER BY 1"
    )
    until_s = time.perf_counter() + QUERY_S
    try:
        with contextlib.closing(
            sqlite3.connect(
                read_only(folder / FILE), uri=True, isolation_level=None, timeout=WAIT_S
            )
        ) as db:
            db.set_progress_handler(lambda: time.perf_counter() > until_s, STEPS)
            rows = db.execute(sql, (device, point, from_ns, to_ns, from_ns, step_ns)).fetchall()
    except sqlite3.Error as error:
        raise explain(error) from error
    except OverflowError as error:
        raise StoreError(f"{from_ns} to {to_ns} is beyond what is stored") from error
    return [Cell(*row) for row in rows]
