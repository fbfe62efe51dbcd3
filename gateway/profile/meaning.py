"""What a device's values mean for its points: compiled once for all devices of one shape. Pure.

Owns    Layout: readers, derived values, rules.
Needs   registers.py for words, rules.py for rules. State is kept by image.py, never here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.events import Nature, Point, Scalar
from gateway.profile.path import Scope
from gateway.profile.registers import (
    Reader,
    Words,
    compile_bands,
    compile_reader,
    decimal_scale,
    unpacker,
    words_of,
)
from gateway.profile.rules import Condition, Rule, compile_condition, compile_rule
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import (
    Compare,
    Modbus,
    ModbusSet,
    Value,
)

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
    looks       their names
    lasting     the point is a state or a measurement: it can be known no more
    attributes  values that go along · unit  the value that holds the unit, or None
    ack         the command to send once an active reading is on disk
    """

    point: str
    rule: Rule
    looks: tuple[str, ...]
    lasting: bool
    attributes: tuple[str, ...]
    unit: str | None
    ack: str | None


@dataclass(frozen=True, slots=True)
class Gauge:
    """A plain number that is one measurement and nothing else needs: it takes the short way.

    value  its name · point  what it measures · rule  the number of the [[set]] that says so
    """

    value: str
    point: str
    rule: int


@dataclass(frozen=True, slots=True)
class PartMeaning:
    """The values of one part: how its data becomes words, and words values.

    size_bytes  of its data
    at_word     for each word (or bit) the numbers of the readers that look at it
    """

    size_bytes: int
    unpack: Callable[[bytes], Words]
    readers: tuple[tuple[str, Reader], ...]
    at_word: tuple[tuple[int, ...], ...]
    gauges: tuple[Gauge, ...]


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
    heartbeats  (value, seconds) · beating  their names
    constants   values the device's address says, known before anything was read
    """

    parts: tuple[PartMeaning, ...]
    derived: tuple[Derived, ...]
    rules: tuple[Meant, ...]
    depending: Mapping[str, tuple[int, ...]]
    heartbeats: tuple[tuple[str, float], ...]
    beating: frozenset[str]
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
    rules = tuple(compile_set(rule, points[rule.point].nature, values, words) for rule in body.set)
    depending: dict[str, list[int]] = {}
    for index, meant in enumerate(rules):
        for name in meant.looks:
            depending.setdefault(name, []).append(index)
    derived = tuple(_in_order([d for value in body.value if (d := _derived(value, words))]))
    needed = {name for each in derived for name in each.needs}
    gauges = _gauges(
        body, points, {name: at for name, at in depending.items() if name not in needed}
    )
    return Layout(
        parts=tuple(
            _part(part, [each for each in offsets if each[1] == index], values, modbus, gauges)
            for index, part in enumerate(parts)
        ),
        derived=derived,
        rules=rules,
        depending={name: tuple(indexes) for name, indexes in depending.items()},
        heartbeats=tuple(
            (value.name, value.heartbeat_s) for value in body.value if value.heartbeat_s
        ),
        beating=frozenset(value.name for value in body.value if value.heartbeat_s),
        constants=constants,
    )


def compile_set(
    rule: ModbusSet, nature: Nature, values: Mapping[str, Value], words: Mapping[str, str]
) -> Meant:
    """Compile one [[set]] or [[log.set]].

    values  those a unit can come from
    """
    value = values.get(rule.value or "")
    return Meant(
        point=rule.point,
        rule=compile_rule(rule, nature, text=False, paths=words, words=words),
        looks=tuple({name: None for name in (*rule.where, rule.value) if name is not None}),
        lasting=nature in {Nature.STATE, Nature.MEASUREMENT},
        attributes=tuple(rule.attributes),
        unit=None if value is None else value.unit_from,
        ack=rule.ack,
    )


def _part(
    part: PartShape,
    held: Iterable[tuple[str, int, int]],
    values: Mapping[str, Value],
    modbus: Modbus,
    gauges: Mapping[str, Gauge],
) -> PartMeaning:
    bits = part.function in {1, 2}
    readers: list[tuple[str, Reader]] = []
    at_word: list[list[int]] = [[] for _ in range(part.count)]
    for number, (name, _, at) in enumerate(held):
        readers.append((name, compile_reader(values[name], at, modbus)))
        for word in range(at, at + words_of(values[name])):
            at_word[word].append(number)
    return PartMeaning(
        size_bytes=(part.count + 7) // 8 if bits else 2 * part.count,
        unpack=unpacker(part.count, bits=bits),
        readers=tuple(readers),
        at_word=tuple(map(tuple, at_word)),
        gauges=tuple(gauges[name] for name, _ in readers if name in gauges),
    )


_PLAIN_VALUE: Final = frozenset(
    {"name", "at", "function", "form", "word_order", "byte_order", "bits", "byte", "signed",
     "subtract", "scale", "divide", "offset", "invalid", "period_s"}
)  # fmt: skip
_PLAIN_RULE: Final = frozenset({"point", "value"})


def _gauges(
    body: ProfileFile, points: Mapping[str, Point], depending: Mapping[str, Sequence[int]]
) -> dict[str, Gauge]:
    """Return the values that can take the short way, see image.py."""
    rules_of = Counter(rule.point for rule in body.set)
    gauges: dict[str, Gauge] = {}
    for value in body.value:
        rules = depending.get(value.name, ())
        if (
            len(rules) != 1
            or not value.model_fields_set <= _PLAIN_VALUE
            or value.form[0] not in "usmf"
        ):
            continue
        rule = body.set[rules[0]]
        plain = rule.model_fields_set <= _PLAIN_RULE and rules_of[rule.point] == 1
        if plain and points[rule.point].nature is Nature.MEASUREMENT:
            gauges[value.name] = Gauge(value.name, rule.point, rules[0])
    return gauges


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
