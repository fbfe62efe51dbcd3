"""The [[interlock]] tables: what holds, and every way around one that does not start."""

from collections.abc import Callable

import pytest

from gateway.config import Interlock
from tests.config.conftest import GATEWAY, Installation
from tests.valves import DETECTOR, DEVICES, INTERLOCK, VALVE, link_toml

Change = Callable[[Installation], None]


@pytest.fixture
def kitchen(installation: Installation) -> Installation:
    installation.write("profiles/own/detector.toml", DETECTOR)
    installation.write("profiles/own/valve.toml", VALVE)
    installation.gateway(GATEWAY + link_toml("tcp://127.0.0.1:502") + INTERLOCK)
    installation.devices(DEVICES.replace(', "test"]', "]"))
    return installation


def gateway(old: str, new: str) -> Change:
    return lambda made: made.change("gateway.toml", old, new)


def devices(old: str, new: str) -> Change:
    return lambda made: made.change("devices.toml", old, new)


def valve(old: str, new: str) -> Change:
    return lambda made: made.change("profiles/own/valve.toml", old, new)


def test_an_interlock_is_read_with_its_only_close_command(kitchen: Installation) -> None:
    assert kitchen.load().interlocks == (
        Interlock(
            name="canteen",
            watched=(("gas-1", "gas"),),
            valve="valve-1",
            close="close",
            open="open",
            clear_for_s=60,
            second_person_within_s=10,
        ),
    )


def test_a_device_without_a_point_means_every_alarm_of_it_and_defaults_are_careful(
    kitchen: Installation,
) -> None:
    kitchen.change("gateway.toml", "gas-1/gas", "gas-1")
    for line in (
        'open = "open"\n',
        "clear_for_seconds = 60\n",
        "second_person_within_seconds = 10\n",
    ):
        kitchen.change("gateway.toml", line, "")
    kitchen.change("devices.toml", '"close", "open"', '"close"')
    (rule,) = kitchen.load().interlocks
    assert rule.watched == (("gas-1", "gas"),)  # its fault point is no alarm
    assert (rule.open, rule.clear_for_s, rule.second_person_within_s) == (None, 1800, 120)


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (gateway("gas-1/gas", "gas-7/gas"), "when[0]", "did you mean `gas-1`"),
        (gateway("gas-1/gas", "gas-1/gaz"), "when[0]", "did you mean `gas`"),
        (gateway("gas-1/gas", "gas-1/fault"), "when[0]", "`fault` is no alarm"),
        (gateway("gas-1/gas", "valve-1"), "when[0]", "raises no alarms"),
        (gateway('"valve-1"', '"valve-7"'), "valve", "did you mean `valve-1`"),
        (gateway('open = "open"', 'open = "opne"'), "open", "did you mean `open`"),
        (gateway('open = "open"', 'open = "close"'), "open", "no command `close` of effect open"),
        (gateway('open = "open"', 'open = "open"\nclose = "test"'), "close", "of effect close"),
        (devices('"close", ', ""), "close", "`close` is not allowed for device `valve-1`"),
        (devices(', "open"', ""), "open", "`open` is not allowed for device `valve-1`"),
        (gateway("clear_for_seconds = 60", "clear_for_seconds = 59"), "clear_for_seconds", "is 59"),
        (valve('name = "test"\ntext = "自检"\ntext_en = "self-test"\neffect = "test"',
               'name = "shut"\ntext = "x"\ntext_en = "x"\neffect = "close"\n'
               'confirm = { value = "position", in = ["closed"], within_s = 1 }'),
         "close", "2 commands that close"),
        (valve('permission = "leader"', "refresh_s = 5"), "open", "sent again by itself"),
        (valve('false_when = ["closed"]', 'false_when = ["closed"]\nack = "open"'),
         "open", "sent again by itself"),
        (valve('name = "open"\nkind', 'name = "command"\nkind'), None, ""),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_told_with_its_key(
    kitchen: Installation, change: Change, key: str | None, said: str
) -> None:
    change(kitchen)
    if key is None:  # a point of the valve that is our own
        kitchen.change("profiles/own/valve.toml", 'point = "open"', 'point = "command"')
        kitchen.change("profiles/own/valve.toml", '{ point = "open"', '{ point = "command"')
        key, said = "valve", "`command` is our own"
    (line,) = kitchen.faults()
    assert line.startswith(f'gateway.toml: interlock["canteen"].{key}: ')
    assert said in line


@pytest.mark.parametrize("interlock", ["", INTERLOCK.replace('open = "open"\n', "")])
def test_a_command_that_opens_outside_of_an_interlock_does_not_start(
    kitchen: Installation, interlock: str
) -> None:
    kitchen.gateway(GATEWAY + link_toml("tcp://127.0.0.1:502") + interlock)
    (line,) = kitchen.faults()
    assert line.startswith('devices.toml: device["valve-1"].commands: ')
    assert "`open` opens a valve outside of any interlock" in line


def test_a_valve_allows_no_command_whose_effect_is_unsaid(kitchen: Installation) -> None:
    kitchen.change("profiles/own/valve.toml", 'effect = "test"', 'effect = "output"')
    kitchen.change("devices.toml", '"open"]', '"open", "test"]')
    (line,) = kitchen.faults()
    assert "`test` is of effect output and might open it" in line


def test_a_point_that_never_ends_may_close_a_valve_and_not_have_it_opened(
    kitchen: Installation,
) -> None:
    kitchen.change("gateway.toml", '["gas-1/gas"]', '["gas-1/gas", "btn-1"]')
    kitchen.add(
        "devices.toml",
        '[[device]]\nid = "btn-1"\nprofile = "generic/json_button"\nlink = "field"\n'
        'address = { topic = "site/btn-1" }\n',
    )
    (line,) = kitchen.faults()
    assert "`button` never says that it is over" in line
    kitchen.change("gateway.toml", 'open = "open"\n', "")
    kitchen.change("devices.toml", '"close", "open"', '"close"')
    assert kitchen.load().interlocks[0].watched == (("gas-1", "gas"), ("btn-1", "button"))


def test_a_valve_has_one_interlock(kitchen: Installation) -> None:
    kitchen.add("gateway.toml", INTERLOCK.replace("canteen", "boiler"))
    (line,) = kitchen.faults()
    assert line.startswith('gateway.toml: interlock["boiler"].valve: ')
    assert "already canteen's" in line


def test_a_broken_device_is_one_fault_and_not_one_more_of_its_interlock(
    kitchen: Installation,
) -> None:
    kitchen.change("devices.toml", "address = { unit = 1 }", "address = { unit = 999 }")
    assert len(kitchen.faults()) == 1
