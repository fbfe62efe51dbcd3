"""Floor plans over HTTP: who may, what is refused, and that a picture is only ever a picture."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
from prometheus_client import CollectorRegistry

from gateway.console.api import Site, build_app
from gateway.console.plans import PlanRoutes
from gateway.console.server import ServerSettings
from gateway.console.tokens import Role, TokenBook
from gateway.plan_pictures import SIZE_MOST
from tests.console.conftest import Console, running
from tests.console.memory_desk import FakeClock, MemoryDesk
from tests.test_plan_pictures import png, svg

PLANS = "/api/v1/floors"
SVG = {"Content-Type": "image/svg+xml"}


@asynccontextmanager
async def serving(root: Path) -> AsyncIterator[Console]:
    clock = FakeClock()
    desk = MemoryDesk(clock)
    desk.device_rows = [{"id": "btn-1", "points": []}]
    book = TokenBook(root / "tokens.json", clock)
    tokens = {role: book.create(role, f"某{role}") for role in Role}
    app = build_app(
        desk, book, CollectorRegistry(), site=Site(id="1", name="校", gateway="g"), clock=clock,
        more=(PlanRoutes(desk, root / "plans", ["cam-1", "cam-2"]),),
    )  # fmt: skip
    async with (
        running(app, ServerSettings(port=0)) as port,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield Console(
            app=app, desk=desk, clock=clock, book=book, http=http, port=port, tokens=tokens
        )


@pytest_asyncio.fixture
async def planned(tmp_path: Path) -> AsyncIterator[Console]:
    async with serving(tmp_path) as made:
        yield made


async def add(console: Console, content: bytes, version: int = 0, name: str = "一楼") -> Any:
    answer = await console.post(
        PLANS,
        Role.INSTALLER,
        params={"name": name, "version": str(version)},
        data=io.BytesIO(content),
    )
    return answer.status, answer.json()


async def put(
    console: Console, what: str, item: str, role: Role = Role.INSTALLER, **place: Any
) -> Any:
    path = f"/api/v1/places/{what}/{item}"
    answer = await console.ask("PUT", path, role, json=place)
    return answer.status, answer.json()


def actions(console: Console) -> list[str]:
    return [line.action for line in console.desk.lines]


async def test_a_plan_is_taken_given_back_as_it_is_and_can_do_nothing(planned: Console) -> None:
    status, book = await add(planned, svg("<rect/>"))
    assert (status, book["version"]) == (200, 1)
    [plan] = book["plans"]
    assert (plan["name"], plan["width"], plan["height"]) == ("一楼", 800, 600)
    answer = await planned.get(plan["picture"], Role.GUARD)
    assert answer.body == svg("<rect/>")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    again = await planned.get(
        plan["picture"], Role.GUARD, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")
    assert actions(planned) == ["plan.add"]


async def test_a_script_is_refused_in_words_and_leaves_nothing(planned: Console) -> None:
    status, said = await add(planned, svg("<script>alert(1)</script>"))
    assert (status, said["error"]["code"]) == (422, "bad_picture")
    assert "script" in said["error"]["message_zh"]
    assert (await planned.get(PLANS)).json()["plans"] == []


async def test_ten_megabytes_are_taken_here_and_nowhere_else(planned: Console) -> None:
    large = svg(f"<desc>{'x' * (SIZE_MOST - 300)}</desc>")
    assert (await add(planned, large))[0] == 200
    assert (await add(planned, large + b" " * 400, 1))[0] == 413
    answer = await planned.post("/api/v1/alarms/a/close", Role.GUARD, data=io.BytesIO(large))
    assert answer.status == 413


async def test_only_who_sets_things_up_may_change_and_whoever_reads_may_look(
    planned: Console,
) -> None:
    _, book = await add(planned, png())
    plan = book["plans"][0]
    for role in Role:
        may = role in {Role.INSTALLER, Role.ADMIN}
        params = {"name": "x", "version": "99"}
        for method, path, options in (
            ("POST", PLANS, {"params": params, "data": png()}),
            ("POST", f"{PLANS}/undo", {"json": {"version": 99}}),
            ("DELETE", f"{PLANS}/{plan['id']}", {"params": {"version": "99"}}),
            ("DELETE", "/api/v1/places/device/btn-1", {"params": {"version": "99"}}),
            ("PUT", "/api/v1/places/device/btn-1",
             {"json": {"version": 99, "plan": plan["id"], "x": 1, "y": 1}}),
        ):  # fmt: skip
            answer = await planned.ask(method, path, role, **options)
            assert answer.status == (409 if may else 403), (role, method, path)
        for path in (PLANS, plan["picture"], f"{PLANS}/nearest/btn-1"):
            assert (await planned.get(path, role)).status == 200
            assert (await planned.get(path, None)).status == 401


async def test_what_is_dragged_is_there_for_everybody_and_can_be_undone(planned: Console) -> None:
    _, book = await add(planned, svg(""))
    plan = book["plans"][0]["id"]
    status, book = await put(planned, "device", "btn-1", version=1, plan=plan, x=100, y=50.5)
    assert (status, book["version"], book["undo"]) == (200, 2, 1)
    seen = (await planned.get(PLANS, Role.GUARD)).json()
    assert seen["places"] == [
        {"kind": "device", "id": "btn-1", "plan": plan, "x": 100.0, "y": 50.5,
         "direction": None, "angle": None}
    ]  # fmt: skip
    status, said = await put(planned, "device", "btn-1", version=1, plan=plan, x=1, y=1)
    assert (status, said["error"]["code"]) == (409, "changed_meanwhile")
    answer = await planned.post(f"{PLANS}/undo", Role.INSTALLER, json={"version": 2})
    assert (answer.json()["places"], answer.json()["undo"]) == ([], 0)
    assert actions(planned) == ["plan.add", "plan.place", "plan.undo"]


async def test_the_camera_that_looks_there_is_suggested_first(planned: Console) -> None:
    _, book = await add(planned, svg(""))
    plan = book["plans"][0]["id"]
    await put(planned, "device", "btn-1", version=1, plan=plan, x=100, y=100)
    await put(planned, "camera", "cam-1", version=2, plan=plan, x=100, y=90, direction=0)
    await put(planned, "camera", "cam-2", version=3, plan=plan, x=100, y=400, direction=0)
    found = (await planned.get(f"{PLANS}/nearest/btn-1")).json()["cameras"]
    assert [(near["camera"], near["sees"]) for near in found] == [("cam-2", True), ("cam-1", False)]
    assert (await planned.get(f"{PLANS}/nearest/nobody")).json() == {"cameras": []}


async def test_what_makes_no_sense_is_refused_and_changes_nothing(planned: Console) -> None:
    _, book = await add(planned, svg(""))
    plan = book["plans"][0]["id"]
    for what, item, place, status in (
        ("device", "nobody", {}, 404),
        ("camera", "btn-1", {}, 404),
        ("alarm", "btn-1", {}, 422),
        ("device", "btn-1", {"x": -1}, 422),
        ("device", "btn-1", {"x": 801}, 422),
        ("device", "btn-1", {"x": 1e300}, 422),
        ("device", "btn-1", {"plan": "../../etc/passwd"}, 422),
        ("device", "btn-1", {"plan": "0" * 16}, 404),
        ("device", "btn-1", {"evil": 1}, 422),
        ("camera", "cam-1", {"direction": 360}, 422),
        ("camera", "cam-1", {"angle": 0}, 422),
    ):
        asked = {"version": 1, "plan": plan, "x": 1, "y": 1, **place}
        assert (await put(planned, what, item, **asked))[0] == status, (what, item, place)
    assert (await planned.get(PLANS)).json()["version"] == 1
    status, _ = await add(planned, png(), 1, name="a\u202eb")
    assert status == 422


async def test_a_damaged_book_is_told_and_the_rest_of_the_console_goes_on(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "book.json").write_bytes(b"{")
    async with serving(tmp_path) as planned:
        answer = await planned.get(PLANS)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "not_kept")
        assert (await planned.get("/api/v1/devices")).status == 200
