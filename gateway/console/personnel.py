"""Personnel: an admin adds and removes people and gives them new PINs.

Owns    /api/v1/people.
Needs   people.py (the book), sign_on.py (slow work takes turns there), a Desk for the trail.
Keeps   1. No answer holds a secret or its hash, nor whether somebody has a PIN under duress.
        2. The entry is in the trail before anything is changed.
        3. There is always an admin.
"""

from typing import Annotated, Final

import orjson
from fastapi import FastAPI, Path, Request
from pydantic import Field
from starlette.responses import Response

from gateway.audit import Entry
from gateway.console import shapes
from gateway.console.desk import Desk
from gateway.console.people import PASSWORD_CHARS, LastAdmin, Person
from gateway.console.problems import Problem
from gateway.console.rights import Right, needs
from gateway.console.session import Name, Secret
from gateway.console.sign_on import SignOn, weak
from gateway.console.tokens import Identity, Role

ROOT: Final = "/api/v1/people"
Admin = Annotated[Identity, needs(Right.PEOPLE)]
Changer = Annotated[Identity, needs(Right.PEOPLE, asks_pin=True)]
PersonId = Annotated[str, Path(pattern=r"^p-[0-9a-f]{12}$")]
Duress = Annotated[str, Field(max_length=PASSWORD_CHARS.stop - 1)]


class PersonIn(shapes.In):
    """Somebody who shall sign on."""

    name: Name
    role: Annotated[Role, Field(strict=False)]
    secret: Secret
    duress: Duress = ""


class SecretIn(shapes.In):
    """Another PIN or password, and with it another one under duress or none."""

    secret: Secret
    duress: Duress = ""


class PeopleRoutes:
    """See the module."""

    def __init__(self, sign_on: SignOn, desk: Desk) -> None:
        self._sign_on = sign_on
        self._desk = desk

    def join(self, app: FastAPI) -> None:
        """Add the routes."""
        one = f"{ROOT}/{{person_id}}"
        for path, endpoint, method, shape in (
            (ROOT, self.people, "GET", shapes.PeopleList),
            (ROOT, self.add, "POST", shapes.PersonRow),
            (one, self.remove, "DELETE", None),
            (f"{one}/secret", self.set_secret, "POST", shapes.PersonRow),
        ):
            app.add_api_route(
                path,
                endpoint,
                methods=[method],
                response_model=None,
                responses={200: {"model": shape}} if shape is not None else None,
                status_code=204 if shape is None else 200,
            )

    async def people(self, _who: Admin) -> Response:
        """Everybody who may sign on with a PIN."""
        return _json({"people": [_row(person) for person in self._sign_on.people.list()]})

    async def add(self, request: Request, body: PersonIn, who: Changer) -> Response:
        """Add somebody."""
        await self._note(who, "person.add", body.name, role=str(body.role))
        try:
            made = await self._sign_on.slowly(
                self._sign_on.caller(request),
                lambda: self._sign_on.people.add(body.name, body.role, body.secret, body.duress),
            )
        except ValueError as error:
            raise weak(error) from error
        return _json(_row(self._person(made.id)))

    async def set_secret(
        self, request: Request, person_id: PersonId, body: SecretIn, who: Changer
    ) -> Response:
        """Give somebody another PIN; all his sessions end."""
        person = self._person(person_id)
        await self._note(who, "person.secret", person.name)
        try:
            await self._sign_on.slowly(
                self._sign_on.caller(request),
                lambda: self._sign_on.people.set_secret(person.name, body.secret, body.duress),
            )
        except ValueError as error:
            raise weak(error) from error
        return _json(_row(self._person(person_id)))

    async def remove(self, person_id: PersonId, who: Changer) -> Response:
        """Remove somebody; his sessions end and the browsers he vouched for are known no more."""
        person = self._person(person_id)
        await self._note(who, "person.remove", person.name)
        try:
            self._sign_on.people.part_with(person_id)
        except LastAdmin as error:
            raise Problem(
                409,
                "last_admin",
                "不能删除最后一位管理员",
                "nobody could add people any more",
                "make another admin first",
            ) from error
        return Response(status_code=204)

    def _person(self, person_id: str) -> Person:
        found = self._sign_on.people.entry(person_id)
        if found is None:
            raise Problem(
                404, "no_such_person", "没有此人", "there is no such person", f"see {ROOT}"
            )
        return found

    async def _note(self, who: Identity, action: str, subject: str, **details: str) -> None:
        await self._desk.audit(
            Entry(
                who=who.name,
                role=str(who.role),
                from_address=who.address,
                action=action,
                subject=subject,
                details=details,
            )
        )


def _row(person: Person) -> dict[str, str]:
    return {
        "id": person.id,
        "name": person.name,
        "role": str(person.role),
        "created_at": person.created_at,
    }


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
