"""Book: a short list of secrets' hashes in one small file, shared by several processes.

Owns    the file, FILE.lock beside it, and what was last read of it.
Needs   gateway.errors.
Keeps   1. An entry is on disk (file and folder synced) before a change returns.
        2. Writers in several processes take turns (flock); none loses another's entry.
        3. A change made by another process holds from the next look on, without a restart.
Bound   MAX_FILE_BYTES; whoever fills it says how many entries there may be.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.errors import ConfigError, ConfigFault
from gateway.store.disk import own_like

MAX_FILE_BYTES: Final = 1024 * 1024


class Entry(Protocol):
    """A dataclass with an id."""

    @property
    def id(self) -> str:
        """Never used twice."""


E = TypeVar("E", bound=Entry)
_Stamp = tuple[int, int, int, int]
_UNREADABLE: Final[_Stamp] = (0, 0, 0, 0)


class Book(Generic[E]):
    """See the module.

    A file that is damaged when the book is opened raises ConfigError. One that is damaged later
    must not shut the security room out: the last good state goes on, and `fault` says what is
    wrong until the file is mended. A file that was removed means that nobody may come in.

    member  the name of the list in the file
    decode  makes an entry of what JSON gave; raises ValueError, KeyError or TypeError
    """

    def __init__(self, path: Path, member: str, decode: Callable[[Any], E]) -> None:
        self._path = path
        self._member = member
        self._decode = decode
        self._stamp: _Stamp | None = None
        self._by_id: dict[str, E] = {}
        self.fault: str | None = None
        stamp = self._stat()  # before reading: a change in between is then seen by the next look
        self._keep(self._read(), stamp)

    @property
    def folder(self) -> Path:
        """Where the file lies, and what belongs to it."""
        return self._path.parent

    def list(self) -> list[E]:
        """Return every entry, oldest first; no secret can be made from it."""
        self.look()
        return list(self._by_id.values())

    def entry(self, entry_id: str) -> E | None:
        """Return one entry, None when there is none (any more)."""
        self.look()
        return self._by_id.get(entry_id)

    def look(self) -> None:
        """Read the file again when it is another one than before."""
        stamp = self._stat()
        if stamp == self._stamp:
            return
        try:
            entries = self._read()
        except ConfigError as error:
            self.fault, self._stamp = str(error), stamp
            return
        self._keep(entries, stamp)

    def change(self, work: Callable[[Sequence[E]], Sequence[E]]) -> None:
        """Replace the entries by what work makes of them; what it raises changes nothing."""
        with self._lock():
            self._write(work(self._read()))

    def remove(self, entry_id: str) -> bool:
        """Forget one entry; False when there was none. It holds from the next look on."""
        found = False

        def without(entries: Sequence[E]) -> Sequence[E]:
            nonlocal found
            rest = [entry for entry in entries if entry.id != entry_id]
            found = len(rest) < len(entries)
            return rest

        self.change(without)
        return found

    def _keep(self, entries: Sequence[E], stamp: _Stamp | None) -> None:
        self._by_id = {entry.id: entry for entry in entries}
        self._stamp, self.fault = stamp, None

    def _stat(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return _UNREADABLE
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # A file of its own, because the rename below replaces the file that would be locked.
        handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            own_like(Path(f"{self._path}.lock"), self._path.parent)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> Sequence[E]:
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o022:
                    raise self._damage("others may write it", "mode 0600")
                raw = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._damage(f"cannot be read ({error.strerror})", "a readable file") from error
        if len(raw) > MAX_FILE_BYTES:
            raise self._damage("is too large", f"at most {MAX_FILE_BYTES} bytes")
        try:
            return [self._decode(item) for item in json.loads(raw)[self._member]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damage(
                f"does not hold {self._member}", "the file as campus-gateway wrote it"
            ) from error

    def _write(self, entries: Sequence[E]) -> None:
        body = {"version": 1, self._member: [asdict(entry) for entry in entries]}  # type: ignore[call-overload]
        fresh = self._path.with_name(f"{self._path.name}.tmp")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # a left-over of a crash may have had another mode
            file.write(json.dumps(body, ensure_ascii=False, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        own_like(fresh, self._path.parent)  # a command that root gives must not shut us out
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _damage(self, problem: str, expected: str) -> ConfigError:
        return ConfigError([ConfigFault(str(self._path), "", problem, expected)])
