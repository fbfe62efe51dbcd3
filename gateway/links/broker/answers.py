"""Ask the broker two things: does it take MQTT sessions, and how full is its backlog.

Owns    a minimal MQTT CONNECT and a minimal NATS request, each on a connection of its own.
Needs   gateway.errors, settings.
Keeps   1. Every wait ends: ANSWER_S for a whole question.
        2. Every answer is bounded: 64 KiB.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import LinkDown
from gateway.links.broker.settings import PROBE_CLIENT_ID, WARDEN

ANSWER_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 64 * 1024
MESSAGES_STREAM: Final = "$MQTT_msgs"
RETAINED_STREAM: Final = "$MQTT_rmsgs"

_CONNACK_REFUSED: Final = {
    1: "protocol version refused",
    2: "client id refused",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in the broker: messages and bytes, and the bytes at which it refuses more."""

    messages: int
    used_bytes: int
    max_bytes: int


@asynccontextmanager
async def _connection(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open, hand over, close; any trouble and ANSWER_S without an end become LinkDown."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_ANSWER_BYTES)
            try:
                yield reader, writer
            finally:
                writer.close()
    except TimeoutError:
        raise LinkDown(f"the broker did not answer within {ANSWER_S:.0f} s") from None
    except (OSError, EOFError, ValueError) as error:
        raise LinkDown(f"the broker did not answer: {error or type(error).__name__}") from error


async def open_session(host: str, port: int, *, username: str, password: str) -> None:
    """Open an MQTT session, ping through it, close it; raises LinkDown when that does not work.

    The broker writes a session to its disk, so this answers for the disk as well.
    """
    body = b"\x00\x04MQTT\x04" + bytes([0b1100_0010]) + (15).to_bytes(2)
    for text in (PROBE_CLIENT_ID, username, password):
        raw = text.encode()
        body += len(raw).to_bytes(2) + raw
    async with _connection(host, port) as (reader, writer):
        writer.write(b"\x10" + _remaining_length(len(body)) + body)
        head = await reader.readexactly(4)
        if head[:2] != b"\x20\x02":
            raise LinkDown("what answers there is not an MQTT broker")
        if head[3]:
            raise LinkDown(_CONNACK_REFUSED.get(head[3], f"refused with code {head[3]}"))
        writer.write(b"\xc0\x00")
        if await reader.readexactly(2) != b"\xd0\x00":
            raise LinkDown("no answer to a ping")
        writer.write(b"\xe0\x00")
        await writer.drain()


def _remaining_length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


async def bound_stream(port: int, warden: str, stream: str, max_bytes: int) -> Backlog:
    """Give a stream its bound, refusing what is beyond it, and return how full it is.

    nats-server makes these streams without a bound of their own. Then the backlog could take the
    whole store, and the gateway's session, which must be written too, could never come back to
    drain it: tried, it stays locked out for ever.
    """
    async with _connection("127.0.0.1", port) as (reader, writer):
        await _sign_in(reader, writer, warden)
        found = await _request(reader, writer, f"$JS.API.STREAM.INFO.{stream}", b"")
        config = found.config
        if config.get("max_bytes") != max_bytes or config.get("discard") != "new":
            body = json.dumps({**config, "max_bytes": max_bytes, "discard": "new"}).encode()
            found = await _request(reader, writer, f"$JS.API.STREAM.UPDATE.{stream}", body)
        return Backlog(messages=found.messages, used_bytes=found.used_bytes, max_bytes=max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    config: dict[str, Any]
    messages: int
    used_bytes: int


def _read_stream(subject: str, raw: bytes) -> _Stream:
    """Read JetStream's answer; raises LinkDown when it is an error or nothing of the kind."""
    match json.loads(raw):
        case {"error": {"description": str(why)}}:
            raise LinkDown(f"{subject}: {why}")
        case {"config": dict(config), "state": {"messages": int(messages), "bytes": int(size)}}:
            return _Stream(config=config, messages=messages, used_bytes=size)
        case _:
            raise LinkDown(f"{subject}: no stream in the answer")


async def _sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, warden: str) -> None:
    who = {
        "user": WARDEN,
        "pass": warden,
        "verbose": False,
        "pedantic": False,
        "lang": "python",
        "version": "1",
        "protocol": 0,
    }
    await reader.readline()  # INFO
    writer.write(b"CONNECT " + json.dumps(who).encode() + b"\r\nPING\r\n")
    while (line := await reader.readline()) != b"PONG\r\n":
        if not line.startswith(b"INFO"):
            raise LinkDown(f"the broker does not know its warden: {line[:80]!r}")


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, subject: str, body: bytes
) -> _Stream:
    inbox = f"_INBOX.{secrets.token_hex(8)}"
    writer.write(f"SUB {inbox} 1\r\nUNSUB 1 1\r\nPUB {subject} {inbox} {len(body)}\r\n".encode())
    writer.write(body + b"\r\n")
    for _ in range(16):  # INFO, PING and +OK may come first
        line = await reader.readline()
        if line.startswith(b"MSG "):
            size = int(line.split()[-1])
            if size > MAX_ANSWER_BYTES:
                raise LinkDown(f"an answer of {size} bytes")
            return _read_stream(subject, (await reader.readexactly(size + 2))[:-2])
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
        elif line.startswith(b"-ERR") or not line:
            break
    raise LinkDown(f"{subject}: no answer")
