"""A PIN given once more, two persons at one console, and a new PIN of one's own: over sockets."""

from typing import Any

import pytest

from gateway.config.settings import Interlock
from gateway.console.desk import Ordered
from gateway.console.proofs import PAIR_S
from gateway.console.sessions import PIN_S, SESSION_S, Sessions
from gateway.console.tokens import Role
from gateway.interlock import Guard, Person
from tests.console.conftest import Console
from tests.console.memory_desk import alarm, device
from tests.console.signing import FORCED, PIN, Browser, person

CLOSE = "/api/v1/alarms/a-1/close"
BODY = {"disposition": "accidental", "note": "学生误碰"}
OPEN = "/api/v1/devices/valve-1/commands/open"
SHUT = "/api/v1/devices/valve-1/commands/close"
REASON = {"reason": "严密性试验合格"}
SECOND_PIN = "3691"
SECOND_FORCED = "4785"


def actions(console: Console) -> list[str]:
    return [line.body.decode().split('"action":"')[1].split('"')[0] for line in console.desk.lines]


def code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


async def later(console: Console, browser: Browser, role: Role = Role.GUARD) -> None:
    """Sign on, and let the time go by for which the PIN holds."""
    person(console, role=role)
    assert (await browser.sign_on()).status == 200
    console.clock.forward(PIN_S + 1)


async def test_acknowledging_never_asks_and_closing_asks_once_in_five_minutes(
    console: Console,
) -> None:
    console.desk.rows += [alarm(), alarm("a-2"), alarm("a-3")]
    browser = Browser(console)
    await later(console, browser)
    assert (await browser.post("/api/v1/alarms/a-1/acknowledge")).status == 200
    key = {"Idempotency-Key": "one"}
    asked = await browser.post(CLOSE, BODY, headers=key)
    assert (code(asked), asked.headers["Campus-Pin"]) == ((403, "pin_needed"), "needed")
    assert console.desk.rows[0]["state"] == "ack_active"
    wrong = await browser.post("/api/v1/session/pin", {"secret": "9999"})
    assert code(wrong) == (403, "wrong_pin")
    assert code(await browser.post(CLOSE, BODY, headers=key)) == (403, "pin_needed")
    given = await browser.post("/api/v1/session/pin", {"secret": PIN})
    assert (given.status, given.json()["csrf"]) == (200, browser.csrf)
    assert (await browser.post(CLOSE, BODY, headers=key)).status == 200, "the very same decision"
    console.clock.forward(PIN_S)
    assert (await browser.post(CLOSE.replace("a-1", "a-2"), BODY)).status == 200
    console.clock.forward(1)
    assert code(await browser.post(CLOSE.replace("a-1", "a-3"), BODY)) == (403, "pin_needed")
    assert actions(console) == ["sign_in", "pin.refused", "pin.given"]


async def test_a_pin_holds_for_the_console_where_it_was_given_and_in_this_life_only(
    console: Console,
) -> None:
    console.desk.rows.append(alarm())
    one, two = Browser(console), Browser(console, is_here=True)
    await later(console, one)
    assert (await two.sign_on()).status == 200
    assert code(await one.post(CLOSE, BODY)) == (403, "pin_needed")
    door = console.app.state.sign_on._door
    door.sessions = Sessions(
        door.holders, console.clock, door.books.people.folder / "sessions.json"
    )
    assert (await two.get("/api/v1/session")).json()["csrf"] == two.csrf, "signed on as before"
    assert code(await two.post(CLOSE, BODY)) == (403, "pin_needed")
    assert (await two.post("/api/v1/session/pin", {"secret": PIN})).status == 200
    assert (await two.post(CLOSE, BODY)).status == 200


async def test_whoever_brings_a_token_is_not_asked(console: Console) -> None:
    console.desk.rows += [alarm(), alarm("a-2")]
    browser = Browser(console)
    await browser.post("/api/v1/session", {"token": console.tokens[Role.GUARD]})
    browser.csrf = (await browser.get("/api/v1/session")).json()["csrf"]
    console.clock.forward(PIN_S * 10)
    assert (await browser.post(CLOSE, BODY)).status == 200
    assert code(await browser.post("/api/v1/session/pin", {"secret": PIN})) == (409, "no_pin")
    path = CLOSE.replace("a-1", "a-2")
    assert (await console.post(path, Role.GUARD, json=BODY)).status == 200
    bearer = await console.post("/api/v1/session/pin", Role.GUARD, json={"secret": PIN})
    assert code(bearer) == (409, "no_pin")


async def test_guesses_at_a_console_somebody_left_are_paid_for_as_at_the_sign_on(
    console: Console,
) -> None:
    browser = Browser(console)
    await later(console, browser)
    for _ in range(6):
        answer = await browser.post("/api/v1/session/pin", {"secret": "9999"})
        assert code(answer) == (403, "wrong_pin")
    assert (await browser.post("/api/v1/session/pin", {"secret": PIN})).status == 429
    assert (await browser.sign_on()).status == 429, "one budget for both"
    console.clock.forward(1)
    assert (await browser.post("/api/v1/session/pin", {"secret": PIN})).status == 200
    assert (await browser.post("/api/v1/session/pin", {"secret": PIN}, proof=False)).status == 403


async def test_a_pin_under_duress_looks_the_same_and_calls_for_help(console: Console) -> None:
    console.desk.rows.append(alarm())
    browser = Browser(console)
    await later(console, browser)
    usual = await browser.post("/api/v1/session/pin", {"secret": PIN})
    assert console.desk.forced == []
    forced = await browser.post("/api/v1/session/pin", {"secret": FORCED})
    assert (forced.status, forced.body) == (200, usual.body)
    assert sorted(forced.headers) == sorted(usual.headers)
    assert console.desk.forced == ["张三"]
    given = [line.body.decode() for line in console.desk.lines][-2:]
    for name in ("action", "who", "subject", "details"):
        values = {line.split(f'"{name}":')[1].split(",")[0] for line in given}
        assert len(values) == 1, f"the trail's {name} tells them apart"
    assert (await browser.post(CLOSE, BODY)).status == 200


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/api/v1/people", {"name": "某人", "role": "guard", "secret": "904127"}),
    ("POST", "/api/v1/people/p-000000000000/secret", {"secret": "904127"}),
    ("DELETE", "/api/v1/people/p-000000000000", None),
    ("POST", OPEN, REASON),
    ("POST", CLOSE, BODY),
]


async def test_what_acts_on_the_world_asks_and_then_goes_on(console: Console) -> None:
    browser = Browser(console)
    await later(console, browser, Role.ADMIN)
    for method, path, body in CHANGES:
        assert code(await browser.ask(method, path, json=body)) == (403, "pin_needed"), path
    assert (console.desk.orders, actions(console)) == ([], ["sign_in"])
    await browser.post("/api/v1/session/pin", {"secret": PIN})
    for method, path, body in CHANGES:
        answer = await browser.ask(method, path, json=body)
        assert answer.status in {200, 404}, f"{path}: the handler was not reached"


async def test_the_plain_page_asks_in_its_form(console: Console) -> None:
    console.desk.rows.append(alarm())
    browser = Browser(console)
    await later(console, browser)
    drawn = await browser.get("/basic/alarms/a-1")
    assert 'name="pin"' in drawn.text
    form = {"csrf": browser.csrf, "disposition": "accidental", "note": ""}
    path = "/basic/alarms/a-1/close"
    assert (await browser.ask("POST", path, data=form)).status == 403
    assert (await browser.ask("POST", path, data=form | {"pin": "9999"})).status == 403
    assert console.desk.rows[0]["state"] == "unack_active"
    assert (await browser.ask("POST", path, data=form | {"pin": PIN})).status == 303
    assert console.desk.rows[0]["closed_by"] == "张三"
    assert actions(console) == ["sign_in", "pin.refused", "pin.given"]
    assert 'name="pin"' not in (await browser.get("/basic/alarms/a-1")).text


async def test_closing_a_valve_asks_nothing(console: Console) -> None:
    commands = [{"name": "close", "effect": "close"}, {"name": "open", "effect": "open"}]
    console.desk.device_rows.append(device("valve-1", "online", commands=commands))
    browser = Browser(console)
    await later(console, browser)
    assert (await browser.post(SHUT, {"reason": "闻到燃气"})).status == 200
    assert console.desk.orders == [("valve-1", "close", "张三", "闻到燃气")]
    assert code(await browser.post(OPEN, REASON)) == (403, "pin_needed")
    elsewhere = SHUT.replace("valve-1", "valve-2")
    assert code(await browser.post(elsewhere, REASON)) == (403, "pin_needed")


# Two persons.


class Valve:
    """A desk that has the interlock's own judgement of who asks, and nothing more."""

    def __init__(self, console: Console, guard: Guard) -> None:
        self.console = console
        self.guard = guard
        self.opened: list[tuple[str, str]] = []
        console.desk.command = self.command  # type: ignore[method-assign]

    async def command(self, device_id: str, name: str, who: Any, reason: str) -> Ordered:
        decision = self.guard.ask(Person(who.id, who.name), self.console.clock.mono_ns())
        if decision.verdict == "go":
            self.opened.append((decision.first, who.name))
            return Ordered(state="done", code="done")
        state: Any = decision.verdict
        return Ordered(state=state, code=state, why=decision.why)


@pytest.fixture
def valve(console: Console) -> Valve:
    rule = Interlock(
        name="canteen",
        watched=(("gas-1", "gas"),),
        valve="valve-1",
        close="close",
        open="open",
        clear_for_s=1,
    )
    guard = Guard(rule)
    for second in (0, 1, 2):
        guard.look(second * 10**9)
        guard.seen(("gas-1", "gas"), "clear", second * 10**9)
    console.clock.forward(3)
    return Valve(console, guard)


async def pair(console: Console) -> Browser:
    person(console)
    people = console.app.state.sign_on.people
    people.add("李四", Role.LEADER, SECOND_PIN, SECOND_FORCED)
    browser = Browser(console)
    assert (await browser.sign_on()).status == 200
    return browser


def both(name: str = "李四", secret: str = SECOND_PIN) -> dict[str, Any]:
    return REASON | {"second": {"name": name, "secret": secret}}


async def test_two_persons_open_a_valve_at_one_console(console: Console, valve: Valve) -> None:
    browser = await pair(console)
    first = await browser.post(OPEN, REASON)
    assert (first.status, valve.opened) == (202, []), "one alone waits, as ever"
    assert (await browser.post(OPEN, both())).status == 200
    assert valve.opened == [("张三", "李四")]
    assert actions(console) == ["sign_in", "pin.second"]
    assert console.desk.forced == []


@pytest.mark.parametrize(
    ("name", "secret", "help_is_called"),
    [
        ("张三", PIN, []),
        ("张三", FORCED, ["张三"]),
        ("李四", PIN, []),
        ("李四", FORCED, ["张三"]),
        ("李四", "9999", []),
        ("王五", SECOND_PIN, []),
        ("赵六", PIN, []),
    ],
    ids=[
        "the same person twice",
        "the same person's other PIN",
        "the first one's PIN under another name",
        "the first one's other PIN under another name",
        "a wrong PIN",
        "nobody",
        "two people with one PIN",
    ],
)
async def test_one_person_or_one_pin_is_not_two(
    console: Console, valve: Valve, name: str, secret: str, help_is_called: list[str]
) -> None:
    browser = await pair(console)
    console.app.state.sign_on.people.add("赵六", Role.LEADER, PIN)
    answer = await browser.post(OPEN, both(name, secret))
    assert code(answer) == (403, "wrong_pin")
    assert answer.json()["error"]["message_zh"] == "须由另一人输入自己的姓名和 PIN"
    assert (valve.opened, console.desk.forced) == ([], help_is_called)
    assert actions(console) == ["sign_in", "pin.refused"]


async def test_the_second_person_under_duress_calls_for_help_and_nobody_sees_it(
    console: Console, valve: Valve
) -> None:
    browser = await pair(console)
    answer = await browser.post(OPEN, both(secret=SECOND_FORCED))
    assert (answer.status, answer.json()) == (200, {"state": "done", "why": ""})
    assert (valve.opened, console.desk.forced) == ([("张三", "李四")], ["李四"])


async def test_the_two_pins_are_given_within_a_minute(console: Console, valve: Valve) -> None:
    browser = await pair(console)
    console.clock.forward(PAIR_S + 1)
    valve.guard.look(console.clock.ns)
    assert code(await browser.post(OPEN, both())) == (403, "pin_needed")
    assert valve.opened == []
    bearer = await console.post(OPEN, Role.LEADER, json=both())
    assert code(bearer) == (409, "no_pin")
    linked = Browser(console)
    token = {"token": console.tokens[Role.LEADER]}
    linked.csrf = (await linked.post("/api/v1/session", token)).json()["csrf"]
    assert code(await linked.post(OPEN, both())) == (409, "no_pin")
    assert valve.opened == []


async def test_who_may_not_act_is_no_second_person(console: Console, valve: Valve) -> None:
    browser = await pair(console)
    console.app.state.sign_on.people.add("督学", Role.VIEWER, "4826", "")
    assert (await browser.post(OPEN, both("督学", "4826"))).status == 403
    assert valve.opened == []


# A PIN of one's own.


async def test_a_person_gives_himself_another_pin_and_stays_signed_on_here_only(
    console: Console,
) -> None:
    person(console)
    here, there = Browser(console), Browser(console, is_here=True)
    await here.sign_on()
    await there.sign_on()
    body = {"old": PIN, "secret": "4826", "duress": "4957"}
    wrong = await here.post("/api/v1/session/secret", body | {"old": "9999"})
    assert code(wrong) == (403, "wrong_pin")
    changed = await here.post("/api/v1/session/secret", body)
    assert (changed.status, changed.json()["name"]) == (200, "张三")
    here.csrf = changed.json()["csrf"]
    assert (await here.get("/api/v1/session")).json()["csrf"] == here.csrf
    assert (await there.get("/api/v1/session")).status == 401
    assert (await there.sign_on(secret=PIN)).status == 401
    assert (await there.sign_on(secret=FORCED)).status == 401
    assert (await there.sign_on(secret="4957")).status == 200
    assert console.desk.forced == ["张三"]
    told = b"".join(line.body for line in console.desk.lines).decode()
    assert actions(console).count("person.secret") == 1
    assert not any(secret in told for secret in (PIN, "4826", "4957", "9999", "argon2"))


async def test_changing_it_under_duress_calls_for_help_and_works(console: Console) -> None:
    person(console)
    browser = Browser(console)
    await browser.sign_on()
    body = {"old": FORCED, "secret": "4826"}
    assert (await browser.post("/api/v1/session/secret", body)).status == 200
    assert console.desk.forced == ["张三"]
    assert (await Browser(console, is_here=True).sign_on(secret="4826")).status == 200


WEAK = [
    ("0000", ""), ("1234", ""), ("4321", ""), ("1958", ""), ("2026", ""), ("4545", ""),
    ("572572", ""), ("4826", "4827"), ("4826", "4826"), ("4826", "48260"), ("482", ""),
]  # fmt: skip


async def test_a_pin_that_anybody_would_try_first_is_refused(console: Console) -> None:
    person(console)
    browser = Browser(console)
    await browser.sign_on()
    for secret, duress in WEAK:
        body = {"old": PIN, "secret": secret, "duress": duress}
        answer = await browser.post("/api/v1/session/secret", body)
        assert code(answer) == (422, "weak_secret"), body
    assert (await browser.get("/api/v1/session")).status == 200


# Who is on duty, and until when.


async def test_who_is_on_duty_is_told_to_known_consoles_only(console: Console) -> None:
    person(console)
    person(console, "校长", Role.ADMIN)
    guard, office, stranger = Browser(console), Browser(console), Browser(console)
    me = (await guard.sign_on()).json()
    await office.sign_on("校长")
    plate = (await office.get("/api/v1/session/people")).json()
    assert plate["on_duty"] == [{"name": "张三", "role": "guard", "until": me["until"]}]
    assert me["until"] == "2026-11-22T12:00:00Z"
    assert (await stranger.get("/api/v1/session/people")).json()["on_duty"] == []
    console.clock.forward(SESSION_S)
    assert (await guard.get("/api/v1/session/people")).json()["on_duty"] == []
