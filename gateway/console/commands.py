"""POST /api/v1/devices/{id}/commands/{name}: a person has a device told something.

Owns    the route, and which HTTP status goes with what became of the command.
Needs   a Desk, which decides; rights.py for who may ask at all.
Keeps   1. The answer always has `state` and `why`; 400 and above has the usual `error` beside them.
        2. What a person writes is bounded and plain before anybody else sees it (shapes.py).
"""

import math
from typing import Annotated, Final

import orjson
from fastapi import FastAPI, Path
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.desk import Code, Desk, Ordered
from gateway.console.rights import Right, needs
from gateway.console.tokens import Identity

PATH: Final = "/api/v1/devices/{device_id}/commands/{name}"
STATUS: Final[dict[Code, int]] = {
    "done": 200,
    "waiting": 202,
    "running": 202,
    "not_allowed": 403,
    "wrong_role": 403,
    "no_such_device": 404,
    "no_such_command": 404,
    "refused": 409,
    "busy": 409,
    "too_often": 429,
    "failed": 502,
    "starting": 503,
}
NEXT: Final[dict[Code, str]] = {
    "not_allowed": "the installer allows it with `commands` in devices.toml",
    "wrong_role": "ask somebody whose token has the role that /api/v1/devices names",
    "no_such_device": "see /api/v1/devices",
    "no_such_command": "see `commands` in /api/v1/devices",
    "refused": "look at the place, then decide anew",
    "busy": "wait for the command that is under way",
    "too_often": "ask again after Retry-After",
    "failed": "look at the place: nothing proves what the device did",
    "starting": "try again in a few seconds",
}
Actor = Annotated[Identity, needs(Right.ACT)]
_Name = Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")


class CommandRoutes:
    """See the module."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def join(self, app: FastAPI) -> None:
        """Add the route."""
        app.add_api_route(
            PATH,
            self.command,
            methods=["POST"],
            response_model=None,
            responses={
                200: {"model": shapes.Commanded},
                202: {"model": shapes.Commanded},
                **{status: {"model": shapes.Error} for status in (404, 409, 502, 503)},
            },
        )

    async def command(
        self,
        device_id: Annotated[str, _Name],
        name: Annotated[str, _Name],
        body: shapes.CommandBody,
        who: Actor,
    ) -> Response:
        """Have a device told something. Opening a valve takes two people: the first gets 202."""
        return _answer(await self._desk.command(device_id, name, who, body.reason))


def _answer(ordered: Ordered) -> Response:
    status = STATUS[ordered.code]
    body: dict[str, object] = {"state": ordered.state, "why": ordered.why}
    headers = {}
    if status >= 400:
        zh, _, en = ordered.why.partition(" / ")
        body["error"] = {
            "code": ordered.code,
            "message_zh": zh,
            "message": en or zh,
            "next": NEXT[ordered.code],
        }
        body["detail"] = en or zh
    if ordered.retry_s > 0:
        headers["Retry-After"] = str(max(1, math.ceil(ordered.retry_s)))
    return Response(orjson.dumps(body), status, headers, "application/json")
