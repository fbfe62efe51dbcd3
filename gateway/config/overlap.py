"""MQTT topic filters that would give one message to two devices. Pure.

Owns    the question "can some topic match both of these filters?", for many filters at once.
Needs   nothing of ours.

Filters fall into few shapes (which levels are wildcards, how long, `#` at the end or not): ten
thousand devices of five profiles make perhaps a dozen. Two filters overlap exactly when they agree
on every level that is literal in both, so each pair of shapes is one hash join on those levels.
Cost: (number of shapes)^2 times the number of filters, however the names look; a tree walk would
be quadratic where many `+` meet many names on one level.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final, Generic, NamedTuple, TypeVar

WILD: Final = "+"
REST: Final = "#"

Owner = TypeVar("Owner", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Clash(Generic[Owner]):
    """A later owner whose filter meets the filter of an earlier one."""

    later: Owner
    later_filter: str
    earlier: Owner
    earlier_filter: str


class _Shape(NamedTuple):
    """literal: for each level whether it is a name; rest: a `#` follows them."""

    literal: tuple[bool, ...]
    rest: bool


class _Entry(NamedTuple, Generic[Owner]):
    order: int
    owner: Owner
    text: str
    levels: tuple[str, ...]


def clashes(filters: Iterable[tuple[Owner, str]]) -> list[Clash[Owner]]:
    """Return at most one clash for each owner: with the first other owner it meets.

    filters  pairs of owner and MQTT topic filter, in the order of the files; an owner may clash
             with itself freely. `$share/…` and invalid filters are the profile's business.
    """
    shapes: defaultdict[_Shape, list[_Entry[Owner]]] = defaultdict(list)
    for order, (owner, text) in enumerate(filters):
        levels = text.split("/")
        rest = levels[-1] == REST
        if rest:
            levels.pop()
        shape = _Shape(tuple(level != WILD for level in levels), rest)
        shapes[shape].append(_Entry(order, owner, text, tuple(levels)))
    found: dict[Owner, tuple[tuple[int, int], Clash[Owner]]] = {}
    for one, other in combinations_with_replacement(list(shapes), 2):
        if _lengths_meet(one, other):
            _join(one, shapes[one], other, shapes[other], found)
            if one != other:  # so that every later filter, on either side, finds its first mate
                _join(other, shapes[other], one, shapes[one], found)
    return [clash for _, clash in sorted(found.values(), key=lambda pair: pair[0])]


def overlap(one: str, other: str) -> bool:
    """Return whether some topic matches both filters."""
    return bool(clashes([(1, one), (2, other)]))


def _lengths_meet(one: _Shape, other: _Shape) -> bool:
    # `a/#` matches `a` and everything below it (MQTT 4.7.1.2).
    if one.rest and other.rest:
        return True
    if one.rest:
        return len(other.literal) >= len(one.literal)
    if other.rest:
        return len(one.literal) >= len(other.literal)
    return len(one.literal) == len(other.literal)


def _join(
    one: _Shape,
    ones: list[_Entry[Owner]],
    other: _Shape,
    others: list[_Entry[Owner]],
    found: dict[Owner, tuple[tuple[int, int], Clash[Owner]]],
) -> None:
    common = [
        index
        for index, (left, right) in enumerate(zip(one.literal, other.literal, strict=False))
        if left and right
    ]
    # A leading wildcard does not match topics that begin with `$` (MQTT 4.7.2).
    hidden = _starts_wild(one) != _starts_wild(other)
    first: dict[tuple[str, ...], list[_Entry[Owner]]] = {}
    for entry in ones:
        if not (hidden and entry.levels and entry.levels[0].startswith("$")):
            _remember(first.setdefault(tuple(entry.levels[i] for i in common), []), entry)
    for entry in others:
        if hidden and entry.levels and entry.levels[0].startswith("$"):
            continue
        for mate in first.get(tuple(entry.levels[i] for i in common), ()):
            if mate.owner != entry.owner:
                _note(mate, entry, found)
                break


def _remember(kept: list[_Entry[Owner]], entry: _Entry[Owner]) -> None:
    """Keep the first entry and the first one of another owner: enough to answer everybody."""
    if not kept or (len(kept) == 1 and kept[0].owner != entry.owner):
        kept.append(entry)


def _note(
    one: _Entry[Owner],
    other: _Entry[Owner],
    found: dict[Owner, tuple[tuple[int, int], Clash[Owner]]],
) -> None:
    earlier, later = sorted((one, other), key=lambda entry: entry.order)
    known, rank = found.get(later.owner), (later.order, earlier.order)
    if known is None or rank < known[0]:
        found[later.owner] = (rank, Clash(later.owner, later.text, earlier.owner, earlier.text))


def _starts_wild(shape: _Shape) -> bool:
    return not shape.literal[0] if shape.literal else shape.rest
