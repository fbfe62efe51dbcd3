"""The sessions' file: who was signed on when the gateway went, and for how long yet.

Owns    sessions.json in the store's folder, mode 0600: hashes of cookies, no cookie.
Needs   gateway.clock, gateway.reports (which boot this is).
Keeps   1. The file is whole or the old one (temporary name, fsync, rename, fsync of the folder);
           one that cannot be written is removed, because nobody may come back who signed off.
        2. A file that is damaged, too large, or that others may write signs nobody on: it is put
           aside, the reason is told, and the gateway starts.
        3. What is left of a session never grows, and is never made of a date. Within one boot of
           the machine the monotonic clock says how long we were away: a wall clock that jumps
           changes nothing. After a reboot only the wall clock can say so: what it says passed is
           taken off, and nothing when it went backwards.
Bound   FILE_BYTES.
"""

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.clock import Clock
from gateway.reports import boot
from gateway.store.disk import own_like, write_file

FILE_BYTES: Final = 256 * 1024
KEY_CHARS: Final = 64
ID_CHARS: Final = 64
STAMP_CHARS: Final = 128
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One session: the hash of its cookie, whose, with which secret, and how long yet."""

    key: str
    holder_id: str
    stamp: str
    left_ns: int


class SessionFile:
    """See the module. Both methods block."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._turn = threading.Lock()
        self._newest = 0

    def write(self, version: int, sessions: Sequence[Kept]) -> str:
        """Replace the file; returns "", or why that could not be.

        version  counts changes: a thread that comes late does not undo what a later one wrote
        """
        body = {
            "version": VERSION,
            "boot": boot(),
            "mono_ns": self._clock.mono_ns(),
            "utc_ns": self._clock.utc_ns(),
            "sessions": [
                {
                    "key": each.key,
                    "holder": each.holder_id,
                    "stamp": each.stamp,
                    "left_ns": each.left_ns,
                }
                for each in sessions
            ],
        }
        with self._turn:
            if version < self._newest:
                return ""
            self._newest = version
            try:
                write_file(self._path, json.dumps(body).encode(), 0o600)
                own_like(self._path, self._path.parent)
            except OSError as error:
                return self._removed(str(error.strerror))
        return ""

    def read(self, most: int, left_most_ns: int) -> tuple[list[Kept], str]:
        """Return what is left of each session, oldest first, and why there is none; "" is well."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o022:
                    return [], self._aside("others may write it")
                raw = file.read(FILE_BYTES + 1)
        except FileNotFoundError:
            return [], ""
        except OSError as error:
            return [], self._aside(f"cannot be read ({error.strerror})")
        if len(raw) > FILE_BYTES:
            return [], self._aside("is too large")
        try:
            return self._decode(json.loads(raw), most, left_most_ns), ""
        except (ValueError, KeyError, TypeError, RecursionError):
            return [], self._aside("does not hold sessions")

    def _decode(self, told: Any, most: int, left_most_ns: int) -> list[Kept]:  # noqa: ANN401 JSON
        if told["version"] != VERSION or len(told["sessions"]) > most:
            raise ValueError("version or length")
        away_ns = self._away_ns(str(told["boot"]), _whole(told["mono_ns"]), _whole(told["utc_ns"]))
        kept = []
        for each in told["sessions"]:
            left_ns = _whole(each["left_ns"])
            if left_ns > left_most_ns:
                raise ValueError("longer than a shift")
            if left_ns > away_ns:
                kept.append(
                    Kept(
                        _text(each["key"], KEY_CHARS),
                        _text(each["holder"], ID_CHARS),
                        _text(each["stamp"], STAMP_CHARS),
                        left_ns - away_ns,
                    )
                )
        return kept

    def _away_ns(self, kept_boot: str, mono_ns: int, utc_ns: int) -> int:
        """How long it is since the file was written; where nobody can say, the longest it was."""
        here = boot()
        by_mono = self._clock.mono_ns() - mono_ns
        by_wall = max(0, self._clock.utc_ns() - utc_ns)
        if by_mono < 0 or (here and kept_boot and here != kept_boot):
            return by_wall
        return by_mono if here and kept_boot else max(by_mono, by_wall)

    def _aside(self, why: str) -> str:
        """Leave a damaged file for who wants to look, where nobody takes it for sessions."""
        try:
            self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        except OSError as error:
            why = f"{why}, and cannot be put aside ({error.strerror})"
        return f"{self._path.name}: {why}"

    def _removed(self, why: str) -> str:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            why = f"{why}; and the old one cannot be removed ({error.strerror})"
        return f"{self._path.name}: cannot be written ({why})"


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no whole number")
    return value


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise ValueError("no text")
    return value
