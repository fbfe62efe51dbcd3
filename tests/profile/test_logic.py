"""The point machine: stories a person can follow, then any order of events."""

import json
import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.events import Category, Kind, Nature, Point, Reading, Scalar
from gateway.profile.logic import MAX_REMEMBERED, Change, PointMachine, PointState
from tests.examples import examples

S = 1_000_000_000


def point(nature: Nature = Nature.STATE, kind: Kind = Kind.SMOKE, **words: object) -> Point:
    base: dict[str, object] = {
        "name": "p",
        "category": Category.ALARM,
        "priority": 2,
        "text": "报警",
        "text_en": "alarm",
        "accept_retained": kind not in {Kind.PANIC, Kind.DURESS} and nature is Nature.STATE,
    }
    return Point(kind=kind, nature=nature, **{**base, **words})  # type: ignore[arg-type]


def reading(active: bool | None = None, value: Scalar | None = None, **words: object) -> Reading:
    return Reading(
        device_id="d",
        point="p",
        received_ns=words.pop("received_ns", 7),  # type: ignore[arg-type]
        active=active,
        value=value,
        **words,  # type: ignore[arg-type]
    )


def what(change: Change | None) -> str | None:
    return None if change is None else change.what


def again(machine: PointMachine) -> PointMachine:
    """The machine after a restart: its state went through JSON, as on disk."""
    saved = json.loads(json.dumps(machine.state().as_dict()))
    return PointMachine(machine.point, PointState.from_dict(saved))


# --- momentary and record ---


def test_every_press_is_raised() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    assert [what(machine.feed(reading(active=True), at)) for at in (1, 2, 3)] == ["raised"] * 3


def test_a_retained_press_is_no_press() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    assert machine.feed(reading(active=True, retained=True), 1) is None


def test_the_same_press_heard_through_two_gateways_is_one() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    assert what(machine.feed(reading(active=True, duplicate="a/1"), 1)) == "raised"
    assert machine.feed(reading(active=True, duplicate="a/1"), 2) is None
    assert what(machine.feed(reading(active=True, duplicate="a/2"), 3)) == "raised"


def test_a_counter_that_starts_again_under_another_address_is_news() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    assert what(machine.feed(reading(active=True, duplicate="old/0"), 1)) == "raised"
    assert what(machine.feed(reading(active=True, duplicate="new/0"), 2)) == "raised"


def test_a_duplicate_key_is_forgotten_after_its_window() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC, duplicate_window_s=10.0))
    machine.feed(reading(active=True, duplicate="k"), 0)
    assert machine.feed(reading(active=True, duplicate="k"), 10 * S) is None
    assert what(machine.feed(reading(active=True, duplicate="k"), 10 * S + 1)) == "raised"


def test_a_repeat_after_a_restart_is_still_a_repeat() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    machine.feed(reading(active=True, duplicate="k"), 999 * S)
    machine = again(machine)
    assert machine.feed(reading(active=True, duplicate="k"), 1) is None
    assert machine.feed(reading(active=True, duplicate="k"), 1 + 600 * S) is None
    assert what(machine.feed(reading(active=True, duplicate="k"), 2 + 600 * S)) == "raised"


def test_a_retained_replay_does_not_make_the_live_message_look_repeated() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    assert machine.feed(reading(active=True, duplicate="k", retained=True), 1) is None
    assert what(machine.feed(reading(active=True, duplicate="k"), 2)) == "raised"


def test_remembered_keys_are_bounded() -> None:
    machine = PointMachine(point(Nature.MOMENTARY, Kind.PANIC))
    for number in range(1000):
        machine.feed(reading(active=True, duplicate=str(number)), number)
    assert machine.state().duplicates == tuple(str(n) for n in range(1000 - MAX_REMEMBERED, 1000))


def test_each_record_is_recorded_and_a_retained_one_is_not() -> None:
    machine = PointMachine(point(Nature.RECORD, Kind.ACCESS, category=Category.RECORD))
    assert what(machine.feed(reading(value="in"), 1)) == "recorded"
    assert machine.feed(reading(value="in", retained=True), 2) is None


# --- states ---


def test_a_state_is_raised_once_and_restored_once() -> None:
    machine = PointMachine(point())
    levels = [True, True, False, False, True]
    changes = [what(machine.feed(reading(active=level), at)) for at, level in enumerate(levels)]
    assert changes == ["raised", None, "restored", None, "raised"]


def test_the_first_word_of_a_quiet_device_is_no_change() -> None:
    machine = PointMachine(point())
    assert machine.active is None
    assert machine.feed(reading(active=False), 1) is None
    assert machine.active is False


def test_a_quiet_device_is_known_to_be_quiet_at_once_whatever_its_off_delay() -> None:
    machine = PointMachine(point(off_delay_s=30.0))
    machine.feed(reading(active=False), 1)
    assert (machine.active, machine.due_ns) == (False, None)


def test_an_active_state_does_not_raise_again_after_a_restart() -> None:
    machine = PointMachine(point())
    machine.feed(reading(active=True), 1)
    machine = again(machine)
    assert machine.feed(reading(active=True), 2) is None
    assert what(machine.feed(reading(active=False), 3)) == "restored"


def test_an_edge_missed_while_away_is_found_on_the_first_reading() -> None:
    machine = PointMachine(point())
    machine.feed(reading(active=False), 1)
    assert what(again(machine).feed(reading(active=True), 2)) == "raised"


def test_a_retained_state_counts_but_never_for_panic() -> None:
    assert what(PointMachine(point()).feed(reading(active=True, retained=True), 1)) == "raised"
    panic = PointMachine(point(kind=Kind.PANIC, accept_retained=True))
    assert panic.feed(reading(active=True, retained=True), 1) is None
    assert what(panic.feed(reading(active=True), 2)) == "raised"
    assert what(panic.feed(reading(active=False, retained=True), 3)) == "restored"


def test_a_short_pulse_within_the_on_delay_is_nothing() -> None:
    machine = PointMachine(point(on_delay_s=5.0))
    assert machine.feed(reading(active=True), 0) is None
    assert machine.due_ns == 5 * S
    assert machine.feed(reading(active=False), 4 * S) is None
    assert machine.due_ns is None
    assert machine.tick(60 * S) is None


def test_a_delay_that_ran_out_unnoticed_is_fired_before_the_reading_that_ends_it() -> None:
    machine = PointMachine(point(on_delay_s=5.0))
    machine.feed(reading(active=True, received_ns=11), 0)
    change = machine.feed(reading(active=False), 9 * S)
    assert change is not None
    assert (change.what, change.reading.received_ns) == ("raised", 11)
    assert machine.due_ns is not None
    assert machine.due_ns <= 9 * S
    assert what(machine.tick(9 * S)) == "restored"


def test_a_delay_that_a_restart_cut_short_begins_anew_and_raises() -> None:
    machine = PointMachine(point(on_delay_s=5.0))
    machine.feed(reading(active=True, value=None, received_ns=11), 1000 * S)
    machine = again(machine)
    assert machine.due_ns is not None  # it asks to be called although nothing arrives any more
    assert machine.tick(3 * S) is None
    assert machine.due_ns == 8 * S
    change = machine.tick(8 * S)
    assert change is not None
    assert (change.what, change.reading.received_ns) == ("raised", 11)


def test_the_off_delay_keeps_it_active_until_it_has_been_quiet_long_enough() -> None:
    machine = PointMachine(point(off_delay_s=30.0))
    assert what(machine.feed(reading(active=True), 0)) == "raised"
    assert machine.feed(reading(active=False), 1 * S) is None
    assert machine.feed(reading(active=True), 20 * S) is None
    assert machine.feed(reading(active=False), 25 * S) is None
    assert machine.tick(54 * S) is None
    assert what(machine.tick(55 * S)) == "restored"


def test_contact_chatter_is_one_raise() -> None:
    machine = PointMachine(point(debounce_s=0.1))
    step = S // 100
    levels = [True, False, True, False, True]
    changes = [what(machine.feed(reading(active=v), n * step)) for n, v in enumerate(levels)]
    assert changes == ["raised", None, None, None, None]
    assert machine.tick(10 * S) is None
    assert machine.active is True


def test_a_device_that_never_says_released_goes_back_by_itself() -> None:
    machine = PointMachine(point(kind=Kind.PANIC, auto_restore_s=30.0))
    assert what(machine.feed(reading(active=True), 0)) == "raised"
    assert machine.feed(reading(active=True), 20 * S) is None  # still asserted: counts from here
    assert machine.tick(49 * S) is None
    change = machine.tick(50 * S)
    assert change is not None
    assert (change.what, change.reading.active) == ("restored", False)
    assert what(machine.feed(reading(active=True), 51 * S)) == "raised"


def test_nothing_is_left_waiting_after_it_went_back_by_itself() -> None:
    machine = PointMachine(point(auto_restore_s=10.0, off_delay_s=60.0))
    machine.feed(reading(active=True), 0)
    machine.feed(reading(active=False), 1 * S)
    assert what(machine.tick(10 * S)) == "restored"
    assert machine.due_ns is None


def test_going_back_by_itself_survives_a_restart() -> None:
    machine = PointMachine(point(auto_restore_s=30.0))
    machine.feed(reading(active=True), 0)
    machine = again(machine)
    assert machine.due_ns is not None
    assert machine.tick(5 * S) is None
    assert what(machine.tick(35 * S)) == "restored"


def test_a_press_after_the_alarm_was_closed_raises_even_if_the_device_never_said_released() -> None:
    machine = PointMachine(point(kind=Kind.PANIC, auto_restore_s=30.0))
    machine.feed(reading(active=True), 0)
    machine.reset(10 * S)
    assert what(machine.feed(reading(active=True), 11 * S)) == "raised"


def test_a_stuck_detector_does_not_ring_again_when_its_alarm_is_closed() -> None:
    machine = PointMachine(point())
    machine.feed(reading(active=True), 0)
    machine.reset(10 * S)
    assert machine.feed(reading(active=True), 11 * S) is None
    assert what(machine.feed(reading(active=False), 12 * S)) == "restored"
    assert what(machine.feed(reading(active=True), 13 * S)) == "raised"


def test_what_a_device_kept_in_its_own_log_does_not_move_the_present_state() -> None:
    machine = PointMachine(point())
    assert what(machine.feed(reading(active=True, historical=True), 1)) == "recorded"
    assert machine.active is None


# --- measurements ---


def test_a_measurement_has_hysteresis() -> None:
    machine = PointMachine(point(Nature.MEASUREMENT, alarm_above=10.0, restore_below=8.0))
    values: list[float] = [9, 10, 9, 8, 7.9, 9, 12]
    changes = [what(machine.feed(reading(value=v), at)) for at, v in enumerate(values)]
    assert changes == [None, "raised", None, None, "restored", None, "raised"]


def test_oxygen_alarms_when_it_falls() -> None:
    machine = PointMachine(point(Nature.MEASUREMENT, alarm_below=19.5, restore_above=20.0))
    values = [20.9, 19.5, 19.9, 20.1]
    changes = [what(machine.feed(reading(value=v), at)) for at, v in enumerate(values)]
    assert changes == [None, "raised", None, "restored"]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf, "12", True])
def test_what_is_no_measurement_is_never_normal(nothing: Scalar | None) -> None:
    machine = PointMachine(
        point(Nature.MEASUREMENT, alarm_above=10.0, alarm_below=1.0, accept_retained=True)
    )
    assert what(machine.feed(reading(value=50.0), 1)) == "raised"
    assert machine.feed(reading(value=nothing), 2) is None
    assert machine.active is True
    orjson.dumps(machine.state().as_dict())


def test_infinity_is_beyond_every_threshold() -> None:
    machine = PointMachine(point(Nature.MEASUREMENT, alarm_above=10.0))
    assert what(machine.feed(reading(value=math.inf), 1)) == "raised"


def test_a_value_between_the_thresholds_at_the_start_is_unknown() -> None:
    machine = PointMachine(point(Nature.MEASUREMENT, alarm_above=10.0, restore_below=8.0))
    assert machine.feed(reading(value=9.0), 1) is None
    assert machine.active is None


def test_a_measurement_without_thresholds_changes_nothing_and_is_remembered() -> None:
    machine = PointMachine(point(Nature.MEASUREMENT, category=Category.READING))
    assert machine.feed(reading(value=21.5), 1) is None
    assert machine.state().value == 21.5


# --- any order ---


class AnyOrder(RuleBasedStateMachine):
    """A state point under readings, waiting, forgotten ticks, restarts and closed alarms.

    The model knows only what a person would: which level was last told, for how long, and what
    was reported. It shares no rule of the machine but the sum of the delays.
    """

    machine: PointMachine

    @initialize(
        on=st.sampled_from([0.0, 2.0]),
        off=st.sampled_from([0.0, 3.0]),
        debounce=st.sampled_from([0.0, 1.0]),
        auto=st.sampled_from([None, 4.0]),
    )
    def begin(self, on: float, off: float, debounce: float, auto: float | None) -> None:
        self.point = point(on_delay_s=on, off_delay_s=off, debounce_s=debounce, auto_restore_s=auto)
        self.machine = PointMachine(self.point)
        self.now = 1000 * S
        self.level: bool | None = None
        self.held_since = self.now  # since when the level holds, or the delay began anew
        self.told_since = self.now  # since when the level holds, restarts or not
        self.reported = False
        self.key = 0

    def wait_ns(self, level: bool) -> int:
        delay = self.point.on_delay_s if level else self.point.off_delay_s
        return int(max(delay, self.point.debounce_s) * S)

    def take(self, change: Change | None) -> None:
        if change is None:
            return
        if change.what == "raised":
            assert not self.reported, "raised twice"
            self.reported = True
        else:
            assert change.what == "restored"
            assert self.reported, "restored what was never raised"
            self.reported = False

    def drain(self) -> None:
        for _ in range(4):
            if self.machine.due_ns is None or self.machine.due_ns > self.now:
                return
            self.take(self.machine.tick(self.now))
        raise AssertionError("due for ever")

    @rule(level=st.booleans(), gap_ms=st.sampled_from([0, 1, 500, 1500, 5000]))
    def tell(self, level: bool, gap_ms: int) -> None:
        """A reading after a time in which nobody ticked."""
        self.now += gap_ms * 1_000_000
        overdue = (
            self.level is True
            and not self.reported
            and self.point.auto_restore_s is None
            and self.now - self.held_since >= self.wait_ns(level=True)
        )
        change = self.machine.feed(reading(active=level, received_ns=self.now), self.now)
        if overdue:
            assert what(change) == "raised", "a raise that was due got lost"
        self.take(change)
        self.drain()
        if level != self.level:
            self.level, self.held_since, self.told_since = level, self.now, self.now
        if change is not None and change.what == "raised":
            delay = int(self.point.on_delay_s * S)
            assert change.reading.active is True
            assert self.now - change.reading.received_ns >= delay, "raised before its delay"

    @rule(nothing=st.sampled_from([None]))
    def tell_nothing(self, nothing: None) -> None:
        self.take(self.machine.feed(reading(active=nothing), self.now))
        self.drain()

    @rule(ms=st.sampled_from([1, 999, 1000, 2000, 10_000]))
    def wait(self, ms: int) -> None:
        """Time passes and the caller ticks whenever it was asked to."""
        end = self.now + ms * 1_000_000
        while self.machine.due_ns is not None and self.machine.due_ns <= end:
            self.now = max(self.now, self.machine.due_ns)
            self.drain()
        self.now = end

    @rule()
    def restart(self) -> None:
        self.machine = again(self.machine)
        self.held_since = self.now
        self.drain()

    @precondition(lambda self: self.reported)
    @rule()
    def close(self) -> None:
        """A person closes the alarm."""
        self.machine.reset(self.now)
        if self.point.auto_restore_s is not None:
            self.reported = False
            assert not self.machine.active
        else:
            assert self.machine.active, "a state that still holds must stay remembered"

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "reported"):
            return
        assert bool(self.machine.active) is self.reported
        due = self.machine.due_ns
        assert due is None or due > self.now, "something due was left behind"
        if self.point.auto_restore_s is None and self.level is not None:
            if self.now - self.held_since >= self.wait_ns(self.level):
                assert self.reported is self.level, "a level that held was not reported"
        else:
            # It goes back by itself: never active for longer than all delays without a word.
            limit = int((4.0 + 2.0 + 3.0 + 1.0) * S)
            if self.now - self.held_since > limit and self.machine.due_ns is None:
                assert not self.reported


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=examples(150), stateful_step_count=25, deadline=None)


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(2**70), 2**70),
                st.floats(),
                st.text(max_size=3),
            ),
            st.one_of(st.none(), st.booleans()),
            st.booleans(),
            st.sampled_from([None, "a", "b"]),
            st.integers(0, 5),
        ),
        max_size=20,
    ),
    st.sampled_from(list(Nature)),
)
def test_any_reading_is_taken_and_its_state_survives_json(
    story: list[tuple[Scalar | None, bool | None, bool, str | None, int]], nature: Nature
) -> None:
    thresholds = {"alarm_above": 5.0, "alarm_below": -5.0} if nature is Nature.MEASUREMENT else {}
    machine = PointMachine(point(nature, accept_retained=True, **thresholds))
    now, open_ = 0, False
    for value, active, retained, key, gap in story:
        now += gap * 100 * S
        change = machine.feed(
            reading(active=active, value=value, retained=retained, duplicate=key), now
        )
        if nature in {Nature.STATE, Nature.MEASUREMENT} and change is not None:
            assert change.what == ("restored" if open_ else "raised")
            open_ = not open_
        if key != "b":
            machine = again(machine)
    assert bool(machine.active) is open_
    kept = orjson.loads(orjson.dumps(machine.state().as_dict()))
    if machine.state().pending is None and machine.state().cause is None:
        assert PointState.from_dict(kept) == machine.state()
