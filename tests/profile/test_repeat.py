"""Tables written once and meant many times."""

import tomllib

import pytest

from gateway.profile.repeat import MAX_REPEATS, expand
from gateway.profile.schema import ProfileFile
from tests.profile.modbus_files import Bench, faults_of, point, profile_of, rule, text_of, value

CHANNELS = (
    value("level_{n}", "n * 10", "repeat = { n = [1, 3] }\nvalid_when = { ok_{n} = [1] }").replace(
        "ok_{n}", '"ok_{n}"'
    )
    + value("ok_{n}", "n * 10 + 1", "repeat = { n = [1, 3] }")
    + point("level_{n}", "measurement", more="repeat = { n = [1, 3] }\nalarm_above = 50")
    + rule("level_{n}", "level_{n}", 'repeat = { n = [1, 3] }\nattributes = ["ok_{n}"]')
)


def expanded(body: str) -> ProfileFile:
    return expand(ProfileFile.model_validate(tomllib.loads(text_of(body))))[0]


def test_each_copy_has_its_own_address_names_and_texts() -> None:
    file = expanded(CHANNELS)
    assert [(v.name, v.at) for v in file.value if v.name.startswith("level")] == [
        ("level_1", "1 * 10"), ("level_2", "2 * 10"), ("level_3", "3 * 10"),
    ]  # fmt: skip
    assert [point.text for point in file.point] == ["level_1", "level_2", "level_3"]
    assert file.set[1].attributes == ["ok_2"]


def test_a_channel_is_judged_by_its_own_registers() -> None:
    bench = Bench(profile_of(CHANNELS))
    assert [(part.address, part.count) for part in bench.plan.parts] == [(10, 2), (20, 2), (30, 2)]
    assert bench.put(60, 1, part=1) == {"level_2": 60}
    assert bench.put(60, 0, part=2) == {}


def test_two_counters_write_every_pair() -> None:
    names = [v.name for v in expanded(
        value("z{a}_{b}", "a * 100 + b", "repeat = { a = [1, 2], b = [3, 4] }")
        + CHANNELS
    ).value][:4]  # fmt: skip
    assert names == ["z1_3", "z1_4", "z2_3", "z2_4"]


def test_a_counter_is_replaced_as_a_whole_word_only() -> None:
    file = expanded(value("v{n}", "unit + n + nn", "repeat = { n = [5, 5] }") + CHANNELS)
    assert file.value[0].at == "unit + 5 + nn"


@pytest.mark.parametrize(
    ("counters", "key"),
    [
        ("{ n = [5, 4] }", "value[1].repeat"),
        (f"{{ n = [1, {MAX_REPEATS + 1}] }}", "value[1].repeat"),
        ("{ n = [1, 20], m = [1, 20] }", "value[1].repeat"),
        ("{ unit = [1, 2] }", "value[1].repeat"),
    ],
)
def test_counters_that_make_no_sense_are_named(counters: str, key: str) -> None:
    body = value("first", 1) + value("v_{n}", "n", f"repeat = {counters}") + point("p") + rule("p")
    assert list(faults_of(body)) == [key]


def test_too_many_tables_altogether_are_named() -> None:
    many = "".join(value(f"v{i}_{{n}}", "n", "repeat = { n = [1, 256] }") for i in range(9))
    assert "value" in faults_of(many + point("p") + rule("p"))


def test_a_fault_of_a_copy_is_the_fault_of_the_table_in_the_file() -> None:
    body = CHANNELS + value("last", 3, "bit = 16") + rule("nobody", "last")
    assert list(faults_of(body)) == ["value[2].bit", "set[1].point"]


def test_a_copy_without_its_counter_in_the_name_is_there_twice() -> None:
    body = value("level", "n", "repeat = { n = [1, 2] }") + CHANNELS
    assert "level" in faults_of(body)["value[0].name"]
