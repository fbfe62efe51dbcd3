"""The few MQTT 3.1.1 packets that a load generator and a receiver need. Pure: bytes in, bytes out.

Written apart from the gateway's codec on purpose: a benchmark that shares the code it measures
would share its mistakes. Every packet is built once or by one format operation, because generator
and receiver run on the same cores as what they measure.

Source  MQTT 3.1.1 (OASIS, 2014), chapter 3.
"""

import re
import struct
from typing import Final

CONNECT: Final = 0x10
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
SUBSCRIBE: Final = 0x80
PINGREQ: Final = 0xC0
DISCONNECT: Final = b"\xe0\x00"
CONNACK: Final = b"\x20\x02\x00\x00"
PINGRESP: Final = b"\xd0\x00"

STAMP: Final = re.compile(rb'"n": ?(-?\d+), ?"t": ?(\d+)')
"""What every payload of ours carries: its number and the monotonic nanoseconds of its sending."""


def length_of(size: int) -> bytes:
    """Encode a remaining length of at most 268,435,455."""
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | 128 if size else low)
        if not size:
            return bytes(out)


def _text(words: str) -> bytes:
    raw = words.encode()
    return struct.pack("!H", len(raw)) + raw


def connect(client_id: str) -> bytes:
    """CONNECT with a clean session and no keep-alive: the socket's end is news enough here."""
    body = _text("MQTT") + b"\x04\x02\x00\x00" + _text(client_id)
    return bytes((CONNECT,)) + length_of(len(body)) + body


def subscribe(topic: str, mid: int = 1) -> bytes:
    """SUBSCRIBE to one filter at QoS 1."""
    body = struct.pack("!H", mid) + _text(topic) + b"\x01"
    return b"\x82" + length_of(len(body)) + body


def publish(topic: str, payload: bytes, mid: int) -> bytes:
    """PUBLISH at QoS 1."""
    body = _text(topic) + struct.pack("!H", mid) + payload
    return b"\x32" + length_of(len(body)) + body


def puback(mid: int) -> bytes:
    """PUBACK of one packet id."""
    return struct.pack("!BBH", PUBACK, 2, mid)


def suback(mid: int, codes: int) -> bytes:
    """SUBACK that grants QoS 1 to so many filters."""
    return b"\x90" + length_of(2 + codes) + struct.pack("!H", mid) + b"\x01" * codes


def next_packet(data: bytes | bytearray, at: int, end: int) -> tuple[int, int, int] | None:
    """Find the packet that begins at `at`: (first byte, where its body begins, where it ends).

    None when it is not whole yet. raises ValueError when the length has more than four bytes
    """
    size = shift = 0
    place = at + 1
    while place < end:
        byte = data[place]
        size |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return (data[at], place, place + size) if place + size <= end else None
        shift += 7
        if shift > 21:
            raise ValueError("a packet length of more than four bytes")
    return None
