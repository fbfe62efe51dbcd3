"""Bits: what parameter sets and slice headers of H.264 and H.265 are written in.

Owns    Exp-Golomb codes, emulation prevention, and the cutting of a byte stream into NAL units.
Keeps   Pure; nothing here knows what the bits mean (H.264 7.3.1, 7.4.1, 9.1 and annex B, which
        H.265 shares).
"""

import re
from typing import Final

_START: Final = re.compile(rb"\x00*\x00\x00\x01")
_NEEDS_ESCAPE: Final = re.compile(rb"\x00\x00(?=[\x00-\x03])")
_ESCAPED: Final = re.compile(rb"\x00\x00\x03")


def nal_units(stream: bytes) -> list[bytes]:
    """Cut a byte stream with start codes into NAL units, start codes and padding left out."""
    return [unit for unit in _START.split(stream) if unit]


def escape(payload: bytes) -> bytes:
    """Put in the bytes that keep a payload from looking like a start code."""
    return _NEEDS_ESCAPE.sub(b"\x00\x00\x03", payload)


def unescape(unit: bytes) -> bytes:
    """Take them out again."""
    return _ESCAPED.sub(b"\x00\x00", unit)


class BitReader:
    """Read from the front of a payload; raises IndexError behind its end."""

    def __init__(self, payload: bytes) -> None:
        self.position = 0
        self._size = len(payload) * 8
        self._value = int.from_bytes(payload, "big")

    def u(self, count: int) -> int:
        """Return so many bits as an unsigned number."""
        self.position += count
        if self.position > self._size:
            raise IndexError("read behind the end of the payload")
        return (self._value >> (self._size - self.position)) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Return one bit."""
        return bool(self.u(1))

    def u_exp(self) -> int:
        """Return an unsigned Exp-Golomb code."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def s_exp(self) -> int:
        """Return a signed Exp-Golomb code."""
        code = self.u_exp()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def copy(self, begin: int, end: int) -> str:
        """Return the bits from one position to another as text."""
        here, self.position = self.position, begin
        bits = format(self.u(end - begin), f"0{end - begin}b") if end > begin else ""
        self.position = here
        return bits


def u(value: int, count: int) -> str:
    """Write a number with so many bits; bits are text here, because they are few."""
    return format(value, f"0{count}b")


def u_exp(value: int) -> str:
    """Write an unsigned Exp-Golomb code."""
    code = format(value + 1, "b")
    return "0" * (len(code) - 1) + code


def s_exp(value: int) -> str:
    """Write a signed Exp-Golomb code."""
    return u_exp(2 * value - 1 if value > 0 else -2 * value)


def packed(bits: str) -> bytes:
    """Bytes of bits whose number is a multiple of eight."""
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def with_stop_bit(bits: str) -> bytes:
    """End a payload: a one, then zeros up to the byte (rbsp_trailing_bits, byte_alignment)."""
    bits += "1"
    return packed(bits + "0" * (-len(bits) % 8))


def spliced(head: str, payload: bytes, skip: int) -> bytes:
    """Put other bits in place of the first `skip` ones of a payload that ends in a stop bit."""
    size = len(payload) * 8
    body = int.from_bytes(payload, "big")
    stop = (body & -body).bit_length()  # the trailing zeros and the stop bit itself
    kept = size - skip - stop
    rest = (body >> stop) & ((1 << kept) - 1)
    whole = (int(head, 2) << kept | rest) << 1 | 1
    length = len(head) + kept + 1
    padding = -length % 8
    return (whole << padding).to_bytes((length + padding) // 8, "big")
