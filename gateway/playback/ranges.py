"""The Range header (RFC 9110, 14): which bytes of an answer are wanted. Pure.

Keeps   1. What is no range of bytes, or several of them, is no range: the whole is sent, as the
           RFC allows.
        2. A range that lies behind the end is refused, never cut to nothing.
Bound   NUMBER_DIGITS digits; a longer number is no number.
"""

import re
from typing import Final

NUMBER_DIGITS: Final = 18
_RANGE: Final = re.compile(rf"bytes=(\d{{0,{NUMBER_DIGITS}}})-(\d{{0,{NUMBER_DIGITS}}})", re.ASCII)


class NotSatisfiable(ValueError):
    """The range has no byte of the answer in it."""


def wanted(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None when the whole is wanted."""
    found = _RANGE.fullmatch("".join((header or "").split()).lower())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        count = min(int(last), size_bytes)
        if not count:
            raise NotSatisfiable(header)
        return size_bytes - count, size_bytes
    begin = int(first)
    if last and int(last) < begin:
        return None
    if begin >= size_bytes:
        raise NotSatisfiable(header)
    return begin, min(int(last) + 1, size_bytes) if last else size_bytes
