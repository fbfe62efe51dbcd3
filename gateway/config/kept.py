"""Kept copies: what a file held before each change, who changed it, when and why.

Owns    STORE/config/NNNNNN.json, one for each change, and STORE/config/lock.
Needs   nothing of ours but the errors. Blocks: call it in a thread.
Keeps   1. A copy is on disk (file and folder fsynced) before the file it is of is touched.
        2. KEPT_MOST are kept; older ones go when a new one is there.
        3. A copy that cannot be read is left out and left alone; it hides no other.
Bound   A copy is at most twice COPY_MOST_BYTES: JSON of one file of the configuration.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway import crash
from gateway.errors import GatewayError

KEPT_MOST: Final = 20
COPY_MOST_BYTES: Final = 32 * 1024 * 1024
WHO_CHARS: Final = 64
WHY_CHARS: Final = 500
_NAME: Final = re.compile(r"(\d{6})\.json")


class CannotKeep(GatewayError):
    """No copy could be put on disk; the configuration stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One change.

    number  grows by one with each change · file  which file, relative to the folder
    before  what it held; None when it was not there · after_sha  SHA-256 of what it held then
    at_ns   when, UTC · who, why  of the person; what  a few words of the change itself
    version of all files before it; "" in copies of older gateways
    """

    number: int
    file: str
    before: str | None
    after_sha: str
    at_ns: int
    who: str
    why: str
    what: str
    version: str = ""


class KeptCopies:
    """See the module."""

    def __init__(self, store: Path) -> None:
        self._folder = store / "config"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one on this machine who changes the configuration. Raises CannotKeep."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotKeep(f"{self._folder}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def put(self, kept: Kept) -> None:
        """Put a copy on disk and let the oldest go. Raises CannotKeep."""
        path = self._folder / f"{kept.number:06d}.json"
        try:
            write_whole(path, json.dumps(asdict(kept), ensure_ascii=False).encode(), 0o600)
        except OSError as error:
            raise CannotKeep(f"{path}: {error.strerror}") from error
        for number in self._numbers()[:-KEPT_MOST]:
            with contextlib.suppress(OSError):
                (self._folder / f"{number:06d}.json").unlink()

    def drop(self, number: int) -> None:
        """Forget a copy whose change did not come about."""
        with contextlib.suppress(OSError):
            (self._folder / f"{number:06d}.json").unlink()

    def next_number(self) -> int:
        """The number of the next change."""
        return max(self._numbers(), default=0) + 1

    def all(self) -> list[Kept]:
        """Every copy, newest first."""
        found = [self.get(number) for number in reversed(self._numbers())]
        return [each for each in found if each is not None]

    def get(self, number: int) -> Kept | None:
        """One copy; None when there is none, or none that can be read."""
        path = self._folder / f"{number:06d}.json"
        try:
            with path.open("rb") as file:
                raw = file.read(2 * COPY_MOST_BYTES + 1)
            said: dict[str, Any] = json.loads(raw)
            before = said["before"]
            return Kept(
                number=number,
                file=str(said["file"]),
                before=None if before is None else str(before),
                after_sha=str(said["after_sha"]),
                at_ns=int(said["at_ns"]),
                who=str(said["who"]),
                why=str(said["why"]),
                what=str(said["what"]),
                version=str(said.get("version", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all: beside it, fsync, rename, fsync of the folder.

    A kill at any instruction leaves the old file or the new one. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        crash.here("config.beside")
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    crash.here("config.renamed")
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
