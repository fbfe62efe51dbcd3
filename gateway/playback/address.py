"""Addresses that open one medium for a while without a token: for a `<video>` in a page.

Owns    the file address.key: 32 random bytes that sign. Made at the first start, 0600.
Needs   gateway.clock, gateway.store.disk.
Keeps   1. What is signed is the whole path and query as they will arrive, with who may and until
           when: no other camera, range, medium or stream can be asked for with it.
        2. It is compared in a time that does not tell where it differs.
        3. It ends with its time, and with the token of whoever asked for it (the gate asks).
Bound   valid for LIFE_S; an address of more than ADDRESS_CHARS is not looked at.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.store.disk import write_file

LIFE_S: Final = 900
SKEW_S: Final = 60
ADDRESS_CHARS: Final = 4096
KEY_BYTES: Final = 32
FILE: Final = "address.key"
WHO: Final = "who"
EXPIRES: Final = "expires"
SIGNATURE: Final = "signature"


@dataclass(frozen=True, slots=True)
class Signed:
    """An address and until when it opens, UTC nanoseconds."""

    url: str
    expires_ns: int


class BadSignature(Exception):
    """An address that we did not make: somebody changed it or made it up."""


class Expired(Exception):
    """An address of ours whose time is over."""


class Addresses:
    """The addresses of one gateway. Raises StoreError when the key cannot be had."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._key = _key(folder / FILE)

    def sign(self, path: str, query: dict[str, str], who: str) -> Signed:
        """Return an address for one medium.

        path   as it will arrive, e.g. /api/v1/cameras/gate/video.mp4
        query  all members it has; who and expires are added
        who    id of the token of whoever may look
        """
        now_s = self._clock.utc_ns() // 10**9
        expires_s = now_s + LIFE_S
        members = {**query, WHO: who, EXPIRES: str(expires_s)}
        signature = self._signature(path, list(members.items()))
        asked = urlencode([*members.items(), (SIGNATURE, signature)])
        return Signed(f"{quote(path)}?{asked}", expires_s * 10**9)

    def check(self, path: str, query: bytes) -> str | None:
        """Who may open this path and query: the id of a token; None when nothing is signed in it.

        path, query  the path decoded, the query as it came: players write "%3A" as ":" and the
                     like, so it is what they mean that is signed
        raises       BadSignature, Expired
        """
        if SIGNATURE.encode() not in query:
            return None
        if len(query) > ADDRESS_CHARS:
            raise BadSignature
        *pairs, (name, signature) = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if name != SIGNATURE or not hmac.compare_digest(
            self._signature(path, pairs).encode(), signature.encode("utf-8", "replace")
        ):
            raise BadSignature
        members = dict(pairs)
        left_s = int(members[EXPIRES]) - self._clock.utc_ns() // 10**9
        if not 0 < left_s <= LIFE_S + SKEW_S:  # one made under a clock far ahead is not for ever
            raise Expired
        return members[WHO]

    def _signature(self, path: str, pairs: list[tuple[str, str]]) -> str:
        """Over what the routes read: each member in its place, none able to run into another."""
        what = json.dumps([path, *pairs]).encode()
        digest = hmac.new(self._key, what, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _key(path: Path) -> bytes:
    """The key in the file, a new one where there is none or it is none of ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if path.is_file():
            found = path.read_bytes()
            if len(found) == KEY_BYTES:
                if path.stat().st_mode & 0o077:
                    path.chmod(0o600)
                return found
        made = secrets.token_bytes(KEY_BYTES)
        write_file(path, made, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: {error}; addresses cannot be signed") from error
    return made
