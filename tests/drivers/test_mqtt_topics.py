"""Topics: the tree finds what a naive matcher finds, and wider filters lose nothing."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.topics import TopicTree, cover

LEVEL = st.sampled_from(["a", "b", "c", "", "gate"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.lists(LEVEL | st.just("+"), min_size=1, max_size=4).map("/".join)


def matches(pattern: str, topic: str) -> bool:
    """MQTT 5.0, 4.7, read aloud; without #."""
    ours, theirs = pattern.split("/"), topic.split("/")
    if len(ours) != len(theirs):
        return False
    return all(one in ("+", other) for one, other in zip(ours, theirs, strict=True))


@given(st.lists(FILTER, max_size=12), TOPIC)
def test_the_tree_finds_what_matches_and_nothing_else(patterns: list[str], topic: str) -> None:
    tree: TopicTree[int] = TopicTree()
    for number, pattern in enumerate(patterns):
        tree.add(pattern, number)
    wanted = [number for number, pattern in enumerate(patterns) if matches(pattern, topic)]
    assert sorted(tree.find(topic)) == wanted


@given(st.lists(FILTER, max_size=15), st.integers(1, 6), TOPIC)
def test_cover_lets_everything_through(filters: list[str], most: int, topic: str) -> None:
    made = cover(filters, most)
    if any(matches(one, topic) for one in filters):
        assert sum(matches(one, topic) for one in made) == 1


@given(st.lists(FILTER, max_size=15), st.integers(1, 20))
def test_no_two_filters_of_a_cover_overlap(filters: list[str], most: int) -> None:
    def overlap(one: str, other: str) -> bool:
        pairs = list(zip(one.split("/"), other.split("/"), strict=False))
        same_depth = one.count("/") == other.count("/")
        return same_depth and all(a == b or "+" in (a, b) for a, b in pairs)

    assert not [pair for pair in combinations(cover(filters, most), 2) if overlap(*pair)]


def test_few_topics_are_kept_as_they_are_and_many_become_few() -> None:
    few = [f"school/{n}/button" for n in range(10)]
    assert cover(few, 10) == sorted(few)
    many = [f"school/{n}/button" for n in range(10_000)]
    assert cover(many, 200) == ["school/+/button"]


def test_a_wildcard_in_front_is_not_joined_with_a_topic_of_the_brokers_own() -> None:
    assert cover(["+/state", "$SYS/state"], 10) == ["$SYS/state", "+/state"]
