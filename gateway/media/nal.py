"""NAL units: apart and together, between start codes and behind lengths.

Owns    the two ways in which NAL units stand in a row: Annex B (start codes) and length-prefixed
        (four bytes, as MP4 keeps them).
Needs   errors.
Keeps   1. join and split are each other's inverse for units that hold no start code and do not end
           in a zero byte, which the standards forbid.
        2. An access unit has at most MAX_NALS units.
"""

import re
from collections.abc import Iterable
from typing import Final

from gateway.media.errors import Unreadable

MAX_NALS: Final = 4096
"""In one access unit: a slice for each row of macroblocks, twice over, and some messages."""
_START: Final = re.compile(b"\0\0+\1")


def split_annexb(data: bytes) -> list[bytes]:
    """The units between start codes of three or more bytes; what stands before the first is lost.

    raises  Unreadable when there are more than MAX_NALS
    """
    starts = [match.span() for match in _START.finditer(data)]
    if len(starts) > MAX_NALS:
        raise Unreadable(f"{len(starts)} NAL units in one access unit, at most {MAX_NALS}")
    ends = [*(start for start, _ in starts[1:]), len(data)]
    # A unit never ends in a zero byte, so zeros there are trailing_zero_8bits of the stream.
    units = (data[begin:end].rstrip(b"\0") for (_, begin), end in zip(starts, ends, strict=False))
    return [unit for unit in units if unit]


def join_annexb(units: Iterable[bytes]) -> bytes:
    """One stream, each unit behind a start code of four bytes."""
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def split_lengths(data: bytes) -> list[bytes]:
    """The units of an access unit as MP4 keeps it.

    raises  Unreadable when the lengths do not add up, when a unit is empty, or above MAX_NALS
    """
    units: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 0 or at + 4 + size > end:
            raise Unreadable(f"a NAL unit of {size} bytes where {max(end - at - 4, 0)} are left")
        if len(units) == MAX_NALS:
            raise Unreadable(f"more than {MAX_NALS} NAL units in one access unit")
        units.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return units


def join_lengths(units: Iterable[bytes]) -> bytes:
    """One access unit as MP4 keeps it, each unit behind its length in four bytes."""
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
