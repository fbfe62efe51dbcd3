"""Topic filters that meet: the table of MQTT's own rules, and any filters against a slow oracle."""

import functools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config.overlap import clashes, overlap

LEVELS = st.sampled_from(["a", "b", "", "$SYS", "+"])


def matches(text: str, topic: str) -> bool:
    """MQTT 3.1.1, section 4.7, written down a second time as a walk over the levels."""
    wanted, given_ = text.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given_) or level not in {"+", given_[index]}:
            return False
        if index == len(wanted) - 2 and wanted[-1] == "#" and len(given_) == index + 1:
            return True
    return len(wanted) == len(given_)


@st.composite
def topic_filters(draw: st.DrawFn) -> str:
    levels = draw(st.lists(LEVELS, min_size=1, max_size=4))
    return "/".join([*levels, *draw(st.sampled_from([[], ["#"]]))])


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("+/b", "a/+", True),
        ("+/b", "a/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/b/#", "a", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("#", "+/#", True),
        ("a//b", "a/+/b", True),
    ],
)
def test_two_filters_meet_as_the_standard_says(one: str, other: str, *, meet: bool) -> None:
    assert overlap(one, other) is meet
    assert overlap(other, one) is meet


@given(topic_filters(), topic_filters())
@example("#", "#")
@example("a/#", "a/+/#")
def test_filters_meet_exactly_when_some_topic_matches_both(one: str, other: str) -> None:
    both = any(matches(one, topic) and matches(other, topic) for topic in _all_topics())
    assert overlap(one, other) is both


@functools.cache
def _all_topics() -> list[str]:
    names = ("a", "b", "", "$SYS")
    grown: list[tuple[str, ...]] = [(name,) for name in names]
    every = list(grown)
    for _ in range(4):
        # A fifth level beyond the longest filter, so that `#` has something below it.
        grown = [(*levels, name) for levels in grown for name in names]
        every += grown
    return ["/".join(levels) for levels in every]


@given(st.lists(st.tuples(st.integers(0, 3), topic_filters()), max_size=8))
def test_every_owner_that_meets_an_earlier_one_is_named_once(
    filters: list[tuple[int, str]],
) -> None:
    late = {
        owner
        for index, (owner, text) in enumerate(filters)
        for other, earlier in filters[:index]
        if other != owner and overlap(text, earlier)
    }
    found = clashes(filters)
    assert sorted(clash.later for clash in found) == sorted(late)
    for clash in found:
        assert overlap(clash.later_filter, clash.earlier_filter)
        assert clash.later != clash.earlier


def test_a_device_may_overlap_itself() -> None:
    assert clashes([("one", "a/#"), ("one", "a/b")]) == []


def test_a_wildcard_after_ten_thousand_names_is_found_as_are_all_names_after_a_wildcard() -> None:
    names = [(index, f"site/button-{index}/event") for index in range(10_000)]
    last = clashes([*names, (-1, "site/+/event")])
    assert [(clash.later, clash.earlier) for clash in last] == [(-1, 0)]
    first = clashes([(-1, "site/+/event"), *names])
    assert len(first) == 10_000
    assert {clash.earlier for clash in first} == {-1}
