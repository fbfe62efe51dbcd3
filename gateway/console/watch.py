"""The consoles' stream: a snapshot, then every change, and a sign of life every two seconds.

Owns    GET /api/v1/console/stream.
Needs   the board (what is shown), streams (how many there may be), a Desk for missed records.
Keeps   1. Something is said at least every BEAT_S: a console that hears nothing for 5 s says so.
        2. The id of an event is the seq of a record: a browser that comes back names the last one
           it had and gets those it missed, MISSED_MOST at most, behind a fresh snapshot.
        3. What cannot be read ends the stream: its silence is what consoles go by.
        4. Who may no longer read is cut off within BEAT_S.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Send

from gateway.console.board import PAGE, Board, Reader, record
from gateway.console.desk import Desk
from gateway.console.feed import Streams, say
from gateway.errors import StoreError

BEAT_S: Final = 2.0
MISSED_MOST: Final = 1_000
FIRST: Final = 300
"""Records that a console gets when it begins: the recent past, for the log."""

log = structlog.get_logger()


class Watch:
    """All consoles that look on.

    beat_s  how long a stream is silent at most, seconds
    """

    def __init__(
        self, board: Board, desk: Desk, streams: Streams, *, beat_s: float = BEAT_S
    ) -> None:
        self._board = board
        self._desk = desk
        self._streams = streams
        self._beat_s = beat_s

    def open(
        self,
        after: int | None,
        allowed: Callable[[], bool],
        whose: str,
        present: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Response:
        """Return the stream.

        after    seq of the newest record the console has, None for none
        whose    the id of who reads
        present  held for as long as the console reads
        """
        return self._streams.answer(lambda send: self._held(after, allowed, present, send), whose)

    async def _held(
        self,
        after: int | None,
        allowed: Callable[[], bool],
        present: Callable[[], AbstractContextManager[None]],
        send: Send,
    ) -> None:
        with present():
            await self._talk(after, allowed, send)

    async def _talk(self, after: int | None, allowed: Callable[[], bool], send: Send) -> None:
        try:
            reader, snapshot, head = await self._board.join()
        except StoreError as error:
            log.error("the store cannot be read; the console tries again", why=str(error))
            return
        try:
            await say(send, snapshot)
            await self._missed(send, after, head)
            await self._follow(reader, allowed, send)
        finally:
            self._board.leave(reader)

    async def _missed(self, send: Send, after: int | None, head: int) -> None:
        """Records up to the snapshot; what comes behind it waits in the reader's queue."""
        known = head - FIRST if after is None or after > head else after
        cursor = max(known, head - MISSED_MOST, 0)
        while cursor < head:
            bodies, cursor = await self._desk.events(cursor, min(PAGE, head - cursor))
            if not bodies:
                return
            await say(send, b"".join(record(body) for body in bodies))

    async def _follow(self, reader: Reader, allowed: Callable[[], bool], send: Send) -> None:
        while allowed() and not reader.is_lost:
            words = await reader.take(self._beat_s)
            beat = self._board.beat()
            if beat is None:
                return  # the console hears nothing more, and says so
            await say(send, words + beat)
