"""Counters that the device keeps: a press that no poll has seen is still a press."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import Category, Kind, Nature, Point, Reading, Scalar
from gateway.profile import PointMachine, PointState
from tests.profile.modbus_files import Bench, point, profile_of, rule, value

BUTTON = (
    value("presses", 0)
    + point("button", "momentary", "panic", "counter_bits = 16")
    + rule("button", "presses")
)


def machine_of(bits: int) -> PointMachine:
    return PointMachine(
        Point(
            name="button",
            kind=Kind.PANIC,
            nature=Nature.MOMENTARY,
            category=Category.ALARM,
            priority=1,
            text="按下",
            text_en="pressed",
            counter_bits=bits,
        )
    )


def feed(machine: PointMachine, number: Scalar | None) -> int | None:
    """How many presses were raised, None for none."""
    change = machine.feed(Reading(device_id="d", point="button", received_ns=1, value=number), 1)
    if change is None:
        return None
    assert change.what == "raised"
    count = change.reading.attributes["count"]
    assert isinstance(count, int)
    return count


def again(machine: PointMachine) -> PointMachine:
    """After a restart: the state went through JSON, as on disk."""
    saved = json.loads(json.dumps(machine.state().as_dict()))
    return PointMachine(machine.point, PointState.from_dict(saved))


def test_the_first_number_is_where_we_begin() -> None:
    machine = machine_of(16)
    assert [feed(machine, number) for number in (4711, 4711, 4712)] == [None, None, 1]


def test_presses_while_the_gateway_was_off_are_raised_when_it_is_back() -> None:
    machine = machine_of(16)
    feed(machine, 10)
    machine = again(machine)
    assert [feed(machine, number) for number in (13, 13)] == [3, None]
    assert feed(again(machine), 13) is None, "raised once"


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_a_counter_that_wraps_has_moved(bits: int) -> None:
    machine = machine_of(bits)
    feed(machine, (1 << bits) - 1)
    assert [feed(machine, number) for number in (0, 1)] == [1, 1]


def test_a_device_that_lost_its_power_begins_at_0_and_raises_nothing() -> None:
    machine = machine_of(32)
    feed(machine, 1000)
    assert [feed(machine, number) for number in (0, 0, 1)] == [None, None, 1]


def test_presses_after_the_device_lost_its_power_are_not_lost() -> None:
    machine = machine_of(32)
    feed(machine, 1000)
    assert feed(machine, 2) == 2


def test_a_number_that_could_not_be_read_is_no_press_and_forgets_nothing() -> None:
    machine = machine_of(16)
    feed(machine, 10)
    assert [feed(machine, number) for number in (None, "x", True, 11)] == [None, None, None, 1]


@given(
    bits=st.sampled_from([8, 16, 32]),
    start=st.integers(0, 2**32 - 1),
    steps=st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=30),
)
def test_every_press_is_counted_once_whatever_restarts(
    bits: int, start: int, steps: list[tuple[int, bool]]
) -> None:
    machine = machine_of(bits)
    number = start % (1 << bits)
    feed(machine, number)
    for pressed, restarts in steps:
        number = (number + pressed) % (1 << bits)
        if restarts:
            machine = again(machine)
        assert feed(machine, number) == (pressed or None)


def test_a_press_between_two_polls_is_raised_from_the_register() -> None:
    profile = profile_of(BUTTON)
    bench = Bench(profile)
    machine = PointMachine(bench.device.points["button"])

    def poll(bench: Bench, number: int) -> list[str]:
        bench.put(number)
        readings = bench.taken.readings
        return [c.what for r in readings if (c := machine.feed(r, bench.mono_ns)) is not None]

    assert [poll(bench, number) for number in (7, 7, 8)] == [[], [], ["raised"]]
    bench.image.forget()  # the device was away; two presses meanwhile
    assert poll(bench, 10) == ["raised"]
    machine, bench = again(machine), Bench(profile)
    assert poll(bench, 10) == []
    assert poll(bench, 11) == ["raised"]
    assert bench.plan.parts[0].period_s == 0.2, "a panic button"
