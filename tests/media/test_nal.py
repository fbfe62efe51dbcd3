"""NAL units apart and together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import Unreadable
from gateway.media.nal import join_annexb, join_lengths, split_annexb, split_lengths

UNITS = st.lists(
    st.binary(min_size=1, max_size=40).map(
        lambda data: data.replace(b"\0\0", b"\0\x01").rstrip(b"\0") + b"\x80"
    ),
    min_size=1,
    max_size=12,
)


@given(UNITS)
def test_start_codes_and_lengths_say_the_same(units):
    assert split_annexb(join_annexb(units)) == units
    assert split_lengths(join_lengths(units)) == units


def test_start_codes_have_three_bytes_or_more():
    assert split_annexb(b"junk\0\0\1\x65a\0\0\0\0\1\x41b\0\0") == [b"\x65a", b"\x41b"]


@given(st.binary(max_size=200))
def test_any_bytes_are_split_or_unreadable(data):
    split_annexb(data)
    try:
        units = split_lengths(data)
    except Unreadable:
        return
    assert join_lengths(units) == data


@pytest.mark.parametrize("split", [split_annexb, split_lengths])
def test_more_units_than_any_picture_has_are_refused(split):
    one = b"\0\0\1\x41" if split is split_annexb else b"\0\0\0\1\x41"
    assert len(split(one * 4096)) == 4096
    with pytest.raises(Unreadable, match=r"at most 4096|more than 4096"):
        split(one * 4097)
