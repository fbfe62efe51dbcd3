"""The few MQTT 3.1.1 packets a client library will not send on demand, built from the standard."""

import asyncio
import struct
from contextlib import suppress

from simulators.mqtt.session import CONNECT_S, Address, BrokerRefused, Message


def connect_packet(
    client_id: str, username: str | None = None, password: str | None = None
) -> bytes:
    """Return a CONNECT packet of MQTT 3.1.1 (section 3.1) clean session, keep-alive 30 s."""
    flags = 0b10 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = _text("MQTT") + bytes([4, flags]) + struct.pack(">H", 30) + _text(client_id)
    for part in (username, password):
        if part is not None:
            body += _text(part)
    return b"\x10" + _length(len(body)) + body


def publish_packet(message: Message, packet_id: int, *, duplicate: bool = False) -> bytes:
    """Return a PUBLISH packet (section 3.3) with QoS 1; duplicate sets the DUP flag."""
    first = 0x30 | 0b10 | (8 if duplicate else 0) | (1 if message.retain else 0)
    body = _text(message.topic) + struct.pack(">H", packet_id) + message.payload
    return bytes([first]) + _length(len(body)) + body


async def send_twice(address: Address, message: Message, *, client_id: str) -> int:
    """Send one QoS 1 PUBLISH, "miss" its PUBACK, send it again with DUP; return the PUBACKs seen.

    It is what a device does whose radio lost the answer; a broker passes both on (MQTT 3.1.1
    section 4.3.2). Takes at most CONNECT_S seconds. raises BrokerRefused, OSError, TimeoutError.
    """
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=address.tls()
        )
        try:
            writer.write(connect_packet(client_id, address.username, address.password))
            answer = await reader.readexactly(4)
            if answer[3] != 0:
                raise BrokerRefused(f"{client_id} at {address.url}: CONNACK code {answer[3]}")
            acknowledged = 0
            for duplicate in (False, True):
                writer.write(publish_packet(message, 1, duplicate=duplicate))
                await reader.readexactly(4)
                acknowledged += 1
            writer.write(b"\xe0\x00")
            await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    return acknowledged


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _length(size_bytes: int) -> bytes:
    """Remaining length as section 2.2.3 writes it: seven bits a byte, least first."""
    out = bytearray()
    while True:
        size_bytes, low = divmod(size_bytes, 128)
        out.append(low | (0x80 if size_bytes else 0))
        if not size_bytes:
            return bytes(out)
