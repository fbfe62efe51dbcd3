"""Find records in the bytes of a database file that no table leads to any more.

A record proves itself: it carries its number and the hash of its own bytes. So it is worth
something wherever it lies: in a torn page, a free one, or a WAL that SQLite no longer believes.

Keeps   1. Only what check() accepts is returned.
        2. At most the asked number of bytes is read at once, with an overlap of one record.
Bound   a record longer than a page (about 4,000 bytes) lies in pieces and is not found this way.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.store.journal import MAX_BODY_BYTES, check, claimed_seq

_FILES: Final = ("events.db", "events.db-wal")
_RECORD: Final = re.compile(
    rb'\{"specversion":"1\.0","id":"[0-9a-f-]{36}"[^\x00]{50,%d}?,"hash":"[0-9a-f]{64}"\}\}'
    % MAX_BODY_BYTES
)
_WINDOW_BYTES: Final = 4 * 1024 * 1024


@dataclass(slots=True)
class Place:
    """How far the search has got; found holds rows of the table record since the last look."""

    file: int = 0
    offset: int = 0
    found: list[tuple[int, int, str | None, bytes]] = field(default_factory=list)


def find(aside: Path, place: Place, window_bytes: int) -> bool:
    """Search the next window; False when both files have been searched to their end."""
    if place.file >= len(_FILES):
        return False
    path = aside / _FILES[place.file]
    data = b""
    if path.is_file():
        with path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(window_bytes + MAX_BODY_BYTES)
    for match in _RECORD.finditer(data):
        row = _row(match.group())
        if row is not None:
            place.found.append(row)
    if len(data) <= window_bytes:
        place.file, place.offset = place.file + 1, 0
    else:
        place.offset += window_bytes
    return True


def newest_seq(aside: Path) -> int:
    """Highest number of any record in the files, 0 when there is none; reads all of them once."""
    place, newest = Place(), 0
    while find(aside, place, _WINDOW_BYTES):
        newest = max([newest, *(row[0] for row in place.found)])
        place.found.clear()
    return newest


def _row(body: bytes) -> tuple[int, int, str | None, bytes] | None:
    if check(body, None) is not None:
        return None
    try:
        record: Any = orjson.loads(body)
        seq, alarm_id = claimed_seq(body), record["data"]["alarm_id"]
        stored_ns = int(datetime.fromisoformat(record["time"]).timestamp() * 1000) * 1_000_000
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return None if seq is None else (seq, stored_ns, alarm_id, body)
