"""Paths into a message, and texts with placeholders: compiled once, called for every message.

    battery                      a member of the JSON object
    params."input:0".state       names in quotes when they hold . [ ] or a quote
    rxInfo[0].rssi               an element of an array, from 0
    params.events[*].event       any element: several values
    $                            the whole document (a plain text message, a JSON number)
    @press                       a field of the device's bytes (tlv, field)
    +channel                     what a {+channel} in the topic caught

Owns    the grammar of paths and templates.
Needs   nothing of ours.
Keeps   A path never raises on a document: what is not there gives no value, and null is not there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_STEP: Final = re.compile(
    r"""(?:^|(?<=.))(?:(?P<dot>\.)?(?:"(?P<quoted>[^"\\]*)"|(?P<plain>[^.\[\]"@+$\s][^.\[\]"]*))"""
    r"""|\[(?:(?P<index>\d{1,4})|(?P<any>\*))\])"""
)
_HOLE: Final = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")


class BadPath(ValueError):
    """Not written in this grammar; the schema check turns it into a fault."""


@dataclass(slots=True)
class Scope:
    """What paths can see: the document, the fields of its bytes, the captures of its topic."""

    root: Any
    fields: Mapping[str, list[Any]]
    captures: Mapping[str, str]


Read = Callable[[Scope], list[Any]]
"""All values at a path; empty when there are none."""


def compile_path(text: str) -> Read:
    """Turn a path into a function; raises BadPath."""
    if text == "$":
        return lambda scope: [] if scope.root is None else [scope.root]
    if text[:1] == "@":
        name = text[1:]
        return lambda scope: scope.fields.get(name, [])
    if text[:1] == "+":
        name = text[1:]
        return lambda scope: [scope.captures[name]] if name in scope.captures else []
    steps = _steps(text)
    if len(steps) == 1 and isinstance(steps[0], str):
        return _member(steps[0])
    if Ellipsis not in steps:
        return _straight(steps)
    return _spread(steps)


def single_member(text: str) -> str | None:
    """Return the name when a path is one member of the top object, for the shortest way there."""
    if text[:1] in {"$", "@", "+"}:
        return None
    steps = _steps(text)
    return steps[0] if len(steps) == 1 and isinstance(steps[0], str) else None


def _steps(text: str) -> list[Any]:
    """Split a path into member names (str), indexes (int) and any-element (Ellipsis)."""
    steps: list[Any] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found["dot"] is None) != (at == 0 or text[at] == "["):
            raise BadPath(f"{text!r}: 第 {at + 1} 个字符不对 / not a path from character {at + 1}")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["any"]:
            steps.append(...)
        else:
            steps.append(found["plain"] if found["quoted"] is None else found["quoted"])
        at = found.end()
    if not steps:
        raise BadPath("空的路径 / an empty path")
    return steps


def _member(name: str) -> Read:
    def read(scope: Scope) -> list[Any]:
        root = scope.root
        if isinstance(root, dict):
            value = root.get(name)
            if value is not None:
                return [value]
        return []

    return read


def _straight(steps: list[Any]) -> Read:
    def read(scope: Scope) -> list[Any]:
        value = scope.root
        for step in steps:
            value = _down(value, step)
            if value is None:
                return []
        return [value]

    return read


def _spread(steps: list[Any]) -> Read:
    # As many values as the document has elements at most, and its bytes are bounded.
    def read(scope: Scope) -> list[Any]:
        values = [scope.root]
        for step in steps:
            if step is ...:
                values = [each for value in values if isinstance(value, list) for each in value]
            else:
                values = [_down(value, step) for value in values]
        return [value for value in values if value is not None]

    return read


def _down(value: Any, step: str | int) -> Any:  # noqa: ANN401 a JSON document
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and step < len(value) else None


def holes(template: str) -> list[tuple[str, str | None]]:
    """Return the placeholders of a template with their stand-ins: "{fCnt|0}" is ("fCnt", "0")."""
    rest = _HOLE.sub("", template)
    if "{" in rest or "}" in rest:
        raise BadPath(f"{template!r}: 括号不成对 / a brace without its partner")
    return [(found[1], found[2]) for found in _HOLE.finditer(template)]


def substitute(text: str, address: Mapping[str, str]) -> str:
    """Put address values into {key}; holes that are no address keys stay as they are."""
    if "{" not in text:
        return text
    return _HOLE.sub(lambda found: address.get(found[1], found[0]), text)


def compile_template(template: str) -> Callable[[Scope], str | None]:
    """Turn "{devAddr}/{fCnt|0}" into a function; None when a hole without stand-in has no value."""
    parts: list[str] = []
    reads: list[tuple[Read, str | None]] = []
    at = 0
    for found in _HOLE.finditer(template):
        parts.append(template[at : found.start()])
        reads.append((compile_path(found[1]), found[2]))
        at = found.end()
    holes(template)
    tail = template[at:]

    def fill(scope: Scope) -> str | None:
        text = ""
        for part, (read, stand_in) in zip(parts, reads, strict=True):
            values = read(scope)
            value = values[0] if values else stand_in
            if value is None or isinstance(value, (dict, list)):
                return None
            text += part + str(value)
        return (text + tail)[:256]

    return fill
