"""Sessions: people who signed on with a PIN or a token, for one shift.

Owns    the sessions, in memory: a restart of the gateway signs everybody out.
Needs   gateway.clock, gateway.console.tokens.
Keeps   1. A session ends after SESSION_S by the monotonic clock, at sign-off, and at once when
           whoever it belongs to is removed or gets another secret.
        2. Only the hash of a cookie is kept.
        3. Nobody crowds others out with sessions of his own.
Bound   MAX_SESSIONS, EACH_MOST of one person; beyond it the oldest of them ends.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.console.tokens import Identity

COOKIE: Final = "campus_session"
SESSION_S: Final = 12 * 3600
MAX_SESSIONS: Final = 256
EACH_MOST: Final = 16


class Holders(Protocol):
    """Who there is: people, tokens, or both."""

    def holder(self, holder_id: str) -> Identity | None:
        """Return whose id this is, None once he is removed."""

    def stamp(self, holder_id: str) -> str:
        """Return what changes with the secret of that id, "" for nobody; no secret itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person at one browser. csrf is what every form of the page must send back."""

    holder_id: str
    stamp: str
    csrf: str
    ends_mono_ns: int


class Sessions:
    """All sessions of one gateway."""

    def __init__(self, holders: Holders, clock: Clock) -> None:
        self._holders = holders
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, identity: Identity) -> str:
        """Begin a session and return the cookie's value: always a new one."""
        cookie = secrets.token_urlsafe(32)
        own = [key for key, each in self._open.items() if each.holder_id == identity.id]
        if len(own) >= EACH_MOST:
            del self._open[own[0]]
        elif len(self._open) >= MAX_SESSIONS:
            self._open.popitem(last=False)
        self._open[_digest(cookie)] = Session(
            holder_id=identity.id,
            stamp=self._holders.stamp(identity.id),
            csrf=secrets.token_urlsafe(32),
            ends_mono_ns=self._clock.mono_ns() + SESSION_S * 10**9,
        )
        return cookie

    def find(self, cookie: str) -> tuple[Session, Identity] | None:
        """Return the session and whose it is, or None when it is over or never was."""
        session = self._open.get(_digest(cookie))
        if session is None:
            return None
        identity = self._holders.holder(session.holder_id)
        is_over = self._clock.mono_ns() >= session.ends_mono_ns
        if identity is None or is_over or self._holders.stamp(identity.id) != session.stamp:
            self.close(cookie)
            return None
        return session, identity

    def close(self, cookie: str) -> None:
        """End a session; one that is over already is no error."""
        self._open.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()
