"""What a device's values mean for its points: compiled once for all devices of one shape. Pure.

Owns    Layout (readers, derived values, rules) and LogMeaning (one entry of a log).
Needs   registers.py for words, rules.py for rules. State is kept by image.py, never here.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from typing import Any, Final, Protocol

from gateway.events import Point, Reading, Scalar
from gateway.profile.path import Scope, substitute
from gateway.profile.payload import Garble, offset_of
from gateway.profile.registers import (
    Reader,
    Words,
    compile_bands,
    compile_reader,
    decimal_scale,
    unpacker,
)
from gateway.profile.rules import Condition, Found, Rule, compile_condition, compile_rule
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import ClockParts, Compare, Log, Modbus, Value

Now = dict[str, Scalar | None]
"""Every value of a device by name; None or absent is unknown."""
Derive = Callable[[Scalar | None, Now, Scalar | None], Scalar | None]
"""What was read, all values, what it was before → the value."""


class PartShape(Protocol):
    """What of a part the layout has to know."""

    @property
    def function(self) -> int:
        """1 to 4."""

    @property
    def count(self) -> int:
        """Registers or bits."""


@dataclass(frozen=True, slots=True)
class Meant:
    """One [[set]], compiled.

    rule        see rules.py; the values it looks at are the members of the scope's root
    attributes  values that go along · unit  the value that holds the unit, or None
    ack         the command to send once an active reading is on disk
    """

    rule: Rule
    attributes: tuple[str, ...]
    unit: str | None
    ack: str | None


@dataclass(frozen=True, slots=True)
class PartMeaning:
    """The values of one part: how its data becomes words, and words values."""

    unpack: Callable[[bytes], Words]
    readers: tuple[tuple[str, Reader], ...]


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that takes more than its own words to know; in the order they have to be worked out.

    needs  the values that make it change, itself among them when it has words of its own
    """

    name: str
    needs: frozenset[str]
    derive: Derive


@dataclass(frozen=True, slots=True)
class Layout:
    """What the data of each part means.

    depending   value → indexes of the rules that look at it
    heartbeats  (value, seconds, part that holds it)
    constants   values the device's address says, known before anything was read
    """

    parts: tuple[PartMeaning, ...]
    derived: tuple[Derived, ...]
    rules: tuple[Meant, ...]
    depending: Mapping[str, tuple[int, ...]]
    heartbeats: tuple[tuple[str, float], ...]
    constants: Mapping[str, Scalar]


def compile_layout(
    body: ProfileFile,
    modbus: Modbus,
    points: Mapping[str, Point],
    parts: Sequence[PartShape],
    offsets: Sequence[tuple[str, int, int]],
    *,
    words: Mapping[str, str],
    constants: Mapping[str, Scalar],
) -> Layout:
    """Compile [[value]] and [[set]] for parts of this shape.

    offsets    (value, part, place of its first word in the part)
    words      address values as they go into the texts of rules
    constants  values that are keys of the address
    """
    values = {value.name: value for value in body.value}
    readers: list[list[tuple[str, Reader]]] = [[] for _ in parts]
    for name, part, at in offsets:
        readers[part].append((name, compile_reader(values[name], at, modbus)))
    rules = [
        Meant(
            rule=compile_rule(
                rule, points[rule.point].nature, text=False, paths=words, words=words
            ),
            attributes=tuple(rule.attributes),
            unit=values[rule.value].unit_from if rule.value in values else None,
            ack=rule.ack,
        )
        for rule in body.set
    ]
    depending: dict[str, list[int]] = {}
    for index, rule in enumerate(body.set):
        for looked_at in {rule.value, *rule.where} - {None}:
            depending.setdefault(str(looked_at), []).append(index)
    return Layout(
        parts=tuple(
            PartMeaning(
                unpack=unpacker(part.count, bits=part.function in {1, 2}), readers=tuple(each)
            )
            for part, each in zip(parts, readers, strict=True)
        ),
        derived=tuple(_in_order([d for value in body.value if (d := _derived(value, words))])),
        rules=tuple(rules),
        depending={name: tuple(indexes) for name, indexes in depending.items()},
        heartbeats=tuple(
            (value.name, value.heartbeat_s) for value in body.value if value.heartbeat_s
        ),
        constants=constants,
    )


# --- values made of other values ---------------------------------------------------------------


def needs_of(value: Value) -> set[str]:
    """Return the other values one depends on; their unit is no part of it."""
    compare = value.compare
    named = {value.scale_from, value.decimals_from, *value.valid_when}
    if compare is not None:
        named |= {compare.value, compare.at_least, compare.at_most}
    return {name for name in named if name is not None}


def _derived(value: Value, words: Mapping[str, str]) -> Derived | None:
    needs = needs_of(value)
    if not needs and not value.bands:
        return None
    if value.at is not None:
        needs.add(value.name)
    derive = _compare(value.compare) if value.compare is not None else _adjust(value)
    if value.valid_when:
        derive = _guarded(value, derive, words)
    return Derived(value.name, frozenset(needs), derive)


def _adjust(value: Value) -> Derive:
    band_of = compile_bands(value) if value.bands else None
    scale, decimals = value.scale_from, value.decimals_from

    def adjust(raw: Scalar | None, now: Now, before: Scalar | None) -> Scalar | None:
        if isinstance(raw, (bool, str)) or raw is None:
            return raw
        number: float | None = raw
        if scale is not None or decimals is not None:
            found = (now.get(scale or ""), now.get(decimals or ""))
            if (scale and found[0] is None) or (decimals and found[1] is None):
                return None
            number = decimal_scale(raw, *found)
        if band_of is None or number is None:
            return number
        return band_of(number, before)

    return adjust


def _compare(compare: Compare) -> Derive:
    name, slack = compare.value, compare.hysteresis
    limit_name = compare.at_least or compare.at_most or ""
    rising = compare.at_least is not None

    def reached(raw: Scalar | None, now: Now, before: Scalar | None) -> bool | None:
        del raw
        value, limit = now.get(name), now.get(limit_name)
        for each in (value, limit):
            if isinstance(each, (bool, str)) or each is None:
                return None
        assert isinstance(value, (int, float)) and isinstance(limit, (int, float))  # noqa: S101, PT018
        back = slack if before else 0.0
        return value >= limit - back if rising else value <= limit + back

    return reached


def _guarded(value: Value, derive: Derive, words: Mapping[str, str]) -> Derive:
    conditions: list[Condition] = [
        compile_condition(name, wanted, words, words) for name, wanted in value.valid_when.items()
    ]

    def guarded(raw: Scalar | None, now: Now, before: Scalar | None) -> Scalar | None:
        scope = Scope(now, {}, {})
        for condition in conditions:
            if not condition(scope):
                return None
        return derive(raw, now, before)

    return guarded


def _in_order(derived: list[Derived]) -> list[Derived]:
    """Put each behind those it needs; check.py has refused circles."""
    waiting = {each.name: each for each in derived}
    ordered: list[Derived] = []
    while waiting:
        ready = [d for d in waiting.values() if not (d.needs - {d.name}) & waiting.keys()]
        ordered += ready
        for each in ready:
            del waiting[each.name]
    return ordered


# --- logs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogMeaning:
    """What one entry of a log means."""

    name: str
    readers: tuple[tuple[str, Reader], ...]
    rules: tuple[Meant, ...]
    observed: Callable[[Now], int | None] | None
    historical_after_ns: int

    def decode(self, device_id: str, number: int, data: bytes, received_ns: int) -> list[Reading]:
        """Return what entry `number` says; raises Garble when it cannot be read.

        data  the entry's registers as they travel
        """
        words = struct.unpack(f">{len(data) // 2}H", data)
        now: Now = {name: read(words) for name, read in self.readers}
        scope = Scope(now, {}, {})
        problems: list[str] = []
        readings: list[Reading] = []
        when = None if self.observed is None else self.observed(now)
        old = when is not None and received_ns - when > self.historical_after_ns
        for meant in self.rules:
            found: list[Found] = []
            meant.rule(scope, found, problems)
            for point, active, value in found:
                noted = {name: held for name in meant.attributes if (held := now[name]) is not None}
                readings.append(
                    Reading(
                        device_id=device_id,
                        point=point,
                        received_ns=received_ns,
                        active=active,
                        value=value,
                        observed_ns=when,
                        attributes=noted,
                        duplicate=f"{self.name}:{number}:{when or 0}",
                        historical=old,
                    )
                )
        if problems and not any(reading.active for reading in readings):
            raise Garble(problems[0])
        return readings


def compile_log(
    log: Log, body: ProfileFile, modbus: Modbus, words: Mapping[str, str]
) -> LogMeaning:
    """Compile one [[log]]."""
    natures = {point.name: point.nature for point in body.point}
    return LogMeaning(
        name=log.name,
        readers=tuple((value.name, compile_reader(value, value.at, modbus)) for value in log.value),
        rules=tuple(
            Meant(
                compile_rule(rule, natures[rule.point], text=False, paths=words, words=words),
                tuple(rule.attributes),
                None,
                None,
            )
            for rule in log.set
        ),
        observed=None if log.time is None else _clock(log.time, words),
        historical_after_ns=int(log.historical_after_s * 1e9),
    )


_LATEST_S: Final = 4_102_444_800
"""2100-01-01: beyond it a device's clock says nothing."""


def _clock(parts: ClockParts, words: Mapping[str, str]) -> Callable[[Now], int | None]:
    zone: timezone | Any = UTC
    if parts.utc_offset is not None:
        zone = offset_of(substitute(parts.utc_offset, words))
    names = [parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second]

    def observed(now: Now) -> int | None:
        """None for a clock that was never set: it costs the device's time, not the entry."""
        if parts.unix_s is not None:
            seconds = now.get(parts.unix_s)
            sane = isinstance(seconds, (int, float)) and 0 < seconds < _LATEST_S
            return int(float(seconds or 0) * 1e9) if sane else None
        numbers = [now.get(name or "") or 0 for name in names]
        if not all(isinstance(number, (int, float)) for number in numbers):
            return None
        year, month, day, hour, minute, second = (int(float(number)) for number in numbers)
        year += parts.year_base if year < 100 else 0
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:
            return None
        return int(moment.timestamp()) * 1_000_000_000

    return observed
