"""Who may ask: the two ways of ONVIF Core, "Authentication".

Source  WSS UsernameToken Profile 1.0, 3.1; RFC 2617 with qop="auth".
"""

import base64
import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from simulators.onvif.conduct import Account

_PAIR: Final = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
REALM: Final = "ONVIF"


def token_is_right(
    header: Element | None, account: Account, now: datetime, tolerance_s: float
) -> bool:
    """Whether the UsernameToken of a header is this account's, and of now by the camera's clock."""
    if header is None:
        return False
    said = {element.tag.rpartition("}")[2]: (element.text or "") for element in header.iter()}
    try:
        nonce = base64.b64decode(said["Nonce"])
        created = datetime.fromisoformat(said["Created"])
    except (KeyError, ValueError):
        return False
    mixed = nonce + said["Created"].encode() + account.password.encode()
    digest = base64.b64encode(hashlib.sha1(mixed, usedforsecurity=False).digest()).decode()
    return (
        said.get("Username") == account.user
        and secrets.compare_digest(said.get("Password", ""), digest)
        and abs(created - now) <= timedelta(seconds=tolerance_s)
    )


class HttpDigest:
    """HTTP Digest of one camera; a nonce is good until the next is given out."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._nonce = ""
        self._uses = 0

    def challenge(self) -> str:
        """Return the value of WWW-Authenticate, with a new nonce."""
        self._nonce, self._uses = secrets.token_hex(16), 0
        return f'Digest realm="{REALM}", qop="auth", nonce="{self._nonce}", algorithm=MD5'

    def is_right(self, method: str, authorization: str | None, uses: int | None = None) -> bool:
        """Whether an Authorization header is this account's answer to our challenge."""
        kind, _, rest = (authorization or "").partition(" ")
        if kind.lower() != "digest":
            return False
        said = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(rest)}
        one = _md5(f"{self._account.user}:{REALM}:{self._account.password}")
        two = _md5(f"{method}:{said.get('uri', '')}")
        middle = f"{self._nonce}:{said.get('nc', '')}:{said.get('cnonce', '')}:auth"
        self._uses += 1
        if uses is not None and self._uses > uses:
            return False
        return said.get("nonce") == self._nonce and secrets.compare_digest(
            said.get("response", ""), _md5(f"{one}:{middle}:{two}")
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
