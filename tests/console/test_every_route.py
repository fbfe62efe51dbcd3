"""Every route of the whole house: who may, what proves that our page asked, what the trail says.

The tables are written by hand. A route that has no row fails, a row that has no route fails: who
adds a route says here whose it is, and whether it leaves an entry.
"""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from gateway.console.rights import asks_pin
from gateway.console.tokens import Role
from gateway.playback.moments import said
from gateway.store.video.stills import write_still
from tests.clocks import NOON, SECOND
from tests.console.conftest import Answer
from tests.console.whole import CAMERA, Session, Whole, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")
LETTERS: Final = {
    "G": Role.GUARD, "L": Role.LEADER, "I": Role.INSTALLER, "A": Role.ADMIN,
    "V": Role.VIEWER, "P": Role.PLATFORM, "U": Role.AUDITOR,
}  # fmt: skip
EVERYBODY: Final = "everybody"
"""Also who did not sign on."""
ALL, PEOPLE_ONLY = "GLIAVPU", "GLIAVU"
ACT, VIDEO, AUDIT, EXPORT = "GLIA", "GLIA", "LIAU", "LIA"
PLANS, INSTALL, ADMIN, PLATFORM = "IA", "IA", "A", "P"

MAY: Final[dict[tuple[str, str], str]] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/healthz"): EVERYBODY,
    ("HEAD", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("HEAD", "/readyz"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,  # on this machine; from others see the test of its own
    ("GET", "/openapi.json"): ALL,
    ("GET", "/console/guide"): EVERYBODY,
    ("HEAD", "/console/guide"): EVERYBODY,
    ("GET", "/console/guide/{path:path}"): EVERYBODY,
    ("HEAD", "/console/guide/{path:path}"): EVERYBODY,
    ("GET", "/console/{path:path}"): EVERYBODY,
    ("HEAD", "/console/{path:path}"): EVERYBODY,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): EVERYBODY,
    ("GET", "/static/page.css"): EVERYBODY,
    ("GET", "/static/login.js"): EVERYBODY,
    ("GET", "/basic"): PEOPLE_ONLY,
    ("GET", "/basic/login"): EVERYBODY,
    ("POST", "/basic/login"): EVERYBODY,
    ("POST", "/basic/logout"): PEOPLE_ONLY,
    ("GET", "/basic/alarms/{alarm_id}"): PEOPLE_ONLY,
    ("POST", "/basic/alarms/{alarm_id}/acknowledge"): ACT,
    ("POST", "/basic/alarms/{alarm_id}/close"): ACT,
    ("GET", "/api/v1/session"): PEOPLE_ONLY,
    ("POST", "/api/v1/session"): EVERYBODY,
    ("DELETE", "/api/v1/session"): PEOPLE_ONLY,
    ("GET", "/api/v1/session/people"): EVERYBODY,
    ("POST", "/api/v1/session/first"): EVERYBODY,
    ("POST", "/api/v1/session/pin"): PEOPLE_ONLY,
    ("POST", "/api/v1/session/secret"): PEOPLE_ONLY,
    ("GET", "/api/v1/people"): ADMIN,
    ("POST", "/api/v1/people"): ADMIN,
    ("DELETE", "/api/v1/people/{person_id}"): ADMIN,
    ("POST", "/api/v1/people/{person_id}/secret"): ADMIN,
    ("GET", "/api/v1/alarms"): ALL,
    ("GET", "/api/v1/faults"): ALL,
    ("POST", "/api/v1/alarms/{alarm_id}/acknowledge"): ACT,
    ("POST", "/api/v1/alarms/{alarm_id}/close"): ACT,
    ("POST", "/api/v1/alarms/{alarm_id}/steps/{number}"): ACT,
    ("POST", "/api/v1/alarms/{alarm_id}/notes"): ACT,
    ("POST", "/api/v1/alarms/{alarm_id}/telephoned"): ACT,
    ("GET", "/api/v1/alarms/{alarm_id}/stills/{camera_id}.jpg"): VIDEO,
    ("GET", "/api/v1/plans"): ALL,
    ("GET", "/api/v1/events"): ALL,
    ("GET", "/api/v1/stream"): ALL,
    ("GET", "/api/v1/console/stream"): ALL,
    ("POST", "/api/v1/console/shown"): ALL,
    ("GET", "/api/v1/audit"): AUDIT,
    ("GET", "/api/v1/devices"): ALL,
    ("POST", "/api/v1/devices/{device_id}/commands/{name}"): ACT,
    ("GET", "/api/v1/devices/{device_id}/points/{point}/history"): ALL,
    ("GET", "/api/v1/deliveries"): ALL,
    ("GET", "/api/v1/receivers"): ALL,
    ("POST", "/api/v1/receipts"): PLATFORM,
    ("GET", "/api/v1/cameras"): ALL,
    ("GET", "/api/v1/cameras/{camera_id}/timeline"): ALL,
    ("GET", "/api/v1/cameras/{camera_id}/video.mp4"): VIDEO,
    ("HEAD", "/api/v1/cameras/{camera_id}/video.mp4"): VIDEO,
    ("GET", "/api/v1/cameras/{camera_id}/live.mp4"): VIDEO,
    ("GET", "/api/v1/cameras/{camera_id}/live.mjpeg"): VIDEO,
    ("GET", "/api/v1/cameras/{camera_id}/snapshot.jpg"): VIDEO,
    ("POST", "/api/v1/cameras/{camera_id}/address"): VIDEO,
    ("POST", "/api/v1/evidence"): EXPORT,
    ("GET", "/api/v1/evidence"): AUDIT,
    ("GET", "/api/v1/evidence/key"): AUDIT,
    ("GET", "/api/v1/speech/{device}/{file}"): ALL,
    ("GET", "/api/v1/floors"): ALL,
    ("POST", "/api/v1/floors"): PLANS,
    ("POST", "/api/v1/floors/undo"): PLANS,
    ("GET", "/api/v1/floors/nearest/{device_id}"): ALL,
    ("DELETE", "/api/v1/floors/{plan_id}"): PLANS,
    ("GET", "/api/v1/floors/{plan_id}/picture"): ALL,
    ("PUT", "/api/v1/floors/{plan_id}/scale"): PLANS,
    ("PUT", "/api/v1/places/{what}/{item_id}"): PLANS,
    ("DELETE", "/api/v1/places/{what}/{item_id}"): PLANS,
    ("GET", "/api/v1/install/config"): INSTALL,
    ("GET", "/api/v1/install/table"): INSTALL,
    ("GET", "/api/v1/install/forms/{kind}"): INSTALL,
    ("POST", "/api/v1/install/config/check"): INSTALL,
    ("POST", "/api/v1/install/config/apply"): INSTALL,
    ("POST", "/api/v1/install/config/undo"): INSTALL,
    ("GET", "/api/v1/install/config/undo/{number}"): INSTALL,
    ("POST", "/api/v1/install/reload"): INSTALL,
    ("GET", "/api/v1/install/devices/{device_id}"): INSTALL,
    ("GET", "/api/v1/install/devices/{device_id}/live"): INSTALL,
    ("GET", "/api/v1/install/profiles"): INSTALL,
    ("GET", "/api/v1/install/profiles/{profile_id:path}"): INSTALL,
    ("GET", "/api/v1/install/topics"): INSTALL,
    ("POST", "/api/v1/install/try"): INSTALL,
    ("POST", "/api/v1/install/search"): INSTALL,
    ("GET", "/api/v1/install/search"): INSTALL,
    ("DELETE", "/api/v1/install/search"): INSTALL,
}
LEAVES: Final[dict[tuple[str, str], str]] = {
    ("POST", "/login"): "sign_in",
    ("POST", "/basic/login"): "sign_in",
    ("POST", "/basic/logout"): "sign_out",
    ("POST", "/basic/alarms/{alarm_id}/acknowledge"): "alarm.acknowledge",
    ("POST", "/basic/alarms/{alarm_id}/close"): "alarm.close",
    ("POST", "/api/v1/session"): "sign_in",
    ("DELETE", "/api/v1/session"): "sign_out",
    ("POST", "/api/v1/session/first"): "person.add",
    ("POST", "/api/v1/session/pin"): "pin.given",
    ("POST", "/api/v1/session/secret"): "person.secret",
    ("POST", "/api/v1/people"): "person.add",
    ("DELETE", "/api/v1/people/{person_id}"): "person.remove",
    ("POST", "/api/v1/people/{person_id}/secret"): "person.secret",
    ("POST", "/api/v1/alarms/{alarm_id}/acknowledge"): "alarm.acknowledge",
    ("POST", "/api/v1/alarms/{alarm_id}/close"): "alarm.close",
    ("POST", "/api/v1/alarms/{alarm_id}/steps/{number}"): "alarm.step",
    ("POST", "/api/v1/alarms/{alarm_id}/notes"): "alarm.note",
    ("POST", "/api/v1/alarms/{alarm_id}/telephoned"): "alarm.telephoned",
    ("POST", "/api/v1/console/shown"): "alarm.shown",
    ("POST", "/api/v1/devices/{device_id}/commands/{name}"): "device.command",
    ("POST", "/api/v1/evidence"): "evidence.export",
    ("POST", "/api/v1/floors"): "plan.add",
    ("POST", "/api/v1/floors/undo"): "plan.undo",
    ("DELETE", "/api/v1/floors/{plan_id}"): "plan.drop",
    ("PUT", "/api/v1/floors/{plan_id}/scale"): "plan.scale",
    ("PUT", "/api/v1/places/{what}/{item_id}"): "plan.place",
    ("DELETE", "/api/v1/places/{what}/{item_id}"): "plan.take",
    ("POST", "/api/v1/install/config/apply"): "config.apply",
    ("POST", "/api/v1/install/config/undo"): "config.undo",
    ("POST", "/api/v1/install/reload"): "config.reload",
    ("POST", "/api/v1/install/try"): "install.try",
    ("POST", "/api/v1/install/search"): "install.search",
    ("DELETE", "/api/v1/install/search"): "install.cancel",
    ("GET", "/api/v1/cameras/{camera_id}/video.mp4"): "video.view",
    ("GET", "/api/v1/alarms/{alarm_id}/stills/{camera_id}.jpg"): "video.view",
}
"""What a route writes into the audit trail."""
LEAVES_NOTHING: Final = {
    ("POST", "/api/v1/receipts"),  # a machine's word about a delivery, which keeps it itself
    ("POST", "/api/v1/install/config/check"),  # changes nothing
    ("POST", "/api/v1/cameras/{camera_id}/address"),  # noted when it is used
}
ASKS_PIN: Final = {
    ("POST", "/api/v1/alarms/{alarm_id}/close"),
    ("POST", "/api/v1/evidence"),
    ("POST", "/api/v1/people"),
    ("DELETE", "/api/v1/people/{person_id}"),
    ("POST", "/api/v1/people/{person_id}/secret"),
    ("POST", "/api/v1/install/config/apply"),
    ("POST", "/api/v1/install/config/undo"),
    ("POST", "/api/v1/install/reload"),
}
"""Of a person at a console (decision 0022); two more decide by what is asked: commands, but those
that close, and the plain page's form."""
ENDLESS: Final = {
    "/api/v1/stream",
    "/api/v1/console/stream",
    "/api/v1/cameras/{camera_id}/live.mp4",
}
ENDS_THE_SESSION: Final = {("DELETE", "/api/v1/session"), ("POST", "/basic/logout")}
TAKES_A_FORM: Final = {
    "/login",
    "/basic/login",
    "/basic/logout",
    "/basic/alarms/{alarm_id}/acknowledge",
    "/basic/alarms/{alarm_id}/close",
}
SIGNS_ON: Final = {"/login", "/basic/login", "/api/v1/session", "/api/v1/session/first"}
SAFE: Final = {"GET", "HEAD"}
FILLED: Final = {
    "alarm_id": "no-such", "number": "1", "person_id": "p-0123456789ab", "device_id": "no-such",
    "device": "no-such", "file": "no.zh.ogg", "point": "none", "name": "none", "what": "device",
    "item_id": "no-such", "plan_id": "0" * 16, "profile_id": "no/such", "camera_id": "no-such",
    "path": "", "kind": "camera",
}  # fmt: skip


def routes(house: Whole) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in house.app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: FILLED[found[1]], path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """One for all: a house with everything takes seconds to build."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        async with whole(tmp_path_factory.mktemp("whole"), monkeypatch) as opened:
            yield opened


async def harmless(house: Whole, method: str, path: str, headers: dict[str, str]) -> Answer:
    """Ask for a route without a body of any use: whoever may gets 2xx, 404, 409 or 422."""
    options: dict[str, Any] = {"headers": headers, "endless": path in ENDLESS}
    if path in SIGNS_ON and method == "POST":
        # Without the cookie: signing on ends the session that a browser had before.
        options["headers"] = {name: headers[name] for name in headers if name != "Cookie"}
    if path in TAKES_A_FORM:
        token = {"token": house.token(Role.VIEWER)} if path in SIGNS_ON else {}
        options["data"] = {"csrf": headers.get("X-CSRF-Token", ""), **token}
    elif path == "/api/v1/session" and method == "POST":
        options["json"] = {"token": house.token(Role.VIEWER)}
    elif path == "/api/v1/session/first" and "X-CSRF-Token" in headers:
        options["json"] = {"code": "x", "name": "x", "secret": "x"}  # weak, and so not tried
    return await house.ask(method, filled(path), **options)


def expected(letter: str, method: str, path: str, *, has_session: bool) -> str:
    """What somebody gets: "in", "401" or "403". "" for nobody."""
    may = MAY[method, path]
    if may == EVERYBODY:
        return "in"
    if not letter:
        return "401"
    is_form = path.startswith("/basic/") and method == "POST"  # and belongs to a session
    return "in" if letter in may and (has_session or not is_form) else "403"


def got(answer: Answer, path: str) -> str:
    """What the answer says of who asked; a fault of ours is none of the three."""
    if answer.status in {401, 403}:
        return str(answer.status)
    nobody_draws = path.endswith("snapshot.jpg") and answer.status == 503
    return "in" if answer.status < 500 or nobody_draws else f"broken {answer.status}"


async def test_the_table_has_every_route_and_no_other(house: Whole) -> None:
    found = routes(house)
    assert len(found) == len(set(found))
    assert set(found) - set(MAY) == set(), "routes that nobody put into the table"
    assert set(MAY) - set(found) == set(), "rows without a route"


async def test_what_asks_for_the_pin_again_is_written_down_here(house: Whole) -> None:
    found = {
        (method, route.path)
        for route in house.app.routes
        if isinstance(route, APIRoute) and asks_pin(route)
        for method in route.methods
    }
    assert found == ASKS_PIN


async def test_every_route_lets_in_whom_the_table_says_and_nobody_else(house: Whole) -> None:
    wrong = []
    for letter in ("", *LETTERS):
        ways = {"": {}} if not letter else {"token": house.bearer(LETTERS[letter])}
        session = Session(house)
        if letter and (await session.sign_on(token=house.token(LETTERS[letter]))).status == 200:
            ways["session"] = session.headers()
        assert ("session" in ways) is (letter not in {"", "P"}), "a platform is no person"
        for how, headers in ways.items():
            for method, path in routes(house):
                answer = await harmless(house, method, path, headers)
                if how == "session" and (method, path) in ENDS_THE_SESSION:
                    await session.sign_on(token=house.token(LETTERS[letter]))
                    headers.update(session.headers())
                right = expected(letter, method, path, has_session=how == "session")
                if got(answer, path) != right:
                    wrong.append((letter, how, method, path, answer.status))
                if answer.status >= 400 and path.startswith("/api/") and method != "HEAD":
                    assert set(answer.json()) >= {"error", "detail"}, (method, path, answer.text)
    assert wrong == []


async def test_numbers_and_the_description_are_for_those_who_may_read(house: Whole) -> None:
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    assert (await house.ask("GET", "/metrics", headers=elsewhere)).status == 401
    known = elsewhere | house.bearer(Role.VIEWER)
    assert (await house.ask("GET", "/metrics", headers=known)).status == 200
    described = (await house.ask("GET", "/openapi.json", headers=known)).json()["paths"]
    said = {(method.upper(), path) for path, item in described.items() for method in item}
    hidden = {(method, path) for method, path in routes(house) if method == "HEAD"}
    hidden |= {row for row in MAY if not row[1].startswith("/api/")}
    plain = {(method, re.sub(r":\w+", "", path)) for method, path in set(MAY) - hidden}
    assert said - {("GET", f"/{name}") for name in ("healthz", "readyz", "metrics")} == plain


async def test_a_change_needs_the_proof_of_our_page_and_none_comes_from_a_foreign_one(
    house: Whole,
) -> None:
    session = Session(house)
    await session.sign_on(token=house.token(Role.ADMIN))
    foreign = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    )
    wrong = []
    for method, path in routes(house):
        if method in SAFE:
            continue
        asked = [session.headers() | one for one in foreign]
        if path not in SIGNS_ON:
            asked.append(session.headers(proof=False))
            asked.append(session.headers() | {"X-CSRF-Token": session.csrf[:-1] + "-"})
        for headers in asked:
            answer = await harmless(house, method, path, headers)
            if answer.status != 403 or "Set-Cookie" in answer.headers:
                wrong.append((method, path, sorted(headers), answer.status))
    assert wrong == []
    assert (await house.ask("GET", "/api/v1/session", headers=session.headers())).status == 200


class Story:
    """Somebody does one thing after another; each is looked up in the trail."""

    def __init__(self, house: Whole) -> None:
        self.house = house
        self.told: set[tuple[str, str]] = set()

    async def does(
        self, method: str, route: str, who: str, named: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        """Ask, and find exactly who it was, from where, and what, in the trail."""
        before = await self.house.trail_end()
        path = route
        for name, value in (named or {}).items():
            path = path.replace("{" + name + "}", value)
        answer = await self.house.ask(method, path + options.pop("query", ""), **options)
        assert answer.status < 500, (method, path, answer.text)
        action = LEAVES[method, route]
        told = [entry["data"] for entry in await self.house.trail(before)]
        found = [entry for entry in told if entry["action"] == action]
        assert found, (method, path, answer.status, answer.text, told)
        assert (found[0]["who"], found[0]["from"]) == (who, "127.0.0.1"), found
        self.told.add((method, route))
        return answer


async def test_whatever_changes_something_or_shows_video_is_in_the_trail(house: Whole) -> None:
    story = Story(house)
    await _people(story)
    await _alarms(story)
    await _places_and_files(story)
    await _pictures(story)
    assert story.told == set(LEAVES)
    changing = {row for row in MAY if row[0] not in SAFE}
    assert changing == {row for row in LEAVES if row[0] not in SAFE} | LEAVES_NOTHING


async def _people(story: Story) -> None:
    house, api = story.house, "/api/v1"
    code = house.app.state.sign_on._door.books.first.fresh()
    first = {"code": code, "name": "校长", "secret": "correct horse"}
    await story.does("POST", f"{api}/session/first", "校长", json=first)
    bearer, admin = house.bearer(Role.ADMIN), "机admin"
    new = {"name": "张三", "role": "guard", "secret": "2580"}
    made = await story.does("POST", f"{api}/people", admin, json=new, headers=bearer)
    one = {"person_id": made.json()["id"]}
    secret = {"secret": "904127"}
    path = f"{api}/people/{{person_id}}"
    await story.does("POST", f"{path}/secret", admin, one, json=secret, headers=bearer)
    body = {"name": "张三", "secret": "904127"}
    await story.does("POST", f"{api}/session", "张三", json=body)
    session = Session(house)
    await session.sign_on(**body)
    await story.does(
        "POST", f"{api}/session/pin", "张三", json={"secret": "904127"}, headers=session.headers()
    )
    own = {"old": "904127", "secret": "775533"}
    await story.does("POST", f"{api}/session/secret", "张三", json=own, headers=session.headers())
    body = {"name": "张三", "secret": "775533"}
    await session.sign_on(**body)
    await story.does("DELETE", f"{api}/session", "张三", headers=session.headers())
    await story.does("POST", "/login", "张三", data=body)
    await story.does("POST", "/basic/login", "张三", data=body)
    await session.sign_on(**body)
    form = {"csrf": session.csrf}
    await story.does("POST", "/basic/logout", "张三", data=form, headers=session.headers())
    await story.does("DELETE", path, admin, one, headers=bearer)


async def _alarms(story: Story) -> None:
    house, bearer, who = story.house, story.house.bearer(Role.LEADER), "机leader"
    one = {"alarm_id": await house.press()}
    shown = {"alarms": [one["alarm_id"]], "sounding": True}
    await story.does("POST", "/api/v1/console/shown", who, json=shown, headers=bearer)
    steps: tuple[tuple[str, dict[str, Any] | None], ...] = (
        ("acknowledge", None),
        ("steps/{number}", {"state": "done"}),
        ("notes", {"text": "在现场"}),
        ("telephoned", {"receiver": "police"}),
        ("close", {"disposition": "test"}),
    )
    for name, body in steps:
        path = f"/api/v1/alarms/{{alarm_id}}/{name}"
        await story.does("POST", path, who, one | {"number": "1"}, json=body, headers=bearer)
    session = Session(house)
    await session.sign_on(token=house.token(Role.GUARD))
    one = {"alarm_id": await house.press()}
    form = {"csrf": session.csrf, "disposition": "test", "note": ""}
    for name in ("acknowledge", "close"):
        path = f"/basic/alarms/{{alarm_id}}/{name}"
        await story.does("POST", path, "某guard", one, data=form, headers=session.headers())
    named = {"device_id": house.button.name, "name": "none"}
    path = "/api/v1/devices/{device_id}/commands/{name}"
    await story.does("POST", path, who, named, json={"reason": "试"}, headers=bearer)


async def _places_and_files(story: Story) -> None:
    house, bearer, who = story.house, story.house.bearer(Role.INSTALLER), "机installer"
    options: dict[str, Any] = {"headers": bearer}
    floors, picture = (
        "/api/v1/floors",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"/>',
    )
    made = await story.does("POST", floors, who, query="?name=1&version=0", data=picture, **options)
    plan = made.json()["plans"][0]["id"]
    places, one = (
        "/api/v1/places/{what}/{item_id}",
        {"what": "device", "item_id": house.button.name},
    )
    at = {"plan": plan, "x": 1, "y": 1}
    for version in (1, 3):
        await story.does("PUT", places, who, one, json=at | {"version": version}, **options)
        if version == 1:
            await story.does("POST", f"{floors}/undo", who, json={"version": 2}, **options)
    await story.does("DELETE", places, who, one, query="?version=4", **options)
    named = {"plan_id": plan}
    scale = {"metres_per_unit": 0.5, "version": 5}
    await story.does("PUT", f"{floors}/{{plan_id}}/scale", who, named, json=scale, **options)
    await story.does("DELETE", f"{floors}/{{plan_id}}", who, named, query="?version=6", **options)

    install = "/api/v1/install"
    table = {"profile": "generic/json_button", "link": "field", "name": "新", "place": "东门",
             "address": {"topic": "new/1"}}  # fmt: skip
    change = {"device": "btn-2", "table": table, "new": True}
    await story.does("POST", f"{install}/try", who, json=change, **options)

    async def version() -> str:
        return str((await house.ask("GET", f"{install}/config", **options)).json()["version"])

    body = {"change": change, "version": await version(), "reason": "新装"}
    made = await story.does("POST", f"{install}/config/apply", who, json=body, **options)
    body = {"number": made.json()["number"], "version": await version(), "reason": "拆"}
    await story.does("POST", f"{install}/config/undo", who, json=body, **options)
    await story.does("POST", f"{install}/reload", who, json={"reason": "改"}, **options)
    look = {"what": "topics", "link": "field", "seconds": 100}
    await story.does("POST", f"{install}/search", who, json=look, **options)
    await story.does("DELETE", f"{install}/search", who, **options)


async def _pictures(story: Story) -> None:
    house, bearer, who = story.house, story.house.bearer(Role.LEADER), "机leader"
    span = {"camera": CAMERA, "from": said(NOON), "to": said(NOON + 2 * SECOND)}
    body = span | {"reason": "派出所要"}
    await story.does("POST", "/api/v1/evidence", who, json=body, headers=bearer)
    path, named = "/api/v1/cameras/{camera_id}/video.mp4", {"camera_id": CAMERA}
    query = f"?from={span['from']}&to={span['to']}"
    await story.does("GET", path, who, named, query=query, headers=bearer)
    alarm_id = (await house.ask("GET", "/api/v1/alarms?state=all", headers=bearer)).json()["alarms"]
    named["alarm_id"] = alarm_id[0]["alarm_id"]
    jpeg = b"\xff\xd8\xff\xd9"
    store = house.folder / "store"
    write_still(store, named["alarm_id"], CAMERA, jpeg, wanted_ns=NOON, at_ns=NOON)
    path = "/api/v1/alarms/{alarm_id}/stills/{camera_id}.jpg"
    await story.does("GET", path, who, named, headers=bearer)
