"""Decode times: exact, growing, and no later than the picture is shown."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.media import in_decode_order

TICKS = st.integers(0, 1 << 33)


def test_pictures_in_order_are_decoded_when_shown():
    assert in_decode_order([0, 3600, 7200], 10800) == [
        (0, 3600, 0),
        (3600, 3600, 0),
        (7200, 3600, 0),
    ]


def test_a_picture_that_others_need_is_decoded_just_before_them():
    places = in_decode_order([0, 300, 100, 200], 400)

    assert [place.decode for place in places] == [0, 99, 100, 200]
    assert [place.offset for place in places] == [0, 201, 0, 0]
    assert places[-1].duration == 200


def test_leading_pictures_of_an_open_group_stay_behind_the_group_before():
    places = in_decode_order([900, 700, 800], 1200, after=501)

    assert [place.decode for place in places] == [699, 700, 800]


def test_a_clock_that_went_back_does_not_take_the_file_with_it():
    places = in_decode_order([1000, 1100, 5, 105], 205, after=900)

    assert [place.decode for place in places] == [900, 901, 902, 903]
    assert places[2].offset == 5 - 902


def test_nothing_needs_no_place():
    assert in_decode_order([], 7) == []


@given(st.lists(TICKS, min_size=1, max_size=60), TICKS, TICKS)
def test_whatever_a_camera_says_times_add_up_and_only_grow(presented, end, after):
    places = in_decode_order(presented, end, after=after)

    assert [place.decode + place.offset for place in places] == presented
    assert all(place.duration >= 1 for place in places)
    assert places[0].decode >= after
    for one, following in itertools.pairwise(places):
        assert one.decode + one.duration == following.decode


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40), st.data())
def test_with_room_before_the_first_no_offset_is_negative(gaps, data):
    times = [sum(gaps[: n + 1]) + 1_000_000 for n in range(len(gaps))]
    presented = data.draw(st.permutations(times))

    places = in_decode_order(presented, times[-1] + 1)

    assert all(place.offset >= 0 for place in places)
