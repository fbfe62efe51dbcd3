"""A profile as the rest of the house sees it: checked, small, without pydantic in the hot path.

Owns    Profile and AddressKey: what a device must say of itself, and which points it then has.
Needs   gateway.events, schema.py for the file's content.
Keeps   A Profile exists only when its file passed every check of check.py.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.events import (
    NEVER_FOLDED,
    PRIORITY_OF_KIND,
    Category,
    Kind,
    Nature,
    Point,
    Scalar,
)
from gateway.profile.path import BadPath, compile_path, substitute
from gateway.profile.schema import PointModel, ProfileFile, Sample, Source

SILENCE_S: Final = {"mains": 600.0, "battery": 90_000.0}
"""Supervision per power class: Zigbee2MQTT's own figures, 10 min and 25 h."""

MAX_ADDRESS_CHARS: Final = 256

AddressFault = tuple[str, str, str]
"""Key, problem, what was expected."""

_EXPECTED: Final = {
    "topic": "MQTT 主题，不含 + # / an MQTT topic without + and #",
    "segment": "主题的一段，不含 / + # / one level of a topic, without / + and #",
    "text": "文字 / text",
    "path": "JSON 路径 / a path into a JSON document",
    "member": "JSON 成员名 / the name of a JSON member",
    "integer": "整数 / a whole number",
    "number": "数字 / a number",
    "boolean": "true 或 / or false",
    "kind": "报警类别 / a kind: " + " ".join(Kind),
}
_FAULT_KINDS: Final = frozenset({Kind.TAMPER, Kind.FAULT, Kind.OFFLINE})


@dataclass(frozen=True, slots=True)
class AddressKey:
    """One key of a device's `address` table.

    type      topic, segment, text, path, member, integer, number, boolean, kind, choice
    choices   what is allowed, for type choice
    pattern   a regular expression the whole text must match, None for any
    help      for the installer, Chinese; help_en English
    """

    name: str
    type: str
    required: bool
    default: Scalar | None
    choices: tuple[Scalar, ...]
    pattern: str | None
    min: float | None
    max: float | None
    example: Scalar | None
    help: str
    help_en: str

    def fault_of(self, value: object) -> tuple[str, str] | None:
        """Return (problem, expected) when the value will not do, else None."""
        expected = _EXPECTED.get(self.type, "")
        if self.type == "choice":
            expected = "其中之一 / one of " + ", ".join(map(str, self.choices))
            same = [each for each in self.choices if type(each) is type(value) and each == value]
            return None if same else ("不在选项中 / not one of the choices", expected)
        if not _TYPE_TESTS[self.type](value):
            return f"不合适 / does not fit: {str(value)[:60]!r}", expected
        if self.pattern is not None and not re.fullmatch(self.pattern, str(value)):
            return f"格式不对 / wrong form: {str(value)[:60]!r}", f"格式 / the form {self.pattern}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low = self.min is None or value >= self.min
            high = self.max is None or value <= self.max
            if not (low and high):
                return f"超出范围 / out of range: {value}", f"{self.min} – {self.max}"
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ADDRESS_CHARS and "\0" not in value


def _is_topic(value: object) -> bool:
    return (
        isinstance(value, str)
        and _is_text(value)
        and not set(value) & set("+#{}")
        and not value.startswith(("/", "$"))
        and not value.endswith("/")
    )


def _is_path(value: object) -> bool:
    if not isinstance(value, str) or not _is_text(value) or set(value) & set("{}"):
        return False
    try:
        compile_path(value)
    except BadPath:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPE_TESTS: Final[dict[str, Callable[[Any], bool]]] = {
    "topic": _is_topic,
    "segment": lambda value: _is_topic(value) and "/" not in str(value),
    "text": lambda value: _is_text(value) and not set(str(value)) & set("{}"),
    "path": _is_path,
    "member": lambda value: _is_text(value) and not set(str(value)) & set('"\\{}'),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "kind": lambda value: isinstance(value, str) and value in set(Kind),
}


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One device model.

    id         path under the profiles folder without .toml, "/" between its parts
    power      mains or battery; silence_s follows from it unless the profile says otherwise
    silence_s  None when the device says nothing regularly and cannot be supervised
    verified   whether a real device was tried
    body       the file's content as checked; for plans, tools and tests
    compiled   what plans of several devices share (see mqtt.py); filled as devices are planned
    """

    id: str
    title: str
    title_en: str
    family: str
    driver: str
    power: str
    silence_s: float | None
    verified: bool
    source: Source
    samples: tuple[Sample, ...]
    address: Mapping[str, AddressKey]
    body: ProfileFile
    compiled: dict[Any, Any] = field(default_factory=dict, repr=False)

    def check_address(self, address: Mapping[str, Any]) -> list[AddressFault]:
        """Return every fault of a device's address table; empty when it will do."""
        faults: list[AddressFault] = []
        for name, value in address.items():
            key = self.address.get(name)
            if key is None:
                known = ", ".join(self.address) or "(无 / none)"
                faults.append((name, "不认识的键 / unknown key", f"其中之一 / one of {known}"))
            elif (fault := key.fault_of(value)) is not None:
                faults.append((name, *fault))
        for name, key in self.address.items():
            if key.required and key.default is None and name not in address:
                faults.append((name, "缺少 / missing", f"{key.help} / {key.help_en}"))
        return faults

    def complete(self, address: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return the address with defaults filled in, in the profile's order."""
        full: dict[str, Scalar] = {}
        for name, key in self.address.items():
            value = address.get(name, key.default)
            if value is not None:
                full[name] = value
        return full

    def points_for(self, address: Mapping[str, Scalar]) -> dict[str, Point]:
        """Return the points of a device with this (checked) address.

        Devices whose address makes no difference share one dict: change nothing in it.
        """
        full = self.complete(address)
        holes = {name: str(value) for name, value in full.items()}
        kinds = tuple(substitute(point.kind, holes) for point in self.body.point)
        known = self.compiled.get(("points", kinds))
        if known is None:
            pairs = zip(self.body.point, kinds, strict=True)
            known = {point.name: make_point(point, Kind(kind)) for point, kind in pairs}
            self.compiled["points", kinds] = known
        points: dict[str, Point] = known
        return points


def default_category(model: PointModel, kind: Kind) -> Category:
    """Return what family of records a point makes when the profile does not say."""
    if model.nature is Nature.RECORD:
        return Category.RECORD
    thresholds = model.alarm_above is not None or model.alarm_below is not None
    if model.nature is Nature.MEASUREMENT and not thresholds:
        return Category.READING
    return Category.FAULT if kind in _FAULT_KINDS else Category.ALARM


def make_point(model: PointModel, kind: Kind) -> Point:
    """Turn a [[point]] into a Point, filling in what the kind implies."""
    category = model.category or default_category(model, kind)
    latch = model.latch
    if latch is None:
        latch = kind in NEVER_FOLDED and category is Category.ALARM
    lasting = model.nature in {Nature.STATE, Nature.MEASUREMENT}
    accept = model.accept_retained
    if accept is None:
        accept = lasting and kind not in {Kind.PANIC, Kind.DURESS}
    window = model.duplicate_window_s
    return Point(
        name=model.name,
        kind=kind,
        nature=model.nature,
        category=category,
        priority=model.priority or PRIORITY_OF_KIND[kind],
        text=model.text,
        text_en=model.text_en,
        unit=model.unit,
        latch=latch,
        on_delay_s=model.on_delay_s or 0.0,
        off_delay_s=model.off_delay_s or 0.0,
        debounce_s=model.debounce_s or 0.0,
        auto_restore_s=model.auto_restore_s,
        alarm_above=model.alarm_above,
        restore_below=model.restore_below,
        alarm_below=model.alarm_below,
        restore_above=model.restore_above,
        duplicate_window_s=600.0 if window is None else window,
        accept_retained=accept,
        counter_bits=model.counter_bits,
    )


def make_profile(profile_id: str, body: ProfileFile) -> Profile:
    """Turn a checked file into a Profile."""
    header = body.profile
    silence: float | None
    if header.silence_s == "never":
        silence = None
    elif isinstance(header.silence_s, (int, float)):
        silence = float(header.silence_s)
    else:
        silence = SILENCE_S[header.power]
    return Profile(
        id=profile_id,
        title=header.title,
        title_en=header.title_en,
        family=header.family,
        driver=header.driver,
        power=header.power,
        silence_s=silence,
        verified=header.verified,
        source=body.source,
        samples=tuple(body.sample),
        address={
            name: AddressKey(name=name, **{**dict(key), "choices": tuple(key.choices)})
            for name, key in body.address.items()
        },
        body=body,
    )
