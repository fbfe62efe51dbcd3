"""Topics: which plan a message belongs to, and what to subscribe to for many devices. Pure.

Source  MQTT 5.0 (OASIS, 2019) 4.7: levels, the wildcards + and #, and topics that begin with $.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_PLUS: Final = "+"


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
    widened: those of the same depth and first level become one, with + where they differ. What
    comes through beyond the configured topics is acknowledged and counted, nothing else.
    """
    wanted = sorted(set(filters))
    if len(wanted) <= most:
        return wanted
    groups: dict[tuple[int, str], list[list[str]]] = {}
    for name in wanted:
        levels = name.split("/")
        groups.setdefault((len(levels), levels[0]), []).append(levels)
    wide = []
    for members in groups.values():
        columns = zip(*members, strict=True)
        wide.append("/".join(c[0] if len(set(c)) == 1 else _PLUS for c in columns))
    return sorted(wide)
