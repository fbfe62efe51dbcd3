"""The first code: how the first admin proves that he may read what the service prints.

Owns    the file first-code.json beside people.json, mode 0600.
Needs   argon2-cffi.
Keeps   1. The code is shown where it is made and kept as a hash only.
        2. A try is on disk before it is judged: asking twice at once, or killing us, gains none.
        3. A code that was tried TRIES times in vain, or used, is none any more.
Bound   TRIES for each code of DIGITS digits: one in two thousand million for each code.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.console.people import HASHER, is_secret
from gateway.store.disk import own_like

DIGITS: Final = 10
TRIES: Final = 5
FILE: Final = "first-code.json"
FILE_BYTES: Final = 4096


class FirstCode:
    """See the module. Every method blocks; check() is slow on purpose: call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def fresh(self) -> str:
        """Make a code; the one before it holds no more."""
        code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        hashed = HASHER.hash(code)
        with self._lock():
            self._write(hashed, TRIES)
        return code

    def check(self, code: str) -> bool:
        """Take one try and say whether this is the code."""
        with self._lock():
            hashed, left = self._read()
            if left <= 0:
                return False
            self._write(hashed, left - 1)
        return is_secret(hashed, code.strip())

    def is_spent(self) -> bool:
        """Whether no code holds, so that a fresh one is needed."""
        return self._read()[1] <= 0

    def end(self) -> None:
        """The first admin is there: no code holds."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            own_like(Path(f"{self._path}.lock"), self._path.parent)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> tuple[str, int]:
        try:
            with self._path.open("rb") as file:
                told = json.loads(file.read(FILE_BYTES))
            hashed, left = told["hash"], told["left"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "", 0  # damaged is spent: a fresh one is printed
        return (hashed, left) if isinstance(hashed, str) and isinstance(left, int) else ("", 0)

    def _write(self, hashed: str, left: int) -> None:
        fresh = self._path.with_name(f"{FILE}.tmp")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # a left-over of a crash may have had another mode
            file.write(json.dumps({"hash": hashed, "left": left}).encode())
            file.flush()
            os.fsync(file.fileno())
        own_like(fresh, self._path.parent)  # a command that root gives must not shut us out
        fresh.replace(self._path)
