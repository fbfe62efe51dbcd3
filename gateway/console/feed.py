"""Feed: the journal as server-sent events, and what is true of every stream of them.

Owns    the open streams.
Needs   gateway.console.{desk,problems}.
Keeps   1. A feed reads the journal behind a cursor of its own, PAGE records at a time: it holds
           at most one page (PAGE x 20 kB) and loses nothing, however slow its reader is.
        2. A reader that takes nothing at all is cut off by the server's write limit (server.py).
        3. At most MAX_STREAMS at once; a stream whose token is revoked ends within a heartbeat.
           Beyond it whoever has the most gives one up: nobody reads so many that another one
           cannot.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.console.desk import Desk
from gateway.console.problems import Problem

MAX_STREAMS: Final = 64
PAGE: Final = 50
HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 2_000
"""How soon a browser that lost us asks again."""

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that gathers bytes would hold an alarm back
]


def frame(body: bytes) -> bytes:
    """Return one frozen record as an event: its bytes unchanged, its seq as the id."""
    return b"id: %d\ndata: %b\n\n" % (orjson.loads(body)["seq"], body)


Talk = Callable[[Send], Awaitable[None]]
"""What a stream says for as long as it lasts; it ends by returning."""


class Streams:
    """All open streams of one console: how many there may be, and the end of them all."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most = most
        self._talks: dict[asyncio.Task[None], str] = {}  # and whose they are, the oldest first
        self._closed = False

    def __len__(self) -> int:
        """Return how many streams are open."""
        return len(self._talks)

    def answer(self, talk: Talk, whose: str) -> Response:
        """Return a stream as an answer: 503 when there is no room for one more."""
        return _Stream(self, talk, whose)

    def close(self) -> None:
        """End every stream in good order; their readers come back when we do."""
        self._closed = True
        for talk in self._talks:
            talk.cancel()

    def _is_full_for(self, whose: str) -> bool:
        """Whether there is no room, after whoever has more than anybody has given one up."""
        if self._closed or len(self._talks) < self._most:
            return self._closed
        counted = Counter(self._talks.values())
        crowd, most = counted.most_common(1)[0]
        if counted[whose] + 1 >= most:
            return True
        oldest = next(talk for talk, each in self._talks.items() if each == crowd)
        del self._talks[oldest]
        oldest.cancel()
        return False

    async def carry(self, talk: Talk, whose: str, receive: Receive, send: Send) -> bool:
        """Talk until the reader leaves or must; False when there was no room for one more."""
        if self._is_full_for(whose):
            return False
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(_begin(talk, send))
            self._talks[talking] = whose
            gone = group.create_task(_until_gone(receive))
            try:
                await asyncio.wait({talking, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._talks.pop(talking, None)
                talking.cancel()
                gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


class Feed:
    """The journal, for machines: the records as they were frozen.

    heartbeat_s  how long a stream is silent at most, seconds; also how late it sees a revocation
    """

    def __init__(self, desk: Desk, streams: Streams, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._desk = desk
        self._streams = streams
        self._heartbeat_s = heartbeat_s

    def open(self, after: int | None, allowed: Callable[[], bool], whose: str) -> Response:
        """Return the stream as an answer.

        after    seq after which to begin; None begins with what is committed from now on. One that
                 lies beyond the journal's end belongs to a store that was replaced: then all of
                 the present journal is sent, because repeats are harmless and gaps are not
        allowed  asked at least every heartbeat; False ends the stream
        whose    the id of who reads
        """
        head = self._desk.head()
        if after is None:
            after = head
        start = after if after <= head else 0
        return self._streams.answer(lambda send: self._talk(start, allowed, send), whose)

    async def _talk(self, cursor: int, allowed: Callable[[], bool], send: Send) -> None:
        while allowed():
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._desk.wait_beyond(cursor)
            except TimeoutError:
                await say(send, b": alive\n\n")
                continue
            bodies, cursor = await self._desk.events(cursor, PAGE)
            await say(send, b"".join(frame(body) for body in bodies))


class _Stream(Response):
    """The answer that lasts."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, talk: Talk, whose: str) -> None:
        super().__init__()
        self._streams = streams
        self._talk = talk
        self._whose = whose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._streams.carry(self._talk, self._whose, receive, send):
            full = Problem(
                503,
                "too_many_streams",
                "实时连接数已满",
                "there are too many streams",
                "close one, or try again later",
                headers={"Retry-After": "30"},
            )
            await full.as_json()(scope, receive, send)


async def _begin(talk: Talk, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await say(send, b"retry: %d\n\n" % RETRY_MS)
    await talk(send)


async def say(send: Send, words: bytes) -> None:
    """Send a piece of a stream."""
    await send({"type": "http.response.body", "body": words, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
