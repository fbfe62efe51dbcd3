"""The image of a device: stories, then any sequence of polls, silences and forgettings."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.events import Reading, Scalar
from gateway.profile import Image, PointMachine, PointState, plan_modbus
from gateway.profile.image import NOTHING, REFRESH_NS, REPORT_NS
from gateway.profile.samples_modbus import pack
from gateway.profile.tool import sample_device
from tests.examples import examples
from tests.profile.modbus_files import Bench, S, gauge, point, profile_of, value
from tests.profile.modbus_files import rule as meaning

ON_OFF = "true_when = [1]\nfalse_when = [0]"


def bench_of(*parts: str, modbus: str = "function = 3") -> Bench:
    return Bench(profile_of("".join(parts), modbus))


def state_at(at: int, more: str = ON_OFF) -> str:
    return value("alarm", at) + point("alarm") + meaning("alarm", "alarm", more)


# --- what is news ---


def test_a_change_of_a_state_is_told_at_once_and_once() -> None:
    bench = bench_of(state_at(0))
    assert [bench.put(word) for word in (0, 0, 1, 1, 0)] == [
        {"alarm": False}, {}, {"alarm": True}, {}, {"alarm": False},
    ]  # fmt: skip


def test_nothing_new_costs_nothing() -> None:
    bench = bench_of(state_at(0))
    bench.put(0)
    bench.put(0)
    assert bench.taken is NOTHING


def test_a_number_that_crosses_its_threshold_is_told_at_once() -> None:
    bench = bench_of(gauge("level", 0, "alarm_above = 100\nrestore_below = 90"))
    told = [bench.put(word) for word in (50, 51, 100, 99, 90, 89)]
    assert told == [
        {"level": 50}, {}, {"level": 100}, {"level": 99}, {}, {"level": 89},
    ]  # fmt: skip


def test_an_oxygen_level_that_falls_to_its_threshold_is_told_at_once() -> None:
    thresholds = "alarm_below = 19.5\nrestore_above = 20"
    bench = bench_of(gauge("oxygen", 0, thresholds, "scale = 0.1"))
    told = [bench.put(word) for word in (209, 196, 195, 200, 201)]
    assert told == [{"oxygen": 20.9}, {"oxygen": 19.6}, {"oxygen": 19.5}, {"oxygen": 20.0},
                    {"oxygen": 20.1}]  # fmt: skip


def test_the_last_value_of_a_number_that_wandered_is_told_a_second_later() -> None:
    bench = bench_of(gauge("level", 0))
    assert bench.put(50) == {"level": 50}
    assert [bench.put(word, after_ns=S // 10) for word in (51, 52, 53)] == [{}, {}, {}]
    assert bench.put(53, after_ns=7 * S // 10) == {"level": 53}
    assert bench.put(53, after_ns=2 * S) == {}


def test_a_number_that_wandered_back_is_not_told() -> None:
    bench = bench_of(gauge("level", 0))
    bench.put(50)
    bench.put(51)
    bench.put(50)
    assert bench.put(50, after_ns=2 * S) == {}


def test_what_stays_the_same_is_told_again_after_a_minute() -> None:
    bench = bench_of(state_at(0), gauge("level", 1, "alarm_above = 100"))
    bench.put(0, 5)
    assert bench.put(0, 5, after_ns=REFRESH_NS - 1) == {}
    assert bench.put(0, 5, after_ns=1) == {"alarm": False, "level": 5}


def test_a_value_that_is_known_no_more_is_told_once_without_a_value() -> None:
    bench = bench_of(gauge("level", 0, "alarm_above = 100", "invalid = [0xFFFF]"))
    told = [bench.put(word) for word in (5, 0xFFFF, 0xFFFF, 5)]
    assert told == [{"level": 5}, {"level": None}, {}, {"level": 5}]


def test_the_alarm_of_a_lost_sensor_is_neither_raised_nor_restored() -> None:
    bench = bench_of(gauge("level", 0, "alarm_above = 100", "invalid = [0xFFFF]"))
    machine = PointMachine(bench.device.points["level"])
    told = []
    for word in (150, 0xFFFF, 150, 50):
        bench.put(word)
        told += [machine.feed(reading, bench.mono_ns) for reading in bench.taken.readings]
    assert [change.what for change in told if change] == ["raised", "restored"]


def test_a_record_is_told_when_it_changes_and_not_when_it_is_first_seen() -> None:
    body = value("mode", 0) + point("mode", "record", "equipment") + meaning("mode", "mode")
    bench = bench_of(body)
    assert [bench.put(word) for word in (3, 3, 4)] == [{}, {}, {"mode": 4}]
    assert bench.put(4, after_ns=2 * REFRESH_NS) == {}
    bench.image.forget()
    assert bench.put(4) == {}
    bench.image.forget()
    assert bench.put(5) == {"mode": 5}, "it changed while we were away"


def test_a_unit_and_attributes_go_along_as_the_device_says_them() -> None:
    body = (
        value("level", 0, 'unit_from = "unit"')
        + value("unit", 1, 'names = { "1" = "ppm" }')
        + value("number", 2, "period_s = 1")
        + point("level", "measurement")
        + meaning("level", "level", 'attributes = ["number"]')
    )
    bench = bench_of(body)
    for part, each in enumerate(bench.plan.parts):
        words = [(5, 1, 30)[at] for at in range(each.address, each.end)]
        bench.put(*words, part=part)
    bench.image.forget()
    pieces = [
        (part, pack([(5, 1, 30)[at] for at in range(each.address, each.end)], bits=False))
        for part, each in enumerate(bench.plan.parts)
    ]
    (reading,) = bench.image.take_all(pieces, 7, bench.mono_ns).readings
    assert (reading.value, reading.unit, reading.attributes) == (5, "ppm", {"number": 30})


# --- what does not decode ---


def test_what_does_not_decode_is_a_sentence_and_stays_one_until_it_does() -> None:
    bench = bench_of(value("count", 0, 'form = "bcd16"') + point("count", "measurement")
                     + meaning("count", "count"), gauge("level", 1))  # fmt: skip
    assert bench.put(0x1A, 5) == {"level": 5}
    assert "count" in str(bench.taken.problem)
    assert bench.put(0x1A, 9, after_ns=2 * S) == {"level": 9}
    assert bench.taken.problem == bench.image.problem is not None, "it still does not decode"
    assert bench.put(0x12, 9) == {"count": 12}
    assert bench.image.problem is None


def test_a_gauge_beside_a_garbled_value_is_told_all_the_same() -> None:
    bench = bench_of(
        gauge("huge", 0, "alarm_above = 1", "scale = 1e308"), gauge("level", 1, "alarm_above = 9")
    )
    assert bench.put(0, 5) == {"huge": 0.0, "level": 5}
    assert bench.put(9, 10) == {"huge": None, "level": 10}
    assert bench.taken.problem


@given(st.binary(max_size=12))
def test_data_of_any_length_never_raises_and_never_passes_for_a_value(data: bytes) -> None:
    high = "alarm_above = 9"
    real = gauge("real", 2, high, 'form = "f32"')
    bench = bench_of(state_at(0), gauge("level", 1, high), real)
    assert bench.plan.parts[0].count == 4
    taken = bench.image.take(0, data, 7, 1)
    if len(data) != 8:
        assert taken.readings == []
        assert taken.problem
        assert bench.image.values == {}


def test_a_command_that_acknowledges_is_asked_for_when_it_becomes_active_only() -> None:
    body = (
        state_at(0, ON_OFF + '\nack = "clear"')
        + '[[command]]\nname = "clear"\ntext = "x"\ntext_en = "x"\neffect = "ack"\n'
        + "step = [{ at = 9, function = 6, value = 0 }]\n"
    )
    bench = bench_of(body)
    acks = []
    for word in (0, 1, 1, 0, 1):
        bench.put(word)
        acks.append(bench.taken.acks)
    assert acks == [(), ("clear",), (), (), ("clear",)]


# --- values made of others ---


def test_a_threshold_in_a_register_is_compared_with_its_hysteresis() -> None:
    body = (
        value("level", 0)
        + value("limit", 1, "period_s = 1")
        + '[[value]]\nname = "high"\n'
        + 'compare = { value = "level", at_least = "limit", hysteresis = 5 }\n'
        + point("high")
        + meaning("high", "high")
    )
    bench = bench_of(body)

    def poll(level: int, limit: int) -> dict[str, object]:
        held = {0: level, 1: limit}
        pieces = [(at, pack([held[a] for a in range(part.address, part.end)], bits=False))
                  for at, part in enumerate(bench.plan.parts)]  # fmt: skip
        bench.mono_ns += S // 10
        taken = bench.image.take_all(pieces, 7, bench.mono_ns)
        return {reading.point: reading.active for reading in taken.readings}

    assert poll(99, 100) == {"high": False}
    assert poll(100, 100) == {"high": True}
    assert poll(95, 100) == {}, "not five below yet"
    assert poll(94, 100) == {"high": False}
    assert poll(94, 90) == {"high": True}, "the limit was set lower"


def test_bits_that_a_mask_does_not_declare_valid_say_nothing() -> None:
    body = (
        value("mask", 0, "bit = 0")
        + value("alarm", 1, "bit = 0\nvalid_when = { mask = true }")
        + point("alarm")
        + meaning("alarm", "alarm")
    )
    bench = bench_of(body)
    assert bench.put(0, 1) == {}
    assert bench.put(1, 1) == {"alarm": True}
    assert bench.put(0, 0) == {"alarm": None}, "neither alarm nor all clear"


def test_a_loop_that_drifts_slowly_is_told_band_by_band() -> None:
    bands = """
bands = [ { name = "idle", from = 1600, to = 2389 }, { name = "alarm", from = 2390, to = 3300 } ]
else_band = "fault"
hysteresis = 60
"""
    body = (
        value("loop", 0, bands)
        + point("alarm", kind="panic")
        + meaning("alarm", "loop", 'true_when = ["alarm"]\nelse = "inactive"')
        + point("line", kind="fault")
        + meaning("line", "loop", 'true_when = ["fault"]\nelse = "inactive"')
    )
    bench = bench_of(body)
    told = [bench.put(number) for number in (2048, 2440, 2450, 3350, 3361, 3301, 3300)]
    assert told == [
        {"alarm": False, "line": False}, {}, {"alarm": True}, {},
        {"alarm": False, "line": True}, {}, {"alarm": True, "line": False},
    ]  # fmt: skip


# --- only what moved is read ---

HIGH = "alarm_above = 9"
MANY = "".join(
    [
        *(gauge(f"g{at}", at, HIGH) for at in range(12)),
        *(gauge(f"wide{at}", at, HIGH, 'form = "s32"\nscale = 0.1') for at in (12, 14, 16)),
        *(value(f"b{at}", 18, f"bit = {at}") + point(f"b{at}") for at in (0, 9)),
        *(meaning(f"b{at}", f"b{at}") for at in (0, 9)),
        value("safe", 19, "valid_when = { b0 = true }"),
        point("safe") + meaning("safe", "safe", ON_OFF),
    ]
)
MANY_PROFILE = profile_of(MANY)
CHANGES = st.dictionaries(st.integers(0, 19), st.integers(0, 2), max_size=12)


@given(polls=st.lists(CHANGES, min_size=1, max_size=8))
def test_whatever_moves_the_values_are_those_of_a_device_that_is_read_anew(
    polls: list[dict[int, int]],
) -> None:
    words = [0] * 20
    bench = Bench(MANY_PROFILE)
    assert [part.count for part in bench.plan.parts] == [20]
    for changes in polls:
        for at, word in changes.items():
            words[at] = word
        anew = Bench(MANY_PROFILE)
        bench.put(*words)
        anew.put(*words)
        assert bench.image.values == anew.image.values


# --- heartbeat ---


def beating() -> Bench:
    return bench_of(value("beat", 0, "heartbeat_s = 10"), gauge("level", 1, more="period_s = 2.5"))


def test_a_heart_that_stops_is_noticed_and_one_that_beats_is_not() -> None:
    bench = beating()
    for beat in range(5):
        bench.put(beat, 5, after_ns=9 * S)
        assert bench.image.stuck(bench.mono_ns) is None
    assert bench.image.stuck(bench.mono_ns + 10 * S) is None
    assert bench.image.stuck(bench.mono_ns + 10 * S + 1) == "beat"


def test_a_stopped_heart_stays_stopped_until_it_beats_whatever_is_forgotten() -> None:
    bench = beating()
    bench.put(1, 5)
    assert bench.image.stuck(bench.mono_ns + 11 * S) == "beat"
    bench.image.forget()
    bench.put(1, 5, after_ns=12 * S)
    assert bench.image.stuck(bench.mono_ns) == "beat"
    bench.put(2, 5)
    assert bench.image.stuck(bench.mono_ns) is None


def test_a_device_that_came_back_has_its_whole_time_for_the_next_beat() -> None:
    bench = beating()
    bench.put(1, 5)
    bench.image.forget()
    assert bench.image.stuck(bench.mono_ns + 60 * S) is None
    bench.put(1, 5, after_ns=60 * S)
    assert bench.image.stuck(bench.mono_ns + 9 * S) is None


# --- restart ---


@pytest.mark.parametrize("word", [0, 1])
def test_an_alarm_that_was_raised_before_a_restart_is_raised_once(word: int) -> None:
    profile = profile_of(state_at(0))
    first = Bench(profile)
    machine = PointMachine(first.device.points["alarm"])
    first.put(1)
    changes = [machine.feed(reading, first.mono_ns) for reading in first.taken.readings]
    saved = PointState.from_dict(machine.state().as_dict())
    second = Bench(profile)
    again = PointMachine(second.device.points["alarm"], saved)
    second.put(word)
    changes += [again.feed(reading, second.mono_ns) for reading in second.taken.readings]
    expected = ["raised"] if word else ["raised", "restored"]
    assert [change.what for change in changes if change] == expected


# --- any sequence ---

BODY = (
    state_at(0)
    + gauge("level", 1, "alarm_above = 100\nrestore_below = 90")
    + gauge("oxygen", 2, "alarm_below = 10", "scale = 0.5")
    + value("bare", 3, "invalid = [77]")
    + point("bare", "measurement")
    + meaning("bare", "bare", "min = -1")
    + value("mode", 4)
    + point("mode", "record", "equipment")
    + meaning("mode", "mode")
)
PROFILE = profile_of(BODY, "function = 3\nperiod_s = 1")
DEVICE = sample_device(PROFILE)
PLAN = plan_modbus(PROFILE, DEVICE)
WORD = st.sampled_from([0, 1, 19, 20, 21, 77, 89, 90, 99, 100, 101])


@dataclass
class Known:
    """What a listener that hears every reading knows of a point."""

    value: Scalar | None = None
    active: bool | None = None
    at_ns: int | None = None
    fresh: bool = field(default=False)


class Polls(RuleBasedStateMachine):
    """take, take_all, forget and time in any order, against what the words say by themselves."""

    @initialize()
    def begin(self) -> None:
        self.image = Image("d", DEVICE.points, PLAN.layout)
        self.mono_ns = 0
        self.words = [0, 5, 60, 5, 1]
        self.known = {name: Known() for name in DEVICE.points}
        self.read: set[int] = set()
        self.modes: list[int] = []
        self.machines = {name: PointMachine(point) for name, point in DEVICE.points.items()}

    def truth(self, name: str) -> tuple[bool | None, Scalar | None]:
        """What a point is, from the words as they are in the device."""
        alarm, level, oxygen, bare, mode = self.words
        return {
            "alarm": ({0: False, 1: True}.get(alarm), None),
            "level": (None, level),
            "oxygen": (None, oxygen / 2),
            "bare": (None, None if bare == 77 else bare),
            "mode": (None, mode),
        }[name]

    def place(self, name: str) -> int:
        return ["alarm", "level", "oxygen", "bare", "mode"].index(name)

    @rule(at=st.integers(0, 4), word=WORD)
    def the_device_changes(self, at: int, word: int) -> None:
        self.words[at] = word if at else word % 2

    @rule(ns=st.sampled_from([1, S // 10, S // 2, REPORT_NS, REFRESH_NS // 2, REFRESH_NS]))
    def time_passes(self, ns: int) -> None:
        self.mono_ns += ns

    @rule(together=st.booleans(), some=st.sets(st.integers(0, len(PLAN.parts) - 1), min_size=1))
    def poll(self, together: bool, some: set[int]) -> None:
        pieces = [
            (
                part,
                pack(
                    [
                        self.words[at]
                        for at in range(PLAN.parts[part].address, PLAN.parts[part].end)
                    ],
                    bits=False,
                ),
            )
            for part in sorted(some)
        ]
        if together:
            takes = [(pieces, self.image.take_all(pieces, 7, self.mono_ns))]
        else:
            takes = [([each], self.image.take(*each, 7, self.mono_ns)) for each in pieces]
        for each, taken in takes:
            assert taken.problem is None
            heard = {reading.point: reading for reading in taken.readings}
            assert len(heard) == len(taken.readings)
            for part, _ in each:
                self.judge(part, heard)

    def judge(self, part: int, heard: dict[str, Reading]) -> None:
        span = range(PLAN.parts[part].address, PLAN.parts[part].end)
        for name, point_ in DEVICE.points.items():
            if self.place(name) in span:
                self.judge_point(name, heard.get(name))
                if name in heard:
                    change = self.machines[name].feed(heard[name], self.mono_ns)
                    if point_.nature == "state":
                        assert change is None or change.what in {"raised", "restored"}

    def judge_point(self, name: str, reading: Reading | None) -> None:
        active, value_ = self.truth(name)
        known = self.known[name]
        before = (known.active, known.value)
        if name == "mode":
            if known.at_ns is not None:  # the first one is where we begin
                assert (reading is not None) == (value_ != known.value)
            else:
                assert reading is None
            known.value, known.at_ns = value_, self.mono_ns
            return
        if reading is not None:
            assert (reading.active, reading.value) == (active, value_), "a reading is the truth"
            same = before == (active, value_)
            assert not same or not known.fresh or self.mono_ns - (known.at_ns or 0) >= REFRESH_NS
            known.active, known.value = active, value_
            known.at_ns, known.fresh = self.mono_ns, True
            return
        if (active, value_) == (None, None):
            assert before == (None, None), "what is known no more is told"
            return
        assert known.fresh, "after forgetting everything is told"
        if before == (active, value_):
            return
        assert name != "alarm", "a state is never held back"
        assert known.value is not None
        assert self.mono_ns - (known.at_ns or 0) < REPORT_NS, "a number waits a second at most"
        assert self.zone(name, known.value) == self.zone(name, value_), "a threshold was crossed"

    @staticmethod
    def zone(name: str, value_: Scalar | None) -> tuple[bool, ...]:
        assert isinstance(value_, (int, float))
        if name == "level":
            return (value_ >= 100, value_ < 90)
        return (value_ <= 10,) if name == "oxygen" else ()

    @rule()
    def the_device_is_gone(self) -> None:
        self.image.forget()
        assert self.image.values == {}
        for name, known in self.known.items():
            if name != "mode":
                self.known[name] = Known(at_ns=known.at_ns)

    @rule()
    def a_second_later_the_last_values_are_told(self) -> None:
        every = set(range(len(PLAN.parts)))
        self.poll(together=False, some=every)
        self.mono_ns += REPORT_NS
        self.poll(together=False, some=every)
        for name, known in self.known.items():
            assert (known.active, known.value) == self.truth(name)

    @invariant()
    def the_alarm_is_what_was_last_told(self) -> None:
        known = self.known["alarm"]
        if known.active is not None:
            assert self.machines["alarm"].active is known.active


TestPolls = Polls.TestCase
TestPolls.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
