"""The picture that was kept of an alarm's moment: /api/v1/alarms/{id}/stills/{camera}.jpg.

Owns    the route, what its headers say.
Needs   a way to the kept stills (gateway.playback); .video_views for the audit trail.
Keeps   1. Nobody sees it before his view is in the audit trail, on disk.
        2. What is silent for somebody has no picture for him (discreet.py).
        3. Bytes that are not those which were written are not shown: it is evidence.
        4. It does not depend on the video, nor on the pictures process: it is there when the
           camera's disk is not.
Bound   one still, gateway.store.video.stills.JPEG_MOST; Playback's threads for the store's disk.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import FastAPI, Path, Query
from pydantic import AfterValidator
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.discreet import Desks, is_silent, may_know
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.console.video_problems import from_playback, no_still_kept, still_changed
from gateway.console.video_views import View, Views
from gateway.errors import StoreError
from gateway.playback import PlaybackError, moments
from gateway.store.video.stills import StillNote

STILL: Final = "/api/v1/alarms/{alarm_id}/stills/{camera_id}.jpg"

Kept = Callable[[str, str], Awaitable[tuple[bytes, StillNote] | None]]
"""(alarm, camera): raises NotNow, StoreError when it was changed."""
Viewer = Annotated[Identity, needs(Right.VIDEO)]
AlarmId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
CameraId = Annotated[str, Path(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")]
Reason = Annotated[
    str, Query(max_length=shapes.MAX_REASON_CHARS), AfterValidator(shapes.clean)
]  # fmt: skip


class KeptStills:
    """See the module."""

    def __init__(self, kept: Kept, desks: Desks, views: Views) -> None:
        self._kept = kept
        self._desks = desks
        self._views = views

    def join(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(
            STILL,
            self.still,
            response_model=None,
            response_class=Response,
            responses={
                200: {"content": {"image/jpeg": {}}},
                **{status: {"model": shapes.Error} for status in (404, 500, 503)},
            },
        )

    async def still(
        self, alarm_id: AlarmId, camera_id: CameraId, who: Viewer, reason: Reason = ""
    ) -> Response:
        """The key picture at or before the moment the alarm was raised, as it was kept then."""
        if not may_know(who):
            row = await self._desks.open.alarm(alarm_id)
            if row is not None and is_silent(row):
                raise no_still_kept()
        try:
            found = await self._kept(alarm_id, camera_id)
        except PlaybackError as error:
            raise from_playback(error) from error
        except StoreError as error:
            raise still_changed() from error
        if found is None:
            raise no_still_kept()
        jpeg, note = found
        at = moments.said(note.at_ns)
        details = {"alarm": alarm_id, "at": at}
        await self._views.note(View(who, "still.jpg", camera_id, reason, details))
        return Response(
            jpeg,
            media_type="image/jpeg",
            headers={"Campus-At": at, "ETag": f'"{note.sha256}"'},
        )
