"""A device that is being asked, as it is now: registers as they came, and what is made of them.

Owns    the rows a page shows beside each other: words in hex, decimal and bits, value, orders.
Needs   places.py, words.py, gateway.driver.Look. Reads nothing from any bus: the driver's last
        replies are shown, so looking costs the alarms nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.commission.places import Place, places_of
from gateway.commission.words import (
    bare,
    has_variants,
    order_of,
    sound_orders,
    variants,
    written,
)
from gateway.driver import Look
from gateway.events import Device
from gateway.profile import Profile
from gateway.profile.payload import Garble
from gateway.profile.registers import compile_reader
from gateway.profile.schema_modbus import Modbus, Value

UNIT_CHARS: Final = 32
WRITTEN_CHARS: Final = 64
WORDS_MOST: Final = 16
"""Of one value: a longer one is a text, and its beginning says enough."""


def rows_of(profile: Profile, device: Device, look: Look) -> list[dict[str, Any]]:
    """Return one row for each value with an address; words is None while they are not known."""
    modbus = profile.body.modbus
    if modbus is None:
        return []
    rows = []
    for place in places_of(profile, device):
        words = _words(place, look.parts)
        value = place.value
        orders = variants(value, words, modbus) if words and has_variants(value) else {}
        is_bits = place.function <= 2
        shown = None if words is None else words[:WORDS_MOST]
        rows.append(
            {
                "name": value.name,
                "form": value.form,
                "decoded": None if words is None else _plain(value, words, modbus),
                "unit": unit_of(value.name, value.unit_from, profile, look),
                "address": place.document,
                "function": place.function,
                "wire_address": place.address,
                "words": None if shown is None else list(shown),
                "hex": None if shown is None else _hex(shown, is_bits=is_bits),
                "bits": None if shown is None else _bits(shown, is_bits=is_bits),
                "value": look.values.get(value.name),
                "quality": "good" if words is not None else "unknown",
                "order": order_of(value, modbus) if has_variants(value) else None,
                "orders": orders,
                "likely_orders": sound_orders(value, words, modbus) if orders and words else [],
            }
        )
    return rows


def unit_of(name: str, unit_from: str | None, profile: Profile, look: Look) -> str | None:
    """Return the unit a value is measured in: what the device says, else what a point of it has."""
    said = None if unit_from is None else look.values.get(unit_from)
    if isinstance(said, str):
        return said[:UNIT_CHARS]
    units = {point.name: point.unit for point in profile.body.point}
    measured = [rule.point for rule in profile.body.set if rule.value == name]
    return next((units[point] for point in measured if units.get(point)), None)


def _plain(value: Value, words: Sequence[int], modbus: Modbus) -> str:
    """Say what the words are before scale, offset, names and sentinels."""
    try:
        return written(compile_reader(bare(value), 0, modbus)(words))[:WRITTEN_CHARS]
    except Garble as problem:
        return str(problem)[:WRITTEN_CHARS]


def _words(
    place: Place, parts: Sequence[tuple[int, int, tuple[int, ...] | None]]
) -> tuple[int, ...] | None:
    for function, address, words in parts:
        at = place.address - address
        if function == place.function and words is not None and at >= 0:
            found = words[at : at + place.count]
            if len(found) == place.count:
                return found
    return None


def _hex(words: Sequence[int], *, is_bits: bool) -> list[str]:
    return [str(word) if is_bits else f"{word:04X}" for word in words]


def _bits(words: Sequence[int], *, is_bits: bool) -> list[str]:
    return [str(word) if is_bits else f"{word:016b}" for word in words]


def is_on(topic: str, filters: Iterable[str]) -> bool:
    """Whether one of the filters (with + levels, without #) lets a topic through."""
    levels = topic.split("/")
    for each in filters:
        wanted = each.split("/")
        if len(wanted) == len(levels) and all(
            one in {"+", other} for one, other in zip(wanted, levels, strict=True)
        ):
            return True
    return False
