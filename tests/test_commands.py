"""What people have devices told: who may, what is asked first, and that all of it is written."""

from pathlib import Path

import pytest

from gateway.console.desk import Ordered
from gateway.console.tokens import Identity, Role
from gateway.driver import Outcome
from tests.clocks import FakeClock
from tests.valves import Hand, Linked, linked

GUARD = Identity(id="t-0", role=Role.GUARD, name="门卫")
ZHANG = Identity(id="t-1", role=Role.LEADER, name="张三")
LI = Identity(id="t-2", role=Role.LEADER, name="李四")
INSTALLER = Identity(id="t-3", role=Role.INSTALLER, name="安装工")
AUDITOR = Identity(id="t-4", role=Role.AUDITOR, name="审计")


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def order(
    life: Linked, who: Identity, name: str = "close", device: str = "valve-1"
) -> Ordered:
    return await life.commands.order(device, name, who, "检查")


@pytest.mark.parametrize(
    ("device", "name", "who", "code"),
    [
        ("valve-9", "close", ZHANG, "no_such_device"),
        ("valve-1", "explode", ZHANG, "no_such_command"),
        ("valve-1", "test", INSTALLER, "not_allowed"),
        ("light-1", "close", ZHANG, "not_allowed"),
        ("light-1", "test", ZHANG, "wrong_role"),
        ("valve-1", "open", GUARD, "wrong_role"),
        ("valve-1", "close", AUDITOR, "wrong_role"),
        ("valve-1", "open", ZHANG, "refused"),
    ],
)
async def test_what_is_not_allowed_is_refused_recorded_and_not_sent(
    tmp_path: Path, clock: FakeClock, hand: Hand, device: str, name: str, who: Identity, code: str
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        answer = await order(life, who, name, device)
        assert (answer.state, answer.code) == ("refused", code)
        assert "/" in answer.why
        assert hand.told == []
        (note,) = life.notes()
        assert (note["by"], note["role"], note["token"]) == (who.name, str(who.role), who.id)
        assert (note["command"], note["state"], note["reason"]) == (name, "refused", "检查")
        assert note["why"] == answer.why


async def test_anybody_on_duty_may_close_and_the_record_follows_the_proof(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        answer = await order(life, GUARD)
        assert (answer.state, answer.code) == ("done", "done")
        assert hand.told == [("valve-1", "close")]
        assert life.states() == ["done"]


async def test_a_command_that_moves_something_is_on_disk_before_it_is_sent(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    hand.outcome = Outcome("sent", "未证实 / nothing proves it")
    hand.gate.clear()
    async with linked(tmp_path, clock, hand) as life:
        asked = life.linkage.spawn(order(life, INSTALLER, "test", "light-1"))
        await hand.until(1)
        assert life.states() == ["requested"]
        busy = await order(life, INSTALLER, "test", "light-1")
        assert busy.code == "busy"
        hand.gate.set()
        assert (await asked).state == "sent"
        assert life.states() == ["requested", "refused", "sent"]


async def test_a_failure_is_answered_as_one_and_leaves_the_device_free(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        hand.outcome = RuntimeError("bug")
        assert (await order(life, INSTALLER, "test", "light-1")).code == "failed"
        hand.outcome = Outcome("failed", "silent")
        assert (await order(life, INSTALLER, "test", "light-1")).code == "failed"
        hand.outcome = Outcome("done", "")
        assert (await order(life, INSTALLER, "test", "light-1")).code == "done"


async def test_opening_takes_two_people_and_the_record_names_both(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        await life.gas(active=False)
        await life.pass_time(61)
        first = await order(life, ZHANG, "open")
        assert (first.state, first.code) == ("waiting", "waiting")
        again = await order(life, ZHANG, "open")
        assert (again.code, hand.told) == ("waiting", [])
        second = await order(life, LI, "open")
        assert second.state == "done"
        assert hand.told == [("valve-1", "open")]
        assert [(note["by"], note["state"], note.get("first")) for note in life.notes()] == [
            ("张三", "waiting", None),
            ("张三", "waiting", None),
            ("李四", "requested", "张三"),
            ("李四", "done", "张三"),
        ]


async def test_a_person_who_closes_stops_an_opening(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        await life.gas(active=False)
        await life.pass_time(61)
        await order(life, ZHANG, "open")
        hand.gate.clear()
        opening = life.linkage.spawn(order(life, LI, "open"))
        await hand.until(1)
        closing = life.linkage.spawn(order(life, GUARD))
        await hand.until(3)
        hand.gate.set()
        assert (await closing).state == "done"
        assert (await opening).state == "failed"
        assert [name for _, name in hand.told] == ["open", "open stopped", "close"]


async def test_whoever_asks_too_often_waits_and_leaves_no_record(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        for _ in range(5):
            assert (await order(life, GUARD)).code == "done"
        refused = await order(life, GUARD)
        assert (refused.code, refused.retry_s > 0, len(life.notes())) == ("too_often", True, 5)
        assert (await order(life, ZHANG)).code == "done"  # others do not wait with him
        clock.advance(refused.retry_s)
        assert (await order(life, GUARD)).code == "done"


async def test_before_the_interlocks_stand_nothing_is_sent(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        commands = life.commands
    answer = await commands.order("valve-1", "close", GUARD, "检查")
    assert (answer.code, hand.told) == ("starting", [])


async def test_what_a_device_knows_is_listed_with_what_is_allowed(
    tmp_path: Path, clock: FakeClock, hand: Hand
) -> None:
    async with linked(tmp_path, clock, hand) as life:
        rows = life.commands.rows("light-1")
        assert [(row["name"], row["permission"], row["allowed"]) for row in rows] == [
            ("close", "guard", False),
            ("open", "leader", False),
            ("test", "installer", True),
        ]
        assert life.commands.rows("gas-1") == []
