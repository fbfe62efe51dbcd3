"""The life of alarms: latching, repeats, escalation, floods, what a restart finds."""

from pathlib import Path
from typing import Any

import pytest

from gateway.events import Category, Kind, Nature
from gateway.rules.alarm import Alarm
from gateway.rules.book import FLOOD_ALARMS, NoSuchAlarm, WrongState
from gateway.rules.ledger import Ledger
from tests.clocks import FakeClock
from tests.parts import SMOKE, Core, core, device, point

HEAT = point("heat", kind=Kind.TEMPERATURE, nature=Nature.STATE, priority=2)


async def acknowledge(made: Core, alarm_id: str) -> Alarm:
    return await made.intake.command(
        lambda ledger: made.intake.judge.book.acknowledge(ledger, alarm_id, "王老师")
    )


async def close(made: Core, alarm_id: str, **changes: Any) -> Alarm:
    fields = {"who": "王老师", "disposition": "real"} | changes

    def work(ledger: Ledger) -> Alarm:
        return made.intake.judge.book.close(ledger, alarm_id, **fields)

    return await made.intake.command(work)


def only(made: Core, name: str = "button") -> Alarm:
    found = made.intake.judge.book.open_at("btn-1", name)
    assert found is not None
    return found


async def test_a_panic_latches_until_a_person_closes_it(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press()
        alarm = only(made)
        await acknowledge(made, alarm.alarm_id)
        assert alarm.latched
        assert alarm.state == "ack_active"
        await close(made, alarm.alarm_id, disposition="accidental", note="误触")
        assert made.told("panic") == ["alarm.raised", "alarm.acknowledged", "alarm.closed"]
        closed = made.bodies("alarm.closed")[0]["data"]
        assert (closed["by"], closed["disposition"], closed["note"]) == (
            "王老师",
            "accidental",
            "误触",
        )


async def test_an_alarm_that_does_not_latch_closes_when_seen_and_over_in_either_order(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", HEAT)]) as made:
        await made.press(name="heat")
        await acknowledge(made, only(made, "heat").alarm_id)
        await made.press(name="heat", active=False)
        assert made.told()[-2:] == ["alarm.restored", "alarm.closed"]
        await made.press(name="heat")
        await made.press(name="heat", active=False)
        assert only(made, "heat").state == "rtn_unack"
        await acknowledge(made, only(made, "heat").alarm_id)
        assert made.told()[-2:] == ["alarm.acknowledged", "alarm.closed"]
        assert len(made.intake.judge.book) == 0


async def test_unknown_and_ended_alarms_are_refused_and_change_nothing(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press()
        alarm = only(made)
        with pytest.raises(NoSuchAlarm):
            await acknowledge(made, "0197-nobody")
        with pytest.raises(WrongState):
            await close(made, alarm.alarm_id, disposition="bored")
        await acknowledge(made, alarm.alarm_id)
        with pytest.raises(WrongState, match="王老师"):
            await acknowledge(made, alarm.alarm_id)
        await close(made, alarm.alarm_id)
        with pytest.raises(NoSuchAlarm):
            await close(made, alarm.alarm_id)
        assert len(made.records) == 3


async def test_a_decision_that_cannot_be_written_has_not_happened(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press()
        alarm = only(made)
        with pytest.raises(TypeError):
            await close(made, alarm.alarm_id, note="\ud800")
        assert alarm.is_open
        await close(made, alarm.alarm_id)
        assert made.told() == ["alarm.raised", "alarm.closed"]


async def test_every_press_is_counted_and_told_within_5_s_the_last_one_always(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        for _ in range(8):
            await made.press()
            await made.pass_time(1)
        await made.pass_time(5)
        counts = [body["data"]["attributes"]["count"] for body in made.bodies("alarm.repeated")]
        assert counts == [5, 8]
        assert only(made).count == 8


async def test_presses_that_were_not_told_before_a_crash_are_told_after_it(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock, crash=True) as made:
        for _ in range(3):
            await made.press()
        assert made.told() == ["alarm.raised"]
    async with core(tmp_path, clock) as made:
        await made.pass_time(6)
        assert [body["data"]["attributes"]["count"] for body in made.bodies("alarm.repeated")] == [
            3
        ]


async def test_a_live_press_is_never_a_repeat_of_one_from_the_devices_own_log(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), crash=True) as made:
        await made.press(historical=True)
        await made.press()
        await made.press(historical=True)
        assert [(body["mode"]) for body in made.bodies("alarm.raised")] == ["historical", "live"]
        assert only(made).count == 1
    async with core(tmp_path, FakeClock()) as made:
        assert len(made.intake.judge.book) == 2
        assert only(made).mode == "live"
        await made.press()
        assert only(made).count == 2


async def test_a_press_that_cannot_be_written_is_quarantined_and_the_next_one_raises(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press(value="\ud800")
        assert made.told("panic") == []
        assert [body["data"]["point"] for body in made.bodies("fault.raised")] == ["message"]
        await made.press()
        assert made.told("panic") == ["alarm.raised"]


async def test_escalation_steps_come_once_each_and_never_after_the_acknowledgement(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), escalation={1: (30, 60, 120)}) as made:
        await made.press()
        await made.pass_time(29)
        assert made.bodies("alarm.escalated") == []
        await made.pass_time(2)
        await made.pass_time(40)
        assert [body["data"]["level"] for body in made.bodies("alarm.escalated")] == [1, 2]
        await acknowledge(made, only(made).alarm_id)
        await made.pass_time(300, step=10)
        assert len(made.bodies("alarm.escalated")) == 2


@pytest.mark.parametrize("step_s", [0, 3600, -3600, -1_700_000_000])
async def test_escalation_is_durable_whatever_the_wall_clock_does(
    tmp_path: Path, step_s: int
) -> None:
    clock = FakeClock()
    escalation = {1: (30, 60, 120)}
    async with core(tmp_path, clock, escalation=escalation, crash=True) as made:
        await made.press()
        await made.pass_time(20)
    clock.step(step_s)
    async with core(tmp_path, clock, escalation=escalation) as made:
        await made.pass_time(31)
        assert [body["data"]["level"] for body in made.bodies("alarm.escalated")][:1] == [1]
        clock.step(-step_s)
        await made.pass_time(130, step=5)
        assert [body["data"]["level"] for body in made.bodies("alarm.escalated")] == [1, 2, 3]


async def test_steps_that_the_configuration_no_longer_has_do_not_fire(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock, escalation={1: (30, 60)}, crash=True) as made:
        await made.press()
    async with core(tmp_path, clock, escalation={}) as made:
        await made.pass_time(100, step=5)
        assert made.bodies("alarm.escalated") == []


def smokes(count: int) -> list[Any]:
    return [device(f"s-{n}", SMOKE, point()) for n in range(count)]


async def test_a_flood_of_one_kind_folds_under_the_first_and_panic_never(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock(), devices=smokes(20)) as made:
        for n in range(20):
            await made.press(f"s-{n}", "smoke")
            await made.press(f"s-{n}")
        first = made.intake.judge.book.open_at("s-0", "smoke")
        assert first is not None
        causes = [body["data"].get("cause") for body in made.bodies("alarm.raised")]
        assert causes[1::2] == [None] * 20  # panic
        assert causes[0::2] == [None] * (FLOOD_ALARMS + 1) + [first.alarm_id] * (19 - FLOOD_ALARMS)
        await made.pass_time(61, step=5)
        folded = made.intake.judge.book.open_at("s-19", "smoke")
        assert folded is not None
        assert (folded.level, first.level) == (0, 1)  # the first escalates for all


async def test_what_folds_under_an_alarm_that_was_seen_escalates_by_itself(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=smokes(20)) as made:
        for n in range(15):
            await made.press(f"s-{n}", "smoke")
        first = made.intake.judge.book.open_at("s-0", "smoke")
        assert first is not None
        await acknowledge(made, first.alarm_id)
        await made.press("s-15", "smoke")
        await made.pass_time(61, step=5)
        late = made.intake.judge.book.open_at("s-15", "smoke")
        assert late is not None
        assert (late.cause, late.level) == (first.alarm_id, 1)


async def test_a_level_that_is_still_high_after_a_restart_does_not_raise_twice(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    devices = [device("btn-1", HEAT)]
    async with core(tmp_path, clock, devices=devices, crash=True) as made:
        await made.press(name="heat")
    async with core(tmp_path, clock, devices=devices, crash=True) as made:
        assert only(made, "heat").state == "unack_active"
        await made.press(name="heat")
        assert made.told() == []
    async with core(tmp_path, clock, devices=devices) as made:
        await made.press(name="heat", active=False)  # the edge was missed, the state is not
        assert made.told() == ["alarm.restored"]


async def test_an_alarm_that_began_while_the_gateway_was_off_is_found_by_its_state(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock, crash=True) as made:
        await made.press(name="smoke", active=False)
    async with core(tmp_path, clock) as made:
        await made.press(name="smoke", retained=True)
        assert made.told() == ["alarm.raised"]


async def test_retained_presses_raise_nothing(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press(retained=True)
        assert made.records == []
        assert len(made.intake.judge.book) == 0


async def test_a_fault_closes_by_itself(tmp_path: Path) -> None:
    low = point("battery", kind=Kind.POWER, nature=Nature.STATE, category=Category.FAULT)
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", low)]) as made:
        await made.press(name="battery")
        await made.press(name="battery", active=False)
        assert made.told() == ["fault.raised", "fault.restored"]
        rows = await made.rows("SELECT is_open FROM alarm")
        assert rows == [(0,)]
