"""The same seed is the same day, and what breaks is mended in time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.buttons import GARBAGE
from simulators.day import TROUBLES, Planned, What, plan_day
from simulators.day.plan import BAD_MANNERS, LAST_TROUBLE, UNREADABLE
from simulators.police import How

DEVICES = [
    Planned(name="btn-1", family="json-button"),
    Planned(name="door-1"),
    Planned(name="gas-1", family="zigbee-gas", per_s=0.2),
]
PEOPLE = {device.name for device in DEVICES}


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(), duration_s=st.floats(1, 300))
def test_any_day_is_in_order_and_calm_at_its_end(seed: int, duration_s: float) -> None:
    steps = plan_day(seed, DEVICES, duration_s)
    assert steps == plan_day(seed, DEVICES, duration_s)
    assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
    for step in steps:
        assert 0 <= step.at_s <= duration_s
        if step.target not in PEOPLE:
            assert step.at_s + step.for_s <= LAST_TROUBLE * duration_s + 0.001
    assert {step.what for step in steps} >= set(TROUBLES)


def test_another_seed_is_another_day() -> None:
    assert plan_day(1, DEVICES, 60) != plan_day(2, DEVICES, 60)


def test_a_day_has_what_people_and_devices_do() -> None:
    steps = plan_day(4, DEVICES, 300)
    done = {step.what for step in steps}
    assert {What.PRESS, What.DOUBLE, What.DUPLICATE, What.GARBAGE} <= done
    assert {What.STUCK, What.RETAINED, What.RELEASE} <= done


def test_gas_falls_after_it_has_risen() -> None:
    steps = [step.what for step in plan_day(5, DEVICES, 300) if step.target == "gas-1"]
    assert steps[::2] == [What.PRESS] * len(steps[::2])
    assert steps[1::2] == [What.RELEASE] * len(steps[1::2])


def test_only_the_troubles_that_were_asked_for_happen() -> None:
    steps = plan_day(6, DEVICES, 60, [What.BROKER_KILL])
    assert {step.what for step in steps if step.target not in PEOPLE} == {What.BROKER_KILL}


def test_a_day_that_is_too_full_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer devices"):
        plan_day(1, [Planned(name="mad", per_s=1000)], 1000)


def test_manners_and_garbage_exist() -> None:
    assert set(BAD_MANNERS) <= set(How)
    assert set(UNREADABLE) <= set(GARBAGE)
