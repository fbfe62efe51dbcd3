"""Tokens: which machines and people may come in with a long secret, kept as hashes.

Owns    tokens.json (book.py says how it is kept). Nobody else writes it.
Needs   gateway.clock, gateway.console.book.
Keeps   The token itself is shown once and kept nowhere.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gateway.clock import Clock
from gateway.console.book import Book

PREFIX: Final = "cg_"
MAX_TOKENS: Final = 1_000
MAX_NAME_CHARS: Final = 64
MAX_TOKEN_CHARS: Final = 128


class Role(StrEnum):
    """What a holder is there for; gateway.console.rights says what each may do."""

    GUARD = "guard"
    LEADER = "leader"
    INSTALLER = "installer"
    ADMIN = "admin"
    VIEWER = "viewer"
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


class TokenBook(Book[TokenEntry]):
    """The tokens of one gateway, at most MAX_TOKENS."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._by_hash: dict[str, TokenEntry] = {}
        super().__init__(path, "tokens", _entry)

    def create(self, role: Role, name: str) -> str:
        """Return a new token, "cg_" and 256 random bits as base64url; it is never shown again.

        raises ValueError when the name is empty, long or not printable, or the book is full
        """
        check_name(name)
        token = PREFIX + secrets.token_urlsafe(32)
        entry = TokenEntry(
            id=secrets.token_hex(6),
            sha256=_digest(token),
            role=Role(role),
            name=name,
            created_at=today(self._clock),
        )

        def added(entries: Sequence[TokenEntry]) -> list[TokenEntry]:
            if len(entries) >= MAX_TOKENS:
                raise ValueError(f"there are already {MAX_TOKENS} tokens: revoke some first")
            return [*entries, entry]

        self.change(added)
        return token

    def revoke(self, token_id: str) -> bool:
        """Forget one token; False when there was none. It is refused from the next check on."""
        return self.remove(token_id)

    def check(self, token: str) -> Identity | None:
        """Return whose token it is, or None.

        The look-up is by SHA-256, so its time tells nothing about how close a guess was.
        """
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return None
        self.look()
        return _identity(self._by_hash.get(_digest(token)))

    def holder(self, token_id: str) -> Identity | None:
        """Return who holds the token with this id, None once it is revoked."""
        return _identity(self.entry(token_id))

    def stamp(self, token_id: str) -> str:
        """See sessions.Holders: a token never changes, it is revoked."""
        return token_id if self.entry(token_id) is not None else ""

    def _keep(self, entries: Sequence[TokenEntry], stamp: Any) -> None:  # noqa: ANN401 its base's
        self._by_hash = {entry.sha256: entry for entry in entries}
        super()._keep(entries, stamp)


def check_name(name: str) -> None:
    """Raise ValueError unless a name is short, plain and visible."""
    if not 0 < len(name) <= MAX_NAME_CHARS or name != name.strip() or not _printable(name):
        raise ValueError(f"a name is 1 to {MAX_NAME_CHARS} printable characters")


def today(clock: Clock) -> str:
    """Return the clock's second, RFC 3339 UTC."""
    return datetime.fromtimestamp(clock.utc_ns() // 10**9, UTC).isoformat()


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
