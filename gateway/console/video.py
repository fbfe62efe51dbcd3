"""Cameras, their timelines, and video itself: /api/v1/cameras… (design, section 4).

Owns    the routes, what their headers say, and which views are in the audit trail.
Needs   gateway.playback for all that is read; .video_stills; a way to the audit trail.
Keeps   1. Nobody sees a picture before his view is in the audit trail, on disk (video_views.py).
        2. An answer of which nothing can be promised is a problem before its first byte.
        3. What is missing in a range is said in Campus-Gaps, how far it goes in Campus-End, and
           where to go on in Campus-Next when it ends before `to`.
Bound   what video_stills, video_words, video_views and gateway.playback say.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import FastAPI, Path, Query, Request
from pydantic import AfterValidator, BaseModel
from starlette.responses import Response

from gateway.clock import Clock
from gateway.console import shapes
from gateway.console.discreet import SILENT, Desks, may_know
from gateway.console.kept import KeptStills
from gateway.console.media import MediaAnswer
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.console.video_problems import (
    from_playback,
    no_such_camera,
    no_such_stream,
    nothing_live,
)
from gateway.console.video_stills import StillRoutes, Stills
from gateway.console.video_views import Audit, View, Views
from gateway.console.video_words import (
    camera_row,
    codecs_of,
    is_known,
    said_of,
    span_of,
    streams_of,
    time_of,
)
from gateway.playback import (
    BINS_MOST,
    Addresses,
    NothingThere,
    Plan,
    Playback,
    PlaybackError,
    moments,
    ranges,
)

CAMERAS: Final = "/api/v1/cameras"
ONE: Final = CAMERAS + "/{camera_id}"

Reader = Annotated[Identity, needs(Right.READ)]
Viewer = Annotated[Identity, needs(Right.VIDEO)]
CameraId = Annotated[str, Path(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")]
Which = Annotated[Literal["main", "sub"], Query(alias="stream")]
From = Annotated[str, Query(alias="from", max_length=moments.MOST_CHARS)]
To = Annotated[str, Query(alias="to", max_length=moments.MOST_CHARS)]
Bins = Annotated[int | None, Query(ge=1, le=BINS_MOST)]
Sound = Annotated[Literal["yes", "no"], Query()]
Reason = Annotated[
    str, Query(max_length=shapes.MAX_REASON_CHARS), AfterValidator(shapes.clean)
]  # fmt: skip


States = Callable[[], Awaitable[Mapping[str, Mapping[str, Any]]]]
"""What the recorder says of each camera, by its id; empty when it says nothing."""


class VideoRoutes:
    """See the module."""

    def __init__(
        self,
        playback: Playback,
        addresses: Addresses,
        audit: Audit,
        stills: Stills,
        states: States,
        clock: Clock,
    ) -> None:
        self.addresses = addresses
        self._playback = playback
        self._views = Views(audit, clock)
        self._states = states
        self._pictures = StillRoutes(stills, playback, self._stream, self._views, clock)

    def join(self, app: FastAPI, desks: Desks) -> None:
        """Add the routes; desks say which alarms are whose to know of."""
        KeptStills(self._playback.kept_still, desks, self._views).join(app)
        _list(app, CAMERAS, self.cameras, shapes.CameraList)
        _list(app, f"{ONE}/timeline", self.timeline, shapes.VideoTimeline)
        _media(app, "video.mp4", self.video, "video/mp4", (404, 416, 429, 503))
        _media(app, "live.mp4", self.live, "video/mp4", (404, 429, 503))
        self._pictures.join(app, ONE)
        app.add_api_route(f"{ONE}/video.mp4", self.head, methods=["HEAD"], include_in_schema=False)
        app.add_api_route(
            f"{ONE}/address",
            self.address,
            methods=["POST"],
            response_model=None,
            responses={200: {"model": shapes.MediaAddress}},
        )

    # What there is.

    async def cameras(self, _who: Reader) -> Response:
        """Every camera that is recorded: what it is, whether it is recorded, and since when."""
        cameras = self._playback.cameras.values()
        try:
            edges = await self._playback.edges(
                [name for camera in cameras for name in streams_of(camera).values()]
            )
        except PlaybackError:
            edges = {}  # there is no index yet: nothing was recorded
        states = await self._states()
        rows = [camera_row(camera, edges, states.get(camera.id)) for camera in cameras]
        return Response(orjson.dumps({"cameras": rows}), media_type="application/json")

    async def timeline(
        self,
        camera_id: CameraId,
        from_: From,
        to: To,
        who: Reader,
        which: Which = "main",
        bins: Bins = None,
    ) -> Response:
        """What was recorded between two times, what was not and why; alarms and holds in it.

        A list that is full ends early: `next` says where to ask on. With `bins`, cells stand
        instead of spans and gaps, at most so many: in each, how much of it is missing.
        """
        stream = self._stream(camera_id, which)
        from_ns, to_ns = span_of(from_, to)
        try:
            if bins is None:
                row = await self._playback.timeline(camera_id, stream, from_ns, to_ns)
            else:
                row = await self._playback.bins(camera_id, stream, from_ns, to_ns, bins)
            if not may_know(who):
                row = await self._playback.without(row, SILENT)
        except PlaybackError as error:
            raise from_playback(error) from error
        return Response(
            orjson.dumps({"camera": camera_id, "stream": which, **row}),
            media_type="application/json",
        )

    # Pictures.

    async def video(
        self,
        request: Request,
        camera_id: CameraId,
        *,
        from_: From,
        to: To,
        who: Viewer,
        which: Which = "main",
        reason: Reason = "",
    ) -> Response:
        """Any range as one fragmented MP4, not encoded again; honours Range and If-Range.

        It begins with the key picture at or before `from` (Campus-Lead-Ms says how much before) and
        ends with the last group of pictures that begins before `to`, or where the picture's form
        changes (Campus-Next). A time without pictures stays one: players wait through it.
        """
        plan, part, headers = await self._asked(request, camera_id, which, from_, to)
        if is_known(request, plan.etag):
            return Response(status_code=304, headers={"ETag": plan.etag})
        begin, end = (0, plan.size_bytes) if part is None else part
        try:
            place = self._playback.enter(who.id)
        except PlaybackError as error:
            raise from_playback(error) from error
        try:
            details = {
                "stream": which,
                "from": moments.said(plan.from_ns),
                "to": moments.said(plan.to_ns),
            }
            await self._views.note(View(who, "video.mp4", camera_id, reason, details))
        except BaseException:
            place.leave()
            raise
        stream = self._playback.open(plan, begin, end, place)
        return MediaAnswer(stream, 200 if part is None else 206, headers)

    async def head(
        self,
        request: Request,
        camera_id: CameraId,
        *,
        from_: From,
        to: To,
        _who: Viewer,
        which: Which = "main",
    ) -> Response:
        """The headers that GET would have, and no picture: nothing of it is a view."""
        _plan, part, headers = await self._asked(request, camera_id, which, from_, to)
        answer = Response(None, 200 if part is None else 206, media_type="video/mp4")
        for name, value in headers.items():
            answer.headers[name] = value
        return answer

    async def live(
        self,
        camera_id: CameraId,
        who: Viewer,
        which: Which = "main",
        sound: Sound = "yes",
        reason: Reason = "",
    ) -> Response:
        """What the camera sees now, one group of pictures late, until the viewer leaves.

        It ends when nothing is recorded any more, and where the picture's form changes. Without
        sound it has the picture's track only: for players that refuse all for one track.
        """
        name = self._stream(camera_id, which)
        try:
            place = self._playback.enter(who.id)
        except PlaybackError as error:
            raise from_playback(error) from error
        stream = self._playback.live(name, place, sound=sound == "yes")
        try:
            await stream.begin()
            view = View(who, "live.mp4", camera_id, reason, {"stream": which})
            await self._views.note(view, again=True)
        except NothingThere as error:
            stream.close()
            raise nothing_live() from error
        except PlaybackError as error:
            stream.close()
            raise from_playback(error) from error
        except BaseException:
            stream.close()
            raise
        headers = {"Accept-Ranges": "none", **codecs_of(stream.first)}
        return MediaAnswer(stream, 200, headers, is_endless=True)

    async def address(
        self, camera_id: CameraId, body: shapes.AddressWanted, who: Viewer
    ) -> Response:
        """An address that opens one medium without a token, for a page's video or picture.

        It lives for at most fifteen minutes and with the token it was asked for with. The view is
        noted, with the reason, when it is first used.
        """
        stream = self._stream(camera_id, body.stream)
        query: dict[str, str] = {"stream": body.stream}
        if body.media == "video.mp4":
            from_ns, to_ns = span_of(body.from_ or "", body.to or "")
            query |= {"from": body.from_ or "", "to": body.to or ""}
            await self._check(stream, from_ns, to_ns)
        elif body.media == "snapshot.jpg" and body.at is not None:
            time_of(body.at, "at")
            query["at"] = body.at
        if body.media in {"snapshot.jpg", "live.mjpeg"} and body.width is not None:
            query["width"] = str(body.width)
        if body.media == "live.mp4":
            query["sound"] = body.sound
        query["reason"] = body.reason
        signed = self.addresses.sign(f"{CAMERAS}/{camera_id}/{body.media}", query, who.id)
        answer = {"url": signed.url, "expires_at": moments.said(signed.expires_ns)}
        return Response(orjson.dumps(answer), media_type="application/json")

    async def _check(self, stream: str, from_ns: int, to_ns: int) -> None:
        """Say now what the address would say later."""
        try:
            await self._playback.plan(stream, from_ns, to_ns, going_on=True)
        except PlaybackError as error:
            raise from_playback(error) from error

    async def _asked(
        self, request: Request, camera_id: str, which: str, from_: str, to: str
    ) -> tuple[Plan, tuple[int, int] | None, dict[str, str]]:
        """The plan, the bytes of it that are wanted (None: all), and what to say of them."""
        stream = self._stream(camera_id, which)
        from_ns, to_ns = span_of(from_, to)
        asked = request.headers.get("range")
        begins = asked is None or asked.replace(" ", "").lower().startswith("bytes=0-")
        try:
            plan = await self._playback.plan(stream, from_ns, to_ns, going_on=not begins)
        except PlaybackError as error:
            raise from_playback(error) from error
        only_if = request.headers.get("if-range")
        if only_if is not None and only_if.strip() != plan.etag:
            asked = None  # it has another one's beginning: the whole is sent anew
        headers = said_of(plan)
        try:
            part = ranges.wanted(asked, plan.size_bytes)
        except ranges.NotSatisfiable as error:
            raise Problem(
                416,
                "no_such_range",
                "请求的字节范围超出文件",
                "the range has no byte of this file",
                "ask for bytes before Content-Range's length",
                headers={"Content-Range": f"bytes */{plan.size_bytes}"},
            ) from error
        begin, end = part or (0, plan.size_bytes)
        headers["Content-Length"] = str(end - begin)
        if part is not None:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{plan.size_bytes}"
        return plan, part, headers

    def _stream(self, camera_id: str, which: str) -> str:
        camera = self._playback.cameras.get(camera_id)
        if camera is None:
            raise no_such_camera()
        name = streams_of(camera).get(which)
        if name is None:
            raise no_such_stream()
        return name


Endpoint = Callable[..., Awaitable[Response]]


def _list(app: FastAPI, path: str, endpoint: Endpoint, shape: type[BaseModel]) -> None:
    app.add_api_route(path, endpoint, response_model=None, responses={200: {"model": shape}})


def _media(
    app: FastAPI, name: str, endpoint: Endpoint, kind: str, refusals: tuple[int, ...]
) -> None:
    app.add_api_route(
        f"{ONE}/{name}",
        endpoint,
        response_model=None,
        response_class=Response,
        responses={
            200: {"content": {kind: {}}},
            **{status: {"model": shapes.Error} for status in refusals},
        },
    )
