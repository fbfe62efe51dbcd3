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

from gateway.console.tokens import Role
from tests.console.conftest import Answer
from tests.console.whole import Session, Whole, whole

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
