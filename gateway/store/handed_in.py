"""Entries for the audit trail that another process leaves, because one connection writes the store.

Owns    STORE/audit-in/: one file for each entry, until it is in the trail.
Needs   gateway.audit, .disk.
Keeps   1. hand_in() returns only after the entry is on disk: a gateway that is stopped takes it up
           when it starts, one that runs within seconds.
        2. An entry is in the trail once: its file's name is its origin there, and the file goes
           only after that. A kill in between repeats nothing.
        3. A file that cannot be read is kept beside the others, and that it was there is an entry.
Bound   TAKEN_MOST files in one look, SIZE_MOST_BYTES each.
"""

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.audit import Entry
from gateway.store.disk import own_like, sync_folder, write_file
from gateway.store.journal import rfc3339

FOLDER: Final = "audit-in"
TAKEN_MOST: Final = 64
SIZE_MOST_BYTES: Final = 64 * 1024
_NAME: Final = re.compile(r"([0-9a-f]{32})\.json")
_TEXTS: Final = ("who", "role", "from_address", "action", "subject", "reason")


@dataclass(frozen=True, slots=True)
class HandedIn:
    """One that waits; entry says so itself when the file could not be read."""

    path: Path
    origin: str
    entry: Entry
    readable: bool = True


def hand_in(store: Path, entry: Entry, at_ns: int) -> str:
    """Leave an entry for the gateway; returns the name under which the trail will have it.

    at_ns   when it was done, by the clock of whoever did it; it becomes the detail `done_at`
    raises  OSError: nothing was left, and what was to be noted must not happen
    """
    folder = store / FOLDER
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        own_like(folder, store)
        sync_folder(store)
    origin = secrets.token_hex(16)
    said: dict[str, Any] = {name: getattr(entry, name) for name in _TEXTS}
    said["details"] = {"done_at": rfc3339(at_ns), **entry.details}
    # Under another name until it may be read: what the gateway cannot open must not look broken.
    path, unready = folder / f"{origin}.json", folder / f"{origin}.new"
    write_file(unready, json.dumps(said, ensure_ascii=False).encode(), 0o600)
    own_like(unready, store)
    unready.replace(path)
    sync_folder(folder)
    return origin


def waiting(store: Path) -> list[HandedIn]:
    """What waits, at most TAKEN_MOST, oldest first. Raises OSError: it is looked for again."""
    folder = store / FOLDER
    if not folder.is_dir():
        return []
    found = [
        (path.stat().st_mtime_ns, path.name, match.group(1))
        for path in folder.iterdir()
        if (match := _NAME.fullmatch(path.name)) and path.is_file()
    ]
    return [_read(folder / name, origin) for _, name, origin in sorted(found)[:TAKEN_MOST]]


def forget(handed: HandedIn) -> None:
    """It is in the trail: the file goes, or is put aside when it could not be read."""
    if handed.readable:
        handed.path.unlink(missing_ok=True)
    else:
        handed.path.replace(handed.path.with_suffix(".unreadable"))
    sync_folder(handed.path.parent)


def _read(path: Path, origin: str) -> HandedIn:
    with path.open("rb") as file:
        raw = file.read(SIZE_MOST_BYTES + 1)
    try:
        said = json.loads(raw) if len(raw) <= SIZE_MOST_BYTES else {}
        texts = {name: said[name] for name in _TEXTS}
        return HandedIn(path, origin, Entry(**texts, details=dict(said["details"])))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = Entry(
            who="",
            role="local",
            from_address="local",
            action="audit.unreadable",
            subject=path.name,
            reason=f"{type(error).__name__}: {error}",
        )
        return HandedIn(path, origin, told, readable=False)
