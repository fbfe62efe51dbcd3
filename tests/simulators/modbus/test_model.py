"""Devices made of profiles: one with everything, and every one that ships."""

from pathlib import Path

import pytest

from simulators.modbus import Line, Unit
from simulators.modbus.behaviour import Behaviour
from simulators.modbus.model import Model, unit_of
from simulators.modbus.sheet import Sheet, work_out
from tests.simulators.modbus.made import TEXT, a_device, ask, profile
from tests.simulators.modbus.master import tcp_master

SHELF = Path(__file__).parents[3] / "config" / "profiles"
SHIPPED = [
    path for path in sorted(SHELF.rglob("*.toml")) if 'driver = "modbus"' in path.read_text("utf-8")
]


def test_the_first_sample_is_what_a_new_device_says() -> None:
    device = a_device()
    assert (device.value("status"), device.value("level"), device.value("limit")) == (
        "monitor",
        15,
        50,
    )
    assert device.value("temperature") == 21
    assert device.value("loop_1") == "idle"


def test_a_value_is_set_through_scale_and_order() -> None:
    device = a_device()
    device.set("level", -2.5)
    assert ask(device, "03 00 0B 00 02") == "03 04 FF E7 FF FF"  # low word first: -25
    device.set("temperature", -12.5)
    assert ask(device, "03 00 29 00 01") == "03 02 80 7D"


def test_values_of_one_register_do_not_disturb_each_other() -> None:
    device = a_device()
    device.set("status", "warm_up")
    assert ask(device, "03 00 0A 00 01") == "03 02 80 00"
    device.set("mask", False)
    device.set("status", "monitor")
    assert ask(device, "03 00 0A 00 01") == "03 02 00 01"


def test_an_address_formula_is_worked_out_for_this_device() -> None:
    device = a_device(loop=2, device=27)
    device.set("last_event", "fire")
    assert device.unit.words(3, 2 * 256 + 27) == [1]


def test_a_sample_of_another_device_is_laid_where_this_one_has_its_value() -> None:
    device = a_device(loop=4, device=9)
    device.show("fire on loop 2")
    assert device.unit.words(3, 4 * 256 + 9) == [1]
    assert 515 not in device.unit.holding


def test_what_the_profile_does_not_name_does_not_exist() -> None:
    device = a_device()
    assert ask(device, "03 00 10 00 01") == "83 02"
    assert ask(device, "03 00 0A 00 33") == "83 03"  # 51 at once, 50 are allowed
    assert ask(device, "06 00 0B 00 01") == "86 02"  # nobody writes a measurement
    assert ask(device, "03 01 2C 00 01") == "83 02"  # a command's register cannot be read


def test_points_of_one_panel_share_a_unit(tmp_path: Path) -> None:
    path = tmp_path / "panel.toml"
    path.write_text(TEXT, "utf-8")
    first, second = unit_of(path, [{"loop": 1, "device": 1}, {"loop": 1, "device": 2}])
    first.set("last_event", "fire")
    second.set("last_event", "fault")
    assert first.unit is second.unit
    assert first.unit.words(3, 257, 2) == [1, 2]


def test_a_command_is_recognised_when_its_steps_came_in_order() -> None:
    device = a_device()
    ask(device, "05 00 05 FF 00")
    ask(device, "10 01 2D 00 02 04 06 5E 36 27")  # a wrong magic word
    ask(device, "05 00 05 FF 00")
    assert (list(device.commands), device.value("valve")) == ([], 0)
    ask(device, "10 01 2D 00 02 04 06 5E 36 26")
    ask(device, "05 00 05 FF 00")
    assert (list(device.commands), device.value("valve")) == (["close"], 1)


def test_a_stuck_valve_takes_the_command_and_does_not_move() -> None:
    device = a_device()
    device.deaf_commands.add("close")
    ask(device, "10 01 2D 00 02 04 06 5E 36 26")
    assert ask(device, "05 00 05 FF 00") == "05 00 05 FF 00"
    assert (list(device.commands), device.value("valve")) == (["close"], 0)


def test_a_watchdog_lets_go_what_nobody_refreshes() -> None:
    device = a_device()
    ask(device, "06 01 2E 00 3C")
    now_ns = device.unit.writes[-1].mono_ns
    assert (device.value("siren"), device.expire(now_ns + 29 * 10**9)) == (1, [])
    ask(device, "06 01 2E 00 3C")
    now_ns = device.unit.writes[-1].mono_ns
    assert device.expire(now_ns + 31 * 10**9) == ["hold"]
    assert device.value("siren") == 0


def test_a_first_step_is_forgotten_when_the_second_comes_too_late() -> None:
    device = a_device()
    device.step_limit_s = 0.0
    ask(device, "10 01 2D 00 02 04 06 5E 36 26")
    ask(device, "05 00 05 FF 00")
    assert not device.commands
    device.step_limit_s = 60.0
    ask(device, "10 01 2D 00 02 04 06 5E 36 26")
    ask(device, "05 00 05 FF 00")
    assert list(device.commands) == ["close"]


def test_a_room_name_is_cut_amid_a_character() -> None:
    device = a_device()
    device.cut_text("room", "A楼一层东")
    assert device.words_of("room")[-1] & 0xFF == "东".encode("gbk")[0]
    assert device.value("room") == "A楼一层"


def test_a_mailbox_clears_when_it_was_asked_or_never() -> None:
    device = a_device()
    ask(device, "06 00 3D 00 27")
    ask(device, "06 00 3C 00 01")
    assert device.value("busy") == 0
    device.stuck_queries.add("ask")
    ask(device, "06 00 3D 00 27")
    ask(device, "06 00 3C 00 01")
    assert device.value("busy") == 1


def test_a_ring_counts_its_entries_and_begins_anew() -> None:
    device = a_device()
    for what in range(1, 12):
        number = device.log_event("events", what=what, where=2)
    assert (number, device.value("newest")) == (11, 11)
    assert device.unit.words(3, 100, 4) == [10, 0x0200, 11, 0x0200]


def test_a_queue_gives_the_next_entry_after_the_acknowledgement() -> None:
    device = a_device()
    device.log_event("queue", what=5)
    device.log_event("queue", what=6)
    assert (device.value("pending"), device.unit.words(3, 200)) == (2, [5])
    ask(device, "06 01 2C 01 F7")
    assert (device.value("pending"), device.unit.words(3, 200)) == (1, [6])
    ask(device, "06 01 2C 01 F7")
    assert (device.value("pending"), device.unit.words(3, 200)) == (0, [0])


async def test_a_device_is_read_over_the_wire() -> None:
    device = a_device(unit=9)
    device.set("room", "101室")
    async with Line([device.unit]).tcp() as served, tcp_master(served) as master:
        heard = await master.ask("00 01 00 00 00 06 09 03 00 1E 00 04", 17)
        assert bytes.fromhex(heard)[9:] == "101室".encode("gbk").ljust(8, b"\0")


@pytest.mark.parametrize(
    ("numbering", "at", "function", "wire"),
    [
        ("wire", 7, None, (4, 7)),
        ("wire", "0x10", 3, (3, 16)),
        ("one", 1, None, (4, 0)),
        ("reference", 40001, None, (3, 0)),
        ("reference", 30065, None, (4, 64)),
        ("reference", 10001, None, (2, 0)),
        ("reference", "00017", None, (1, 16)),
        ("reference", 400300, None, (3, 299)),
        ("reference", "410000 + 101", None, (3, 10100)),
    ],
)
def test_addresses_are_read_as_the_document_numbers_them(
    numbering: str, at: int | str, function: int | None, wire: tuple[int, int]
) -> None:
    sheet = Sheet(
        {"profile": {"driver": "modbus"}, "modbus": {"numbering": numbering, "function": 4}}
        if numbering != "reference"
        else {"profile": {"driver": "modbus"}, "modbus": {"numbering": numbering}}
    )
    assert sheet.locate(at, function) == wire


@pytest.mark.parametrize("formula", ["loop +", "__import__('os')", "1 / 2", "zone * 2", "1 // 0"])
def test_a_formula_that_is_none_is_refused(formula: str) -> None:
    with pytest.raises(LookupError):
        work_out(formula, {"loop": 1})


def test_a_formula_knows_brackets_remainders_and_signs() -> None:
    assert work_out("257 + (loop - 1) * 256 + n % 100 * 8 // 2 - -1", {"loop": 3, "n": 205}) == 790


def test_mistakes_are_answered_with_what_there_is() -> None:
    device = a_device()
    with pytest.raises(LookupError, match="temperature"):
        device.set("warmth", 1)
    with pytest.raises(LookupError, match="made of others"):
        device.set("too_high", True)
    with pytest.raises(LookupError, match="fire on loop 2"):
        device.show("flood")
    with pytest.raises(LookupError, match="no profile of a Modbus device"):
        Sheet({"profile": {"driver": "mqtt"}})


def test_repeated_tables_are_written_out() -> None:
    sheet = Sheet(profile())
    assert [sheet.spots[name].address for name in ("loop_1", "loop_2")] == [21, 22]
    assert {"button_1", "button_2"} <= set(sheet.points)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_profile_makes_a_device_that_shows_its_samples(path: Path) -> None:
    device = Model.from_file(path)
    for place, sample in enumerate(device.sheet.samples):
        if "log" in sample:
            continue
        device = Model.from_file(path, sample.get("address"), unit=Unit(1))
        device.show(place)
        for (function, address), word in device.sheet.sample_words(sample).items():
            assert device.unit.words(function, address) == [word], sample["note"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_alarm_of_every_shipped_profile_can_be_made_and_ended(path: Path) -> None:
    life = Behaviour(Model.from_file(path))
    for point in life.alarm_points:
        words_before = {name: dict(table) for name, table in life.model.unit.tables.items()}
        assert life.alarm(point) == point
        words_then = {name: dict(table) for name, table in life.model.unit.tables.items()}
        assert words_then != words_before, point
        life.restore(point)
