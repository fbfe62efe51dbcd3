"""The box that says where every fragment of an answer lies and when it begins (`sidx`). Pure.

Without it a player looks for every head before it shows a picture: of ten minutes it fetches all.

Needs   gateway.media.boxes for the form.
Keeps   1. References follow each other without a hole, in bytes as in time, from right behind the
           box to the answer's last byte: only then is a player content with them.
        2. What begins no picture belongs to what stands before it.
Bound   REFERENCES_MOST; an answer with more has no such box.
Source  ISO/IEC 14496-12, 8.16.3.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.media.boxes import full_box

REFERENCES_MOST: Final = 0xFFFF
_SIZE_MOST: Final = 1 << 31
_BEGINS_WITH_KEY: Final = 0x9000_0000
"""A stream access point of type 1 is the first picture (Annex I)."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment in its file: at which byte it lies, when it begins (ticks), how it begins."""

    at: int
    begin: int
    has_key: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """The same fragment in an answer, with what lies between it and the next one."""

    size_bytes: int
    begin: int
    has_key: bool


def references(fragments: Sequence[Fragment], begin: int, end: int, by: int) -> list[Reference]:
    """Those of the bytes begin to end of a file, whose times are moved by so many ticks."""
    limits = [begin, *(each.at for each in fragments[1:]), end]
    return [
        Reference(limits[index + 1] - limits[index], max(each.begin + by, 0), each.has_key)
        for index, each in enumerate(fragments)
    ]


def segment_index(
    track: int, rate_hz: int, references: Sequence[Reference], end: int
) -> bytes | None:
    """The box; None where there can be none.

    end  when the last picture ends, ticks
    """
    if not 0 < len(references) <= REFERENCES_MOST:
        return None
    rows = bytearray()
    for index, each in enumerate(references):
        follows = references[index + 1].begin if index + 1 < len(references) else end
        length = max(follows - each.begin, 0)
        if each.size_bytes >= _SIZE_MOST or length >= 1 << 32:
            return None
        rows += struct.pack(
            ">III", each.size_bytes, length, _BEGINS_WITH_KEY if each.has_key else 0
        )
    head = struct.pack(
        ">IIQQHH", track, rate_hz, max(references[0].begin, 0), 0, 0, len(references)
    )
    return full_box(b"sidx", 1, 0, head + bytes(rows))
