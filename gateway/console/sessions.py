"""Sessions: people who signed in with a token, for one shift.

Owns    the sessions, in memory: a restart of the gateway signs everybody out.
Needs   gateway.clock, gateway.console.tokens.
Keeps   1. A session ends after SESSION_S by the monotonic clock, at sign-out, and at once when
           its token is revoked.
        2. Only the hash of a cookie is kept.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway.clock import Clock
from gateway.console.tokens import Identity, TokenBook

COOKIE: Final = "campus_session"
SESSION_S: Final = 12 * 3600
MAX_SESSIONS: Final = 256
"""The oldest one is signed out when one more is opened; only holders of a token can open any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person at one browser. csrf is what every form of the page must send back."""

    token_id: str
    csrf: str
    ends_mono_ns: int


class Sessions:
    """All sessions of one gateway."""

    def __init__(self, tokens: TokenBook, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()

    def open(self, identity: Identity) -> str:
        """Begin a session and return the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        self._open[_digest(cookie)] = Session(
            token_id=identity.id,
            csrf=secrets.token_urlsafe(32),
            ends_mono_ns=self._clock.mono_ns() + SESSION_S * 10**9,
        )
        if len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> tuple[Session, Identity] | None:
        """Return the session and whose it is, or None when it is over or never was."""
        session = self._open.get(_digest(cookie))
        if session is None:
            return None
        identity = self._tokens.holder(session.token_id)
        if identity is None or self._clock.mono_ns() >= session.ends_mono_ns:
            self.close(cookie)
            return None
        return session, identity

    def close(self, cookie: str) -> None:
        """End a session; one that is over already is no error."""
        self._open.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()
