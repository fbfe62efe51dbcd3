"""Tokens: who may come in, kept as hashes in one small file.

Owns    tokens.json and tokens.json.lock beside it. Nobody else writes them.
Needs   gateway.clock, gateway.errors.
Keeps   1. A token is on disk (file and folder synced) before create or revoke returns.
        2. Writers in several processes take turns (flock); none loses another's token.
        3. A change made by another process holds from the next check on, without a restart.
        4. The token itself is shown once and kept nowhere.
"""

import fcntl
import hashlib
import json
import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gateway.clock import Clock
from gateway.errors import ConfigError, ConfigFault

PREFIX: Final = "cg_"
MAX_TOKENS: Final = 1_000
MAX_NAME_CHARS: Final = 64
MAX_TOKEN_CHARS: Final = 128
MAX_FILE_BYTES: Final = 1024 * 1024


class Role(StrEnum):
    """What a holder is there for; gateway.console.rights says what each may do."""

    GUARD = "guard"
    LEADER = "leader"
    INSTALLER = "installer"
    PLATFORM = "platform"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is asking. name is what alarm records say of a person ("张三", "police").

    address  the other end of the socket, for the audit trail; "" where there is none
    """

    id: str
    role: Role
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """One line of the file.

    sha256      of the token, hex. A fast hash is enough: 256 random bits cannot be guessed,
                so a slow one would only slow us down
    created_at  RFC 3339 UTC
    """

    id: str
    sha256: str
    role: Role
    name: str
    created_at: str


_Entries = list[TokenEntry]
_Stamp = tuple[int, int, int, int]
_UNREADABLE: Final[_Stamp] = (0, 0, 0, 0)


class TokenBook:
    """The tokens of one gateway, at most MAX_TOKENS.

    A file that is damaged when the book is opened raises ConfigError. One that is damaged later
    must not shut the security room out: the last good state goes on, and `fault` says what is
    wrong until the file is mended. A file that was removed means that nobody may come in.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._stamp: _Stamp | None = None
        self._by_hash: dict[str, TokenEntry] = {}
        self._by_id: dict[str, TokenEntry] = {}
        self.fault: str | None = None
        stamp = self._stat()  # before reading: a change in between is then seen by the next check
        self._keep(self._read(), stamp)

    def create(self, role: Role, name: str) -> str:
        """Return a new token, "cg_" and 256 random bits as base64url; it is never shown again.

        raises ValueError when the name is empty, long or not printable, or the book is full
        """
        if not 0 < len(name) <= MAX_NAME_CHARS or name != name.strip() or not _printable(name):
            raise ValueError(f"a token's name is 1 to {MAX_NAME_CHARS} printable characters")
        token = PREFIX + secrets.token_urlsafe(32)
        entry = TokenEntry(
            id=secrets.token_hex(6),
            sha256=_digest(token),
            role=Role(role),
            name=name,
            created_at=datetime.fromtimestamp(self._clock.utc_ns() // 10**9, UTC).isoformat(),
        )
        with self._lock():
            entries = self._read()
            if len(entries) >= MAX_TOKENS:
                raise ValueError(f"there are already {MAX_TOKENS} tokens: revoke some first")
            self._write([*entries, entry])
        return token

    def list(self) -> _Entries:
        """Return every entry, oldest first; no token can be made from it."""
        self._refresh()
        return list(self._by_id.values())

    def revoke(self, token_id: str) -> bool:
        """Forget one token; False when there was none. It is refused from the next check on."""
        with self._lock():
            entries = self._read()
            rest = [entry for entry in entries if entry.id != token_id]
            if len(rest) == len(entries):
                return False
            self._write(rest)
        return True

    def check(self, token: str) -> Identity | None:
        """Return whose token it is, or None.

        The look-up is by SHA-256, so its time tells nothing about how close a guess was.
        """
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return None
        self._refresh()
        return _identity(self._by_hash.get(_digest(token)))

    def holder(self, token_id: str) -> Identity | None:
        """Return who holds the token with this id, None once it is revoked."""
        self._refresh()
        return _identity(self._by_id.get(token_id))

    def _refresh(self) -> None:
        stamp = self._stat()
        if stamp == self._stamp:
            return
        try:
            entries = self._read()
        except ConfigError as error:
            self.fault, self._stamp = str(error), stamp
            return
        self._keep(entries, stamp)

    def _keep(self, entries: _Entries, stamp: _Stamp | None) -> None:
        self._by_hash = {entry.sha256: entry for entry in entries}
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
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> _Entries:
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
            return [_entry(item) for item in json.loads(raw)["tokens"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damage(
                "does not hold tokens", "the file as campus-gateway token wrote it"
            ) from error

    def _write(self, entries: _Entries) -> None:
        body = {"version": 1, "tokens": [asdict(entry) for entry in entries]}
        fresh = self._path.with_name(f"{self._path.name}.tmp")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # a left-over of a crash may have had another mode
            file.write(json.dumps(body, ensure_ascii=False, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _damage(self, problem: str, expected: str) -> ConfigError:
        return ConfigError([ConfigFault(str(self._path), "", problem, expected)])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _printable(text: str) -> bool:
    return not any(unicodedata.category(char).startswith(("C", "Zl", "Zp")) for char in text)


def _identity(entry: TokenEntry | None) -> Identity | None:
    return None if entry is None else Identity(id=entry.id, role=entry.role, name=entry.name)


def _entry(item: Any) -> TokenEntry:  # noqa: ANN401 whatever JSON gave
    fields = {key: item[key] for key in ("id", "sha256", "name", "created_at")}
    if not all(isinstance(value, str) for value in fields.values()):
        raise TypeError("a token's members are strings")
    return TokenEntry(role=Role(item["role"]), **fields)
