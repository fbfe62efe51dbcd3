"""What guards say besides acknowledging and closing: shown, steps of a plan, notes, telephoned.

Owns    POST /api/v1/console/shown, GET /api/v1/plans, POST /api/v1/alarms/{id}/steps/{n}, /notes,
        /telephoned.
Needs   a Room and a Handling, which decide; the desks for what somebody may know of.
Keeps   1. What a person writes is bounded and plain before anybody else sees it (shapes.py).
        2. An alarm that somebody may not know of is not there for him, whatever he names.
        3. A console's sound counts only where its person may act: a bureau that looks on hears
           nothing here.
Bound   ALARMS_MOST ids in one receipt; texts as shapes.py has them.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Final, Literal, Protocol, Self

import orjson
from fastapi import FastAPI, Path, Request
from pydantic import AfterValidator, BaseModel, Field, model_validator
from starlette.responses import Response

from gateway.console import shapes
from gateway.console.desk import NoSuchAlarm, WrongState
from gateway.console.discreet import Desks, may_know
from gateway.console.presence import Presence
from gateway.console.problems import Problem
from gateway.console.rights import RIGHTS, Right, needs
from gateway.console.tokens import Identity
from gateway.events import Kind
from gateway.response_plans import STEPS_MOST, Plan, State

ALARMS_MOST: Final = 100
ONE: Final = "/api/v1/alarms/{alarm_id}"
Reader = Annotated[Identity, needs(Right.READ)]
Actor = Annotated[Identity, needs(Right.ACT)]
_ID: Final = r"^[A-Za-z0-9._:-]+$"
AlarmId = Annotated[str, Path(min_length=1, max_length=64, pattern=_ID)]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=_ID)]
Reason = Annotated[
    str, Field(max_length=shapes.MAX_REASON_CHARS), AfterValidator(shapes.clean)
]  # fmt: skip


class Room(Protocol):
    """Who looks after the guard room (gateway/guardroom.py)."""

    @property
    def presence(self) -> Presence:
        """Which consoles are there."""

    async def shown(
        self, who: Identity, console: str, alarms: list[str], *, sounding: bool, counts: bool
    ) -> None:
        """A console shows these alarms; returns when that is on disk."""


class Handling(Protocol):
    """Who writes down what people do about an alarm (gateway/handling.py)."""

    def plans(self) -> list[Plan]:
        """Return every plan, in the order of kinds."""

    async def step(
        self, alarm_id: str, number: int, who: Identity, state: State, reason: str
    ) -> None:
        """Write down that a step was done or skipped; raises NoSuchAlarm, WrongState."""

    async def note(self, alarm_id: str, who: Identity, text: str) -> None:
        """Write down what a person has to say; raises NoSuchAlarm, WrongState."""

    async def telephoned(self, alarm_id: str, who: Identity, receiver: str, note: str) -> None:
        """Write down that a receiver was told by telephone; raises NoSuchAlarm, WrongState."""


class ShownIn(shapes.In):
    """What a console shows now, and whether it can be heard. Without alarms: only the latter."""

    alarms: Annotated[list[Id], Field(max_length=ALARMS_MOST)]
    sounding: bool


class StepIn(shapes.In):
    """What became of a step; one that is skipped has a reason."""

    state: Literal["done", "skipped"]
    reason: Reason = ""

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.state == "skipped" and not self.reason:
            raise ValueError("a step that is skipped needs a reason")
        return self


class NoteIn(shapes.In):
    """What a person has to say about an alarm."""

    text: Annotated[
        str,
        Field(min_length=1, max_length=shapes.MAX_NOTE_CHARS),
        AfterValidator(shapes.clean),
    ]


class TelephonedIn(shapes.In):
    """Which receiver was told by telephone, and what it said."""

    receiver: Id
    note: Reason = ""


class Shown(BaseModel):
    """The receipt is on disk."""

    stored: bool


class PlanStep(BaseModel):
    """One step, counted from 1."""

    n: int
    zh: str
    en: str
    mandatory: bool


class PlanRow(BaseModel):
    """What is done about alarms of one kind."""

    kind: str
    title: dict[str, str]
    steps: list[PlanStep]


class PlanList(BaseModel):
    """Every response plan."""

    plans: list[PlanRow]


class GuardRoutes:
    """See the module."""

    def __init__(self, room: Room, handling: Handling) -> None:
        self._room = room
        self._handling = handling
        self._desks: Desks | None = None

    def join(self, app: FastAPI, desks: Desks) -> None:
        """Add the routes."""
        self._desks = desks
        for path, endpoint, method, shape in (
            ("/api/v1/console/shown", self.shown, "POST", Shown),
            ("/api/v1/plans", self.plans, "GET", PlanList),
            (f"{ONE}/steps/{{number}}", self.step, "POST", shapes.Alarm),
            (f"{ONE}/notes", self.note, "POST", shapes.Alarm),
            (f"{ONE}/telephoned", self.telephoned, "POST", shapes.Alarm),
        ):
            answers: dict[int | str, dict[str, Any]] = {200: {"model": shape}}
            if shape is shapes.Alarm:
                answers |= {404: {"model": shapes.Error}, 409: {"model": shapes.Error}}
            app.add_api_route(
                path, endpoint, methods=[method], response_model=None, responses=answers
            )

    def reading(self, request: Request, who: Identity) -> AbstractContextManager[None]:
        """Be among the guard room's consoles while a stream is read."""
        if Right.ACT not in RIGHTS[who.role]:
            return nullcontext()
        is_person = request.state.session is not None
        return self._room.presence.reading(_console(request, who), is_person=is_person)

    async def shown(self, request: Request, body: ShownIn, who: Reader) -> Response:
        """A console shows these alarms: with `sounding` the gateway's siren stays silent."""
        await self._room.shown(
            who,
            _console(request, who),
            body.alarms,
            sounding=body.sounding,
            counts=Right.ACT in RIGHTS[who.role],
        )
        return _json({"stored": True})

    async def plans(self, who: Reader) -> Response:
        """Response plans by the kind of alarm."""
        told = [
            plan for plan in self._handling.plans() if plan.kind != Kind.DURESS or may_know(who)
        ]
        return _json({"plans": [plan.row() for plan in told]})

    async def step(
        self,
        alarm_id: AlarmId,
        number: Annotated[int, Path(ge=1, le=STEPS_MOST)],
        body: StepIn,
        who: Actor,
    ) -> Response:
        """A step of the response plan was done, or skipped for a reason."""
        return await self._handled(
            alarm_id,
            who,
            lambda: self._handling.step(alarm_id, number, who, body.state, body.reason),
        )

    async def note(self, alarm_id: AlarmId, body: NoteIn, who: Actor) -> Response:
        """A person has something to say about an alarm."""
        return await self._handled(
            alarm_id, who, lambda: self._handling.note(alarm_id, who, body.text)
        )

    async def telephoned(self, alarm_id: AlarmId, body: TelephonedIn, who: Actor) -> Response:
        """Somebody told a receiver by telephone; its lamp stays as it is."""
        return await self._handled(
            alarm_id,
            who,
            lambda: self._handling.telephoned(alarm_id, who, body.receiver, body.note),
        )

    async def _handled(
        self, alarm_id: str, who: Identity, work: Callable[[], Awaitable[None]]
    ) -> Response:
        assert self._desks is not None  # noqa: S101 set before there are routes
        desk = self._desks.of(who)
        if await desk.alarm(alarm_id) is None:
            raise _no_such_alarm()
        try:
            await work()
        except NoSuchAlarm as error:
            if await desk.alarm(alarm_id) is None:
                raise _no_such_alarm() from error
            raise _wrong("已处置 it is closed") from error
        except WrongState as error:
            raise _wrong(error.reason) from error
        return _json(await desk.alarm(alarm_id))


def _console(request: Request, who: Identity) -> str:
    """Return a console's name: its session, or the token where there is none."""
    session = request.state.session
    return f"session {session.csrf}" if session is not None else f"token {who.id}"


def _no_such_alarm() -> Problem:
    return Problem(
        404, "no_such_alarm", "没有这条警情", "there is no such alarm", "see /api/v1/alarms"
    )


def _wrong(reason: str) -> Problem:
    return Problem(
        409,
        "wrong_state",
        f"现在不能这样做:{reason}",
        f"not now: {reason}",
        "read the alarm again and decide anew",
    )


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), 200, media_type="application/json")
