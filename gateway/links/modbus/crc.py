"""The CRC of an RTU frame, two bytes at a time.

Owns    nothing but a table of 65,536 numbers: 2.3 MB and some 30 ms, once, on the first RTU bus.
Needs   pymodbus, whose table of 256 entries it is unfolded from. Pure.

205 bytes take 5 µs; pymodbus, byte by byte, takes 39 µs, more than everything else we do with a
reply. A test compares the two over any bytes. Modbus over Serial Line 1.02, section 2.5.1.2.
"""

import struct
from functools import cache

from pymodbus.framer.rtu import FramerRTU


@cache
def table() -> list[int]:
    """Entry [x] is what 16 bits of register become after two more bytes were shifted through."""
    by_byte = FramerRTU.crc16_table
    once = [(word >> 8) ^ by_byte[word & 0xFF] for word in range(0x10000)]
    return [(register >> 8) ^ by_byte[register & 0xFF] for register in once]


def crc_fits(frame: bytes | bytearray) -> bool:
    """Whether the last two bytes are the CRC of what stands before them."""
    unfolded = table()
    size = len(frame)
    register, start = 0xFFFF, size & 1
    if start:
        register = 0x00FF ^ FramerRTU.crc16_table[0xFF ^ frame[0]]
    for word in struct.unpack_from(f"<{size >> 1}H", frame, start):
        register = unfolded[register ^ word]
    return register == 0  # a register that took in its own value is empty
