"""One device read once: what is shown of each value, and what is advised."""

import struct
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.commission.asking import Asker
from gateway.commission.probe import Probe
from gateway.commission.probe_text import Files, document_of, lines_of, profile_file
from gateway.events import Device
from gateway.links.modbus import parse_url
from gateway.profile import Profile, Shelf
from gateway.profile.shelf import load_file
from gateway.profile.tool import sample_device
from simulators.modbus import Limits, Line, Unit
from tests.clocks import FakeClock
from tests.commission.conftest import model

FILES = Files(profile="profiles/x.toml", device="devices.toml")

TEXT = """
[profile]
title = "试验机"
title_en = "test device"
family = "gas"
driver = "modbus"
power = "mains"
verified = false
[source]
document = "made up for a test"
confidence = "B"
date = "2026-11-21"
[address.unit]
type = "integer"
min = 1
max = 247
example = 1
help = "单元号"
help_en = "unit id"
[modbus]
transports = ["tcp", "serial", "rtu-over-tcp"]
numbering = "reference"
timeout_s = 0.2
[[value]]
name = "level"
at = 40001
form = "f32"
valid_when = { valid = true }
[[value]]
name = "valid"
at = 40003
bit = 0
[[value]]
name = "dose"
at = 40004
form = "bcd16"
[[value]]
name = "temperature"
at = 40005
form = "s16"
scale = 0.1
invalid = [-32768]
[[value]]
name = "maker"
at = 40006
form = "text"
words = 2
[[point]]
name = "gas"
kind = "gas"
nature = "measurement"
unit = "%LEL"
alarm_above = 20.0
text = "泄漏"
text_en = "leak"
[[point]]
name = "hot"
kind = "temperature"
nature = "measurement"
unit = "°C"
text = "温度"
text_en = "temperature"
[[point]]
name = "dose"
kind = "gas"
nature = "measurement"
text = "剂量"
text_en = "dose"
[[set]]
point = "gas"
value = "level"
attributes = ["maker"]
[[set]]
point = "hot"
value = "temperature"
[[set]]
point = "dose"
value = "dose"
[[sample]]
note = "all is well"
words = { "40001" = [0x41AC, 0, 1] }
expect = [{ point = "gas", value = 21.5 }]
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    file = tmp_path / "test.toml"
    file.write_text(TEXT, encoding="utf-8")
    made, faults = load_file(file, "gas/test")
    assert made is not None, faults
    return made


def unit_of(level: float = 5.0, *, order: str = "big") -> Unit:
    unit = Unit(1)
    words = struct.unpack(">2H", struct.pack(">f", level))
    unit.set_words(3, 0, words if order == "big" else words[::-1])
    unit.set_words(3, 2, [1, 0x0123, 215, 0x4142, 0x4300])
    return unit


async def probe(
    line: Line, profile: Profile, *, unit: int = 1, neighbours: bool = False, times: int = 1
) -> Probe:
    device: Device = sample_device(profile, {"unit": unit})
    made = Probe(profile, device, SystemClock())
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), SystemClock(), rate_per_s=1000)
        for _ in range(times):
            await made.once(asker, neighbours=neighbours)
        await asker.close()
    return made


def text(made: Probe) -> str:
    return "\n".join(lines_of(made, FILES, made._clock.mono_ns()))


async def test_every_value_is_shown_raw_decoded_and_scaled_with_its_point(profile: Profile) -> None:
    made = await probe(Line([unit_of(21.5)]), profile)
    level, _, dose, temperature, maker = made.values
    assert (level.place.document, level.words) == ("40001", (0x41AC, 0))
    assert (level.value, level.unit, level.points) == (21.5, "%LEL", ("gas",))
    assert (dose.decoded, dose.value) == ("123", 123)
    assert (temperature.decoded, temperature.value, temperature.unit) == ("215", 21.5, "°C")
    assert (maker.value, maker.points) == ("ABC", ("gas",))
    assert all(each.quality == "good" for each in made.values)
    assert made.points["gas"].active is True
    assert made.points["hot"].active is None
    told = text(made)
    assert "0x41AC 0x0000" in told
    assert "would be active: leak" in told
    assert made.complete


async def test_the_four_orders_stand_side_by_side_and_the_likely_one_is_named(
    profile: Profile,
) -> None:
    made = await probe(Line([unit_of(5.0, order="little")]), profile)
    level = made.values[0]
    assert level.order == "ABCD"
    assert level.variants["CDAB"] == "5"
    assert level.likely == ("CDAB",)
    told = text(made)
    assert 'word_order = "little"' in told
    assert "[[value]] level of profiles/x.toml" in told


async def test_a_value_that_is_not_valid_now_says_what_it_looks_at(profile: Profile) -> None:
    unit = unit_of()
    unit.set_words(3, 2, [0])
    made = await probe(Line([unit]), profile)
    assert (made.values[0].quality, made.values[0].value) == ("unknown", None)
    assert "valid_when looks at valid, which is false" in made.values[0].why
    assert not made.points["gas"].known


async def test_no_measurement_and_rubbish_are_two_things(profile: Profile) -> None:
    unit = unit_of()
    unit.set_words(3, 3, [0xABCD, 0x8000])
    made = await probe(Line([unit]), profile)
    assert made.values[2].quality == "garbled"
    assert made.values[3].quality == "unknown"
    assert "no measurement" in made.values[3].why
    assert not made.complete
    assert "something does not decode" in text(made)


async def test_one_address_that_is_refused_does_not_hide_its_neighbours(profile: Profile) -> None:
    unit = unit_of()
    del unit.holding[4]
    made = await probe(Line([unit]), profile)
    qualities = {each.place.value.name: each.quality for each in made.values}
    assert qualities["temperature"] == "refused"
    assert qualities["level"] == qualities["maker"] == "good"
    assert "exception 2" in text(made)
    assert not made.complete


async def test_neighbours_show_an_address_that_is_one_off(profile: Profile) -> None:
    unit = Unit(1)
    words = struct.unpack(">2H", struct.pack(">f", 5.0))
    unit.set_words(3, 1, [*words, 1, 0x0123, 215, 0x4142, 0x4300])
    made = await probe(Line([unit]), profile, neighbours=True)
    level = made.values[0]
    assert level.near["+1"].answers
    assert level.near["+1"].text == "5"
    assert "level answers at +1 (5)" in text(made)
    assert "numbering" in text(made)


async def test_neighbours_show_the_other_function(profile: Profile) -> None:
    unit = Unit(1)
    words = struct.unpack(">2H", struct.pack(">f", 5.0))
    unit.set_words(4, 0, [*words, 1, 0x0123, 215, 0x4142, 0x4300])
    made = await probe(Line([unit]), profile, neighbours=True)
    assert "function = 4" in text(made)


async def test_a_silent_unit_is_told_with_those_that_answer(profile: Profile) -> None:
    made = await probe(Line([unit_of(), Unit(7)]), profile, unit=2)
    assert made.others == [1, 7]
    told = text(made)
    assert "unit 2 is silent, those that answer: 1, 7" in told
    assert 'device["sample"].address.unit in devices.toml' in told
    assert not any(each.known for each in made.points.values())


async def test_nobody_at_all_is_told_with_the_wiring(profile: Profile) -> None:
    made = await probe(Line([]), profile)
    assert made.others == []
    assert "check power" in text(made)


async def test_a_value_that_was_read_before_keeps_its_age_and_loses_its_quality(
    profile: Profile,
) -> None:
    clock = FakeClock()
    device = sample_device(profile, {"unit": 1})
    made = Probe(profile, device, clock)
    line = Line([unit_of(30.0)])
    async with line.tcp() as served:
        asker = Asker(parse_url(served.url), SystemClock(), rate_per_s=1000)
        await made.once(asker)
        assert made.points["gas"].active is True
        clock.advance(7)
        line.remove(1)
        await made.once(asker)
        await asker.close()
    level = made.values[0]
    assert (level.quality, level.words) == ("silent", (0x41F0, 0))
    shown = document_of(made, FILES, clock.mono_ns())["values"][0]
    assert shown["age_seconds"] == 7.0
    assert made.points["gas"].active is None, "what is not read is not known"


async def test_a_probe_sends_reads_and_nothing_else(shelf: Shelf) -> None:
    profile = shelf.get("gas/draeger_regard3900")
    assert profile is not None
    line = Line([model("gas/draeger_regard3900", unit=1, channel=3).unit])
    await probe(line, profile, neighbours=True)
    assert {asked.function for asked in line.requests} <= {1, 2, 3, 4}
    assert len(line.writes) == 0


async def test_more_than_the_device_gives_at_once_is_told_from_a_wrong_address(
    profile: Profile,
) -> None:
    unit = unit_of()
    unit.limits = Limits(max_registers=2)
    made = await probe(Line([unit]), profile)
    assert made.values[0].quality == "good"
    assert "max_registers is too high" in made.values[0].why


async def test_a_hostile_text_does_not_reach_the_terminal(profile: Profile) -> None:
    unit = unit_of()
    unit.set_words(3, 5, [0x1B5B, 0x324A])
    made = await probe(Line([unit]), profile)
    assert "\x1b" not in text(made)
    assert "\\x1b[2J" in text(made)


def test_the_file_is_the_installations_own_when_there_is_one(tmp_path: Path) -> None:
    own = tmp_path / "profiles" / "gas" / "honeywell_midas.toml"
    assert profile_file(tmp_path, "gas/honeywell_midas") != str(own)
    own.parent.mkdir(parents=True)
    own.touch()
    assert profile_file(tmp_path, "gas/honeywell_midas") == str(own)
