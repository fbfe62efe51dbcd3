"""Reading one HTTP/1.1 answer from a stream of bytes that may be anything.

Owns    where an answer ends: the bounds, the framing, and whether a connection may serve again.
Needs   nothing of ours but the bound of an answer and its form.
Keeps   1. Of an answer at most 64 KiB of head and MAX_ANSWER_BYTES of body are held.
        2. Framing that two readers could take differently is an error or the connection's end.
        3. Any bytes are an answer or one of UNREADABLE.
Source  RFC 9112 (HTTP/1.1) 4, 5, 6, 7.1, 9.6.
"""

import asyncio
import re
from typing import Any, Final

from gateway.uplink import MAX_ANSWER_BYTES
from gateway.uplinks.http.answer import Answer

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_INTERIM_ANSWERS: Final = 8
MAX_TRAILERS: Final = 8
GLANCE_S: Final = 1.0
"""How long we wait for the body of a refusal: it is only shown, the status has decided."""

UNREADABLE: Final = (OSError, EOFError, ValueError, asyncio.LimitOverrunError)
"""What reading raises: the connection broke, ended early, spoke no HTTP, or without end."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n]*)?")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class Reader(asyncio.StreamReader):
    """A stream that knows whether everything that arrived was taken."""

    def __init__(self) -> None:
        super().__init__(limit=MAX_HEAD_BYTES, loop=asyncio.get_running_loop())
        self._left_bytes = 0

    def feed_data(self, data: Any) -> None:  # noqa: ANN401 bytes; its base says more
        """See StreamReader: the transport's side."""
        self._left_bytes += len(data)
        super().feed_data(data)

    @property
    def is_empty(self) -> bool:
        """True when no byte waits to be taken."""
        return self._left_bytes == 0

    async def line(self, end: bytes = b"\r\n") -> bytes:
        """Take up to and with the end, at most MAX_HEAD_BYTES."""
        taken = await self.readuntil(end)
        self._left_bytes -= len(taken)
        return taken

    async def exactly(self, size_bytes: int) -> bytes:
        """Take so many; raises IncompleteReadError when the stream ends before."""
        taken = await self.readexactly(size_bytes)
        self._left_bytes -= len(taken)
        return taken

    async def some(self, most_bytes: int) -> bytes:
        """Take what is there, at least one byte; none at the end."""
        taken = await self.read(most_bytes)
        self._left_bytes -= len(taken)
        return taken


async def read_answer(reader: Reader) -> tuple[Answer, bool]:
    """Return the answer and whether the connection may serve again; interim answers are skipped."""
    for _ in range(MAX_INTERIM_ANSWERS):
        head = await reader.line(b"\r\n\r\n")
        version, status, fields = read_head(head)
        if status >= 200 or status == 101:
            break
    else:
        raise ValueError("interim answers without end")
    connection_field = fields.get(b"connection", b"").lower()
    keep = b"close" not in connection_field and (version == 1 or b"keep-alive" in connection_field)
    try:
        if 200 <= status <= 299:
            body, complete, ended = await _read_body(reader, status, fields)
        else:
            async with asyncio.timeout(GLANCE_S):
                body, complete, ended = await _read_body(reader, status, fields)
    except UNREADABLE:
        if 200 <= status <= 299:
            raise
        body, complete, ended = b"", False, False
    answer = Answer(
        status=status,
        body=body,
        complete=complete,
        retry_after=_text(fields.get(b"retry-after")),
        location=_text(fields.get(b"location")),
    )
    return answer, keep and ended


def read_head(head: bytes) -> tuple[int, int, dict[bytes, bytes]]:
    """Return minor version, status and the fields by lower-case name; raises ValueError."""
    lines = head[:-4].split(b"\r\n")
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise ValueError("the answer is no HTTP/1.1")
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise ValueError("a header without a colon")
        name, value = name.lower(), value.strip()
        known = fields.get(name)
        fields[name] = value if known in {None, value} else b"%b, %b" % (known, value)
    return int(found[1]), int(found[2]), fields


async def _read_body(
    reader: Reader, status: int, fields: dict[bytes, bytes]
) -> tuple[bytes, bool, bool]:
    """Return the body up to the bound, whether that is all, and whether its end is known."""
    if status in {204, 304} or status < 200:
        return b"", True, status != 101
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        # Both framings at once is how requests are smuggled: never use that connection again.
        safe = b"content-length" not in fields
        if coding.lower() != b"chunked":
            raise ValueError("a transfer coding we did not ask for")
        body, complete = await _read_chunks(reader)
        return body, complete, complete and safe
    length = fields.get(b"content-length")
    if length is None:
        body = await _read_up_to(reader, MAX_ANSWER_BYTES + 1)
        return body[:MAX_ANSWER_BYTES], len(body) <= MAX_ANSWER_BYTES, False
    if not _LENGTH.fullmatch(length):
        raise ValueError("a length that is no number")
    size_bytes = int(length)
    if size_bytes > MAX_ANSWER_BYTES:
        return await reader.some(MAX_ANSWER_BYTES), False, False
    return await reader.exactly(size_bytes) if size_bytes else b"", True, True


async def _read_chunks(reader: Reader) -> tuple[bytes, bool]:
    body = bytearray()
    while True:
        found = _CHUNK_SIZE.fullmatch(await reader.line())
        if found is None:
            raise ValueError("a chunk without a size")
        size_bytes = int(found[1], 16)
        if size_bytes == 0:
            break
        if len(body) + size_bytes > MAX_ANSWER_BYTES:
            body += await _read_up_to(reader, MAX_ANSWER_BYTES - len(body))
            return bytes(body), False
        body += await reader.exactly(size_bytes)
        if await reader.exactly(2) != b"\r\n":
            raise ValueError("a chunk without an end")
    for _ in range(MAX_TRAILERS + 1):
        if await reader.line() == b"\r\n":
            return bytes(body), True
    return bytes(body), False


async def _read_up_to(reader: Reader, size_bytes: int) -> bytes:
    taken = bytearray()
    while len(taken) < size_bytes:
        part = await reader.some(size_bytes - len(taken))
        if not part:
            break
        taken += part
    return bytes(taken)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
