"""Sessions: people who signed on with a PIN or a token, for one shift.

Owns    the sessions; their file is session_file.py's, so that a restart signs nobody off.
Needs   gateway.clock, gateway.console.{session_file,tokens}.
Keeps   1. A session ends after SESSION_S by the monotonic clock, at sign-off, and at once when
           whoever it belongs to is removed or gets another secret.
        2. Only the hash of a cookie is kept, and nothing that could be sent instead of it: the
           proof that every form sends back is worked out from the cookie.
        3. Nobody crowds others out with sessions of his own.
        4. When a PIN was given last is known in this life only: a restart asks for it once more.
Bound   MAX_SESSIONS, EACH_MOST of one person; beyond it the oldest of them ends.
"""

import asyncio
import hashlib
import math
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from gateway.clock import Clock
from gateway.console.people import PERSON_ID
from gateway.console.session_file import Kept, SessionFile
from gateway.console.tokens import Identity

COOKIE: Final = "campus_session"
SESSION_S: Final = 12 * 3600
MAX_SESSIONS: Final = 256
EACH_MOST: Final = 16
PIN_S: Final = 300.0
"""So long a PIN that was given at a console stands for what is decided there."""

log = structlog.get_logger()


class Holders(Protocol):
    """Who there is: people, tokens, or both."""

    def holder(self, holder_id: str) -> Identity | None:
        """Return whose id this is, None once he is removed."""

    def stamp(self, holder_id: str) -> str:
        """Return what changes with the secret of that id, "" for nobody; no secret itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person at one browser, as it was when somebody looked.

    csrf      what every form of the page must send back
    left_s    of the shift
    pin_ago_s since the PIN was given here, by somebody who has one: infinite when it was not given
              in this life of the gateway; 0 for who signed on with a token, who has none
    """

    holder_id: str
    csrf: str
    left_s: float
    pin_ago_s: float

    @property
    def asks_pin(self) -> bool:
        """Whether what acts on the world needs the PIN again first (decision 0022)."""
        return self.pin_ago_s > PIN_S


@dataclass(slots=True)
class _Open:
    """A session; ends_ns and pin_ns are of the monotonic clock."""

    holder_id: str
    stamp: str
    ends_ns: int
    pin_ns: int | None = None


class Sessions:
    """All sessions of one gateway.

    path   where they outlive it; None for nowhere
    fault  why they would not, or did not, outlive a restart; "" when all is well
    """

    def __init__(self, holders: Holders, clock: Clock, path: Path | None = None) -> None:
        self._holders = holders
        self._clock = clock
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._file = None if path is None else SessionFile(path, clock)
        self._version = 0
        self._kept_version = 0
        self._keeping = asyncio.Lock()
        self.fault = ""
        if self._file is not None:
            self._take_up(self._file)

    def open(self, identity: Identity) -> str:
        """Begin a session and return the cookie's value: always a new one."""
        cookie = secrets.token_urlsafe(32)
        own = [key for key, each in self._open.items() if each.holder_id == identity.id]
        if len(own) >= EACH_MOST:
            del self._open[own[0]]
        elif len(self._open) >= MAX_SESSIONS:
            self._open.popitem(last=False)
        now = self._clock.mono_ns()
        self._open[_digest(cookie)] = _Open(
            holder_id=identity.id,
            stamp=self._holders.stamp(identity.id),
            ends_ns=now + SESSION_S * 10**9,
            pin_ns=now,
        )
        self._version += 1
        return cookie

    def find(self, cookie: str) -> tuple[Session, Identity] | None:
        """Return the session and whose it is, or None when it is over or never was."""
        key = _digest(cookie)
        found = self._open.get(key)
        if found is None:
            return None
        identity = self._lives(found)
        if identity is None:
            self._end(key)
            return None
        return self._shown(found, _proof(cookie)), identity

    def close(self, cookie: str) -> None:
        """End a session; one that is over already is no error."""
        self._end(_digest(cookie))

    def proved(self, cookie: str) -> None:
        """Whoever the session belongs to has just given his PIN there once more."""
        found = self._open.get(_digest(cookie))
        if found is not None:
            found.pin_ns = self._clock.mono_ns()

    def there(self) -> list[tuple[Identity, float]]:
        """Return who is signed on and for how many seconds yet, each once, the longest first."""
        now = self._clock.mono_ns()
        rest: dict[str, tuple[Identity, float]] = {}
        for each in sorted(self._open.values(), key=lambda each: each.ends_ns, reverse=True):
            identity = self._lives(each)
            if identity is not None:
                rest.setdefault(identity.id, (identity, (each.ends_ns - now) / 1e9))
        return list(rest.values())

    # So that they outlive the process.

    async def keep(self, *, again: bool = False) -> None:
        """Return when what changed is on disk; what cannot be kept is said in `fault`.

        A file that cannot be replaced is removed: who signed off must not be back after a restart.

        again  also when nothing changed: how much is left of each is told by the clock since then
        """
        if self._file is None:
            return
        async with self._keeping:
            if self._kept_version == self._version and not (again and (self._open or self.fault)):
                return
            version = self._version
            now = self._clock.mono_ns()
            kept = [
                Kept(key, each.holder_id, each.stamp, each.ends_ns - now)
                for key, each in self._open.items()
                if each.ends_ns > now
            ]
            # Shielded: a browser that hangs up must not leave two writers behind.
            fault = await asyncio.shield(asyncio.to_thread(self._file.write, version, kept))
            self._kept_version = version
            if fault and fault != self.fault:
                log.error("sessions cannot be kept: a restart signs everybody off", why=fault)
            self.fault = fault

    def _take_up(self, file: SessionFile) -> None:
        kept, self.fault = file.read(MAX_SESSIONS, SESSION_S * 10**9)
        now = self._clock.mono_ns()
        for each in kept:
            self._open[each.key] = _Open(each.holder_id, each.stamp, now + each.left_ns)
        if self.fault:
            log.error("sessions were not taken up: everybody signs on again", why=self.fault)

    def _end(self, key: str) -> None:
        if self._open.pop(key, None) is not None:
            self._version += 1

    def _lives(self, session: _Open) -> Identity | None:
        if self._clock.mono_ns() >= session.ends_ns:
            return None
        identity = self._holders.holder(session.holder_id)
        if identity is None or self._holders.stamp(identity.id) != session.stamp:
            return None
        return identity

    def _shown(self, session: _Open, csrf: str) -> Session:
        now = self._clock.mono_ns()
        ago_s = math.inf if session.pin_ns is None else (now - session.pin_ns) / 1e9
        return Session(
            holder_id=session.holder_id,
            csrf=csrf,
            left_s=(session.ends_ns - now) / 1e9,
            pin_ago_s=ago_s if session.holder_id.startswith(PERSON_ID) else 0.0,
        )


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode(errors="replace")).hexdigest()


def _proof(cookie: str) -> str:
    """Return what only who knows the cookie can say, and what does not tell the cookie."""
    return hashlib.sha256(b"csrf " + cookie.encode(errors="replace")).hexdigest()
