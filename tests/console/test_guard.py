"""The guard's routes over a real server: who may, what is refused, what a receipt counts for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.desk import NoSuchAlarm, WrongState
from gateway.console.guard import ALARMS_MOST, GuardRoutes
from gateway.console.presence import Presence
from gateway.console.server import ServerSettings
from gateway.console.tokens import Identity, Role, TokenBook
from gateway.events import Kind
from gateway.response_plans import Plan, State, Step
from tests.console.conftest import Console, running
from tests.console.memory_desk import FakeClock, MemoryDesk, alarm


class Room:
    """Remembers what consoles said."""

    def __init__(self, clock: FakeClock) -> None:
        self.presence = Presence(clock)
        self.said: list[tuple[str, str, list[str], bool, bool]] = []

    async def shown(
        self, who: Identity, console: str, alarms: Sequence[str], *, sounding: bool, counts: bool
    ) -> None:
        self.said.append((str(who.role), console, list(alarms), sounding, counts))


class Handling:
    """Keeps what people did; the alarm "a-closed" is over, "a-2" was dealt with by another."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def plans(self) -> list[Plan]:
        steps = (Step(zh="看画面", en="look", is_mandatory=True),)
        return [
            Plan(kind=kind, zh="预案", en="plan", steps=steps) for kind in (Kind.PANIC, Kind.DURESS)
        ]

    async def step(
        self, alarm_id: str, number: int, who: Identity, state: State, reason: str
    ) -> None:
        self._do(alarm_id, "step", number, who.name, state, reason)

    async def note(self, alarm_id: str, who: Identity, text: str) -> None:
        self._do(alarm_id, "note", who.name, text)

    async def telephoned(self, alarm_id: str, who: Identity, receiver: str, note: str) -> None:
        self._do(alarm_id, "telephoned", who.name, receiver, note)

    def _do(self, alarm_id: str, *what: Any) -> None:
        if alarm_id == "a-closed":
            raise NoSuchAlarm(alarm_id)
        if alarm_id == "a-2":
            raise WrongState("张三 已记下 has written that down already")
        self.done.append((alarm_id, *what))


class Guard(Console):
    room: Room
    handling: Handling


@pytest_asyncio.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    clock = FakeClock()
    desk = MemoryDesk(clock)
    book = TokenBook(tmp_path / "tokens.json", clock)
    tokens = {role: book.create(role, f"某{role}") for role in Role}
    room, handling = Room(clock), Handling()
    app = build_app(
        desk,
        book,
        CollectorRegistry(),
        site=Site(id="320612-0001", name="示范小学", gateway="gw-1"),
        clock=clock,
        guard=GuardRoutes(room, handling),
    )
    desk.rows = [
        alarm("a-1"), alarm("a-2"), alarm("a-closed", state="closed"),
        alarm("a-silent", kind="duress"),
    ]  # fmt: skip
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(running(app, ServerSettings(port=0)))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )
        made = Guard(
            app=app, desk=desk, clock=clock, book=book, http=http, port=port, tokens=tokens
        )
        made.room, made.handling = room, handling
        yield made


DEEDS = (
    ("/api/v1/alarms/a-1/steps/1", {"state": "done", "reason": ""}),
    ("/api/v1/alarms/a-1/notes", {"text": "老师在现场"}),
    ("/api/v1/alarms/a-1/telephoned", {"receiver": "police", "note": ""}),
)
ACTORS = {Role.GUARD, Role.LEADER, Role.INSTALLER, Role.ADMIN}


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_what_its_rights_say_and_nobody_without_one(
    guard: Guard, role: Role
) -> None:
    for path, body in DEEDS:
        answer = await guard.post(path, role, json=body)
        assert answer.status == (200 if role in ACTORS else 403), (path, role)
        assert (await guard.post(path, None, json=body)).status == 401
    assert len(guard.handling.done) == (3 if role in ACTORS else 0)
    told = {"alarms": ["a-1"], "sounding": True}
    assert (await guard.post("/api/v1/console/shown", role, json=told)).status == 200
    ((_, _, alarms, sounding, counts),) = guard.room.said
    assert (alarms, sounding, counts) == (["a-1"], True, role in ACTORS)
    plans = (await guard.get("/api/v1/plans", role)).json()["plans"]
    knows = role not in {Role.GUARD, Role.VIEWER}
    assert [plan["kind"] for plan in plans] == (["panic", "duress"] if knows else ["panic"])


async def test_what_is_said_twice_too_late_or_of_nothing_is_refused_with_a_reason(
    guard: Guard,
) -> None:
    for alarm_id, status, code in (
        ("a-2", 409, "wrong_state"), ("a-closed", 409, "wrong_state"),
        ("a-nobody", 404, "no_such_alarm"), ("a-silent", 404, "no_such_alarm"),
    ):  # fmt: skip
        answer = await guard.post(f"/api/v1/alarms/{alarm_id}/notes", json={"text": "x"})
        assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert "张三" in (await guard.post("/api/v1/alarms/a-2/notes", json={"text": "x"})).text
    leader = await guard.post("/api/v1/alarms/a-silent/notes", Role.LEADER, json={"text": "x"})
    assert leader.status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/alarms/a-1/steps/1", {"state": "skipped", "reason": ""}),
        ("/api/v1/alarms/a-1/steps/1", {"state": "skipped", "reason": "  "}),
        ("/api/v1/alarms/a-1/steps/1", {"state": "maybe"}),
        ("/api/v1/alarms/a-1/steps/0", {"state": "done"}),
        ("/api/v1/alarms/a-1/steps/21", {"state": "done"}),
        ("/api/v1/alarms/a-1/notes", {"text": ""}),
        ("/api/v1/alarms/a-1/notes", {"text": "x" * 501}),
        ("/api/v1/alarms/a-1/notes", {"text": "\u202etxt.exe"}),
        ("/api/v1/alarms/a-1/notes", {"text": "a\u0000b"}),
        ("/api/v1/alarms/a-1/notes", {"text": "x", "by": "校长"}),
        ("/api/v1/alarms/a-1/telephoned", {"receiver": "../police"}),
        ("/api/v1/console/shown", {"alarms": ["a"] * (ALARMS_MOST + 1), "sounding": True}),
        ("/api/v1/console/shown", {"alarms": ["a b"], "sounding": True}),
        ("/api/v1/console/shown", {"alarms": ["a"], "sounding": "true"}),
        ("/api/v1/console/shown", {"alarms": []}),
    ],
)
async def test_what_is_not_what_the_api_describes_is_refused_and_reaches_nobody(
    guard: Guard, path: str, body: dict[str, Any]
) -> None:
    answer = await guard.post(path, json=body)
    assert answer.status == 422
    assert guard.handling.done == []
    assert guard.room.said == []


async def test_who_reads_the_stream_is_there_and_only_who_may_act_counts(guard: Guard) -> None:
    for role, count in ((Role.GUARD, 1), (Role.VIEWER, 0)):
        url = guard.url + "/api/v1/console/stream"
        async with guard.http.get(url, headers=guard.bearer(role)) as answer:
            await answer.content.readline()
            assert len(guard.room.presence.reading_now()) == count, role
            assert guard.room.presence.heard() == 0  # a token is no person
        guard.room.presence._consoles.clear()


async def test_the_description_names_every_path_and_no_two_routes_answer_the_same(
    guard: Guard,
) -> None:
    described = (await guard.get("/openapi.json")).json()["paths"]
    assert {"/api/v1/plans", "/api/v1/console/shown"} <= described.keys()
    routes = [
        (route.path, method)
        for route in guard.app.routes
        for method in getattr(route, "methods", None) or ()
    ]
    assert sorted(set(routes)) == sorted(routes)
