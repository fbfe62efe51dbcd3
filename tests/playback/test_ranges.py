"""The Range header and times, as players and people write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.playback import moments, ranges
from gateway.store.video.names import LAST_NS


@settings(max_examples=40)
@given(st.text(max_size=40), st.integers(1, 10**12))
def test_any_text_is_a_part_of_the_answer_or_refused(text: str, size_bytes: int) -> None:
    for header in (text, "bytes=" + text):
        try:
            found = ranges.wanted(header, size_bytes)
        except ranges.NotSatisfiable:
            continue
        if found is not None:
            assert 0 <= found[0] < found[1] <= size_bytes


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_first_to_last_is_both_of_them(first: int, more: int, size_bytes: int) -> None:
    header = f"bytes={first}-{first + more}"
    if first >= size_bytes:
        with pytest.raises(ranges.NotSatisfiable):
            ranges.wanted(header, size_bytes)
    else:
        end = min(first + more + 1, size_bytes)
        assert ranges.wanted(header, size_bytes) == (first, end)


@given(st.integers(0, LAST_NS))
def test_what_is_said_can_be_asked_for_and_is_not_before_the_moment(at_ns: int) -> None:
    assert moments.parse(moments.said(at_ns)) == at_ns // 1_000_000 * 1_000_000
    if at_ns < LAST_NS - 1_000_000:
        assert 0 <= moments.parse(moments.soonest(at_ns)) - at_ns < 1_000_000


FIRST = datetime(1970, 1, 2)  # noqa: DTZ001 the strategy puts the zone in
LAST = datetime(2261, 12, 30)  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC), min_value=FIRST, max_value=LAST))
def test_a_time_in_any_zone_is_the_same_moment(at: datetime) -> None:
    text = at.isoformat()
    ns = moments.parse(text)
    assert ns // 1000 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // (at.resolution)
    assert moments.parse(text.replace("+00:00", "Z")) == ns
    assert moments.parse(text.replace("+00:00", " 00:00")) == ns


@settings(max_examples=40)
@given(st.text(max_size=70))
def test_any_other_text_is_no_time(text: str) -> None:
    try:
        at_ns = moments.parse(text)
    except ValueError:
        return
    assert 0 <= at_ns <= LAST_NS


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-21", "2026-11-21T12:00:00", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z",
     "2026-11-21T24:61:00Z", "2262-01-01T00:00:00Z", "9999-12-31T00:00:00Z",
     "-5", "1e5", "٣", "2026-11-21T12:00:00+99:00", "NaN"],
)  # fmt: skip
def test_what_only_looks_like_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        moments.parse(text)
