"""What a point has read over a time: GET /api/v1/devices/{id}/points/{point}/history.

Owns    the route and the form of its answer.
Needs   a Desk for what devices there are; gateway.store.readings, in a thread.
Bound   HISTORIES_AT_ONCE questions; SPAN_MOST_NS; what gateway.store.readings says.
"""

import asyncio
from pathlib import Path as Folder
from typing import Annotated, Any, Final

import orjson
from fastapi import FastAPI, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from gateway.console.desk import Desk
from gateway.console.discreet import is_silent, may_know
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity
from gateway.console.video_words import span_of
from gateway.errors import StoreError
from gateway.playback import moments
from gateway.store import readings

HISTORIES_AT_ONCE: Final = 2
SPAN_MOST_NS: Final = 400 * 86_400 * 10**9
RETRY_S: Final = "5"
Reader = Annotated[Identity, needs(Right.READ)]
Name = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
From = Annotated[str, Query(alias="from", max_length=moments.MOST_CHARS)]
To = Annotated[str, Query(alias="to", max_length=moments.MOST_CHARS)]
Bins = Annotated[int, Query(ge=1, le=readings.BINS_MOST)]


class History(BaseModel):
    """Cells [first ms, last ms, lowest, highest, mean, count], oldest first; times since 1970."""

    device: str
    point: str
    unit: str | None
    bins: list[tuple[int, int, float, float, float, int]]


class ChartRoutes:
    """See the module. folder: of the store."""

    def __init__(self, desk: Desk, folder: Folder) -> None:
        self._desk = desk
        self._folder = folder
        self._reading = asyncio.Semaphore(HISTORIES_AT_ONCE)

    def join(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(
            "/api/v1/devices/{device_id}/points/{point}/history",
            self.history,
            response_model=None,
            responses={200: {"model": History}},
        )

    async def history(
        self, device_id: Name, point: Name, from_: From, to: To, who: Reader, *, bins: Bins = 600
    ) -> Response:
        """What the point has read between two times, in at most `bins` cells.

        A cell without a reading is absent: what a device did not say is not made up.
        """
        known = self._point(device_id, point)
        is_hidden = is_silent(known) and not may_know(who)
        from_ns, to_ns = span_of(from_, to)
        if to_ns - from_ns > SPAN_MOST_NS:
            raise Problem(
                422, "too_long", "时间范围过长", "that is too long a time", "ask for 400 days"
            )
        async with self._reading:
            try:
                found = await asyncio.to_thread(
                    readings.history, self._folder, device_id, point, from_ns, to_ns, bins
                )
            except StoreError as error:
                raise Problem(
                    503,
                    "not_now",
                    "暂时无法读取历史数据",
                    "the history cannot be read now",
                    "ask for a shorter time, or again in a few seconds",
                    headers={"Retry-After": RETRY_S},
                ) from error
        cells = [] if is_hidden else [
            (each.first_ns // 10**6, each.last_ns // 10**6, each.low, each.high, each.mean,
             each.count)
            for each in found
        ]  # fmt: skip
        row = {"device": device_id, "point": point, "unit": known.get("unit"), "bins": cells}
        return Response(orjson.dumps(row), media_type="application/json")

    def _point(self, device_id: str, point: str) -> dict[str, Any]:
        device = next((row for row in self._desk.devices() if row["id"] == device_id), None)
        if device is not None:
            for each in device["points"]:
                if each["name"] == point:
                    return dict(each)
        raise Problem(
            404,
            "no_such_point",
            "没有这个设备或测点",
            "there is no such device or point",
            "see /api/v1/devices",
        )
