"""POST /api/v1/devices/{id}/commands/{name}: a person has a device told something.

Owns    the route, and which HTTP status goes with what became of the command.
Needs   a Desk, which decides; rights.py for who may ask at all; proofs.py for PINs.
Keeps   1. The answer always has `state` and `why`; 400 and above has the usual `error` beside them.
        2. What a person writes is bounded and plain before anybody else sees it (shapes.py).
        3. A person at a console gives his PIN first, but never to close: that is the safe way, and
           gas does not wait for anybody's memory.
        4. What takes two persons may be asked and confirmed in one request, at one console: the
           second one types name and PIN, within proofs.PAIR_S of the first one's PIN.
"""

import math
from typing import Annotated, Final

import orjson
from fastapi import FastAPI, Path, Request
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.desk import Code, Desk, Ordered
from gateway.console.problems import Problem
from gateway.console.proofs import Proofs
from gateway.console.rights import Right, needs, session_of
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

    def __init__(self, desk: Desk, proofs: Proofs) -> None:
        self._desk = desk
        self._proofs = proofs

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
        request: Request,
        body: shapes.CommandBody,
        who: Actor,
    ) -> Response:
        """Have a device told something. Opening a valve takes two people: the first gets 202.

        With `second` the second one confirms it in the same request, at the first one's console.
        """
        session = session_of(request)
        if session is not None and session.asks_pin and not self._closes(device_id, name):
            raise Problem.pin_needed()
        if body.second is None:
            return _answer(await self._desk.command(device_id, name, who, body.reason))
        second = await self._proofs.second(request, who, body.second.name, body.second.secret)
        ordered = await self._desk.command(device_id, name, who, body.reason)
        if ordered.state == "waiting":
            ordered = await self._desk.command(device_id, name, second, body.reason)
        return _answer(ordered)

    def _closes(self, device_id: str, name: str) -> bool:
        """Whether the device's profile calls this command one that closes."""
        for device in self._desk.devices():
            if device["id"] == device_id:
                commands = device.get("commands", ())
                return any(each["name"] == name and each["effect"] == "close" for each in commands)
        return False


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
