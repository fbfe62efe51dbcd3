"""How times, cameras and plans are written in requests and answers. Pure.

Bound   GAPS_SAID gaps in a header; the timeline has them all.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request

from gateway.config.settings import Camera
from gateway.console.video_problems import backwards, not_a_time
from gateway.media.errors import Unreadable
from gateway.playback import Missing, Plan, moments
from gateway.playback.picture_only import codecs

GAPS_SAID: Final = 20


def streams_of(camera: Camera) -> dict[str, str]:
    """The names a camera's streams are recorded under."""
    return {"main": camera.id} | ({} if camera.sub is None else {"sub": camera.sub_id})


def camera_row(
    camera: Camera, edges: Mapping[str, tuple[int, int]], state: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A camera as the list shows it."""
    streams = []
    for which, name in streams_of(camera).items():
        oldest, newest = edges.get(name, (None, None))
        streams.append(
            {
                "name": which,
                "oldest": None if oldest is None else moments.said(oldest),
                "newest": None if newest is None else moments.said(newest),
            }
        )
    main = streams[0]
    return {
        "id": camera.id,
        "name": camera.name,
        "place": camera.place,
        "streams": streams,
        "oldest": main["oldest"],
        "newest": main["newest"],
        "state": None if state is None else dict(state),
    }


def span_of(from_: str, to: str) -> tuple[int, int]:
    """Two times as nanoseconds. Raises Problem 422 unless one is before the other."""
    from_ns, to_ns = time_of(from_, "from"), time_of(to, "to")
    if to_ns <= from_ns:
        raise backwards()
    return from_ns, to_ns


def time_of(text: str, name: str) -> int:
    """A time as nanoseconds; name: of the member it stands in. Raises Problem 422."""
    try:
        return moments.parse(text)
    except ValueError as error:
        raise not_a_time(name) from error


def is_known(request: Request, etag: str) -> bool:
    """Whether whoever asks has it already."""
    said = request.headers.get("if-none-match", "")
    return etag in [one.strip() for one in said.split(",")]


def said_of(plan: Plan) -> dict[str, str]:
    """What every answer of a plan says of itself."""
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": plan.etag,
        "Campus-Start": moments.said(plan.origin_ns),
        "Campus-Lead-Ms": str((plan.from_ns - plan.origin_ns) // 1_000_000),
        "Campus-End": moments.said(plan.end_ns),
        **codecs_of(plan.init),
    }
    if plan.gaps:
        headers["Campus-Gaps"] = _gaps(plan.gaps)
    if plan.next_ns is not None:
        headers["Campus-Next"] = f"{moments.soonest(plan.next_ns)}; why={plan.next_why}"
    return headers


def codecs_of(init: bytes) -> dict[str, str]:
    """How it is coded, so that a player knows whether it can play it before it tries."""
    try:
        return {"Campus-Codecs": codecs(init)}
    except Unreadable:
        return {}  # a player has to find out


def _gaps(gaps: tuple[Missing, ...]) -> str:
    shown = [
        f"{moments.said(gap.from_ns)}/{moments.said(gap.to_ns)};{_plain(gap.reason)}"
        for gap in gaps[:GAPS_SAID]
    ]
    if len(gaps) > GAPS_SAID:
        shown.append(f"and {len(gaps) - GAPS_SAID} more: see the timeline")
    return ", ".join(shown)


def _plain(reason: str) -> str:
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in reason[:40])
