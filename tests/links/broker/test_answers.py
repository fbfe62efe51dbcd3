"""Asking a broker: whatever answers, the question ends in an answer or in LinkDown."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import LinkDown
from gateway.links.broker import answers


@asynccontextmanager
async def something_that_says(
    *chunks: bytes, first: bool = False, close: bool = True
) -> AsyncIterator[int]:
    """A server that says these bytes whatever is asked: at once, or when it was asked something."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not first:
            await reader.read(1)
        for chunk in chunks:
            writer.write(chunk)
        if not close:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not an MQTT broker"),
        (b"\x20\x02\x00\x05", "not authorized"),
        (b"\x20\x02\x00\x04", "bad user name or password"),
        (b"\x20\x02\x00\x63", "code 99"),
        (b"\x20\x02\x00\x00\xff\xff", "no answer to a ping"),
        (b"\x20", "did not answer"),
        (b"", "did not answer"),
    ],
)
async def test_an_answer_that_is_no_session_says_what_it_is(said: bytes, why: str) -> None:
    async with something_that_says(said) as port:
        with pytest.raises(LinkDown, match=why):
            await answers.open_session("127.0.0.1", port, username="u", password="p")


async def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_S", 0.05)
    async with something_that_says(close=False) as port:
        with pytest.raises(LinkDown, match="did not answer within"):
            await answers.open_session("127.0.0.1", port, username="u", password="p")


def nats(size: int, body: bytes) -> bytes:
    """What a NATS server says until the answer to the first request."""
    return b"INFO {}\r\nPONG\r\nMSG _INBOX.x 1 %d\r\n%s\r\n" % (size, body)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            b"INFO {}\r\n-ERR 'Authorization Violation'\r\n",
            "does not know its warden|did not answer",
        ),
        (nats(99_999_999, b""), "answer of 99999999 bytes"),
        (nats(4, b"null"), "no stream"),
        (nats(2, b"{}"), "no stream"),
        (nats(3, b"{{{"), "did not answer"),
        (nats(40, b'{"error":{"description":"not found"}}   '), "not found"),
        (nats(12, b'{"error": 1}'), "no stream"),
        (b"INFO {}\r\nPONG\r\n" + b"+OK\r\n" * 50, "no answer|did not answer"),
        (b"INFO {}\r\nPONG\r\n", "no answer|did not answer"),
        (b"x" * 100_000, "did not answer"),
    ],
)
async def test_a_broker_that_answers_nonsense_is_link_down(said: bytes, why: str) -> None:
    async with something_that_says(said, first=True) as port:
        with pytest.raises(LinkDown, match=why):
            await answers.bound_stream(port, "warden", answers.MESSAGES_STREAM, 1000)
