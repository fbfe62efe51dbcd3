"""Topics: which plan a message belongs to, and what to subscribe to for many devices. Pure.

Source  MQTT 5.0 (OASIS, 2019) 4.7: levels, the wildcards + and #, and topics that begin with $.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Levels = tuple[str, ...]
_PLUS: Final = "+"
_PAIRS: Final = 1_000_000
"""Comparisons cover() may need; with more it widens first."""


class TopicTree(Generic[T]):
    """Finds everything registered for a topic: one dictionary look-up, or one for each level.

    Exact topics are kept apart, so that ten thousand of them cost no more than ten.
    """

    def __init__(self) -> None:
        self._exact: dict[str, tuple[T, ...]] = {}
        self._wild: dict[str, object] = {}
        self._has_wild = False

    def add(self, pattern: str, value: T) -> None:
        """Register a value for an exact topic or a filter with + levels (no #)."""
        if _PLUS not in pattern.split("/"):
            self._exact[pattern] = (*self._exact.get(pattern, ()), value)
            return
        self._has_wild = True
        node = self._wild
        for level in pattern.split("/"):
            child = node.setdefault(level, {})
            assert isinstance(child, dict)  # noqa: S101 leaves have a key no level can have
            node = child
        leaf = node.setdefault("/", [])
        assert isinstance(leaf, list)  # noqa: S101 see above
        leaf.append(value)

    def find(self, topic: str) -> tuple[T, ...]:
        """Every value whose pattern matches."""
        exact = self._exact.get(topic, ())
        if not self._has_wild:
            return exact
        found: list[T] = []
        nodes: list[dict[str, object]] = [self._wild]
        for level in topic.split("/"):
            nodes = [
                child
                for node in nodes
                for child in (node.get(level), node.get(_PLUS))
                if isinstance(child, dict)
            ]
        for node in nodes:
            leaf = node.get("/")
            if isinstance(leaf, list):
                found += leaf
        return (*exact, *found) if found else exact


def cover(filters: Iterable[str], most: int) -> list[str]:
    """At most `most` filters if possible, which let through everything that `filters` do.

    A broker pays for each subscription (the embedded one a stream consumer each), so many are
    widened: those of the same depth and first level become one, with + where they differ. No two of
    them overlap, because a broker may send a message once for each that matches, and a press would
    count twice. What comes through beyond the configured topics is acknowledged and counted.
    """
    wanted = [tuple(name.split("/")) for name in sorted(set(filters))]
    wild = sum(_PLUS in levels for levels in wanted)
    if len(wanted) > most or wild * len(wanted) > _PAIRS:
        groups: dict[tuple[int, str], Levels] = {}
        for levels in wanted:
            key = (len(levels), levels[0])
            groups[key] = _widened(groups.get(key, levels), levels)
        wanted = list(groups.values())
    apart: list[Levels] = [levels for levels in wanted if _PLUS not in levels]
    for levels in wanted:
        if _PLUS in levels:
            apart = _joined(apart, levels)
    return sorted("/".join(levels) for levels in apart)


def extended(held: Iterable[str], wanted: Iterable[str], most: int) -> list[str]:
    """What to be subscribed to once `wanted` is, changing as little as can be of `held`.

    What is held and still of use stays, so that no message of a device that was there before can
    fall between two subscriptions or come through both. Only when that cannot be (too many, or a
    new filter overlaps a held one) it is cover() that says.
    """
    needed = sorted(set(wanted))
    levels = {name: tuple(name.split("/")) for name in {*held, *needed}}
    exact = set(needed)
    wild = [levels[name] for name in needed if _PLUS in levels[name]]
    kept, broad = [], []
    for name in sorted(set(held)):
        mine = levels[name]
        if _PLUS not in mine:
            if name in exact:
                kept.append(name)
        elif any(_covers(mine, levels[each]) for each in needed):
            kept.append(name)
            broad.append(mine)
    have = set(kept)
    fresh = [
        name
        for name in needed
        if name not in have and not any(_covers(mine, levels[name]) for mine in broad)
    ]
    new_wild = [each for each in wild if "/".join(each) in fresh]
    clash = any(
        _overlap(new, levels[name]) for new in new_wild for name in (*kept, *fresh)
        if levels[name] != new
    )  # fmt: skip
    if clash or len(kept) + len(fresh) > max(most, len(have)):
        return cover(needed, most)
    return sorted((*kept, *fresh))


def _covers(one: Levels, other: Levels) -> bool:
    """Whether everything that other lets through comes through one, too."""
    if len(one) != len(other) or (one[0] == _PLUS and other[0][:1] == "$"):
        return False
    return all(a in (_PLUS, b) for a, b in zip(one, other, strict=True))


def _joined(apart: list[Levels], levels: Levels) -> list[Levels]:
    """Add a filter to some that do not overlap; widened until it overlaps none of them."""
    while True:
        hit = [other for other in apart if _overlap(other, levels)]
        if not hit:
            return [*apart, levels]
        apart = [other for other in apart if not _overlap(other, levels)]
        for other in hit:
            levels = _widened(levels, other)


def _widened(one: Levels, other: Levels) -> Levels:
    return tuple(a if a == b else _PLUS for a, b in zip(one, other, strict=True))


def _overlap(one: Levels, other: Levels) -> bool:
    """Whether a topic can match both. A + in front matches no topic that begins with $."""
    if len(one) != len(other):
        return False
    if _PLUS in (one[0], other[0]) and (one[0][:1] == "$" or other[0][:1] == "$"):
        return False
    return all(a == b or _PLUS in (a, b) for a, b in zip(one, other, strict=True))
