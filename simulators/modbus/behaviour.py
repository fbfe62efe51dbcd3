"""What a device goes through: alarm and restore by point, normal life, the stories of the sheets.

Owns    how the registers come to mean something for a point, and how they change by themselves.
Needs   model and faults of this package.
Keeps   1. What makes a point active is read from [[set]] in the profile: values are set, one after
           another, until the rule's conditions hold.
        2. Normal life never raises an alarm: a value wanders by one percent and stays on its side
           of each threshold.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from simulators.modbus import encode
from simulators.modbus.encode import Wish
from simulators.modbus.faults import Silent
from simulators.modbus.model import Model
from simulators.modbus.sheet import Table

QUIET_KINDS = frozenset({"fault", "offline", "tamper", "test"})


class Behaviour:
    """One device's life.

    seed          of everything that is by chance
    heart_beats   False: heartbeats stand still while all other values go on
    chatter       value → the two it jumps between, tick by tick: a loop at a band's edge, a UPS
                  between mains and battery
    drift         value → what is added each tick: a damp loop, an ageing sensor
    """

    def __init__(self, model: Model, *, seed: int = 0) -> None:
        self.model = model
        self.heart_beats = True
        self.chatter: dict[str, tuple[Wish, Wish]] = {}
        self.drift: dict[str, float] = {}
        self._drifted: dict[str, float] = {}
        self.tick_count = 0
        self._dice = random.Random(seed)
        self._calm: dict[str, float] = {}
        # The first sample of a profile is a device at rest: where to return to.
        self._at_rest = {name: model.value(name) for name in model.sheet.spots}

    @property
    def alarm_points(self) -> list[str]:
        """Points that can be an alarm, as the profile orders them."""
        return [name for name, point in self.model.sheet.points.items() if _is_alarm(point)]

    def alarm(self, point: str | None = None) -> str:
        """Make a point active, the profile's first alarm if none is named; returns its name.

        raises LookupError  when nothing in the profile makes it active
        """
        name = point or next(iter(self.alarm_points), None)
        if name is None:
            raise LookupError("这个规格没有报警点 / this profile has no alarm point")
        self.make(name, active=True)
        return name

    def restore(self, point: str | None = None) -> None:
        """Make a point, or every alarm point, inactive again."""
        for name in [point] if point else self.alarm_points:
            self.make(name, active=False)

    def make(self, point: str, *, active: bool) -> None:
        """Set the values that make a point active or not.

        raises LookupError  when no rule of the profile can
        """
        if point not in self.model.sheet.points:
            names = ", ".join(self.model.sheet.points)
            raise LookupError(f"{point!r}: 没有这个点 / no such point; 有 / there are: {names}")
        for rule in self.model.sheet.rules:
            if rule["point"] == point and self._concerns(rule) and self._play(rule, active=active):
                return
        word = "active" if active else "inactive"
        raise LookupError(f"{point}: 规格里没有使它 {word} 的规则 / no rule makes it {word}")

    def warm_up(self) -> str:
        """Warm up, where the profile knows of it; returns the point or value that says so."""
        names: list[str] = [name for name in self.model.sheet.points if "warm" in name]
        if names:
            self.make(names[0], active=True)
            return names[0]
        raise LookupError("这个规格没有预热 / this profile knows no warm-up")

    def lose_comms(self) -> None:
        """Fall silent until regain_comms."""
        self.model.unit.fault = Silent()

    def regain_comms(self) -> None:
        """Answer again, with whatever the registers say now."""
        self.model.unit.fault = None

    async def live(self, *, tick_s: float = 0.5) -> None:
        """Lead a normal life until cancelled; one tick after another."""
        while True:
            self.tick()
            await asyncio.sleep(tick_s)

    def tick(self) -> None:
        """One moment of normal life: hearts beat, measurements wander."""
        self.tick_count += 1
        for spot in self.model.sheet.spots.values():
            if spot.table.get("heartbeat_s") and self.heart_beats:
                self.beat(spot.name)
        for name, pair in self.chatter.items():
            self.model.set(name, pair[self.tick_count % 2])
        for name, step in self.drift.items():
            with suppress(ValueError):  # it has drifted to the end of what the register holds
                self._drifted[name] = self._drifted.get(name, self.model.number(name)) + step
                self.model.set(name, self._drifted[name])
        steered = self.chatter.keys() | self.drift.keys()
        for rule in self.model.sheet.rules:
            point = self.model.sheet.points.get(rule["point"], {})
            free = rule.get("value") in self.model.sheet.spots.keys() - steered
            if free and point.get("nature") == "measurement":
                self._wander(rule["value"], point)
        self.model.expire(time.monotonic_ns())

    def beat(self, name: str) -> None:
        """Move a heartbeat or a counter by one, round its width."""
        spot = self.model.sheet.spots[name]
        words = self.model.words_of(name)
        raw = int(encode.raw_in(spot.shape, words))
        try:
            words = encode.put(spot.shape, raw + 1, words)
        except ValueError:
            words = encode.put(spot.shape, 0, words)
        self.model.put_words(name, words)

    def _wander(self, name: str, point: Table) -> None:
        now = self.model.value(name)
        if isinstance(now, bool | str):
            return
        calm = self._calm.setdefault(name, float(now))
        if abs(float(now) - calm) > 0.05 * abs(calm) + 1e-9:
            calm = self._calm[name] = float(now)  # somebody has set it: wander from there
        before = self.model.words_of(name)
        try:
            self.model.set(name, calm * self._dice.uniform(0.99, 1.01))
        except ValueError:
            return  # at the edge of what the form holds: it stays
        low, high = sorted((calm, float(self.model.value(name))))
        limits = ("alarm_above", "restore_below", "alarm_below", "restore_above")
        if any(low <= point[key] <= high for key in limits if key in point):
            self.model.put_words(name, before)

    def _play(self, rule: Table, *, active: bool) -> bool:
        """Make one rule say it; False when it cannot."""
        if "active" in rule:
            return rule["active"] == active and self._happen(rule)
        if "value" not in rule:
            return self._happen(rule) if active else self._undo(rule)
        name, point = rule["value"], self.model.sheet.points[rule["point"]]
        self._happen(rule)
        if point.get("counter_bits"):
            if active:
                self.beat(name)
            return True
        if name in self.model.sheet.derived:
            return self._cross(self.model.sheet.derived[name], reached=active != _inverted(rule))
        return any(self._try(name, wish) for wish in self._wishes(rule, point, active=active))

    def _concerns(self, rule: Table) -> bool:
        """What the device's address says cannot be set: a rule for another channel is no help."""
        where = rule.get("where", {})
        given = {name: where[name] for name in where if name in self.model.sheet.given}
        return self._holds(given)

    def _happen(self, rule: Table) -> bool:
        self._fulfil(rule.get("where", {}))
        return True

    def _undo(self, rule: Table) -> bool:
        """A rule that says only that it happened is over when its first condition is not met."""
        for name, condition in rule.get("where", {}).items():
            taken = set(_accepted(condition))
            for wish in self._others(name, taken):
                if self._try(name, wish):
                    return True
        return False

    def _fulfil(self, where: Table) -> None:
        for name, condition in where.items():
            accepted = list(_accepted(condition))
            if name in self.model.sheet.given:
                continue  # said by the address table: it cannot be brought about
            if name in self.model.sheet.derived:
                self._cross(self.model.sheet.derived[name], reached=bool(accepted[0]))
            elif self.model.value(name) not in accepted:
                self.model.set(name, accepted[0])

    def _cross(self, table: Table, *, reached: bool) -> bool:
        """Bring a compared value to its limit, or back behind its hysteresis."""
        compare = table["compare"]
        rising = "at_least" in compare
        limit = float(self.model.value(compare["at_least" if rising else "at_most"]))
        slack = 0.0 if reached else float(compare.get("hysteresis", 0))
        spot = self.model.sheet.spots[compare["value"]]
        where = spot.table.get("valid_when", {})
        self._fulfil(where)
        for step in (max(1.0, abs(limit) / 10), abs(limit) / 2, abs(limit) / 10, 0.01, 0.0):
            away = slack + step if rising == reached else -slack - step
            # A step may leave what the register holds, or what makes the value valid: a smaller one
            if (step or reached) and self._try(spot.name, limit + away) and self._holds(where):
                return True
        return False

    def _holds(self, where: Table) -> bool:
        return all(
            name in self.model.sheet.derived or self.model.value(name) in _accepted(condition)
            for name, condition in where.items()
        )

    def _wishes(self, rule: Table, point: Table, *, active: bool) -> Iterator[Wish]:
        """What the value may be for the rule to say so; the likeliest first."""
        if point.get("nature") == "measurement":
            yield from _beyond(point, active=active)
            return
        wanted = active != _inverted(rule)
        said, other = ("true_when", "false_when") if wanted else ("false_when", "true_when")
        if rule.get(said):
            yield from rule[said]
        elif not rule.get(other):
            yield wanted
        if rule.get("else") == ("active" if wanted else "inactive"):
            yield from self._others(rule["value"], set(rule.get(other, ())))

    def _others(self, name: str, taken: set[Any]) -> Iterator[Wish]:
        """What else a value may be; what it was at rest comes first."""
        spot = self.model.sheet.spots[name]
        choices: Iterable[Wish] = (*spot.shape.names, *spot.shape.bands) or (0, 1, 2)
        if spot.shape.truth:
            choices = (False, True)
        for choice in (self._at_rest[name], *choices):
            if choice not in taken:
                yield choice

    def _try(self, name: str, wish: Wish) -> bool:
        self._fulfil(self.model.sheet.spots[name].table.get("valid_when", {}))
        try:
            self.model.set(name, wish)
        except ValueError:
            return False
        return True


def _is_alarm(point: Table) -> bool:
    category = point.get("category")
    if category is not None:
        return bool(category == "alarm")
    nature = point.get("nature")
    if nature == "record" or point.get("kind") in QUIET_KINDS:
        return False
    return nature != "measurement" or "alarm_above" in point or "alarm_below" in point


def _inverted(rule: Table) -> bool:
    return bool(rule.get("invert", False))


def _accepted(condition: Any) -> list[Any]:  # noqa: ANN401  TOML holds anything
    if isinstance(condition, dict):
        return list(condition["in"])
    return list(condition) if isinstance(condition, list) else [condition]


def _beyond(point: Table, *, active: bool) -> Iterator[float]:
    """Numbers well beyond a threshold, or well back."""
    for limit_key, back_key, sign in (
        ("alarm_above", "restore_below", 1),
        ("alarm_below", "restore_above", -1),
    ):
        if limit_key not in point:
            continue
        limit, back = float(point[limit_key]), float(point.get(back_key, point[limit_key]))
        for step in (0.1, 0.01, 0.001):
            if active:
                yield limit + sign * max(abs(limit) * step, step)
            else:
                yield back - sign * max(abs(back) * step, step)
