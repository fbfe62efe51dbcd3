"""Times as people and players write them: RFC 3339, or milliseconds since 1970. Pure.

Keeps   1. A time without its zone is no time: whoever means Beijing and is understood as UTC looks
           at the wrong eight hours.
        2. What we say can be asked for: soonest() is never before the moment it names.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from gateway.store.video import names

_MS: Final = re.compile(r"\d{1,14}", re.ASCII)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+ -]\d\d:?\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_CHARS: Final = 64


def parse(text: str) -> int:
    """UTC nanoseconds. Raises ValueError for anything else, and outside 1970 to 2261."""
    text = text.strip()
    if len(text) > MOST_CHARS:
        raise ValueError("too long for a time")
    if _MS.fullmatch(text):
        at_ns = int(text) * 1_000_000
    else:
        found = _TIME.fullmatch(text)
        if found is None:
            raise ValueError("neither RFC 3339 with a zone nor milliseconds since 1970")
        day, clock, part, zone = found.groups()
        # A "+" that was not escaped in an address arrives as a blank.
        zone = "+00:00" if zone in {"Z", "z"} else zone.replace(" ", "+")
        at = datetime.fromisoformat(f"{day}T{clock}{zone}")
        at_ns = (at - _EPOCH) // timedelta(seconds=1) * names.SECOND_NS
        at_ns += int((part or "0").ljust(9, "0"))
    if not 0 <= at_ns <= names.LAST_NS:
        raise ValueError("not between 1970 and 2261")
    return at_ns


def said(at_ns: int) -> str:
    """RFC 3339 UTC with milliseconds, cut; a timeline has thousands of them."""
    day, rest = divmod(at_ns // 1_000_000, 86_400_000)
    minutes, ms = divmod(rest, 60_000)
    hour, minute = divmod(minutes, 60)
    second, ms = divmod(ms, 1000)
    return f"{_day(day)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"


@lru_cache(maxsize=512)
def _day(number: int) -> str:
    try:
        return (_EPOCH + timedelta(days=number)).strftime("%Y-%m-%d")
    except (OverflowError, ValueError):  # what a damaged file says of itself
        return "9999-12-31"


def soonest(at_ns: int) -> str:
    """The same, but not before the moment: to go on from."""
    return said(-(-at_ns // 1_000_000) * 1_000_000)
