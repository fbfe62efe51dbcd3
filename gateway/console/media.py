"""An answer whose body is video: sent chunk by chunk, ended short when its files are gone.

Owns    how a stream becomes an HTTP answer.
Needs   gateway.playback.Stream.
Keeps   1. The stream is closed however the answer ends, and its place with it.
        2. A viewer who leaves ends the reading at once.
        3. What cannot be read any more ends the connection before the promised length: the player
           sees that it is not whole, and no byte is made up.
"""

import asyncio
import contextlib
from collections.abc import Mapping

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.playback import Gone, NotNow, Stream

log = structlog.get_logger()
POLICY = "default-src 'none'; media-src 'self'; frame-ancestors 'none'"
"""So that a browser shows the file when its address is opened in a tab of its own."""


class MediaAnswer(Response):
    """A stream on its way; `headers` say its length unless it has none."""

    def __init__(
        self, stream: Stream, status: int, headers: Mapping[str, str], *, is_endless: bool = False
    ) -> None:
        super().__init__(None, status, media_type="video/mp4")
        if "content-length" in self.headers:
            del self.headers["content-length"]
        self.headers["Content-Security-Policy"] = POLICY
        for name, value in headers.items():
            self.headers[name] = value
        self._stream = stream
        self._is_endless = is_endless

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code,
                 "headers": self.raw_headers}
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(send))
                leaving = group.create_task(left(receive))
                sending.add_done_callback(lambda _: leaving.cancel())
                leaving.add_done_callback(lambda _: sending.cancel())
        finally:
            self._stream.close()

    async def _send(self, send: Send) -> None:
        try:
            while (chunk := await self._stream.next()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except (Gone, NotNow) as error:
            log.warning("video ended short: what was to be sent cannot be read", why=str(error))
            if not self._is_endless:
                return  # without an end: the connection is closed before the promised length
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def left(receive: Receive) -> None:
    """Return when the viewer is gone."""
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
