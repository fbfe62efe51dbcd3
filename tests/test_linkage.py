"""Interlocks at work over the real store: whatever happens between an alarm and its proof."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from gateway.driver import Outcome
from gateway.interlock import Person
from gateway.words import Said
from tests.clocks import FakeClock
from tests.parts import arrival, reading
from tests.valves import GAS, Hand, Linked, linked

ZHANG, LI = Person("t-1", "张三"), Person("t-2", "李四")
CLOSE, OPEN = ("valve-1", "close"), ("valve-1", "open")
STUCK = Outcome("failed", "position = open")


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


Living = Callable[..., AbstractAsyncContextManager[Linked]]


@pytest.fixture
def living(tmp_path: Path, clock: FakeClock, hand: Hand) -> Living:
    """One life after the other on the same files; see tests.valves.linked."""
    return partial(linked, tmp_path, clock, hand)


async def clear_air(life: Linked, seconds: int = 61) -> None:
    await life.gas(active=False)
    await life.pass_time(seconds)


async def test_an_alarm_closes_the_valve_and_the_proof_names_its_cause(
    living: Living, hand: Hand
) -> None:
    async with living() as life:
        await life.gas()
        await life.ended()
        gas = life.alarm("gas-1", "gas")
        assert gas is not None
        assert hand.told == [CLOSE]
        assert life.notes() == [
            {
                "command": "close",
                "state": "done",
                "why": "position = closed",
                "by": "gateway",
                "interlock": "canteen",
                "cause": gas.alarm_id,
                "attempt": 1,
            }
        ]
        assert life.alarm() is None


async def test_the_intake_waits_for_no_valve(living: Living, hand: Hand) -> None:
    hand.gate.clear()
    async with living() as life:
        await life.gas()
        await hand.until(1)
        await life.core.press("light-1", "on")  # returns only when it is on disk
        assert "alarm.raised" in life.core.told("panic")
        hand.gate.set()


async def test_a_point_that_nobody_watches_closes_nothing(living: Living, hand: Hand) -> None:
    async with living() as life:
        await life.core.press("light-1", "on")
        await life.core.press("gas-1", "sick")
        await life.look()
        assert hand.told == []


async def test_killed_between_alarm_and_proof_the_next_life_closes(
    living: Living, hand: Hand
) -> None:
    hand.gate.clear()
    async with living(crash=True) as life:
        await life.gas(active=True)
        await hand.until(1)
        await life.gas(active=False)  # restored and not yet acknowledged: still open
    hand.gate.set()
    hand.told.clear()
    async with living(crash=True) as life:
        await life.ended()
        assert hand.told == [CLOSE]
        assert life.core.told("gas") == ["event.recorded"]  # and no second raise
    hand.told.clear()
    async with living() as life:
        await life.look()
        assert hand.told == []  # proved, and not active: nothing is owed


async def test_gas_that_is_there_at_the_start_closes_again_though_it_was_proved(
    living: Living, hand: Hand
) -> None:
    async with living(crash=True) as life:
        await life.gas()
        await life.ended()
    async with living() as life:
        await life.ended(2)
        assert hand.told == [CLOSE, CLOSE]


async def test_gas_that_comes_back_closes_again_also_when_we_die_of_it(
    living: Living, clock: FakeClock, hand: Hand
) -> None:
    async with living(crash=True) as life:
        await life.gas()
        await life.ended()
        await life.gas(active=False)
        clock.advance(30)
        await life.gas()
        await life.ended(2)
        await life.gas(active=False)
        clock.advance(30)
        hand.gate.clear()
        await life.gas()
        await hand.until(3)
        await life.gas(active=False)
    hand.gate.set()
    async with living() as life:
        await life.ended(4)
        assert life.states() == ["done"]


async def test_a_valve_that_does_not_move_is_an_alarm_and_is_tried_again_every_ten_seconds(
    living: Living, hand: Hand
) -> None:
    hand.outcome = STUCK
    async with living() as life:
        await life.gas()
        await life.ended()
        alarm = life.alarm()
        assert alarm is not None
        assert (alarm.kind, alarm.priority, alarm.latched, alarm.category) == (
            "gas", 1, True, "alarm",
        )  # fmt: skip
        assert alarm.attributes["why"] == "position = open"
        await life.pass_time(31)
        assert hand.told == [CLOSE] * 4
        assert life.states() == ["failed"]  # told once a minute, not with each attempt
        assert life.core.told().count("alarm.raised") == 2  # the gas, and the valve once
        await life.pass_time(40)
        assert life.states() == ["failed", "failed"]
        hand.outcome = Outcome("done", "position = closed")
        await life.pass_time(10)
        assert life.states()[-1] == "done"
        assert not alarm.active
        assert life.alarm() is alarm  # latched: a person has to look


async def test_an_echo_is_no_proof(living: Living, hand: Hand) -> None:
    hand.outcome = Outcome("sent", "accepted")
    async with living() as life:
        await life.gas()
        await life.ended()
        assert life.states() == ["failed"]
        assert life.alarm() is not None


async def test_when_the_gas_alarm_is_over_attempts_end_and_the_valves_alarm_stays(
    living: Living, hand: Hand
) -> None:
    hand.outcome = STUCK
    async with living() as life:
        await life.gas()
        await life.ended()
        await life.gas(active=False)
        await life.settle()
        await life.pass_time(30)
        assert hand.told == [CLOSE]
        alarm = life.alarm()
        assert alarm is not None
        assert alarm.active


async def test_a_person_who_closes_the_valves_alarm_while_it_fails_is_told_again(
    living: Living, hand: Hand
) -> None:
    hand.outcome = STUCK
    async with living() as life:
        await life.gas()
        await life.ended()
        first = life.alarm()
        await life.settle("valve-1", "interlock")
        assert life.alarm() is None
        await life.pass_time(11)
        second = life.alarm()
        assert first is not None
        assert second is not None
        assert second.alarm_id != first.alarm_id


async def test_an_old_alarm_from_a_devices_log_moves_nothing_and_that_is_said(
    living: Living, clock: FakeClock, hand: Hand
) -> None:
    async with living() as life:
        judge = life.core.intake.judge
        subject, old = (
            judge.subject("gas-1", "gas"),
            reading(clock, "gas-1", "gas", historical=True),
        )
        await life.core.intake.command(
            lambda ledger: judge.book.raised(ledger, subject, GAS, old, group="field")
        )
        await life.look()
        assert hand.told == []
        note = life.core.bodies("event.recorded")[-1]
        assert note["mode"] == "historical"
        assert note["data"]["attributes"]["state"] == "refused"


@pytest.mark.parametrize("drivers", [{}, {"field": object()}], ids=["none yet", "cannot"])
async def test_a_link_that_takes_no_commands_is_a_valve_that_was_not_closed(
    living: Living, drivers: dict[str, object]
) -> None:
    async with living(drivers=drivers) as life:
        await life.gas()
        await life.look()
        await life.look()
        assert life.states() == ["failed"]
        assert life.alarm() is not None


async def test_a_driver_that_breaks_is_a_valve_that_was_not_closed(
    living: Living, hand: Hand
) -> None:
    hand.outcome = RuntimeError("bug")
    async with living() as life:
        await life.gas()
        await life.ended()
        assert "RuntimeError" in life.notes()[-1]["why"]
        assert life.alarm() is not None
        assert life.failed == []


async def test_while_links_come_up_a_failure_is_tried_again_soon_and_not_told(
    living: Living, hand: Hand
) -> None:
    hand.outcome = Outcome("failed", "the link is down")
    async with living(grown=False) as life:
        await life.gas()
        await life.ended()
        assert life.notes() == []
        hand.outcome = Outcome("done", "position = closed")
        await life.pass_time(1)
        assert (hand.told, life.states()) == ([CLOSE, CLOSE], ["done"])


async def test_two_people_open_it_after_the_air_was_clear(living: Living, hand: Hand) -> None:
    hand.outcome = Outcome("done", "position = open")
    async with living() as life:
        await clear_air(life)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"
        assert life.linkage.ask_open("valve-1", LI).verdict == "go"
        assert (await life.linkage.open("valve-1")).state == "done"
        assert hand.told == [OPEN]


async def test_a_gas_alarm_stops_an_opening_before_it_closes(living: Living, hand: Hand) -> None:
    async with living() as life:
        await clear_air(life)
        hand.gate.clear()
        opening = life.linkage.spawn(life.linkage.open("valve-1"))
        await hand.until(1)
        await life.gas()
        await hand.until(3)
        hand.gate.set()
        assert hand.told == [OPEN, ("valve-1", "open stopped"), CLOSE]
        assert (await opening).state == "failed"


async def test_an_alarm_between_the_second_person_and_the_write_is_still_seen(
    living: Living, hand: Hand
) -> None:
    async with living() as life:
        await clear_air(life)
        life.linkage.ask_open("valve-1", ZHANG)
        assert life.linkage.ask_open("valve-1", LI).verdict == "go"
        await life.gas()
        assert (await life.linkage.open("valve-1")).state == "refused"
        assert OPEN not in hand.told


async def test_gas_that_was_gone_within_a_second_begins_the_waiting_anew(living: Living) -> None:
    async with living() as life:
        await clear_air(life)
        await life.gas()
        await life.gas(active=False)
        await life.ended()
        await life.settle()
        refused = life.linkage.ask_open("valve-1", ZHANG)
        assert refused.verdict == "refused"
        await life.gas(active=False)
        await life.pass_time(61)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"


async def test_an_alarm_that_nobody_has_dealt_with_keeps_the_valve_closed(living: Living) -> None:
    async with living() as life:
        await life.gas()
        await life.ended()
        await clear_air(life, 100)
        assert "尚未处置" in life.linkage.ask_open("valve-1", ZHANG).why
        await life.settle()
        await life.gas(active=False)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"


async def test_a_sick_detector_keeps_the_valve_closed(living: Living) -> None:
    async with living() as life:
        await clear_air(life)
        await life.core.press("gas-1", "sick")
        assert "gas-1/sick" in life.linkage.ask_open("valve-1", ZHANG).why
        await life.core.press("gas-1", "sick", active=False)
        await clear_air(life)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"


async def test_a_detector_that_was_lost_must_speak_again_before_its_time_counts(
    living: Living, clock: FakeClock
) -> None:
    async with living() as life:
        await clear_air(life)
        judge = life.core.intake.judge
        await life.core.intake.command(
            lambda ledger: judge.supervision.link("field", healthy=False, ledger=ledger)
        )
        await life.look()
        await life.core.intake.command(
            lambda ledger: judge.supervision.link("field", healthy=True, ledger=ledger)
        )
        await life.core.intake.emit([arrival(reading(clock, "gas-1", "sick", active=False))])
        await life.pass_time(61)  # online again, and its gas point has not been heard of
        assert "gas-1/gas" in life.linkage.ask_open("valve-1", ZHANG).why
        await clear_air(life)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"


async def test_a_link_that_broke_between_two_looks_begins_the_waiting_anew(living: Living) -> None:
    async with living() as life:
        await clear_air(life)
        life.core.intake.fault(
            "link.field", Said("断", "down"), active=True, attributes={"link": "field"}
        )
        await life.core.turn()
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "refused"


async def test_after_a_restart_the_air_must_be_clear_for_as_long_again(living: Living) -> None:
    async with living(crash=True) as life:
        await clear_air(life)
        assert life.linkage.ask_open("valve-1", ZHANG).verdict == "waiting"
    async with living() as life:
        assert life.linkage.ask_open("valve-1", LI).verdict == "refused"
        await clear_air(life, 59)
        assert life.linkage.ask_open("valve-1", LI).verdict == "refused"
        await life.pass_time(2)
        assert life.linkage.ask_open("valve-1", LI).verdict == "waiting"


async def test_an_interlock_that_breaks_is_told_and_takes_up_what_is_owed(
    living: Living, clock: FakeClock, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living() as life:
        good = life.linkage._judge_proof
        broken = [True]

        def once(*args: object, **named: object) -> None:
            if broken.pop() if broken else False:
                raise RuntimeError("bug")
            good(*args, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(life.linkage, "_judge_proof", once)
        await life.gas()
        await hand.until(1)
        while not life.failed:
            await life.core.turn()
        clock.advance(1)  # the supervisor's pause
        await life.ended(2)
        assert life.failed == ["interlock.canteen: RuntimeError: bug"]
        assert life.core.intake.judge.recall("valve-1", "interlock") is not None
