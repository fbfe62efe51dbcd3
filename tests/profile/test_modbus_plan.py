"""The plan of one device: which registers, how often, and what may be written."""

import pytest

from gateway.profile import BadFormula, plan_modbus
from gateway.profile.tool import sample_device
from tests.profile.modbus_files import Bench, gauge, point, profile_of, rule, value

ON = 'true_when = [1]\nelse = "inactive"'
LOOP = """
[address.loop]
type = "integer"
example = 1
help = "回路"
help_en = "loop"
"""


def spans(bench: Bench) -> list[tuple[int, int, int]]:
    return [(part.function, part.address, part.count) for part in bench.plan.parts]


def state(name: str, at: object, kind: str = "gas", more: str = "") -> str:
    return value(name, at, more) + point(name, kind=kind) + rule(name, name, ON)


# --- parts ---


def test_neighbours_are_one_part_and_a_gap_is_not_read() -> None:
    bench = Bench(profile_of(state("a", 10) + state("b", 11) + state("c", 13)))
    assert spans(bench) == [(3, 10, 2), (3, 13, 1)]


def test_a_part_is_never_longer_than_the_device_answers() -> None:
    count = "repeat = { n = [0, 249] }"
    body = (
        value("s{n}", "n", count)
        + point("s{n}", more=count)
        + rule("s{n}", "s{n}", f"{count}\n{ON}")
    )
    limited = Bench(profile_of(body, "function = 3\nmax_registers = 100"))
    assert spans(limited) == [(3, 0, 100), (3, 100, 100), (3, 200, 50)]


def test_a_number_of_two_registers_is_never_cut_in_two() -> None:
    body = "".join(gauge(f"v{at}", at, "alarm_above = 1", 'form = "u32"') for at in range(0, 12, 2))
    assert spans(Bench(profile_of(body, "function = 3\nmax_registers = 5"))) == [
        (3, 0, 4), (3, 4, 4), (3, 8, 4),
    ]  # fmt: skip


def test_bits_have_a_limit_of_their_own() -> None:
    body = "".join(
        value(f"b{at}", at, 'form = "bit"') + point(f"b{at}") + rule(f"b{at}", f"b{at}")
        for at in range(20)
    )
    assert spans(Bench(profile_of(body, "function = 2\nmax_bits = 16\nmax_registers = 1"))) == [
        (2, 0, 16), (2, 16, 4),
    ]  # fmt: skip


def test_the_bits_of_one_word_share_its_register() -> None:
    body = "".join(
        value(f"b{bit}", 5, f"bit = {bit}") + point(f"b{bit}") + rule(f"b{bit}", f"b{bit}")
        for bit in (0, 7, 15)
    )
    bench = Bench(profile_of(body))
    assert spans(bench) == [(3, 5, 1)]
    assert bench.put(0x8001) == {"b0": True, "b7": False, "b15": True}


# --- periods ---


def test_buttons_are_read_five_times_a_second_other_alarms_each_and_the_rest_seldom() -> None:
    body = (
        state("panic", 0, "panic") + state("gas", 10) + gauge("level", 20)
        + state("fault", 30, "fault") + state("tamper", 40, "tamper")
    )  # fmt: skip
    bench = Bench(profile_of(body, "function = 3\nperiod_s = 7"))
    assert {part.address: (part.period_s, part.urgent) for part in bench.plan.parts} == {
        0: (0.2, True), 10: (1.0, True), 20: (7.0, False), 30: (7.0, False), 40: (1.0, True),
    }  # fmt: skip


def test_what_an_alarm_is_judged_by_is_read_as_often_as_the_alarm() -> None:
    body = (
        value("mask", 50)
        + value("level", 0, "valid_when = { mask = [1] }\nscale_from = \"range\"")
        + value("range", 60)
        + value("limit", 70)
        + '[[value]]\nname = "high"\ncompare = { value = "level", at_least = "limit" }\n'
        + value("mode", 80)
        + point("gas") + rule("gas", "high", "where = { mode = [0] }")
    )  # fmt: skip
    bench = Bench(profile_of(body, "function = 3\nperiod_s = 9\nalarm_period_s = 0.5"))
    periods = {part.address: part.period_s for part in bench.plan.parts}
    assert periods == {50: 0.5, 0: 0.5, 80: 0.5, 60: 9.0, 70: 9.0}


def test_a_heart_is_felt_four_times_in_its_longest_pause_and_a_named_period_stands() -> None:
    body = value("beat", 0, "heartbeat_s = 8") + gauge("level", 9, more="period_s = 60")
    bench = Bench(profile_of(body))
    assert {part.address: part.period_s for part in bench.plan.parts} == {0: 2.0, 9: 60.0}


# --- addresses ---


def test_the_formula_of_a_point_is_worked_out_for_each_device() -> None:
    profile = profile_of(LOOP + state("fire", "257 + (loop - 1) * 256"))
    assert spans(Bench(profile)) == [(3, 257, 1)]
    assert spans(Bench(profile, loop=3)) == [(3, 769, 1)]


def test_a_device_whose_address_leads_outside_the_map_is_told_so() -> None:
    profile = profile_of(LOOP + state("fire", "loop * 30000", more='form = "u16"'))
    for loop in (3, -1):
        with pytest.raises(BadFormula, match="65535"):
            plan_modbus(profile, sample_device(profile, {"loop": loop}))


def test_a_number_of_four_registers_may_not_end_beyond_the_map() -> None:
    profile = profile_of(LOOP + gauge("energy", "loop", more='form = "u64"'))
    assert spans(Bench(profile, loop=65_532)) == [(3, 65_532, 4)]
    with pytest.raises(BadFormula):
        plan_modbus(profile, sample_device(profile, {"loop": 65_533}))


def test_devices_of_one_shape_share_what_was_compiled() -> None:
    profile = profile_of(LOOP + state("fire", "loop"))
    one, two = Bench(profile, loop=1), Bench(profile, loop=2)
    assert one.plan.layout is two.plan.layout


def test_devices_whose_meaning_differs_share_nothing() -> None:
    word = LOOP.replace("loop", "word").replace('"integer"', '"text"').replace("= 1", '= "a"')
    body = (
        word
        + value("kind", 0, 'names = { "1" = "a", "2" = "b" }')
        + value("level", 1, 'valid_when = { kind = "{word}" }')
        + point("level", "measurement", more="alarm_above = 3")
        + rule("level", "level")
    )
    profile = profile_of(body)
    one, two = Bench(profile, word="a"), Bench(profile, word="b")
    assert (one.put(1, 7), two.put(1, 7)) == ({"level": 7}, {})


# --- queries and commands ---

MAILBOX = """
[[command]]
name = "reset"
text = "复位"
text_en = "reset"
effect = "reset"
step = [{ at = 20, function = 16, values = [350, 13862] }, { at = 5, function = 5, value = true },
        { at = "30 + unit", function = 6, value = "unit * 2", wait_s = 0.5 }]
confirm = { value = "state", in = ["ok"], within_s = 3 }
[[query]]
name = "tag"
step = [{ at = 100, function = 16, values = [105] }, { at = 101, function = 6, value = 1 }]
done = { value = "active", in = [0], within_s = 5 }
good = { result = { in = [0] }, state = "ok" }
value = ["tag"]
"""
MAIL = (
    state("gas", 0)
    + value("state", 1, 'names = { "1" = "ok" }')
    + value("active", 101)
    + value("result", 105)
    + value("tag", 106, 'form = "text"\nwords = 4')
    + MAILBOX
)


def test_a_mailbox_is_read_only_when_it_was_asked() -> None:
    plan = Bench(profile_of(MAIL)).plan
    (query,) = plan.queries
    (part,) = query.parts
    assert plan.parts[part].address == 106
    assert plan.on_demand == {part}
    assert [(write.function, write.address, write.values) for write in query.writes] == [
        (16, 100, (105,)), (6, 101, (1,)),
    ]  # fmt: skip
    good = dict(query.good)
    assert good["result"] == {("number", 0)}
    assert good["state"] == {("text", "ok")}
    assert query.done.holds(0)
    assert not query.done.holds(None)


def test_a_command_is_its_writes_in_order_and_its_proof() -> None:
    command = Bench(profile_of(MAIL)).plan.commands["reset"]
    assert [(w.function, w.address, w.values, w.wait_s) for w in command.writes] == [
        (16, 20, (350, 13_862), 0.0), (5, 5, (0xFF00,), 0.0), (6, 31, (2,), 0.5),
    ]  # fmt: skip
    assert command.confirm is not None
    assert command.confirm.holds("ok")
    assert not command.confirm.holds(1)
    assert not command.confirm.holds(None)


def test_a_value_to_write_that_is_no_16_bits_is_refused_for_that_device() -> None:
    body = LOOP + MAIL.replace('value = "unit * 2"', 'value = "loop * 40000"')
    with pytest.raises(BadFormula, match="16"):
        plan_modbus(profile := profile_of(body), sample_device(profile, {"loop": 2}))
