"""MQTT's two busy packets, PUBLISH and PUBACK, read and written in batches. Pure: bytes in, out.

paho-mqtt speaks the rest of the protocol, and could speak these too, but its cost for each message
alone is more than a burst of 10,000 a second leaves for everything (decision 0003 has the figures).

Keeps   1. A packet is handed out whole or not at all, however the bytes were cut on the way.
        2. A PUBLISH longer than MAX_BODY_BYTES is skipped through with its head kept: a hostile
           payload of 256 MiB costs no memory and is still acknowledged and shown. Were the link
           given up over it, the broker would send it again at every reconnect, for ever.
        3. Whatever the bytes, feed() raises LinkDown and nothing else.
Source  MQTT 3.1.1 (OASIS, 2014) 2.2, 3.3, 3.4; MQTT 5.0 (OASIS, 2019) 3.3, 3.4.
"""

from dataclasses import dataclass
from typing import Final

from gateway.errors import LinkDown
from gateway.events import MAX_RAW_BYTES

MAX_BODY_BYTES: Final = 1024 * 1024
"""A PUBLISH up to this size is kept whole; of a longer one only the first MAX_RAW_BYTES are."""

MAX_PACKET_BYTES: Final = 5 + 268_435_455
"""The longest packet MQTT knows: a byte, a length of four, and what that length can say."""

_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40


@dataclass(slots=True)
class Message:
    """One PUBLISH that arrived.

    mid         packet id, 0 for QoS 0
    duplicate   the broker says it may have sent this before (no proof either way)
    size_bytes  length of the payload as sent; payload is shorter when that was over MAX_BODY_BYTES
    """

    topic: str
    payload: bytes
    qos: int
    retained: bool
    duplicate: bool
    mid: int
    size_bytes: int


class Splitter:
    """Cuts a byte stream into what is ours and what is paho's.

    messages  PUBLISH packets since the last take, oldest first
    held_bytes  length of their payloads together
    count     PUBLISH packets since the beginning
    acks      (packet id, reason code) of PUBACK packets since the last take
    others    bytes of every other packet, whole, for paho
    """

    def __init__(self, protocol: int) -> None:
        self._v5 = protocol == 5
        self._rest = b""
        self._skip = 0  # bytes of an oversized PUBLISH still to be thrown away
        self._head: bytearray | None = None  # what is kept of it
        self._head_first = 0
        self._head_length = 0
        self.messages: list[Message] = []
        self.acks: list[tuple[int, int]] = []
        self.others = bytearray()
        self.held_bytes = self.count = 0

    def take(self, most: int | None = None) -> list[Message]:
        """Remove and return the oldest messages, at most `most`."""
        taken = self.messages[:most]
        del self.messages[:most]
        self.held_bytes -= sum([len(message.payload) for message in taken])
        return taken

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream; raises LinkDown when they are no MQTT."""
        if self._skip:
            data = self._swallow(data)
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while at < end:
            length, body = _remaining_length(data, at, end)
            if body == 0:
                break
            first = data[at]
            kind = first & 0xF0
            if kind == _PUBLISH and length > MAX_BODY_BYTES:
                data = self._start_swallowing(first, length, data[body:])
                at, end = 0, len(data)
                continue
            stop = body + length
            if stop > end:
                if length > MAX_BODY_BYTES:
                    raise LinkDown(f"the broker sent a control packet of {length} bytes")
                break
            if kind == _PUBLISH:
                self._publish(first, data, body, stop)
            elif kind == _PUBACK and length >= 2:
                mid = data[body] << 8 | data[body + 1]
                self.acks.append((mid, data[body + 2] if length > 2 else 0))
            else:
                self.others += data[at:stop]
            at = stop
        self._rest = data[at:]

    def _publish(
        self, first: int, data: bytes, body: int, stop: int, size: int | None = None
    ) -> None:
        topic_end = body + 2 + (data[body] << 8 | data[body + 1]) if stop - body >= 2 else stop + 1
        qos = first >> 1 & 3
        at = topic_end + (2 if qos else 0)
        if at > stop or qos > 1:
            raise LinkDown(f"the broker sent a malformed PUBLISH (QoS {qos}, {stop - body} bytes)")
        mid = data[topic_end] << 8 | data[topic_end + 1] if qos else 0
        if self._v5:
            length, properties = _remaining_length(data, at - 1, stop)
            at = properties + length
            if size is not None:
                at = min(at or stop, stop)  # properties longer than the head we kept: no payload
            elif properties == 0 or at > stop:
                raise LinkDown("the broker sent a PUBLISH with malformed properties")
        self.held_bytes += stop - at
        self.count += 1
        self.messages.append(
            Message(
                data[body + 2 : topic_end].decode("utf-8", "replace"),
                data[at:stop],
                qos,
                bool(first & 1),
                bool(first & 8),
                mid,
                stop - at if size is None else size - (at - body),
            )
        )

    def _start_swallowing(self, first: int, length: int, rest: bytes) -> bytes:
        self._head, self._head_first, self._head_length = bytearray(), first, length
        self._skip = length
        return self._swallow(rest)

    def _swallow(self, data: bytes) -> bytes:
        """Throw away up to what is left of an oversized PUBLISH; return what follows it."""
        taken = min(self._skip, len(data))
        head = self._head
        if head is not None and len(head) < MAX_RAW_BYTES * 2:
            head += data[: min(taken, MAX_RAW_BYTES * 2 - len(head))]
        self._skip -= taken
        if self._skip == 0 and head is not None:
            self._head = None
            self._publish(self._head_first, bytes(head), 0, len(head), size=self._head_length)
        return data[taken:]


def _remaining_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Decode the variable length after the byte at `at`; returns (length, where the body begins).

    Body 0 means that more bytes are needed. Raises LinkDown for a length of more than four bytes.
    """
    value = shift = 0
    place = at + 1
    while place < end:
        byte = data[place]
        value |= (byte & 127) << shift
        place += 1
        if byte < 128:
            return value, place
        shift += 7
        if shift > 21:
            raise LinkDown("the broker sent a malformed packet length")
    return 0, 0


def variable_length(value: int) -> bytes:
    """Encode a length of at most 268,435,455 as MQTT does."""
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | 128 if value else low)
        if not value:
            return bytes(out)


def encode_puback(mid: int) -> bytes:
    """PUBACK with reason 0, the same four bytes in MQTT 3.1.1 and 5."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def encode_publish(
    topic: bytes, payload: bytes, mid: int, *, retain: bool, properties: bytes | None
) -> bytes:
    """QoS 1 PUBLISH; properties None for MQTT 3.1.1, else the encoded block without its length."""
    head = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big")
    if properties is not None:
        head += variable_length(len(properties)) + properties
    first = b"\x33" if retain else b"\x32"
    return first + variable_length(len(head) + len(payload)) + head + payload


def encode_properties(content_type: str | None, user: tuple[tuple[str, str], ...]) -> bytes:
    """MQTT 5 properties 3 (content type) and 38 (user property), each text at most 65,535 bytes."""
    out = bytearray()
    if content_type:
        text = content_type.encode()
        out += b"\x03" + len(text).to_bytes(2, "big") + text
    for name, value in user:
        out += b"\x26"
        for part in (name.encode(), value.encode()):
            out += len(part).to_bytes(2, "big") + part
    return bytes(out)
