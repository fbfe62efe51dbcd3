"""Whoever threatens a guard looks at the guard's screen: duress is nowhere in what it is told."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import generate_latest

from gateway.console.desk import Desk
from gateway.console.discreet import LOOKED_MOST, DiscreetDesk
from gateway.console.tokens import Role
from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import Outcome, Parcel, Receipt
from gateway.vitals import Vitals
from tests import clocks
from tests.console.conftest import Console
from tests.console.memory_desk import FakeClock, MemoryDesk, alarm, delivery, device
from tests.console.signing import FORCED, Browser, person
from tests.delivery.living import DEVICES
from tests.parts import Core, Receiver, core, wake
from tests.test_desk import with_police
from tests.test_duress import ENTRY, WANG

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
    desk.rows += [alarm("a-2", kind="duress", text="胁迫", point="duress"), alarm()]
    record = {"alarm_id": "a-2", "kind": "duress", "text": "胁迫"}
    await desk.record()
    desk.bodies.append(orjson.dumps({"seq": 2, "type": "campus.alarm.raised.v1", "data": record}))
    await desk.record(text="门开了")
    desk.device_rows.append(device("btn-1", "online", points=[POINT]))
    desk.fault_rows.append(alarm("f-2", kind="duress", text="police 未送达:胁迫", priority=2))
    owed = {"name": "police", "kind": "http", "state": "ok", "queue_depth": 0}
    desk.discreet_receiver_rows = [owed]
    desk.receiver_rows = [owed | {"state": "down", "queue_depth": 1}]
    row = delivery("police", "accepted") | {"id": "r-1", "seq": 1, "kind": "panic"}
    desk.delivery_rows += [row | {"id": "r-2", "seq": 2, "kind": "duress"}, row]


PATHS = ["events", "alarms?state=all", "alarms", "deliveries", "devices", "faults", "receivers"]


@pytest.mark.parametrize("role", list(Role))
async def test_guards_and_viewers_are_told_nothing_of_it_by_any_list(
    console: Console, role: Role
) -> None:
    await threatened(console)
    told = {path: (await console.get(f"/api/v1/{path}", role)).text for path in PATHS}
    seen = {path for path, text in told.items() if "a-2" in text or "胁迫" in text}
    button = json.loads(told["devices"])["devices"][0]
    pressed = button["points"][0]["active"]
    lamp = json.loads(told["receivers"])["receivers"][0]["state"]
    first = json.loads((await console.get("/api/v1/alarms?limit=1", role)).text)["alarms"]
    newest = (await console.get("/api/v1/deliveries?limit=1", role)).json()["deliveries"]
    assert (len(first), len(newest)) == (1, 1), "what is left out makes no list shorter"
    delivered = {row["id"] for row in json.loads(told["deliveries"])["deliveries"]}
    if role in KNOW:
        assert seen == {"events", "alarms?state=all", "alarms", "faults"}
        assert (pressed, delivered, lamp) == (True, {"r-1", "r-2"}, "down")
        assert newest[0]["id"] == "r-2"
    else:
        assert seen == set()
        assert (pressed, delivered, lamp) == (False, {"r-1"}, "ok")
        assert (button["last_seen"], button["points"][0]["at"]) == (None, None), "when is told, too"
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
        console.desk.rows[0].update(state="ack_active", acknowledged_by="值班长")
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
    assert console.desk.rows[0]["state"] == "unack_active"
    assert (await console.post("/api/v1/alarms/a-2/acknowledge", Role.LEADER)).status == 200


async def test_the_plain_page_does_not_show_it_to_a_guard(console: Console) -> None:
    await threatened(console)
    page = (await console.get("/basic")).text
    assert "西门门卫室" in page
    assert "胁迫" not in page
    assert "中断" not in page
    assert "无排队" in page
    assert (await console.get("/basic/alarms/a-2")).status == 409
    page = (await console.get("/basic", Role.LEADER)).text
    assert "胁迫" in page
    assert "中断" in page


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


# A receiver that does not answer: nobody in the guard room sees that it is owed a duress alarm.


def _down(_parcel: Parcel) -> Outcome:
    return UplinkUnavailable("no route")


def _only_duress(outcome: Outcome) -> Callable[[Parcel], Outcome]:
    return lambda one: outcome if one.kind == "duress" else Receipt()


WAYS: dict[str, list[tuple[int, Callable[[Parcel], Outcome]]]] = {
    "it is there": [(12, lambda _: Receipt())],
    "it is away and comes back": [(26, _down), (20, lambda _: Receipt())],
    "it is away for long": [(54, _down)],
    "it takes everything but duress": [(40, _only_duress(UplinkUnavailable("500")))],
    "it refuses duress": [(12, _only_duress(UplinkRejected("400")))],
    "it says no to duress": [(12, _only_duress(Receipt(state="rejected")))],
    "it is away and a panic waits, too": [(20, _down)],
}
STEP_S = 2
BEAT_S = 14


@dataclass
class Told:
    """What is told in one house, each STEP_S: to a guard room, and to who may know."""

    guard: list[dict[str, Any]] = field(default_factory=list)
    leader: list[dict[str, Any]] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)


async def live(folder: Path, way: str, *, is_duress: bool) -> Told:
    """One story, with a sign-on in it under duress or not."""
    clock, police, told = clocks.FakeClock(), Receiver(), Told()
    settings: dict[str, Any] = {"receivers": ["police"], "devices": DEVICES, "escalation": {}}
    async with core(folder, clock, **settings) as made, with_police(made, police) as desk:
        (worker,) = desk._workers.values()
        guard = DiscreetDesk(desk)
        Vitals(made.intake, made.store, [worker], clock).gauges(made.intake._metrics)
        await made.press()
        await police.until(lambda: police.taken)
        plan = [answer for seconds, answer in WAYS[way] for _ in range(seconds // STEP_S)]
        for step, police.answer in enumerate(plan):
            now = step * STEP_S
            if now == 2:
                await desk.sign_on(ENTRY, WANG, is_duress=is_duress)
            if now == 6 and "panic" in way:
                await made.press("btn-1", "smoke")
                await made.press("btn-2")
            if now % BEAT_S == 0:
                await worker.heartbeat(b"{}", f"beat-{now}")
            clock.advance(STEP_S)
            await wake(made, worker, 3)
            told.guard.append(await _all_of(guard, made, discreet=True))
            told.leader.append(await _all_of(desk, made, discreet=False))
        told.faults = {row["point"] for row in await desk.faults(open_only=False, limit=100)}
    return told


async def _all_of(desk: Desk, made: Core, *, discreet: bool) -> dict[str, Any]:
    metrics = made.intake._metrics
    numbers = generate_latest(metrics.discreet if discreet else metrics.registry).decode()
    bodies, _ = await desk.events(0, 1000)
    return {
        "receivers": [row | {"failures": None} for row in desk.receivers()],
        "faults": await desk.faults(open_only=False, limit=100),
        "alarms": await desk.alarms(open_only=False, limit=100),
        "deliveries": await desk.deliveries(None, 1000),
        "first delivery": await desk.deliveries(None, 1),
        "records": [orjson.loads(body) for body in bodies],
        "numbers": [line for line in numbers.splitlines() if not re.search(COUNTED, line)],
    }


COUNTED = r"campus_commit|campus_journal_seq|campus_disk|failed|stored_to_sent"
"""Commits are the store's, the newest number is the journal's: what remains to be seen. How often
and when something was tried is chance (jitter)."""
NAMES = {"seq", "id", "alarm_id", "hash", "prev_hash", "attempts", "raised_seq"}


def plain(told: Any) -> Any:
    """Without what follows from sequence numbers, and without how often was tried (jitter)."""
    if isinstance(told, dict):
        return {name: plain(value) for name, value in told.items() if name not in NAMES}
    return [plain(each) for each in told] if isinstance(told, list | tuple) else told


@pytest.mark.parametrize("way", WAYS)
async def test_a_guard_room_is_told_what_it_would_be_told_without_the_duress(
    tmp_path: Path, way: str
) -> None:
    usual = await live(tmp_path / "usual", way, is_duress=False)
    forced = await live(tmp_path / "forced", way, is_duress=True)
    for step, (one, other) in enumerate(zip(usual.guard, forced.guard, strict=True)):
        for what in one:
            assert plain(one[what]) == plain(other[what]), (step * STEP_S, what)
    text = orjson.dumps(forced.guard)
    assert b"duress" not in text.replace(b"duress_", b"")
    # Who may know is told all of it: what waits, and that it does.
    most = max(row["queue_depth"] for each in forced.leader for row in each["receivers"])
    least = max(row["queue_depth"] for each in usual.leader for row in each["receivers"])
    extra = {
        "it is there": set(),
        "it refuses duress": {"parked.police.duress"},
        "it says no to duress": {"rejected.police.duress"},
    }.get(way, {"uplink.police.duress"})
    assert forced.faults - usual.faults == extra
    if extra == {"uplink.police.duress"}:
        assert most > least
    if "panic" in way:
        assert "uplink.police" in forced.faults, "never a false all is well"
