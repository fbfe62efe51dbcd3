"""Whoever threatens a guard looks at the guard's screen: duress is nowhere in what it is told."""

import json
from typing import Any

import orjson
import pytest

from gateway.console.discreet import LOOKED_MOST, DiscreetDesk
from gateway.console.tokens import Role
from tests.console.conftest import Console
from tests.console.memory_desk import FakeClock, MemoryDesk, alarm, delivery, device
from tests.console.signing import FORCED, Browser, person

KNOW = set(Role) - {Role.GUARD, Role.VIEWER}
POINT = {
    "name": "silent",
    "kind": "duress",
    "active": True,
    "value": "pressed",
    "unit": None,
    "quality": "good",
    "at": "2026-11-22T00:00:00.000Z",
}


async def threatened(console: Console) -> None:
    """A house in which somebody is threatened, and something else happened before and after."""
    desk = console.desk
    desk.rows += [alarm(), alarm("a-2", kind="duress", text="胁迫", point="duress")]
    record = {"alarm_id": "a-2", "kind": "duress", "text": "胁迫"}
    await desk.record()
    desk.bodies.append(orjson.dumps({"seq": 2, "type": "campus.alarm.raised.v1", "data": record}))
    await desk.record(text="门开了")
    desk.device_rows.append(device("btn-1", "online", points=[POINT]))
    row = delivery("police", "accepted") | {"id": "r-1", "seq": 1, "kind": "panic"}
    desk.delivery_rows += [row, row | {"id": "r-2", "seq": 2, "kind": "duress"}]


PATHS = ["events", "alarms?state=all", "alarms", "deliveries", "devices", "faults", "receivers"]


@pytest.mark.parametrize("role", list(Role))
async def test_guards_and_viewers_are_told_nothing_of_it_by_any_list(
    console: Console, role: Role
) -> None:
    await threatened(console)
    told = {path: (await console.get(f"/api/v1/{path}", role)).text for path in PATHS}
    seen = {path for path, text in told.items() if "a-2" in text or "胁迫" in text}
    pressed = json.loads(told["devices"])["devices"][0]["points"][0]["active"]
    delivered = {row["id"] for row in json.loads(told["deliveries"])["deliveries"]}
    if role in KNOW:
        assert seen == {"events", "alarms?state=all", "alarms"}
        assert (pressed, delivered) == (True, {"r-1", "r-2"})
    else:
        assert seen == set()
        assert (pressed, delivered) == (False, {"r-1"})
        assert "pressed" not in told["devices"]
        events = json.loads(told["events"])
        assert ([record["seq"] for record in events["events"]], events["next"]) == ([1, 3], 3)


@pytest.mark.parametrize("role", [Role.GUARD, Role.VIEWER, Role.LEADER])
@pytest.mark.parametrize("path", ["stream", "console/stream"])
async def test_no_stream_of_theirs_tells_of_it(console: Console, role: Role, path: str) -> None:
    await threatened(console)
    got = b""
    headers = console.bearer(role) | {"Last-Event-ID": "0"}
    async with console.http.get(f"{console.url}/api/v1/{path}", headers=headers) as response:
        while b"\xe9\x97\xa8\xe5\xbc\x80" not in got:  # the record behind it
            got += await response.content.readany()
        console.desk.rows[1].update(state="ack_active", acknowledged_by="值班长")
        await console.desk.record(text="又一条")
        while "又一条".encode() not in got:
            got += await response.content.readany()
    assert ("胁迫".encode() in got) is (role is Role.LEADER)
    assert (b"a-2" in got) is (role is Role.LEADER)


async def test_a_guard_cannot_find_it_by_acting_on_it_either(console: Console) -> None:
    await threatened(console)
    close = {"disposition": "accidental"}
    for alarm_id in ("a-2", "no-such"):
        path = f"/api/v1/alarms/{alarm_id}"
        acknowledged = await console.post(f"{path}/acknowledge")
        closed = await console.post(f"{path}/close", json=close)
        assert (acknowledged.status, closed.status) == (404, 404)
    assert console.desk.rows[1]["state"] == "unack_active"
    assert (await console.post("/api/v1/alarms/a-2/acknowledge", Role.LEADER)).status == 200


async def test_the_plain_page_does_not_show_it_to_a_guard(console: Console) -> None:
    await threatened(console)
    page = (await console.get("/basic")).text
    assert "西门门卫室" in page
    assert "胁迫" not in page
    assert (await console.get("/basic/alarms/a-2")).status == 409
    assert "胁迫" in (await console.get("/basic", Role.LEADER)).text


async def test_signing_on_under_duress_differs_in_nothing_but_the_alarm(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    person(console)
    usual, forced = Browser(console), Browser(console)
    capsys.readouterr()
    answers = [await usual.sign_on()]
    said = [capsys.readouterr().out[19:]]
    answers.append(await forced.sign_on(secret=FORCED))
    said.append(capsys.readouterr().out[19:])
    assert console.desk.forced == ["张三"]
    assert said[0] == said[1], "the log says the same"
    shapes = [_shape(answer) for answer in answers]
    assert shapes[0] == shapes[1]
    one, two = (json.loads(line.body)["data"] for line in console.desk.lines)
    assert {key for key in one if one[key] != two[key]} <= {"prev_hash", "hash"}
    assert (await forced.get("/api/v1/alarms")).status == 200


def _shape(answer: Any) -> tuple[Any, ...]:
    body = answer.json()
    lengths = {name: len(str(value)) for name, value in body.items()}
    cookies = [
        [part if "=" not in part else part.partition("=")[0] for part in line.split("; ")]
        for line in answer.headers.getall("Set-Cookie")
    ]
    headers = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
    headers.pop("Date")
    return answer.status, body | {"csrf": ""}, lengths, cookies, headers


async def test_a_page_full_of_it_does_not_end_a_list_of_records(clock: FakeClock) -> None:
    desk = MemoryDesk(clock)
    for seq in range(1, 12):
        data = {"kind": "duress"}
        desk.bodies.append(orjson.dumps({"seq": seq, "data": data}))
    last = await desk.record()
    discreet = DiscreetDesk(desk)
    assert await discreet.events(0, 5) == ([last], 12)
    assert await discreet.events(12, 5) == ([], 12)
    desk.bodies += [orjson.dumps({"data": {"kind": "duress"}})] * (LOOKED_MOST + 5)
    assert await discreet.events(12, 1) == ([], 12 + LOOKED_MOST), "bounded, and it goes on"


async def test_a_word_in_a_text_hides_nothing(clock: FakeClock) -> None:
    desk = MemoryDesk(clock)
    await desk.record(text='"duress"')
    assert len((await DiscreetDesk(desk).events(0, 5))[0]) == 1
