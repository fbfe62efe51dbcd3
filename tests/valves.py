"""A kitchen on one Modbus line: a gas detector and a valve, and a gateway that watches them.

Owns    the profiles of both, written as an installer's own (`profiles/` of the configuration), and
        the folder of files that an interlock needs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from simulators.modbus import Line, Unit, Write
from tests.harness import Gateway

DETECTOR = """\
[profile]
title = "试验用燃气探测器"
title_en = "gas detector for tests"
family = "gas"
driver = "modbus"
power = "mains"
verified = true
[source]
document = "written for this test"
confidence = "A"
date = "2026-11-22"
[address.unit]
type = "integer"
min = 1
max = 247
example = 1
help = "单元号"
help_en = "unit id"
[modbus]
transports = ["tcp"]
function = 3
timeout_s = 0.3
alarm_period_s = 0.1
period_s = 0.2
[[value]]
name = "level"
at = 0
[[value]]
name = "sick"
at = 1
bit = 0
[[point]]
name = "gas"
kind = "gas"
nature = "measurement"
category = "alarm"
unit = "%LEL"
alarm_above = 25
restore_below = 20
text = "燃气浓度报警"
text_en = "gas"
[[point]]
name = "fault"
kind = "fault"
nature = "state"
category = "fault"
text = "探测器故障"
text_en = "detector fault"
[[set]]
point = "gas"
value = "level"
[[set]]
point = "fault"
value = "sick"
[[sample]]
note = "clean air"
words = { "0" = [0, 0] }
expect = [ { point = "gas", value = 0 }, { point = "fault", active = false } ]
"""

VALVE = """\
[profile]
title = "试验用燃气切断阀"
title_en = "gas valve for tests"
family = "gas"
driver = "modbus"
power = "mains"
verified = true
[source]
document = "written for this test"
confidence = "A"
date = "2026-11-22"
[address.unit]
type = "integer"
min = 1
max = 247
example = 1
help = "单元号"
help_en = "unit id"
[modbus]
transports = ["tcp"]
timeout_s = 0.3
period_s = 0.2
[[value]]
name = "position"
at = 0
function = 3
names = { "0" = "closed", "1" = "open", "2" = "moving" }
[[point]]
name = "open"
kind = "equipment"
nature = "state"
category = "record"
text = "阀门打开"
text_en = "the valve is open"
[[set]]
point = "open"
value = "position"
true_when = ["open"]
false_when = ["closed"]
[[command]]
name = "close"
text = "关阀"
text_en = "close the valve"
effect = "close"
permission = "guard"
step = [ { at = 0, function = 5, value = true } ]
confirm = { value = "position", in = ["closed"], within_s = 1.0 }
[[command]]
name = "open"
text = "开阀"
text_en = "open the valve"
effect = "open"
permission = "leader"
step = [ { at = 1, function = 5, value = true } ]
confirm = { value = "position", in = ["open"], within_s = 1.0 }
[[command]]
name = "test"
text = "自检"
text_en = "self-test"
effect = "test"
permission = "installer"
step = [ { at = 2, function = 5, value = true } ]
[[sample]]
note = "open"
words = { "3:0" = [1] }
expect = [ { point = "open", active = true } ]
"""

INTERLOCK = """
[[interlock]]
name = "canteen"
when = ["gas-1/gas"]
valve = "valve-1"
open = "open"
clear_for_seconds = 60
second_person_within_seconds = 10
"""

DEVICES = """
[[device]]
id = "gas-1"
profile = "own/detector"
link = "kitchen"
name = "燃气探测器"
place = "食堂厨房"
address = { unit = 1 }
[[device]]
id = "valve-1"
profile = "own/valve"
link = "kitchen"
name = "燃气阀"
place = "食堂厨房"
address = { unit = 2 }
commands = ["close", "open", "test"]
"""


@dataclass(slots=True)
class Kitchen:
    """The two devices; what moves the valve can be taken away.

    stuck  the valve's coils are written and its position stays
    """

    line: Line
    url: str
    stuck: bool = False

    @property
    def detector(self) -> Unit:
        return self.line[1]

    @property
    def valve(self) -> Unit:
        return self.line[2]

    def level(self, percent: int) -> None:
        self.detector.set_words(3, 0, [percent])

    @property
    def is_open(self) -> bool:
        return self.valve.words(3, 0) == [1]

    def writes(self) -> list[int]:
        """Coils that were written, oldest first: 0 close, 1 open, 2 test."""
        return [write.address for write in self.valve.writes]

    def move(self, write: Write) -> None:
        if not self.stuck and write.address in {0, 1}:
            self.valve.set_words(3, 0, [write.address])


@asynccontextmanager
async def kitchen(detector: int = 1, valve: int = 2) -> AsyncIterator[Kitchen]:
    """Clean air, and the valve open."""
    gas, tap = Unit(detector), Unit(valve)
    gas.set_words(3, 0, [0, 0])
    tap.set_words(3, 0, [1])
    tap.set_words(1, 0, [0, 0, 0])
    line = Line([gas, tap])
    async with line.tcp() as served:
        made = Kitchen(line, served.url)
        tap.on_write(made.move, table="coils")
        yield made


def link_toml(url: str) -> str:
    return f'[[link]]\nname = "kitchen"\nkind = "modbus"\nurl = "{url}"\n'


@dataclass(slots=True, kw_only=True)
class KitchenGateway(Gateway):
    """A gateway process that has the kitchen on a link of its own."""

    url: str
    interlock: str = INTERLOCK

    def _gateway_toml(self) -> str:
        text = Gateway._gateway_toml(self)
        before, _, rest = text.partition("[[link]]")
        _, _, after = rest.partition("[[uplink]]")  # the kitchen's link is the only one
        return f"{before}{link_toml(self.url)}{self.interlock}[[uplink]]{after}"

    def _prepare(self) -> None:
        Gateway._prepare(self)
        write_profiles(self.folder / "config")
        devices = self.folder / "config" / "devices.toml"
        devices.write_text(DEVICES, "utf-8")


def write_profiles(config: Path) -> None:
    """The installer's own profiles."""
    own = config / "profiles" / "own"
    own.mkdir(parents=True, exist_ok=True)
    (own / "detector.toml").write_text(DETECTOR, "utf-8")
    (own / "valve.toml").write_text(VALVE, "utf-8")
