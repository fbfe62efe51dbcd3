"""Stills of a camera: one of any moment, and one after another for whoever can see no video.

Owns    the routes snapshot.jpg and live.mjpeg, and how many stills are made at once.
Needs   a way to a still; gateway.playback for a viewer's place; .video_views for the audit trail.
Keeps   1. Nobody sees a picture before his view is in the audit trail, on disk.
        2. live.mjpeg is one view for as long as it lasts, as live.mp4 is. A picture is sent once,
           with the time it was taken; what ended longer ago than live.FRESH_NS is not live.
Bound   STILLS_AT_ONCE stills for all; live.mjpeg looks every LOOK_S, one place of the viewer's,
        and ends when nothing new came for SILENT_S.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal, Protocol

from fastapi import FastAPI, Path, Query
from pydantic import AfterValidator
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.clock import Clock
from gateway.console import shapes
from gateway.console.media import left
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.console.video_problems import (
    from_playback,
    no_picture,
    nothing_live,
    stills_busy,
    stills_down,
)
from gateway.console.video_views import View, Views
from gateway.console.video_words import time_of
from gateway.errors import GatewayError
from gateway.playback import Place, Playback, PlaybackError, moments
from gateway.playback.live import FRESH_NS

STILLS_AT_ONCE: Final = 4
LOOK_S: Final = 0.5
SILENT_S: Final = 15.0
WIDEST: Final = 7680
MARK: Final = "campus-still"

Viewer = Annotated[Identity, needs(Right.VIDEO)]
CameraId = Annotated[str, Path(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")]
Which = Annotated[Literal["main", "sub"], Query(alias="stream")]
Width = Annotated[int | None, Query(ge=16, le=WIDEST)]
Reason = Annotated[
    str, Query(max_length=shapes.MAX_REASON_CHARS), AfterValidator(shapes.clean)
]  # fmt: skip


class Picture(Protocol):
    """What a still is to these routes."""

    @property
    def jpeg(self) -> bytes:
        """The picture."""

    @property
    def at_ns(self) -> int:
        """When it was taken."""


class NoStill(GatewayError):
    """There is no picture at that time."""


class StillsDown(GatewayError):
    """Nobody can make one now."""


Stills = Callable[[str, int | None, int | None], Awaitable[Picture]]
"""(camera, at_ns, width): raises NoStill, StillsDown."""
Names = Callable[[str, str], str]
"""(camera, stream) as it is recorded: raises Problem."""


class StillRoutes:
    """See the module."""

    def __init__(
        self, stills: Stills, playback: Playback, names: Names, views: Views, clock: Clock
    ) -> None:
        self._stills = stills
        self._playback = playback
        self._names = names
        self._views = views
        self._clock = clock
        self._drawing = asyncio.Semaphore(STILLS_AT_ONCE)

    def join(self, app: FastAPI, path: str) -> None:
        """Add the routes below a camera's path."""
        _route(app, f"{path}/snapshot.jpg", self.snapshot, "image/jpeg", (404, 503))
        kind = "multipart/x-mixed-replace"
        _route(app, f"{path}/live.mjpeg", self.live, kind, (404, 429, 503))

    async def snapshot(
        self,
        camera_id: CameraId,
        who: Viewer,
        at: Annotated[str | None, Query(max_length=moments.MOST_CHARS)] = None,
        width: Width = None,
        which: Which = "main",
        reason: Reason = "",
    ) -> Response:
        """The key picture at or before a time, the newest one without `at`, as JPEG."""
        name = self._names(camera_id, which)
        at_ns = None if at is None else time_of(at, "at")
        if self._drawing.locked():
            raise stills_busy()
        found = await self._draw(name, at_ns, width)
        details = {"stream": which, "at": moments.said(found.at_ns)}
        view = View(who, "snapshot.jpg", camera_id, reason, details)
        await self._views.note(view, again=at is None)
        return Response(
            found.jpeg,
            media_type="image/jpeg",
            headers={"Campus-At": moments.said(found.at_ns)},
        )

    async def live(
        self,
        camera_id: CameraId,
        who: Viewer,
        width: Width = None,
        which: Which = "main",
        reason: Reason = "",
    ) -> Response:
        """Key pictures as they come, at most two in a second, until the viewer leaves.

        For whoever cannot play the camera's video: a multipart answer, each part a JPEG with the
        time it was taken in Campus-At.
        """
        name = self._names(camera_id, which)
        try:
            place = self._playback.enter(who.id)
        except PlaybackError as error:
            raise from_playback(error) from error
        try:
            found = await self._drawn_now(name, width)
            view = View(who, "live.mjpeg", camera_id, reason, {"stream": which})
            await self._views.note(view, again=True)
        except BaseException:
            place.leave()
            raise

        async def draw() -> Picture:
            async with self._drawing:
                return await self._stills(name, None, width)

        return _Flipping(found, draw, place, self._clock)

    async def _drawn_now(self, name: str, width: int | None) -> Picture:
        found = await self._draw(name, None, width)
        if self._clock.utc_ns() - found.at_ns > FRESH_NS:
            raise nothing_live()
        return found

    async def _draw(self, name: str, at_ns: int | None, width: int | None) -> Picture:
        async with self._drawing:
            try:
                return await self._stills(name, at_ns, width)
            except NoStill as error:
                raise no_picture() from error
            except StillsDown as error:
                raise stills_down() from error


class _Flipping(Response):
    """Pictures on their way; the place is given back however it ends."""

    def __init__(
        self, first: Picture, draw: Callable[[], Awaitable[Picture]], place: Place, clock: Clock
    ) -> None:
        super().__init__(None, 200, media_type=f"multipart/x-mixed-replace; boundary={MARK}")
        if "content-length" in self.headers:
            del self.headers["content-length"]
        self._first = first
        self._draw = draw
        self._place = place
        self._clock = clock

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(send))
                leaving = group.create_task(left(receive))
                sending.add_done_callback(lambda _: leaving.cancel())
                leaving.add_done_callback(lambda _: sending.cancel())
        finally:
            self._place.leave()

    async def _send(self, send: Send) -> None:
        shown, came_ns = self._first, self._clock.mono_ns()
        await send({"type": "http.response.body", "body": _part(shown), "more_body": True})
        while self._clock.mono_ns() - came_ns < SILENT_S * 1e9:
            await self._clock.sleep(LOOK_S)
            try:
                found = await self._draw()
            except (NoStill, StillsDown):
                continue  # its process may be back in a moment; SILENT_S ends it
            if found.at_ns == shown.at_ns:
                continue
            shown, came_ns = found, self._clock.mono_ns()
            await send({"type": "http.response.body", "body": _part(shown), "more_body": True})
        await send({"type": "http.response.body", "body": _end(), "more_body": False})


def _part(found: Picture) -> bytes:
    head = (
        f"--{MARK}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(found.jpeg)}\r\n"
        f"Campus-At: {moments.said(found.at_ns)}\r\n\r\n"
    )
    return head.encode() + found.jpeg + b"\r\n"


def _end() -> bytes:
    return f"--{MARK}--\r\n".encode()


def _route(
    app: FastAPI,
    path: str,
    endpoint: Callable[..., Awaitable[Response]],
    kind: str,
    refusals: tuple[int, ...],
) -> None:
    app.add_api_route(
        path,
        endpoint,
        response_model=None,
        response_class=Response,
        responses={
            200: {"content": {kind: {}}},
            **{status: {"model": shapes.Error} for status in refusals},
        },
    )
