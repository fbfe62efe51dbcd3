"""Saying who we are: Basic (RFC 7617) and Digest (RFC 2617, RFC 7616) over RTSP.

Owns    reading challenges, computing the Authorization header.
Needs   nothing of ours. Pure: the client's own nonce is handed in.
Keeps   1. The password leaves only inside an Authorization header; repr of an Answerer has none.
        2. Basic is answered only when no Digest that we know was offered, and only if allowed.
        3. Of several Digest challenges the first whose algorithm we know is taken.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_CHALLENGES: Final = 16
_PARAMETER: Final = re.compile(
    r"""\s*,?\s*([A-Za-z0-9_-]{1,32})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))"""
)
_SCHEME: Final = re.compile(r"\s*,?\s*(Basic|Digest)(?=\s|$)", re.IGNORECASE)
_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    # The camera chooses the algorithm; what it protects is no better for our refusing it.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in which a server wants to be told who we are; names of parameters in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def stale(self) -> bool:
        """Only the nonce was too old; user and password were right."""
        return self.parameters.get("stale", "").lower() == "true"


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read WWW-Authenticate headers, several in one or one in each; what is no challenge is left.

    At most MAX_CHALLENGES.
    """
    found: list[Challenge] = []
    for header in headers:
        marks = list(_SCHEME.finditer(_quotes_masked(header)))[:MAX_CHALLENGES]
        for mark, following in zip(marks, [*marks[1:], None], strict=False):
            part = header[mark.end() : following.start() if following else None]
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
                for name, quoted, bare in _PARAMETER.findall(part)
            }
            found.append(Challenge(mark[1].lower(), parameters))
    return found[:MAX_CHALLENGES]


def _quotes_masked(text: str) -> str:
    """The same length, with quoted text made harmless: a realm may be called Digest."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda match: "_" * len(match[0]), text)


@dataclass(slots=True)
class Answerer:
    """One user's answers to one camera's challenges."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    allow_basic: bool
    _challenge: Challenge | None = field(default=None, repr=False)
    _count: int = field(default=0, repr=False)

    def take(self, challenges: Iterable[Challenge]) -> bool:
        """Choose how to answer from now on; False when nothing offered is known or allowed."""
        offered = list(challenges)
        known = [
            one
            for one in offered
            if one.scheme == "digest" and _algorithm(one) and "nonce" in one.parameters
        ]
        basic = [one for one in offered if one.scheme == "basic" and self.allow_basic]
        self._challenge = next(iter([*known, *basic]), None)
        self._count = 0
        return self._challenge is not None

    @property
    def scheme(self) -> str | None:
        """`digest`, `basic`, or None when the camera asked for nothing yet."""
        return self._challenge.scheme if self._challenge else None

    def header(self, method: str, uri: str, client_nonce: str) -> str | None:
        """The value of Authorization for one request; None when nothing was asked."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            pair = f"{self.username}:{self.password}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        self._count += 1
        return self._digest(challenge.parameters, method, uri, client_nonce)

    def _digest(self, said: Mapping[str, str], method: str, uri: str, client_nonce: str) -> str:
        algorithm = said.get("algorithm", "")
        name = _algorithm(Challenge("digest", said))
        hashed = _HASHES[name]
        realm, nonce = said.get("realm", ""), said["nonce"]
        first = hashed(f"{self.username}:{realm}:{self.password}".encode())
        if algorithm.upper().endswith("-SESS"):
            first = hashed(f"{first}:{nonce}:{client_nonce}".encode())
        second = hashed(f"{method}:{uri}".encode())
        fields = [
            f'username="{_escaped(self.username)}"',
            f'realm="{_escaped(realm)}"',
            f'nonce="{_escaped(nonce)}"',
            f'uri="{uri}"',
        ]
        if "auth" in re.split(r"[\s,]+", said.get("qop", "").lower()):
            count = f"{self._count:08x}"
            middle = f"{nonce}:{count}:{client_nonce}:auth"
            fields += ["qop=auth", f"nc={count}", f'cnonce="{client_nonce}"']
        else:
            middle = nonce
            if algorithm.upper().endswith("-SESS"):
                fields.append(f'cnonce="{client_nonce}"')
        response = hashed(f"{first}:{middle}:{second}".encode())
        fields.append(f'response="{response}"')
        if algorithm:
            fields.append(f"algorithm={algorithm}")
        if "opaque" in said:
            fields.append(f'opaque="{_escaped(said["opaque"])}"')
        return "Digest " + ", ".join(fields)


def _algorithm(challenge: Challenge) -> str:
    """Which of _HASHES a Digest challenge wants; "" when none of them."""
    said = challenge.parameters.get("algorithm", "MD5").upper().removesuffix("-SESS")
    name = said or "MD5"
    return name if name in _HASHES else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
