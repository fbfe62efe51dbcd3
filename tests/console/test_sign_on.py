"""Signing on through real sockets: who gets in, who waits, what is left of it afterwards."""

import asyncio
import re

import pytest

from gateway.console import sign_on as module
from gateway.console.first_code import TRIES
from gateway.console.limits import ALERT_FAILURES
from gateway.console.sessions import SESSION_S
from gateway.console.tokens import Role
from tests.console.conftest import Console
from tests.console.memory_desk import alarm
from tests.console.signing import PIN, Browser, person


def trail(console: Console) -> list[str]:
    return [line.body.decode() for line in console.desk.lines]


async def test_a_guard_signs_on_with_a_pin_acts_and_signs_off(console: Console) -> None:
    person(console)
    console.desk.rows.append(alarm())
    browser = Browser(console)
    answer = await browser.sign_on()
    me = answer.json()
    assert (answer.status, me["name"], me["role"]) == (200, "张三", "guard")
    assert me["rights"] == ["act", "read", "sign_in", "video"]
    assert (await browser.get("/api/v1/session")).json() == me
    path = "/api/v1/alarms/a-1/acknowledge"
    assert (await browser.post(path, proof=False)).status == 403
    assert (await browser.post(path)).status == 200
    assert console.desk.rows[0]["acknowledged_by"] == "张三"
    assert (await browser.ask("DELETE", "/api/v1/session", proof=False)).status == 403
    stolen = dict(browser.cookies)
    assert (await browser.ask("DELETE", "/api/v1/session")).status == 204
    assert "campus_session" not in browser.cookies
    browser.cookies = stolen
    assert (await browser.get("/api/v1/session")).status == 401, "a copied cookie is over, too"


async def test_signing_on_and_off_and_being_refused_are_in_the_trail_before_the_answer(
    console: Console,
) -> None:
    person(console)
    browser = Browser(console)
    await browser.sign_on(secret="9999")
    await browser.sign_on(name="904127")  # somebody who typed his PIN where the name goes
    await browser.sign_on()
    await browser.ask("DELETE", "/api/v1/session")
    actions = [re.findall(r'"action":"([^"]+)"', line)[0] for line in trail(console)]
    assert actions == ["sign_in.refused", "sign_in.refused", "sign_in", "sign_out"]
    assert '"person":"张三"' in trail(console)[0]
    assert not any(secret in line for line in trail(console) for secret in ("9999", "904127", PIN))


async def test_a_token_is_as_good_and_gives_a_session(console: Console) -> None:
    browser = Browser(console)
    answer = await browser.post("/api/v1/session", {"token": console.tokens[Role.LEADER]})
    assert (answer.status, answer.json()["role"]) == (200, "leader")
    assert (await browser.get("/api/v1/session")).status == 200
    refused = await browser.post("/api/v1/session", {"token": console.tokens[Role.PLATFORM]})
    assert refused.status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "张三"},
        {"secret": "2580"},
        {"name": "张三", "secret": "2580", "token": "cg_x"},
        {"name": "a\u202eb", "secret": "2580"},
        {"name": "张三", "secret": 2580},
        {"name": "x" * 65, "secret": "2580"},
        {"name": "张三", "secret": "x" * 129},
        [],
        None,
    ],
)
async def test_what_is_no_sign_on_is_refused_before_anything_slow(
    console: Console, body: object
) -> None:
    browser = Browser(console)
    assert (await browser.post("/api/v1/session", body)).status == 422
    assert console.desk.lines == []


async def test_the_cookies_are_out_of_reach_of_scripts_and_other_sites(console: Console) -> None:
    person(console)
    answer = await Browser(console).sign_on()
    lines = answer.headers.getall("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == ["campus_session", "campus_console"]
    for line in lines:
        assert "httponly" in line.lower()
        assert "samesite=strict" in line.lower()
    assert f"max-age={SESSION_S}" in lines[0].lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil"},
        {"Origin": "null"},
    ],
)
async def test_another_sites_page_signs_nobody_on(
    console: Console, headers: dict[str, str]
) -> None:
    person(console)
    body = {"name": "张三", "secret": PIN}
    answer = await Browser(console).post("/api/v1/session", body, headers=headers)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    own = {"Sec-Fetch-Site": "same-origin", "Origin": console.url}
    assert (await Browser(console).post("/api/v1/session", body, headers=own)).status == 200
    proxied = own | {"Origin": "https://console.school.example"}  # whose proxy gave us its own Host
    assert (await Browser(console).post("/api/v1/session", body, headers=proxied)).status == 200


async def test_behind_a_proxy_nobody_is_on_this_machine_and_cookies_travel_on_tls_only(
    console: Console,
) -> None:
    person(console)
    console.app.state.sign_on._door.books.is_behind_proxy = True
    browser = Browser(console, is_here=True)
    assert (await browser.get("/api/v1/session/people")).json()["people"] == []
    answer = await browser.sign_on()
    assert all("Secure" in line for line in answer.headers.getall("Set-Cookie"))
    assert (await browser.get("/api/v1/session/people")).json()["people"] == ["张三"]


async def test_a_session_that_was_slipped_in_is_not_taken_over(console: Console) -> None:
    person(console)
    attacker = Browser(console)
    await attacker.post("/api/v1/session", {"token": console.tokens[Role.VIEWER]})
    victim = Browser(console)
    victim.cookies["campus_session"] = attacker.cookies["campus_session"]
    await victim.sign_on()
    assert victim.cookies["campus_session"] != attacker.cookies["campus_session"]
    assert (await attacker.get("/api/v1/session")).status == 401, "the one before is over"
    invented = Browser(console)
    invented.cookies["campus_session"] = "chosen-by-somebody"
    await invented.sign_on()
    assert invented.cookies["campus_session"] != "chosen-by-somebody"


async def test_two_consoles_of_one_guard_do_not_disturb_each_other(console: Console) -> None:
    person(console)
    one, two = Browser(console), Browser(console, is_here=True)
    await asyncio.gather(one.sign_on(), two.sign_on())
    assert one.csrf != two.csrf
    console.desk.rows.append(alarm())
    path = "/api/v1/alarms/a-1/acknowledge"
    stolen = await one.post(path, headers={"X-CSRF-Token": two.csrf})
    assert stolen.status == 403, "the proof of one session serves no other"
    answers = await asyncio.gather(one.post(path), two.post(path))
    assert sorted(answer.status for answer in answers) == [200, 409]
    await one.ask("DELETE", "/api/v1/session")
    assert (await two.get("/api/v1/session")).status == 200


async def test_a_new_pin_or_being_removed_ends_the_sessions_at_once(console: Console) -> None:
    person_id = person(console)
    people = console.app.state.sign_on.people
    browser = Browser(console)
    await browser.sign_on()
    people.set_secret("张三", "904127")
    assert (await browser.get("/api/v1/session")).status == 401
    await browser.sign_on(secret="904127")
    assert (await browser.get("/api/v1/session")).status == 200
    people.remove(person_id)
    assert (await browser.get("/api/v1/session")).status == 401


async def test_strangers_who_guess_wait_and_the_guard_room_does_not(console: Console) -> None:
    person(console)
    guard = Browser(console)
    assert (await guard.sign_on()).status == 200
    here = Browser(console, is_here=True)
    stranger = Browser(console)
    for _ in range(5):
        assert (await stranger.sign_on(secret="9999")).status == 401
    assert (await stranger.sign_on(secret="9999")).status == 401
    waiting = await stranger.sign_on()
    assert (waiting.status, waiting.headers["Retry-After"]) == (429, "1"), "even with the right one"
    entries = len(console.desk.lines)
    for _ in range(20):
        assert (await stranger.sign_on()).status == 429
    assert len(console.desk.lines) == entries, "what is refused unseen does not fill the trail"
    assert (await guard.sign_on()).status == 200, "a known console"
    assert (await here.sign_on()).status == 200, "the gateway's own screen"


@pytest.mark.parametrize("change", ["console", "vouched", "day", "proof", "rubbish"])
async def test_nobody_makes_up_a_known_console(console: Console, change: str) -> None:
    person(console)
    guard = Browser(console)
    await guard.sign_on()
    names = (await guard.get("/api/v1/session/people")).json()["people"]
    assert names == ["张三"]
    parts = guard.cookies["campus_console"].split(".")
    at = {"console": 0, "vouched": 1, "day": 2, "proof": 3}.get(change)
    if at is None:
        guard.cookies["campus_console"] = "a.b.c.d"
    else:
        parts[at] = parts[at][:-1] + ("1" if parts[at][-1] != "1" else "2")
        guard.cookies["campus_console"] = ".".join(parts)
    assert (await guard.get("/api/v1/session/people")).json()["people"] == []


async def test_a_console_is_known_no_more_after_its_time_and_with_who_vouched_for_it(
    console: Console,
) -> None:
    first, second = person(console), person(console, "李四")
    guard, other = Browser(console), Browser(console)
    await guard.sign_on()
    await other.sign_on("李四")
    console.app.state.sign_on.people.remove(second)
    assert (await other.get("/api/v1/session/people")).json()["people"] == []
    console.clock.forward(400 * 86_400)
    assert (await guard.get("/api/v1/session/people")).json()["people"] == ["张三"]
    console.clock.forward(2 * 86_400)
    assert (await guard.get("/api/v1/session/people")).json()["people"] == []
    assert first


async def test_many_failures_become_a_fault_and_end_with_them(console: Console) -> None:
    person(console)
    here = Browser(console, is_here=True)
    for _ in range(ALERT_FAILURES):
        assert (await here.sign_on(secret="9999")).status == 401
        console.clock.forward(61)
    assert console.desk.own_faults == {"sign_on": True}
    console.clock.forward(3600)
    console.app.state.sign_on._tell()
    assert console.desk.own_faults == {"sign_on": False}


async def test_so_many_at_once_are_told_to_come_back(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(console)
    monkeypatch.setattr(module, "STRANGERS_MOST", 0)
    busy = await Browser(console).sign_on()
    assert (busy.status, busy.headers["Retry-After"]) == (503, "3")
    assert (await Browser(console, is_here=True).sign_on()).status == 200, "has room of its own"


async def test_the_first_admin_needs_what_the_service_prints_and_there_is_one_first(
    console: Console,
) -> None:
    said: list[str] = []
    console.app.state.sign_on._door.books.say = said.append
    await console.app.state.sign_on.say_code()
    code = re.findall(r"(\d{5} \d{5})", said[0])[0]
    browser = Browser(console)
    plate = (await browser.get("/api/v1/session/people")).json()
    assert plate == {"people": [], "on_duty": [], "is_first": True, "fingerprint": ""}
    body = {"code": "0000000000", "name": "校长", "secret": "correct horse"}
    assert (await browser.post("/api/v1/session/first", body)).status == 401
    body["code"] = code
    both = await asyncio.gather(
        browser.post("/api/v1/session/first", body),
        Browser(console, is_here=True).post("/api/v1/session/first", body | {"name": "别人"}),
    )
    assert sorted(answer.status for answer in both) in ([200, 401], [200, 409])
    won = next(answer for answer in both if answer.status == 200)
    assert won.json()["role"] == "admin"
    assert len(console.app.state.sign_on.people.list()) == 1
    assert (await browser.post("/api/v1/session/first", body)).status == 409
    assert (await browser.get("/api/v1/session/people")).json()["is_first"] is False


async def test_a_code_that_was_tried_too_often_is_replaced_by_another(console: Console) -> None:
    said: list[str] = []
    console.app.state.sign_on._door.books.say = said.append
    await console.app.state.sign_on.say_code()
    first = re.findall(r"(\d{5} \d{5})", said[0])[0]
    here = Browser(console, is_here=True)
    body = {"code": "0000000000", "name": "校长", "secret": "correct horse"}
    for _ in range(TRIES):
        assert (await here.post("/api/v1/session/first", body)).status == 401
    assert len(said) == 2, "a fresh one was printed"
    assert (await here.post("/api/v1/session/first", body | {"code": first})).status == 401
    second = re.findall(r"(\d{5} \d{5})", said[1])[0]
    console.clock.forward(60)
    weak = body | {"code": second, "secret": "1234"}
    assert (await here.post("/api/v1/session/first", weak)).status == 422
    good = body | {"code": second}
    assert (await here.post("/api/v1/session/first", good)).status == 200, "it was not used up"


async def test_the_way_in_leads_to_the_console_or_to_the_plain_page(console: Console) -> None:
    answer = await console.get("/", None)
    assert answer.status == 303
    assert answer.headers["Location"] in {"/console/", "/basic"}
    person(console)
    form = {"name": "张三", "secret": PIN}
    signed = await console.post("/basic/login", None, data=form)
    assert (signed.status, signed.headers["Location"]) == (303, "/basic")
    wrong = await console.post("/basic/login", None, data=form | {"secret": "9999"})
    assert (wrong.status, "script" in wrong.text) == (401, False)
    assert "姓名或 PIN 不对" in wrong.text
