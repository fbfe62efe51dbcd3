"""The strip: the topmost 16 rows of every picture say, for machines, which picture it is.

Owns    the layout of the strip and how to read it.
Keeps   1. FORTY cells of 16 x 16 samples from the left edge: four groups of ten, each a white
           marker, eight bits from high to low (white is one), a black marker. Three groups are the
           frame number, the fourth is a CRC-8 of them.
        2. A number is read exactly or not at all: StripUnreadable, never a guess.
        3. Bounds: 24 bits, so numbers begin again after 7.7 days of 25 pictures a second.
"""

from collections.abc import Sequence
from typing import Final, Protocol

CELL: Final = 16
"""Samples on each side: a macroblock of H.264, and a coding tree block of H.265 as we encode it."""

GROUP: Final = 10
CELLS: Final = 40
NUMBERS: Final = 1 << 24
_ROWS: Final = range(5, 11, 2)
_MIDDLE: Final = slice(5, 11)
_CONTRAST: Final = 60
"""Least distance between the markers of a strip: real ones are 200 apart."""


class StripUnreadable(Exception):
    """The picture carries no number: no strip, or not a whole one."""


class Plane(Protocol):
    """What we need of av's plane: bytes, and how far one row is from the next."""

    @property
    def line_size(self) -> int:
        """Bytes from row to row."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Give its samples."""


class Picture(Protocol):
    """What we need of av.VideoFrame: its first plane is luma, 8 bits deep."""

    @property
    def planes(self) -> Sequence[Plane]:
        """Luma first."""


def groups(number: int) -> bytes:
    """Return the four bytes a strip shows for a frame number."""
    three = (number % NUMBERS).to_bytes(3, "big")
    return three + bytes([_crc8(three)])


def cells(group: int) -> list[bool]:
    """Return the ten cells that show one byte; True is white."""
    return [True, *(bool(group >> bit & 1) for bit in range(7, -1, -1)), False]


def read_number(picture: Picture) -> int:
    """Return the frame number of a decoded picture; raises StripUnreadable."""
    plane = picture.planes[0]
    return read_luma(memoryview(plane), plane.line_size)


def read_luma(luma: bytes | memoryview, stride: int) -> int:
    """Return the number from samples with one byte each; `stride` bytes from row to row.

    raises   StripUnreadable when the markers or the check do not hold
    """
    if len(luma) < CELL * stride or stride < CELLS * CELL:
        raise StripUnreadable(f"{len(luma)} bytes in rows of {stride} hold no strip")
    levels = []
    for cell in range(CELLS):
        left = cell * CELL
        total = sum(
            sum(luma[row * stride + left + _MIDDLE.start : row * stride + left + _MIDDLE.stop])
            for row in _ROWS
        )
        levels.append(total / (len(_ROWS) * (_MIDDLE.stop - _MIDDLE.start)))
    whole = bytes(_byte(levels[at : at + GROUP]) for at in range(0, CELLS, GROUP))
    if _crc8(whole[:3]) != whole[3]:
        raise StripUnreadable(f"check {whole[3]:#04x} does not fit {whole[:3].hex()}")
    return int.from_bytes(whole[:3], "big")


def _byte(levels: list[float]) -> int:
    white, *bits, black = levels
    if white - black < _CONTRAST:
        raise StripUnreadable(f"markers are {white:.0f} and {black:.0f}")
    middle = (white + black) / 2
    return int("".join("1" if level > middle else "0" for level in bits), 2)


def _crc8(data: bytes) -> int:
    """CRC-8 with the polynomial x^8+x^2+x+1, begun with 0xFF so that all black is no number."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ (0x107 if crc & 0x80 else 0)
    return crc
