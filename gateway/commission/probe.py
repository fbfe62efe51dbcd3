"""One device read once, everything about each value side by side.

Owns    what is known of each value and each point of one device, and how long ago it was read.
Needs   asking.py, places.py, words.py; gateway.profile's plan and image, so that what is shown is
        what the gateway would make of it.
Keeps   1. A value that was not read this time is shown with the age of what it was, never as new.
        2. One request that is refused does not hide its neighbours: the values of the part are
           asked one by one.
        3. Bounds: two requests for each part, then at most one for each value, three more for each
           value when neighbours are wanted, and NEAR_UNITS when the unit is silent altogether.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.clock import Clock
from gateway.commission.asking import Asker, Reply
from gateway.commission.places import Place, places_of
from gateway.commission.words import (
    bare,
    exception,
    explained,
    has_variants,
    order_of,
    shown,
    sound_orders,
    variants,
    written,
)
from gateway.config.inspection import both
from gateway.events import Device, Nature, Point, Reading, Scalar
from gateway.profile import Image, ModbusPlan, Profile, plan_modbus
from gateway.profile.image import REFRESH_NS
from gateway.profile.payload import Garble
from gateway.profile.registers import compile_reader
from gateway.profile.samples_modbus import pack

Now = Mapping[str, Scalar | None]
"""Every value of the device by name."""
Quality = Literal["good", "unknown", "garbled", "refused", "silent", "unasked"]
NEAR_UNITS: Final = 16
"""Units 1 to this are asked, once each, when the device's own does not answer."""
NEAR_TIMEOUT_S: Final = 0.3
TWIN: Final = {1: 2, 2: 1, 3: 4, 4: 3}
"""The function that makers confuse with each (quirk row 2)."""
WRONG_PLACE: Final = frozenset({1, 2})
"""Exceptions that say: not here, not this way."""


@dataclass(frozen=True, slots=True)
class Near:
    """What came from beside a value; `answers` is False when nothing was read there."""

    answers: bool
    text: str


@dataclass(slots=True)
class ValueNow:
    """One [[value]] as it is now.

    words      as read last; None when never · read_ns when that was, monotonic
    decoded    before scale, names and sentinels · value what the gateway takes it for
    order      of its words now · variants what it would be in each order; empty for 16 bits
    likely     the orders in which it would be plausible while it is not as it is read
    near       what else was tried: how it was asked → what came
    """

    place: Place
    points: tuple[str, ...]
    unit: str | None = None
    words: tuple[int, ...] | None = None
    read_ns: int | None = None
    decoded: str = "—"
    value: Scalar | None = None
    quality: Quality = "unasked"
    why: str = ""
    order: str | None = None
    variants: dict[str, str] = field(default_factory=dict)
    likely: tuple[str, ...] = ()
    near: dict[str, Near] = field(default_factory=dict)


@dataclass(slots=True)
class PointNow:
    """One point: what the gateway would think of it; `known` is False before a reading."""

    point: Point
    known: bool = False
    active: bool | None = None
    value: Scalar | None = None
    unit: str | None = None


class Probe:
    """A device and what is known of it; see the module.

    values, points   as of the last once()
    others           units that answer while this one does not
    problem          what does not decode, one sentence, None when all does
    """

    def __init__(
        self, profile: Profile, device: Device, clock: Clock, *, timeout_s: float | None = None
    ) -> None:
        self.profile = profile
        self.device = device
        self.plan: ModbusPlan = plan_modbus(profile, device)
        self.values = [_value(place, profile) for place in places_of(profile, device)]
        self.points = {name: PointNow(point) for name, point in device.points.items()}
        self.others: list[int] = []
        self.problem: str | None = None
        self._clock = clock
        self._timeout_s = timeout_s or self.plan.modbus.timeout_s

    async def once(self, asker: Asker, *, neighbours: bool = False) -> None:
        """Read everything once; raises LinkDown when the bus is lost."""
        self.others = []
        pieces: list[tuple[int, bytes]] = []
        for index, part in enumerate(self.plan.parts):
            inside = [each for each in self.values if self._is_in(each, index)]
            if index in self.plan.on_demand:
                for each in inside:
                    each.why = both(
                        "信箱查询的结果，不写命令读不到", "needs a query: never written here"
                    )
                continue
            reply = await self._twice(asker, part.function, part.address, part.count)
            if reply.state == "data":
                pieces.append((index, pack(reply.words, bits=part.function <= 2)))
                self._note(inside, part.address, reply)
            else:
                await self._one_by_one(asker, inside, reply)
        self._judge(pieces)
        if all(each.quality in {"silent", "unasked"} for each in self.values):
            await self._look_around(asker)
        elif neighbours:
            for each in self.values:
                await self._look_beside(asker, each)

    @property
    def complete(self) -> bool:
        """Whether every value was read this time and decodes."""
        return all(each.quality in {"good", "unknown", "unasked"} for each in self.values)

    # --- asking ---------------------------------------------------------------------------------

    def _is_in(self, each: ValueNow, index: int) -> bool:
        return self._part_of(each.place) == index

    def _part_of(self, place: Place) -> int | None:
        """The part that is read for a value: the image knows it by name."""
        for index, meaning in enumerate(self.plan.layout.parts):
            if any(name == place.value.name for name, _ in meaning.readers):
                return index
        return None

    async def _ask(self, asker: Asker, function: int, address: int, count: int) -> Reply:
        return await asker.read(
            self.plan.unit,
            function,
            address,
            count,
            timeout_s=self._timeout_s,
            gap_s=self.plan.modbus.pause_s,
        )

    async def _twice(self, asker: Asker, function: int, address: int, count: int) -> Reply:
        reply = await self._ask(asker, function, address, count)
        return reply if reply.alive else await self._ask(asker, function, address, count)

    async def _one_by_one(self, asker: Asker, inside: Sequence[ValueNow], whole: Reply) -> None:
        for each in inside:
            reply = whole
            if whole.state == "refused" and len(inside) > 1:
                place = each.place
                reply = await self._ask(asker, place.function, place.address, place.count)
            if reply.state == "data":
                self._note([each], each.place.address, reply)
                each.why = both(
                    "单独能读，连同旁边的一起读就被拒绝：中间有空洞，或 max_registers 太大",
                    "answers alone, refused together with its neighbours: a gap between them, or "
                    "max_registers is too high",
                )
            else:
                _fail(each, reply)

    def _note(self, inside: Sequence[ValueNow], first: int, reply: Reply) -> None:
        now = self._clock.mono_ns()
        for each in inside:
            at = each.place.address - first
            each.words = reply.words[at : at + each.place.count]
            each.read_ns = now
            each.quality, each.why = "good", ""

    # --- judging --------------------------------------------------------------------------------

    def _judge(self, pieces: Sequence[tuple[int, bytes]]) -> None:
        readings: dict[str, Reading] = {}
        received, now = self._clock.utc_ns(), self._clock.mono_ns()
        image = Image(self.device.id, self.device.points, self.plan.layout)
        self.points = {name: PointNow(each.point) for name, each in self.points.items()}
        # Twice: the second time everything a value is made of is known, and all of it is told anew.
        for mono_ns in (now, now + REFRESH_NS):
            for index, data in pieces:
                taken = image.take(index, data, received, mono_ns)
                readings.update({reading.point: reading for reading in taken.readings})
        self.problem = None if image.problem is None else shown(image.problem)
        for name, reading in readings.items():
            if name in self.points:
                self.points[name] = _point(self.points[name].point, reading)
        for each in self.values:
            if each.quality == "good" and each.words is not None:
                self._explain(each, each.words, image.values)

    def _explain(self, each: ValueNow, words: Sequence[int], now: Now) -> None:
        value, modbus = each.place.value, self.plan.modbus
        each.order = order_of(value, modbus)
        try:
            each.decoded = written(compile_reader(bare(value), 0, modbus)(words))
            read = compile_reader(value, 0, modbus)(words)
        except Garble as problem:
            each.quality, each.why, each.value = "garbled", shown(problem), None
            read = None
        else:
            each.value = now.get(value.name, read)
        if has_variants(value):
            each.variants = variants(value, words, modbus)
            sound = sound_orders(value, words, modbus)
            each.likely = () if each.order in sound else tuple(sound)
        if value.unit_from is not None:
            unit = now.get(value.unit_from)
            each.unit = shown(unit) if isinstance(unit, str) else each.unit
        if each.quality == "good" and each.value is None:
            each.quality = "unknown"
            each.why = self._why_unknown(each, read, now)

    def _why_unknown(self, each: ValueNow, read: Scalar | None, now: Now) -> str:
        value = each.place.value
        if read is None:
            return both(
                "设备说没有测到（invalid、NaN 或空）",
                "the device says: no measurement (`invalid`, NaN or empty)",
            )
        for name in value.valid_when:
            other = written(now.get(name))
            return both(
                f"现在无效：valid_when 要看 {name}，它是 {other}",
                f"not valid now: valid_when looks at {name}, which is {other}",
            )
        return both("它依赖的值未知", "a value it is made of is unknown")

    # --- looking further ------------------------------------------------------------------------

    async def _look_around(self, asker: Asker) -> None:
        """Ask who else is there: the number may be a wrong one."""
        timeout_s = min(self._timeout_s, NEAR_TIMEOUT_S)
        for unit in range(1, NEAR_UNITS + 1):
            if unit == self.plan.unit:
                continue
            reply = await asker.read(unit, 3, 0, 1, timeout_s=timeout_s)
            if reply.alive:
                self.others.append(unit)

    async def _look_beside(self, asker: Asker, each: ValueNow) -> None:
        """Read a value one address lower and higher, and by the function's twin (rows 1, 2)."""
        place = each.place
        each.near = {}
        tries = (
            ("-1", place.function, place.address - 1),
            ("+1", place.function, place.address + 1),
            (f"function {TWIN[place.function]}", TWIN[place.function], place.address),
        )
        for name, function, address in tries:
            if not 0 <= address <= 0x10000 - place.count:
                continue
            if (function <= 2) != (place.function <= 2):
                continue
            reply = await self._ask(asker, function, address, place.count)
            each.near[name] = self._near(each.place, reply)

    def _near(self, place: Place, reply: Reply) -> Near:
        if reply.state != "data":
            said = "—" if reply.code is None else both(*exception(reply.code)).strip()
            return Near(answers=False, text=said)
        try:
            read = compile_reader(place.value, 0, self.plan.modbus)(reply.words)
        except Garble as problem:
            return Near(answers=True, text=shown(problem))
        return Near(answers=True, text=written(read))


def _said(reply: Reply) -> str:
    if reply.code is not None:
        return both("异常", "exception") + " " + explained(reply.code)
    return reply.why or both("没有应答", "no answer")


def _fail(each: ValueNow, reply: Reply) -> None:
    each.quality = "refused" if reply.state == "refused" else "silent"
    each.why = _said(reply)
    if reply.code in WRONG_PLACE:
        each.why += "; " + both(
            "用 --neighbours 看是不是差一，或功能码 3/4 弄反",
            "--neighbours shows whether it is off by one, or function 3 and 4 are confused",
        )


def _value(place: Place, profile: Profile) -> ValueNow:
    """Put a value together with the points that look at it."""
    name = place.value.name
    points = [
        rule.point
        for rule in profile.body.set
        if name == rule.value or name in rule.where or name in rule.attributes
    ]
    units = {point.name: point.unit for point in profile.body.point}
    measured = [rule.point for rule in profile.body.set if rule.value == name]
    unit = next((units[point] for point in measured if units.get(point)), None)
    return ValueNow(place, tuple(dict.fromkeys(points)), unit)


def _point(point: Point, reading: Reading) -> PointNow:
    """Say what a reading would make of a point that was never read before."""
    active = reading.active
    value = reading.value
    if active is None and point.nature is Nature.MEASUREMENT and isinstance(value, (int, float)):
        above, below = point.alarm_above, point.alarm_below
        if above is not None or below is not None:
            active = (above is not None and value >= above) or (
                below is not None and value <= below
            )
    known = active is not None or value is not None
    return PointNow(point, known, active, value, reading.unit or point.unit)
