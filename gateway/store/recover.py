"""When the database is not what it should be: move it aside, so that a new one can be begun.

Owns    the folders damaged-NNNN/ beside the database, suspect.txt.
Needs   gateway.store.salvage, which brings over what can be read.
Keeps   1. Nothing is deleted and nothing of a damaged store is changed: its files stay as they were
           until a person removes them (invariant 9).
        2. A move that was cut off is finished before anything is opened: a WAL that stayed behind
           would be deleted by SQLite beside a new database.
"""

import contextlib
import errno
import json
from pathlib import Path
from typing import Final

import structlog

from gateway.crash import here as crash_here
from gateway.errors import StoreError, StoreFull
from gateway.store.disk import read_head, sync_folder, write_file
from gateway.store.salvage import DONE, Cursor, is_salvaged, salvage, salvage_step

__all__ = [
    "Cursor",
    "before_open",
    "is_moving",
    "is_salvaged",
    "is_wal_missing",
    "mark_suspect",
    "move_aside",
    "newest_aside",
    "note_closed",
    "note_open",
    "read_head",
    "salvage",
    "salvage_step",
    "waiting_asides",
]

FILES: Final = ("events.db-wal", "events.db-shm", "events.db-journal", "events.db")
_SUSPECT: Final = "suspect.txt"
_OPEN: Final = "open"
_WHY_CHARS: Final = 500

log = structlog.get_logger()


def before_open(folder: Path) -> list[str]:
    """Remove unfinished temporary files, which nothing names, and move a suspect store aside."""
    for leftover in folder.glob("*.tmp"):
        with contextlib.suppress(OSError):  # a folder of that name is no leftover of ours
            leftover.unlink(missing_ok=True)
    noted = _noted(folder)
    return [] if noted is None else [move_aside(folder, *noted)]


def note_open(folder: Path) -> None:
    """Note that the database is open: while it is, SQLite keeps a WAL beside it."""
    try:
        (folder / _OPEN).touch()
        sync_folder(folder)
    except OSError as error:
        log.warning("not noted that the store is open", error=str(error))


def note_closed(folder: Path) -> None:
    """Note that the WAL's presence means nothing now: it was asked for, or is about to go."""
    with contextlib.suppress(OSError):
        (folder / _OPEN).unlink(missing_ok=True)


def is_wal_missing(folder: Path) -> bool:
    """Whether somebody took the WAL of a store that was never closed; to be asked before opening.

    SQLite opens what is left without a word, and the newest records are not in it. Changes nothing.
    """
    database, wal = folder / "events.db", folder / "events.db-wal"
    return (folder / _OPEN).exists() and database.is_file() and not wal.exists()


def is_moving(folder: Path) -> bool:
    """Whether a move was cut off: its files must not be opened before it is finished."""
    noted = _noted(folder)
    return noted is not None and noted[1] is not None


def _noted(folder: Path) -> tuple[str, str | None] | None:
    """Why the store is suspect and where its move had begun; None when it is not suspect."""
    try:
        noted = (folder / _SUSPECT).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{folder / _SUSPECT}: {error}") from error
    why, to = noted, None
    with contextlib.suppress(ValueError, KeyError, TypeError):  # written by hand: all of it is why
        said = json.loads(noted)
        why, to = str(said["why"]), said["to"]
    begun = isinstance(to, str) and Path(to).name == to and (folder / to).is_dir()
    return why[:_WHY_CHARS], to if begun else None


def mark_suspect(folder: Path, why: str) -> None:
    """Note that the database failed while running; the next opening moves it aside.

    Raises nothing: what is not noted now is found again when it fails again.
    """
    try:
        _note(folder, why, None)
    except OSError as error:
        log.error("suspect store not noted; it is opened as it is", why=why, error=str(error))


def _note(folder: Path, why: str, to: str | None) -> None:
    said = {"why": why[:_WHY_CHARS], "to": to}
    write_file(folder / _SUSPECT, json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))


def move_aside(folder: Path, why: str, to: str | None = None) -> str:
    """Move the database and its companions to damaged-NNNN/; returns what to tell a person.

    to      the folder of a move that was begun and cut off; None begins a new one
    raises  StoreFull, StoreError when it cannot be done: the next opening goes on with it
    """
    aside = folder / to if to is not None else _next_aside(folder)
    try:
        with contextlib.suppress(
            OSError
        ):  # a full disk: without the note the move is only less safe
            _note(folder, why, aside.name)
        crash_here("aside.noted")
        aside.mkdir(exist_ok=True)
        for name in FILES:
            with contextlib.suppress(FileNotFoundError):
                # A folder of that name would keep SQLite from opening what lies beside it.
                plain = (folder / name).is_file() and not (aside / name).exists()
                (folder / name).rename(aside / (name if plain else f"{name}.other"))
            crash_here("aside.moving")
        with contextlib.suppress(OSError):
            write_file(aside / "why.txt", why.encode("utf-8", "replace"))
        sync_folder(aside)
        sync_folder(folder)
        crash_here("aside.moved")
        (folder / _SUSPECT).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        told = f"{folder}: the damaged store cannot be moved aside: {error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull(told) from error
        raise StoreError(told) from error
    return f"事件库损坏，已移到 {aside.name} store damaged and moved aside: {why}"


def _next_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder / f"damaged-{number:04d}").exists():
        number += 1
    return aside


def waiting_asides(folder: Path) -> list[Path]:
    """Damaged stores that were not brought over to the end yet, newest first."""
    found = sorted(folder.glob("damaged-*"), reverse=True)
    return [aside for aside in found if aside.is_dir() and not (aside / DONE).exists()]


def newest_aside(folder: Path) -> Path | None:
    """The newest damaged store that was not brought over to the end yet."""
    return next(iter(waiting_asides(folder)), None)
