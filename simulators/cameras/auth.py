"""Who may look: Basic and Digest as cameras ask for them.

Keeps   1. Pure but for the nonces, which come from the camera's dice.
        2. A digest is right only for this method, this uri and a nonce this connection was given.

Source  RFC 2617, RFC 7616 (SHA-256), RFC 2326 14 and D.1.
"""

import base64
import hashlib
import random
import re
import secrets
from enum import StrEnum
from typing import Final

_PAIR: Final = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Scheme(StrEnum):
    """What a camera demands.

    digest_qop     digest with qop="auth": client nonce and count take part
    digest_sha256  SHA-256 first, then MD5 as a second choice, as new firmware offers
    both           digest and basic, each in a header of its own
    """

    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"
    DIGEST_QOP = "digest_qop"
    DIGEST_SHA256 = "digest_sha256"
    BOTH = "both"


class Door:
    """One connection's memory of what it was asked.

    nonce_requests  a nonce is stale after so many requests; None: never
    """

    def __init__(
        self,
        scheme: Scheme,
        user: str,
        password: str,
        dice: random.Random,
        nonce_requests: int | None,
    ) -> None:
        self.scheme = scheme
        self._user, self._password = user, password
        self._dice = dice
        self._nonce_requests = nonce_requests
        self._nonce = ""
        self._uses = 0
        self._stale = False

    def admits(self, method: str, authorization: str | None) -> bool:
        """Whether this request may pass; after a no, `challenges` says what would."""
        self._stale = False
        if self.scheme is Scheme.NONE:
            return True
        if authorization is None:
            return False
        kind, _, rest = authorization.partition(" ")
        if kind.lower() == "basic" and self.scheme in {Scheme.BASIC, Scheme.BOTH}:
            wanted = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
            return secrets.compare_digest(rest.strip(), wanted)
        if kind.lower() == "digest" and self.scheme is not Scheme.BASIC:
            said = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(rest)}
            return self._admits_digest(method, said)
        return False

    def challenges(self) -> list[str]:
        """Return the values of WWW-Authenticate; makes a new nonce."""
        realm = 'realm="IP Camera"'
        self._nonce, self._uses = f"{self._dice.getrandbits(128):032x}", 0
        digest = f'Digest {realm}, nonce="{self._nonce}"'
        if self._stale:
            digest += ', stale="TRUE"'
        if self.scheme is Scheme.BASIC:
            return [f"Basic {realm}"]
        if self.scheme is Scheme.BOTH:
            return [digest, f"Basic {realm}"]
        if self.scheme is Scheme.DIGEST_QOP:
            return [digest + ', qop="auth", algorithm=MD5']
        if self.scheme is Scheme.DIGEST_SHA256:
            return [digest + ", algorithm=SHA-256", digest + ", algorithm=MD5"]
        return [digest]

    def _admits_digest(self, method: str, said: dict[str, str]) -> bool:
        if not self._nonce or said.get("nonce") != self._nonce:
            self._stale = bool(self._nonce)
            return False
        sha = said.get("algorithm", "MD5").upper() == "SHA-256"
        if sha and self.scheme is not Scheme.DIGEST_SHA256:
            return False
        one = f"{self._user}:IP Camera:{self._password}"
        two = f"{method}:{said.get('uri', '')}"
        middle = self._nonce
        if self.scheme is Scheme.DIGEST_QOP:
            if said.get("qop") != "auth":
                return False
            middle += f":{said.get('nc', '')}:{said.get('cnonce', '')}:auth"
        right = _hash(f"{_hash(one, sha=sha)}:{middle}:{_hash(two, sha=sha)}", sha=sha)
        if said.get("username") != self._user or not secrets.compare_digest(
            said.get("response", ""), right
        ):
            return False
        self._uses += 1
        self._stale = self._nonce_requests is not None and self._uses > self._nonce_requests
        return not self._stale


def _hash(text: str, *, sha: bool) -> str:
    kind = "sha256" if sha else "md5"
    return hashlib.new(kind, text.encode(), usedforsecurity=False).hexdigest()
