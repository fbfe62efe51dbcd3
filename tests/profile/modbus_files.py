"""Small Modbus profiles for tests: the lines every file needs, and what is wrong with a file."""

import tempfile
import tomllib
from pathlib import Path

from gateway.events import Device, Scalar
from gateway.profile import Image, ModbusPlan, Profile, plan_modbus
from gateway.profile.check import check_profile
from gateway.profile.model import make_profile
from gateway.profile.repeat import check_repeats, expand
from gateway.profile.samples_modbus import pack
from gateway.profile.schema import ProfileFile
from gateway.profile.shelf import load_file
from gateway.profile.tool import sample_device

S = 1_000_000_000

HEAD = """
[profile]
title = "样机"
title_en = "a device"
family = "gas"
driver = "modbus"
power = "mains"
verified = false
[source]
document = "written for a test"
confidence = "D"
date = "2026-11-21"
[address.unit]
type = "integer"
default = 1
help = "单元号"
help_en = "unit"
"""

SAMPLE = """
[[sample]]
note = "nothing is known"
words = { "9" = [0] }
expect = []
"""


def text_of(body: str, modbus: str = "function = 3", head: str = HEAD) -> str:
    """A whole file: the head, [modbus] with these words, the body, a sample when it has none."""
    sample = "" if "[[sample]]" in body else SAMPLE
    return f'{head}[modbus]\ntransports = ["tcp"]\n{modbus}\n{body}\n{sample}'


def profile_of(body: str, modbus: str = "function = 3") -> Profile:
    """The profile; fails the test when the check finds anything."""
    file = ProfileFile.model_validate(tomllib.loads(text_of(body, modbus)))
    assert list(check_repeats(file)) == []
    file, _ = expand(file)
    assert check_profile(file) == []
    return make_profile("test/device", file)


def faults_of(body: str, modbus: str = "function = 3", head: str = HEAD) -> dict[str, str]:
    """Key → problem, as `profile check` finds them in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.toml"
        path.write_text(text_of(body, modbus, head), encoding="utf-8")
        _, faults = load_file(path, "device")
    return {fault.key: fault.problem for fault in faults}


def point(name: str, nature: str = "state", kind: str = "gas", more: str = "") -> str:
    return (
        f'[[point]]\nname = "{name}"\nkind = "{kind}"\nnature = "{nature}"\n'
        f'text = "{name}"\ntext_en = "{name}"\n{more}\n'
    )


def value(name: str, at: object, more: str = "") -> str:
    return f'[[value]]\nname = "{name}"\nat = {at!r}\n{more}\n'.replace("'", '"')


def rule(name: str, source: str | None = None, more: str = "") -> str:
    source_line = "" if source is None else f'value = "{source}"\n'
    return f'[[set]]\npoint = "{name}"\n{source_line}{more}\n'


def gauge(name: str, at: int, thresholds: str = "", more: str = "") -> str:
    """A measurement of one register."""
    return value(name, at, more) + point(name, "measurement", more=thresholds) + rule(name, name)


class Bench:
    """A device with its image; put() is one poll of one part."""

    def __init__(self, profile: Profile, **address: Scalar) -> None:
        self.device: Device = sample_device(profile, address)
        self.plan: ModbusPlan = plan_modbus(profile, self.device)
        self.image = Image("sample", self.device.points, self.plan.layout)
        self.mono_ns = 0

    def put(self, *words: int, part: int = 0, after_ns: int = S // 10) -> dict[str, object]:
        """Poll; returns point → active, or value when the reading has no truth."""
        self.mono_ns += after_ns
        bits = self.plan.parts[part].function in {1, 2}
        self.taken = self.image.take(part, pack(words, bits=bits), 7, self.mono_ns)
        return {
            reading.point: reading.value if reading.active is None else reading.active
            for reading in self.taken.readings
        }
