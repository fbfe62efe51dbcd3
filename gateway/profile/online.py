"""Online and offline: availability topics, last wills, bridges.

Owns    how a word becomes True, False or nothing.
Needs   gateway.errors, path.py, payload.py, schema_mqtt.py.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from gateway.errors import BadFrame
from gateway.profile.path import Scope, compile_path, substitute
from gateway.profile.payload import read_json, read_text
from gateway.profile.schema_mqtt import Availability


def compile_availability(
    model: Availability, paths: Mapping[str, str]
) -> Callable[[bytes], bool | None]:
    """Return what reads "online", {"state":"online"}, true …; raises BadFrame for other words.

    An empty message says nothing (None): that is how MQTT takes a retained one back.
    """
    inside = None if model.path is None else compile_path(substitute(model.path, paths))
    online = frozenset(word.casefold() for word in model.online)
    offline = frozenset(word.casefold() for word in model.offline)

    def read(payload: bytes) -> bool | None:
        if not payload:
            return None
        value: object = read_text(payload)
        with suppress(BadFrame):  # a bare word is no JSON; it is judged as text below
            value = read_json(payload)
        if inside is not None and isinstance(value, dict):
            values = inside(Scope(value, {}, {}))
            value = values[0] if values else None
        word = as_text(value).casefold() if isinstance(value, (bool, int, float, str)) else ""
        if word in online:
            return True
        if word in offline:
            return False
        raise BadFrame("不是在线或离线 / neither online nor offline", raw=payload)

    return read


def as_text(value: object) -> str:
    """Write a value as it appears in a topic or a JSON text: true, not True."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
