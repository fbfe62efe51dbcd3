"""How much a browser draws for an SVG, however few bytes ask for it. Pure.

Owns    the sum: elements, and what they have drawn again by <use>, url(#…) or a style sheet.
Needs   nothing of ours.
Keeps   What is told is never less than what is drawn: what is not known is taken at its worst.
Bound   MOST; it costs as much as the file is long.
Source  W3C SVG 2 (5.6 <use>, 13.2 paint servers, 13.8 markers, 14 clipping and masking).
"""

import re
from typing import Final

MOST: Final = 1_000_000
"""Elements once every reference is followed: ten that use ten that use ten … hang a browser."""
PER_SIGN: Final = 16
"""So many signs of a line or a text weigh as one element."""
_SINGLE: Final = frozenset({"clip-path", "mask"})
_NAMED: Final = re.compile(r"""url\(\s*["']?#([^"')\s]+)""", re.IGNORECASE)
_ONCE: Final = re.compile(r"""(?:clip-path|mask)\s*:\s*url\(\s*["']?#([^"')\s]+)""", re.IGNORECASE)
_COLOURS: Final = frozenset({"linearGradient", "radialGradient"})
"""What may be painted with a thousand times: it holds colours only."""


class DrawsItself(Exception):
    """Something is drawn within itself: endless."""


class Weight:
    """Told of every element's begin and end, in order; then drawn() says the sum."""

    def __init__(self) -> None:
        self._count = 0
        self._sheet: set[str] = set()
        self._colours: set[str] = set()
        self._named: list[str] = [""]
        self._names: list[bool] = []
        self._own: dict[str, int] = {"": 0}
        self._into: dict[str, list[str]] = {"": []}
        self._paints: dict[str, list[str]] = {}

    def begin(self, local: str, attributes: dict[str, str]) -> None:
        """An element: note what is drawn within which name, and which name is drawn again there."""
        self._count += 1
        once, paints = _references(local, attributes)
        # What paints is inherited: it is drawn for everything within, so that gets a name.
        name = attributes.get("id", "") or (f"\0{self._count}" if paints else "")
        self._names.append(bool(name))
        if name:
            self._into[self._named[-1]].append(name)
            self._own.setdefault(name, 0)
            self._into.setdefault(name, [])
            self._named.append(name)
            if local in _COLOURS:
                self._colours.add(name)
        here = self._named[-1]
        # A marker is drawn again at each corner of a line.
        corners = len(attributes.get("d", "")) + len(attributes.get("points", ""))
        self._own[here] += 1 + corners // PER_SIGN
        self._into[here] += once
        if paints:
            self._paints[here] = [*self._paints.get(here, ()), *paints]

    def end(self) -> None:
        """The end of an element."""
        if self._names.pop():
            self._named.pop()

    def text(self, signs: int) -> None:
        """So many signs of text."""
        self._own[self._named[-1]] += signs // PER_SIGN

    def sheet(self, css: str) -> None:
        """A style sheet: it may name anything for any element."""
        self._sheet.update(_NAMED.findall(css))

    def drawn(self) -> int:
        """How many elements are drawn in all. Raises DrawsItself.

        What a style sheet names may be drawn for every element, and within whatever else it names:
        only colours, and what holds one shape, cost nothing there.
        """
        known = self._counted()
        most = known[""]
        for name in (self._sheet & known.keys()) - self._colours:
            most *= max(known[name] - 1, 1)
            if most > MOST:
                break
        return most

    def _counted(self) -> dict[str, int]:
        """How many elements are drawn within each name, MOST + 1 at most."""
        known: dict[str, int] = {}
        under_way: set[str] = set()
        todo = [("", False)]
        while todo:
            name, is_counted = todo.pop()
            if is_counted:
                under_way.discard(name)
                # Whoever draws ten times ten times ten … is known to draw too much after seven.
                most = self._own[name] + sum(known.get(each, 0) for each in self._into[name])
                paints = sum(known.get(each, 0) for each in self._heavy(name))
                known[name] = min(most * (1 + paints), MOST + 1)
                continue
            if name in known:
                continue
            if name in under_way:
                raise DrawsItself
            under_way.add(name)
            todo.append((name, True))
            # Each name once, however often it is drawn: or a thousand by a thousand are walked.
            inside = {*self._into[name], *self._heavy(name)}
            todo += [(one, False) for one in inside if one in self._own and one not in known]
        return known

    def _heavy(self, name: str) -> list[str]:
        """What something is painted with that holds more than colours."""
        return [each for each in self._paints.get(name, ()) if each not in self._colours]


def _references(element: str, attributes: dict[str, str]) -> tuple[list[str], list[str]]:
    """Names that an element has drawn: once in its place, and for whatever it paints."""
    once: list[str] = []
    paints: list[str] = []
    for key, value in attributes.items():
        local = key.rpartition(" ")[2]
        if local == "href":
            if element != "image" and value.startswith("#"):
                once.append(value[1:])
        elif "(" in value:
            found = _NAMED.findall(value)
            single = found if local in _SINGLE else _ONCE.findall(value)
            once += single
            if found is not single:
                for each in single:
                    found.remove(each)
                paints += found
    return once, paints
