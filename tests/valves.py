"""A kitchen on one Modbus line: a gas detector and a valve, and a gateway that watches them.

Owns    the profiles of both, written as an installer's own (`profiles/` of the configuration), the
        files that an interlock needs, and the same without a process or a line (Linked).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.commanding import Commanding
from gateway.commands import Commands
from gateway.config import Interlock
from gateway.driver import Outcome
from gateway.events import Category, Kind, Nature
from gateway.linkage import Linkage
from gateway.profile import Shelf
from gateway.rules.alarm import Alarm
from simulators.modbus import Line, Unit, Write
from tests.clocks import FakeClock
from tests.harness import Gateway
from tests.parts import PATIENCE_S, Core, core, device, point

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


# Without a process: the real store and intake, and a driver that obeys the test.


class Hand:
    """A Commander whose outcomes the test chooses.

    outcome  what each command comes to; an exception is raised
    gate     while clear, commands do not end
    told     (device, command) as they begin; cancelled the ones that were stopped
    """

    def __init__(self) -> None:
        self.outcome: Outcome | Exception = Outcome("done", "position = closed")
        self.gate = asyncio.Event()
        self.gate.set()
        self.told: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self._changed = asyncio.Event()

    async def command(self, device_id: str, name: str) -> Outcome:
        self.told.append((device_id, name))
        self._changed.set()
        self._changed = asyncio.Event()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            self.told.append((device_id, f"{name} stopped"))
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def until(self, count: int) -> None:
        """Wait until so many commands have begun."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < count:
                await self._changed.wait()


GAS = point("gas", kind=Kind.GAS, nature=Nature.STATE)
SICK = point("sick", kind=Kind.FAULT, nature=Nature.STATE, category=Category.FAULT, priority=2)
RULE = Interlock(
    name="canteen",
    watched=(("gas-1", "gas"),),
    valve="valve-1",
    close="close",
    open="open",
    clear_for_s=60,
    second_person_within_s=20,
)
HOUSE = (
    device("gas-1", GAS, SICK, family="gas"),
    device("valve-1", point("open"), profile_id="own/valve", commands=frozenset({"close", "open"})),
    device("light-1", point("on"), profile_id="own/valve", commands=frozenset({"test"})),
)


@dataclass(slots=True)
class Linked:
    """A core with an interlock; the valve is `hand`."""

    core: Core
    clock: FakeClock
    hand: Hand
    linkage: Linkage
    commands: Commands
    failed: list[str]

    async def gas(self, *, active: bool = True, **what: Any) -> None:
        await self.core.press("gas-1", "gas", active=active, **what)

    async def look(self) -> None:
        """Have the interlock's loop look once, and what it wrote committed."""
        post = self.linkage._by_valve["valve-1"]
        post.wake.set()
        async with asyncio.timeout(PATIENCE_S):
            while post.wake.is_set():  # noqa: ASYNC110 the loop clears it and tells nobody
                await asyncio.sleep(0)
        await self.core.turn()

    async def pass_time(self, seconds: int) -> None:
        """As the loop lives it: a look each second."""
        for _ in range(seconds):
            self.clock.advance(1)
            await self.look()

    async def ended(self, count: int = 1) -> None:
        """Wait until the `count`-th command has begun, and its outcome is committed."""
        await self.hand.until(count)
        await self.look()

    def notes(self) -> list[dict[str, Any]]:
        """Attributes of the records of commands."""
        return [
            body["data"]["attributes"]
            for body in self.core.bodies("event.recorded")
            if body["data"]["point"] == "command"
        ]

    def states(self) -> list[str]:
        return [note["state"] for note in self.notes()]

    def alarm(self, device_id: str = "valve-1", name: str = "interlock") -> Alarm | None:
        return self.core.intake.judge.book.open_at(device_id, name)

    async def settle(self, device_id: str = "gas-1", name: str = "gas") -> None:
        """A person acknowledges the open alarm of a point; restored, that closes it."""
        alarm = self.alarm(device_id, name)
        assert alarm is not None
        book = self.core.intake.judge.book
        await self.core.intake.command(
            lambda ledger: book.close(ledger, alarm.alarm_id, who="王", disposition="real")
        )


@asynccontextmanager
async def linked(
    folder: Path,
    clock: FakeClock,
    hand: Hand,
    *,
    rule: Interlock = RULE,
    crash: bool = False,
    drivers: dict[str, object] | None = None,
    grown: bool = True,
) -> AsyncIterator[Linked]:
    """One life. With `grown` the links have had their time to come up."""
    write_profiles(folder)
    shelf = Shelf.load(folder / "profiles")
    async with core(folder / "store", clock, devices=HOUSE, crash=crash) as made:
        commanding = Commanding(
            HOUSE, shelf, {"field": hand} if drivers is None else drivers, made.intake.judge
        )
        linkage = Linkage([rule], commanding, made.intake, made.store, clock, "gw-1")
        commands = Commands(commanding, linkage, made.intake, clock, "gw-1")
        if grown:
            clock.advance(6)
        failed: list[str] = []
        async with asyncio.TaskGroup() as group:
            task = group.create_task(linkage.run(lambda part, why: failed.append(f"{part}: {why}")))
            life = Linked(made, clock, hand, linkage, commands, failed)
            await life.look()
            yield life
            task.cancel()
