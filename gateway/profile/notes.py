"""What goes along with a reading: attributes, the device's own time, its own priority.

Owns    how much of a message is taken along, and its bounds.
Needs   gateway.events, path.py, payload.py, schema_mqtt.py.
Keeps   At most MAX_ATTRIBUTES values of at most MAX_ATTRIBUTE_CHARS characters, JSON types kept.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from gateway.events import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES, Scalar
from gateway.profile.path import Scope, compile_path, substitute
from gateway.profile.payload import device_time, offset_of
from gateway.profile.schema_mqtt import Message

Attributes = Callable[[Scope], dict[str, Scalar]]


def level_of(value: object) -> int | None:
    """Return a priority the message itself states: a JSON number that is 1, 2, 3 or 4."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in {1, 2, 3, 4}:
        return int(value)
    return None


def with_problem(noted: dict[str, Scalar], problem: str) -> dict[str, Scalar]:
    """Add what could not be read of a message whose alarm could."""
    kept = dict(list(noted.items())[: MAX_ATTRIBUTES - 1])
    kept["undecoded"] = problem[:MAX_ATTRIBUTE_CHARS]
    return kept


def compile_observed(
    message: Message, paths: Mapping[str, str], words: Mapping[str, str]
) -> Callable[[Scope], int | None] | None:
    """Compile [message.time]; None when the message has none."""
    if message.time is None:
        return None
    read = compile_path(substitute(message.time.path, paths))
    offset = message.time.utc_offset
    zone = None
    if offset is not None:
        # A pattern of the address key may let through what is no offset: that costs the device's
        # time (a local time without zone is none), not the message.
        with suppress(ValueError):
            zone = offset_of(substitute(offset, words))
    convert = device_time(message.time.form, zone)

    def observed(scope: Scope) -> int | None:
        values = read(scope)
        return convert(values[0]) if values else None

    return observed


def compile_attributes(message: Message, paths: Mapping[str, str]) -> Attributes | None:
    """Compile what the message's `attributes` asks for; None when nothing."""
    wanted = message.attributes
    if wanted == "members":
        return _members
    if not wanted:
        return None
    pairs = wanted.items() if isinstance(wanted, dict) else ((path, path) for path in wanted)
    reads = [(name, compile_path(substitute(path, paths))) for name, path in pairs]

    def capture(scope: Scope) -> dict[str, Scalar]:
        found: dict[str, Scalar] = {}
        for name, read in reads:
            for value in read(scope):
                if isinstance(value, str):
                    found[name] = value[:MAX_ATTRIBUTE_CHARS]
                elif isinstance(value, (int, float)):
                    found[name] = value
        return found

    return capture


def _members(scope: Scope) -> dict[str, Scalar]:
    return bound_members(scope.root, None) if isinstance(scope.root, dict) else {}


_SCALARS: Final = frozenset({str, int, float, bool})


def bound_members(root: dict[str, Any], size_bytes: int | None) -> dict[str, Scalar]:
    """Return the first MAX_ATTRIBUTES scalar members of a JSON object; null is none.

    size_bytes  how long the message was, when known: in a short one no text can be too long, and
                an object of scalars, as nearly every one is, is returned as it is
    """
    if (
        size_bytes is not None
        and size_bytes <= MAX_ATTRIBUTE_CHARS
        and len(root) <= MAX_ATTRIBUTES
        and _SCALARS.issuperset(map(type, root.values()))
    ):
        return root
    found: dict[str, Scalar] = {}
    for name, value in root.items():
        if value is None or isinstance(value, (dict, list)):
            continue
        cut = value[:MAX_ATTRIBUTE_CHARS] if isinstance(value, str) else value
        found[name[:MAX_ATTRIBUTE_CHARS]] = cut
        if len(found) == MAX_ATTRIBUTES:
            break
    return found
