"""The session's routes: who is here, signing on and off, the first admin, one's own PIN.

Owns    /api/v1/session and what lies under it.
Needs   sign_on.py and proofs.py, which decide.
Keeps   1. What comes in is strict and short before anything is looked up.
        2. Names of people are told to browsers we know, not to whoever is in the network.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Self

import orjson
from fastapi import FastAPI, Request
from pydantic import AfterValidator, Field, model_validator
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.gate import Door, refuse_foreign
from gateway.console.people import PASSWORD_CHARS, PERSON_ID
from gateway.console.proofs import Proofs
from gateway.console.rights import RIGHTS, Right, everybody, needs
from gateway.console.sessions import Session
from gateway.console.sign_on import SignOn
from gateway.console.tokens import MAX_NAME_CHARS, MAX_TOKEN_CHARS, Identity, Role

ROOT: Final = "/api/v1/session"
ON_DUTY: Final = frozenset({Role.GUARD, Role.LEADER})
"""Whose being signed on means that the guard room is manned by them."""
Person = Annotated[Identity, needs(Right.SIGN_IN)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS), AfterValidator(shapes.clean)]
Secret = Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARS.stop - 1)]


class SignOnIn(shapes.In):
    """A name and a PIN or password, or a token."""

    name: Name | None = None
    secret: Secret | None = None
    token: Annotated[str | None, Field(min_length=1, max_length=MAX_TOKEN_CHARS)] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_pin = self.name is not None and self.secret is not None
        by_half = self.name is not None or self.secret is not None
        if (self.token is not None) == by_pin or (self.token is not None and by_half):
            raise ValueError("name and secret, or token")
        return self


class FirstIn(shapes.In):
    """The code that the service printed, and who the first admin shall be."""

    code: Annotated[str, Field(min_length=1, max_length=32)]
    name: Name
    secret: Secret


class PinIn(shapes.In):
    """The PIN of who is signed on."""

    secret: Secret


class OwnSecretIn(shapes.In):
    """The PIN that was, the one that shall be, and with it another one under duress or none."""

    old: Secret
    secret: Secret
    duress: Annotated[str, Field(max_length=PASSWORD_CHARS.stop - 1)] = ""


class SessionRoutes:
    """See the module."""

    def __init__(self, sign_on: SignOn, proofs: Proofs, door: Door) -> None:
        self._sign_on = sign_on
        self._proofs = proofs
        self._door = door

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        for path, endpoint, method, shape in (
            (ROOT, self.show, "GET", shapes.Me),
            (ROOT, self.sign_on, "POST", shapes.Me),
            (ROOT, self.sign_off, "DELETE", None),
            (f"{ROOT}/people", self.people, "GET", shapes.DoorPlate),
            (f"{ROOT}/first", self.first, "POST", shapes.Me),
            (f"{ROOT}/pin", self.pin, "POST", shapes.Me),
            (f"{ROOT}/secret", self.secret, "POST", shapes.Me),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=[method],
                response_model=None,
                responses={200: {"model": shape}} if shape is not None else None,
                status_code=204 if shape is None else 200,
            )

    async def show(self, request: Request, who: Person) -> Response:
        """Who is signed on here, and what he may do."""
        return _json(self._me(who, request.state.session))

    @everybody
    async def sign_on(self, request: Request, body: SignOnIn) -> Response:
        """Sign on with a name and a PIN, or with a token: the answer sets the session's cookie."""
        refuse_foreign(request)
        if body.token is not None:
            who = await self._sign_on.with_token(request, body.token)
        else:
            who = await self._sign_on.with_pin(request, body.name or "", body.secret or "")
        return await self._opened(request, who)

    async def pin(self, request: Request, body: PinIn, who: Person) -> Response:
        """Give one's PIN once more: commands that asked for it are taken for some minutes."""
        await self._proofs.again(request, who, body.secret)
        return _json(self._me(who, request.state.session))

    async def secret(self, request: Request, body: OwnSecretIn, who: Person) -> Response:
        """Give oneself another PIN; the answer sets a new session's cookie, all others are over."""
        await self._proofs.change(request, who, body.old, (body.secret, body.duress))
        return await self._opened(request, who)

    @everybody
    async def first(self, request: Request, body: FirstIn) -> Response:
        """Make the first admin; 409 from then on."""
        refuse_foreign(request)
        return await self._opened(
            request, await self._sign_on.first(request, body.code, body.name, body.secret)
        )

    async def sign_off(self, request: Request, who: Person) -> Response:
        """End the session of this browser."""
        answer = Response(status_code=204)
        await self._sign_on.off(request, who, answer)
        return answer

    @everybody
    async def people(self, request: Request) -> Response:
        """What a sign-on screen shows; names and who is on duty are told to known browsers."""
        names: list[str] = []
        on_duty: list[dict[str, str]] = []
        if self._sign_on.caller(request).console:
            names = sorted(person.name for person in self._sign_on.people.list())
            on_duty = [
                {"name": who.name, "role": str(who.role), "until": self._in(left_s)}
                for who, left_s in self._door.sessions.there()
                if who.role in ON_DUTY
            ]
        return _json(
            {
                "people": names,
                "on_duty": on_duty,
                "is_first": self._sign_on.is_first(),
                "fingerprint": self._door.books.fingerprint,
            }
        )

    async def _opened(self, request: Request, who: Identity) -> Response:
        answer = Response(media_type="application/json")
        session = await self._sign_on.dress(request, answer, who)
        answer.body = orjson.dumps(self._me(who, session))
        answer.headers["content-length"] = str(len(answer.body))
        return answer

    def _me(self, who: Identity, session: Session | None) -> dict[str, object]:
        return {
            "name": who.name,
            "role": str(who.role),
            "csrf": "" if session is None else session.csrf,
            "rights": sorted(RIGHTS[who.role]),
            "until": None if session is None else self._in(session.left_s),
            "has_pin": session is not None and who.id.startswith(PERSON_ID),
        }

    def _in(self, seconds: float) -> str:
        """The gateway's time in so many seconds, to the minute: nobody looks at more of it."""
        minute = round((self._door.clock.utc_ns() / 1e9 + seconds) / 60) * 60
        return datetime.fromtimestamp(minute, UTC).isoformat().replace("+00:00", "Z")


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
