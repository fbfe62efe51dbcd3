"""The machine's clocks, distrusted: steps, 1970, a floor, and when a new time is believed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SANE_NS, SETTLE_NS, STEP_NS, SystemClock
from tests.clocks import NOON, SECOND


class Machine:
    """The two clocks of a machine, in the test's hand."""

    def __init__(self, patch: pytest.MonkeyPatch, wall: int = NOON) -> None:
        self.wall, self.mono = wall, 50 * SECOND
        patch.setattr(time, "time_ns", lambda: self.wall)
        patch.setattr(time, "monotonic_ns", lambda: self.mono)

    def advance(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.mono += int(seconds * SECOND)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_steady_clock_is_followed_and_trusted(machine: Machine) -> None:
    clock = SystemClock()
    machine.advance(100)
    machine.wall += SECOND // 2  # disciplined a little
    assert clock.utc_ns() == machine.wall
    assert clock.quality == "trusted"


@pytest.mark.parametrize("hours", [1, -1])
def test_a_step_is_not_followed_and_is_said(machine: Machine, hours: int) -> None:
    clock = SystemClock()
    machine.advance(10)
    machine.wall += hours * 3600 * SECOND
    machine.advance(10)
    assert clock.utc_ns() == NOON + 20 * SECOND
    assert clock.quality == "stepped"
    assert clock.step_ns == hours * 3600 * SECOND


def test_a_step_that_is_taken_back_is_forgotten(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall += 3600 * SECOND
    clock.utc_ns()
    machine.wall -= 3600 * SECOND
    assert clock.utc_ns() == NOON
    assert clock.quality == "trusted"


def test_a_new_time_that_stays_is_believed_after_the_settling_time(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall -= 3600 * SECOND
    clock.utc_ns()
    machine.advance(SETTLE_NS / SECOND + 1)
    clock.utc_ns()
    assert clock.utc_ns() == machine.wall
    assert clock.quality == "trusted"


def test_1970_is_never_believed_however_long_it_stays(machine: Machine) -> None:
    clock = SystemClock()
    machine.wall = 5 * SECOND
    for _ in range(5):
        machine.advance(SETTLE_NS / SECOND)
        clock.utc_ns()
    assert clock.utc_ns() > NOON
    assert clock.quality == "stepped"


def test_a_board_without_a_battery_starts_at_the_stores_newest_time_and_says_so(
    machine: Machine,
) -> None:
    machine.wall = 5 * SECOND
    clock = SystemClock(floor_ns=NOON)
    machine.advance(3)
    assert clock.utc_ns() == NOON + 3 * SECOND
    assert clock.quality == "unset"


def test_a_board_whose_time_arrives_believes_it_at_once(machine: Machine) -> None:
    machine.wall = 5 * SECOND
    clock = SystemClock(floor_ns=NOON)
    clock.utc_ns()
    machine.wall = NOON + 86_400 * SECOND
    clock.utc_ns()
    assert clock.utc_ns() == machine.wall
    assert clock.quality == "trusted"


@given(
    st.lists(
        st.tuples(st.floats(0, 2000), st.sampled_from([0, 1, -1, 6, -6, 3600, -3600, -(10**9)])),
        max_size=30,
    )
)
def test_between_two_readings_time_goes_forward_or_was_settled_and_is_always_sane(
    story: list[tuple[float, int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch)
        clock = SystemClock()
        suspect_since = machine.mono
        before = clock.utc_ns()
        for seconds, step in story:
            machine.advance(seconds)
            machine.wall += step * SECOND
            now = clock.utc_ns()
            if clock.quality == "trusted":
                suspect_since = machine.mono
            assert now >= SANE_NS
            if now < before:  # only a time that stood for long may set it back
                assert machine.mono - suspect_since >= 0
                assert abs(now - machine.wall) <= STEP_NS
            before = now
