"""Bits of a raw byte sequence payload, as parameter sets are written (H.264 and H.265, chapter 9).

Owns    reading numbers of any width, and Exp-Golomb numbers, from a NAL unit's payload.
Needs   errors.
Keeps   1. Nothing is read beyond the end: Unreadable.
        2. At most MAX_BYTES are looked at: a parameter set is some dozen bytes long.
"""

from typing import Final

from gateway.media.errors import Unreadable

MAX_BYTES: Final = 4096
"""Of one parameter set; a longer one is no camera's."""
_MAX_ZEROS: Final = 32


def unescaped(nal: bytes) -> bytes:
    """The payload without the bytes that keep start codes out of it (00 00 03 becomes 00 00)."""
    return nal.replace(b"\0\0\3", b"\0\0")


class Bits:
    """A place in a row of bits. Of a NAL unit: what stands behind its header, unescaped."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) > MAX_BYTES:
            raise Unreadable(f"a parameter set of {len(raw)} bytes, at most {MAX_BYTES}")
        self._value = int.from_bytes(raw, "big")
        self._left = len(raw) * 8

    def take(self, width: int) -> int:
        """The next `width` bits as a number."""
        self._left -= width
        if self._left < 0:
            raise Unreadable("a parameter set ends in the middle")
        return (self._value >> self._left) & ((1 << width) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.take(1) == 1

    def skip(self, width: int) -> None:
        """Leave out `width` bits."""
        self.take(width)

    def unsigned(self) -> int:
        """The next ue(v): below 2**32."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MAX_ZEROS:
                raise Unreadable("a number of more than 32 bits in a parameter set")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """The next se(v)."""
        number = self.unsigned()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def below(self, limit: int, what: str) -> int:
        """The next ue(v), which the standard keeps below `limit`."""
        number = self.unsigned()
        if number >= limit:
            raise Unreadable(f"{what} is {number}, must be below {limit}")
        return number
