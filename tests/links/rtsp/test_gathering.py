"""How many bytes to wait for."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.gathering import MAX_BYTES, Gathering


def after(rates, gather_s=0.1):
    gathering, received = Gathering(gather_s, 0.25), 0
    for rate in rates:
        received += rate // 4
        gathering.look(received)
    return gathering.threshold


def test_a_steady_stream_is_read_ten_times_a_second():
    assert 30_000 < after([375_000] * 40) < 45_000


def test_a_thin_stream_is_read_at_once():
    assert after([8_000] * 40) == 1


def test_a_stream_that_stopped_is_read_at_once():
    assert after([375_000] * 40 + [0]) == 1


def test_nobody_waits_who_does_not_want_to():
    assert after([10_000_000] * 9, gather_s=0.0) == 1


@given(st.lists(st.integers(0, 50_000_000), max_size=40))
def test_never_more_than_the_bound(rates):
    assert 1 <= after(rates) <= MAX_BYTES
