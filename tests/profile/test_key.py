"""Values that no register holds: the device's address says them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.events import Scalar
from gateway.profile import Image, Profile, plan_modbus
from gateway.profile.model import make_profile
from gateway.profile.schema import ProfileFile
from gateway.profile.shelf import load_file
from gateway.profile.tool import sample_device
from simulators.modbus.model import Model
from simulators.modbus.sheet import read_sheet

TEXT = """
[profile]
title = "变送器"
title_en = "transmitter"
family = "gas"
driver = "modbus"
power = "mains"
verified = false

[source]
document = "written for this test"
confidence = "D"
date = "2026-11-22"

[address.unit]
type = "integer"
default = 1
help = "单元号"
help_en = "unit id"

[address.alarm_level]
type = "number"
example = 25
help = "报警值"
help_en = "alarm level"

[address.decimals]
type = "integer"
default = 1
help = "小数位数"
help_en = "decimals"

[modbus]
transports = ["tcp"]
function = 3

[[value]]
name = "level"
at = 0
decimals_from = "decimals"

[[value]]
name = "decimals"
key = "decimals"

[[value]]
name = "limit"
key = "alarm_level"

[[value]]
name = "reached"
compare = { value = "level", at_least = "limit" }

[[point]]
name = "gas"
kind = "gas"
nature = "state"
text = "气体报警"
text_en = "gas alarm"

[[set]]
point = "gas"
value = "reached"
attributes = ["level", "limit"]

[[sample]]
note = "normal"
words = { "0" = [249] }
expect = [{ point = "gas", active = false }]
"""


def profile() -> Profile:
    return make_profile("gas/transmitter", ProfileFile.model_validate(tomllib.loads(TEXT)))


def image_of(of: Profile, address: dict[str, Scalar]) -> Image:
    device = sample_device(of, address)
    return Image(device.id, device.points, plan_modbus(of, device).layout)


def read(image: Image, word: int, mono_ns: int = 0) -> tuple[bool | None, dict[str, Scalar]]:
    reading = image.take(0, word.to_bytes(2, "big"), 1, mono_ns).readings[0]
    return reading.active, reading.attributes


def test_a_limit_and_a_scale_come_from_the_devices_address() -> None:
    one = image_of(profile(), {})
    assert read(one, 249) == (False, {"level": 24.9, "limit": 25})
    assert read(one, 250, mono_ns=1) == (True, {"level": 25.0, "limit": 25})


def test_two_devices_of_one_profile_keep_their_own_limits() -> None:
    shared = profile()
    strict, lax = (image_of(shared, {"alarm_level": level}) for level in (10, 40))
    assert read(strict, 249)[0] is True
    assert read(lax, 249)[0] is False


def test_the_limit_is_still_known_after_the_device_was_gone() -> None:
    image = image_of(profile(), {})
    read(image, 249)
    image.forget()
    assert read(image, 300, mono_ns=1) == (True, {"level": 30.0, "limit": 25})


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('key = "alarm_level"', 'key = "alarm"', "value[2].key"),
        ('key = "alarm_level"', 'key = "alarm_level"\nscale = 2.0', "value[2].scale"),
        ('key = "alarm_level"', 'key = "alarm_level"\nat = 3', "value[2].at"),
    ],
    ids=["no such key", "with a scale", "and a register"],
)
def test_a_key_that_makes_no_sense_is_told(tmp_path: Path, old: str, new: str, where: str) -> None:
    path = tmp_path / "transmitter.toml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    profile, faults = load_file(path, "transmitter")
    assert profile is None
    assert where in {fault.key for fault in faults}


@pytest.mark.parametrize("decimals", [0, 2])
def test_the_simulated_device_counts_with_the_address_too(tmp_path: Path, decimals: int) -> None:
    path = tmp_path / "transmitter.toml"
    path.write_text(TEXT, encoding="utf-8")
    address: dict[str, Any] = {"alarm_level": 20, "decimals": decimals}
    device = Model(read_sheet(path, address))
    device.set("level", 21)
    assert device.words_of("level") == [21 * 10**decimals]
    assert device.value("limit") == 20
