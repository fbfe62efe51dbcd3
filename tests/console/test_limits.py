from hypothesis import given
from hypothesis import strategies as st

from gateway.console.limits import (
    BURST,
    LONGEST_WAIT_S,
    MAX_ADDRESSES,
    RATE_PER_S,
    FailureLimit,
    RateLimit,
)
from tests.console.memory_desk import FakeClock


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=300))
def test_nobody_gets_more_than_the_rate_and_one_burst(pauses: list[float]) -> None:
    clock = FakeClock()
    limit = RateLimit(clock, per_s=2, burst=5)
    passed = 0
    for pause in pauses:
        clock.forward(pause)
        passed += limit.wait_s("token") == 0
    assert passed <= 5 + 2 * sum(pauses) + 1e-6


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=50))
def test_whoever_waits_as_long_as_told_passes(pauses: list[float]) -> None:
    clock = FakeClock()
    limit = RateLimit(clock, per_s=2, burst=5)
    for pause in pauses:
        clock.forward(pause)
        limit.wait_s("token")
    for _ in range(20):
        wait_s = limit.wait_s("token")
        clock.forward(wait_s + 1e-6)
        if wait_s:
            assert limit.wait_s("token") == 0


def test_the_rate_is_what_the_contract_says() -> None:
    assert (RATE_PER_S, BURST) == (50, 200)


@given(st.lists(st.floats(min_value=0, max_value=120), max_size=200))
def test_a_wait_never_grows_beyond_its_bound(pauses: list[float]) -> None:
    clock = FakeClock()
    limit = FailureLimit(clock)
    for pause in pauses:
        clock.forward(pause)
        assert 0 <= limit.failed("192.0.2.1") <= LONGEST_WAIT_S


def test_one_address_does_not_slow_another() -> None:
    limit = FailureLimit(FakeClock())
    for _ in range(20):
        limit.failed("192.0.2.1")
    assert limit.failed("192.0.2.1") > 0
    assert limit.failed("192.0.2.2") == 0


def test_an_ipv6_sender_cannot_change_its_address_within_its_network() -> None:
    limit = FailureLimit(FakeClock())
    for number in range(6):
        limit.failed(f"2001:db8:1:2::{number}")
    assert limit.failed("2001:db8:1:2:ffff::1") > 0
    assert limit.failed("2001:db8:1:3::1") == 0
    assert limit.failed("fe80::1%eth0") == 0
    assert limit.failed("not an address") == 0


def test_memory_is_bounded_whatever_addresses_come() -> None:
    clock = FakeClock()
    limit, rate = FailureLimit(clock), RateLimit(clock)
    for number in range(MAX_ADDRESSES + 10):
        limit.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        rate.wait_s(str(number))
    assert len(limit._failures) == MAX_ADDRESSES
    assert len(rate._buckets) == MAX_ADDRESSES
