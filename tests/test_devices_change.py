"""Devices that come, change and go while the judge works: nothing open is lost or left over."""

import dataclasses
from pathlib import Path

from gateway.events import Category, Device, Kind, Nature
from tests.clocks import FakeClock
from tests.parts import Core, core, device, point

SICK = point("sick", kind=Kind.FAULT, nature=Nature.STATE, category=Category.FAULT, priority=3)


async def change(made: Core, fresh: list[Device], gone: list[str] | None = None) -> None:
    """As gateway/reload.py does it, with nothing between the two steps."""
    judge = made.intake.judge
    await made.intake.command(lambda ledger: judge.widen(fresh, ledger))
    await made.intake.command(lambda ledger: judge.settle(fresh, gone or [], ledger))


def types(made: Core) -> list[str]:
    return [record.type for record in made.records]


async def test_an_alarm_of_a_device_that_goes_stays_open_under_its_name_until_a_person_closes_it(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", name="老按钮")]) as made:
        await made.press()
        await change(made, [], ["btn-1"])
        book = made.intake.judge.book
        alarm = book.open_at("btn-1", "button")
        assert alarm is not None
        assert "btn-1" not in made.intake.judge.supervision.watches
        await made.intake.command(
            lambda ledger: book.close(ledger, alarm.alarm_id, who="王", disposition="test")
        )
        assert book.open_at("btn-1", "button") is None
        assert types(made)[-1] == "alarm.closed"
        assert "老按钮".encode() in made.records[-1].body


async def test_faults_of_a_device_that_goes_are_over_and_it_is_never_called_silent(
    tmp_path: Path,
) -> None:
    quiet = device("btn-1", point(), SICK, silence_s=600.0)
    async with core(tmp_path, FakeClock(), devices=[quiet]) as made:
        await made.press(name="sick")
        await made.pass_time(700, step=50)
        assert types(made) == ["fault.raised", "fault.raised"]  # sick, and silent
        await change(made, [], ["btn-1"])
        assert types(made)[2:] == ["fault.restored", "fault.restored"]
        await made.pass_time(2_000, step=100)
        assert len(made.records) == 4


async def test_what_still_comes_from_a_device_that_is_gone_is_kept_and_the_next_is_judged(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=[device("btn-1"), device("btn-2")]) as made:
        await change(made, [], ["btn-1"])
        await made.press("btn-1")
        await made.press("btn-2")
        assert types(made)[-1] == "alarm.raised"
        rows = await made.store.read("SELECT device FROM quarantine")
        assert [row[0] for row in rows] == ["btn-1"]


async def test_a_device_with_another_name_keeps_its_alarm_and_its_next_records_have_the_new_name(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press()
        await change(made, [device(name="新名字", place="东门")])
        await made.press(name="door")
        assert types(made) == ["alarm.raised", "event.recorded"]
        assert "新名字".encode() in made.records[-1].body
        made.clock.advance(10)
        await made.press()
        assert types(made)[-1] == "alarm.repeated"  # the same alarm, not another one


async def test_a_fault_whose_point_the_model_has_no_more_is_over(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", point(), SICK)]) as made:
        await made.press(name="sick")
        await change(made, [device("btn-1", point())])
        assert types(made) == ["fault.raised", "fault.restored"]


async def test_between_the_steps_old_and_new_points_are_both_judged(tmp_path: Path) -> None:
    old, new = point("left"), point("right")
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", old)]) as made:
        judge, after = made.intake.judge, device("btn-1", new)
        await made.intake.command(lambda ledger: judge.widen([after], ledger))
        await made.press(name="left")
        await made.press(name="right")
        await made.intake.command(lambda ledger: judge.settle([after], [], ledger))
        assert types(made) == ["alarm.raised", "alarm.raised"]
        assert judge.book.open_at("btn-1", "left") is not None


async def test_a_new_device_is_unknown_then_online_and_is_called_silent_when_it_is(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), devices=[]) as made:
        await change(made, [device("btn-9", silence_s=300.0)])
        watches = made.intake.judge.supervision.watches
        assert watches["btn-9"].state == "unknown"
        await made.press("btn-9", "door")
        assert watches["btn-9"].state == "online"
        await made.pass_time(200, step=50)
        # Told to be patient, it is; told otherwise, it is silent at once and said so once.
        longer = device("btn-9", silence_s=3_000.0)
        await change(made, [longer])
        await made.pass_time(1_000, step=100)
        assert "fault.raised" not in types(made)
        await change(made, [dataclasses.replace(longer, silence_s=300.0)])
        await made.pass_time(200, step=50)
        assert types(made).count("fault.raised") == 1


async def test_a_state_that_was_known_is_known_after_the_change_and_after_coming_back(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press(name="smoke")
        await change(made, [device(place="东门")])
        now = made.intake.judge.points["btn-1", "smoke"]
        assert now.machine.active is True
        await made.press(name="smoke")
        assert types(made) == ["alarm.raised"]  # no second alarm of one state
