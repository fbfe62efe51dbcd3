"""Whether a caller's first bytes are the registration text of one of ours.

Owns    how a DTU's first bytes are read: a stranger's, bounded, and never believed in part.
Needs   nothing of ours. Pure.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_FIRST_BYTES: Final = 512
MAX_SHOWN_BYTES: Final = 64
_FILLER: Final = b"\r\n\0 \t"


class Entry(NamedTuple):
    """One registration that is waited for.

    prefix      True: more may follow it (an IMEI, a signal strength)
    heartbeats  what may stand around it
    """

    registration: bytes
    prefix: bool
    heartbeats: tuple[bytes, ...]


def place(said: bytes, entries: Sequence[Entry]) -> Entry | None:
    """Return whose registration this is; None when nobody's.

    An exact one wins over a prefix, and a longer prefix over a shorter one.
    """
    fitting = [entry for entry in entries if _fits(said, entry)]
    return max(fitting, key=lambda e: (not e.prefix, len(e.registration)), default=None)


def _fits(said: bytes, entry: Entry) -> bool:
    tokens = sorted((entry.registration, *entry.heartbeats), key=len, reverse=True)
    rest, seen = said.lstrip(_FILLER), False
    while rest:
        token = next((token for token in tokens if rest.startswith(token)), None)
        if token is None:
            return False
        if token == entry.registration:
            seen = True
            if entry.prefix:
                return True
        rest = rest[len(token) :].lstrip(_FILLER)
    return seen


def printable(said: bytes) -> str:
    """A stranger's bytes as text: ASCII, all else escaped, at most 256 characters and `…`."""
    text = ascii(said[:MAX_SHOWN_BYTES])[2:-1]
    return text + "…" if len(said) > MAX_SHOWN_BYTES else text
