"""Known consoles: browsers in which somebody signed on before, told by a cookie that we signed.

Owns    the key, console.key beside tokens.json: 32 bytes, mode 0600, made when it is not there.
Needs   gateway.clock.
Keeps   1. Nobody makes up a console, nor changes who vouched for one.
        2. A console is known while the person who signed on there last is: who is removed takes
           his browsers with him.
        3. A cookie opens nothing: whoever has it may try PINs at a pace of its own (limits.py).
Bound   KNOWN_DAYS after the last sign-on.
"""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.console.limits import Caller
from gateway.console.sessions import Holders
from gateway.errors import ConfigError, ConfigFault
from gateway.store.disk import own_like

COOKIE: Final = "campus_console"
KNOWN_DAYS: Final = 400
"""As long as browsers keep any cookie."""
KEY_BYTES: Final = 32
_DAY_NS: Final = 86_400 * 10**9
_COOKIE: Final = re.compile(r"([0-9a-f]{16})\.([0-9a-z-]{1,32})\.([0-9]{1,6})\.([0-9a-f]{64})")


class Consoles:
    """See the module."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._key = _key(path)

    def caller(self, cookie: str, address: str, holders: Holders) -> Caller:
        """Return from where somebody asks, as far as the cookie can be believed."""
        found = _COOKIE.fullmatch(cookie)
        if found is None:
            return Caller(address=address)
        console, vouched, day, proof = found.groups()
        is_ours = hmac.compare_digest(proof, self._proof(console, vouched, day))
        # A clock that was set back makes no console unknown.
        is_old = self._today() - int(day) > KNOWN_DAYS
        if not is_ours or is_old or holders.holder(vouched) is None:
            return Caller(address=address)
        return Caller(address=address, console=console, vouched=vouched)

    def cookie(self, caller: Caller, holder_id: str) -> str:
        """Return the cookie of a browser in which this person has just signed on."""
        is_named = re.fullmatch("[0-9a-f]{16}", caller.console) is not None
        console = caller.console if is_named else secrets.token_hex(8)
        day = str(self._today())
        return f"{console}.{holder_id}.{day}.{self._proof(console, holder_id, day)}"

    def _proof(self, console: str, vouched: str, day: str) -> str:
        words = f"console {console} {vouched} {day}".encode()
        return hmac.new(self._key, words, hashlib.sha256).hexdigest()

    def _today(self) -> int:
        return max(0, self._clock.utc_ns() // _DAY_NS)


def _key(path: Path) -> bytes:
    """Return the key; one that others may read or that is cut short is no key."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            key = file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return _made(path)
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
        raise ConfigError([ConfigFault(str(path), "", why, "a readable file")]) from error
    if found.st_mode & 0o077 or len(key) != KEY_BYTES:
        return _made(path)
    return key


def _made(path: Path) -> bytes:
    fresh = path.with_name(f"{path.name}.tmp")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    own_like(fresh, path.parent)
    fresh.replace(path)
    return key
