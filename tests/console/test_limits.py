import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.limits import (
    ALERT_FAILURES,
    ALERT_WITHIN_S,
    BURST,
    BUSY_S,
    CONSOLE_TRIES,
    LONGEST_WAIT_S,
    MAX_ADDRESSES,
    PERSON_TRIES,
    RATE_PER_S,
    STRANGER_TRIES,
    Budget,
    Caller,
    FailureLimit,
    RateLimit,
    SignOnLimit,
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


DAY_S = 86_400.0
GUARD_ROOM = Caller(address="192.0.2.200", console="0123456789abcdef", vouched="p-1")


def guesses_a_day(addresses: list[str], people: int, *, console: str = "", days: int = 4) -> float:
    """What somebody gets who asks from each address the moment he may; the guard signs on, too.

    He gives a round up when nobody's name is taken any more: the addresses left would wait, too.
    """
    clock = FakeClock()
    limit = SignOnLimit(clock)
    guesses = 0
    turn = 0
    while clock.ns < days * DAY_S * 1e9:
        waits: list[float] = []
        for _ in addresses:
            turn += 1
            address = addresses[turn % len(addresses)]
            person = f"person {turn % people}"
            caller = Caller(address=address, console=console, vouched="p-9" if console else "")
            wait_s = limit.begin(caller, person)
            waits.append(wait_s)
            if wait_s == 0:
                limit.wrong(caller)
                guesses += 1
            if len(waits) > people and 0 not in waits[-people:]:
                break
        assert limit.begin(GUARD_ROOM, "person 0") == 0, "the guard room was locked out"
        limit.right(GUARD_ROOM, "person 0")
        clock.forward(max(0.001, min(waits)))
    return guesses / days


def lan(addresses: int) -> list[str]:
    return [f"192.0.2.{number}" for number in range(1, addresses + 1)]


@pytest.mark.parametrize(
    ("addresses", "people", "most"),
    [(1, 1, 99), (254, 1, 99), (1, 20, 245), (254, 20, 245)],
)
def test_a_pin_takes_weeks_however_many_addresses_ask(
    addresses: int, people: int, most: int
) -> None:
    found = guesses_a_day(lan(addresses), people)
    assert most * 0.5 < found <= most, "the bound, and that the guesser did his best"
    weeks_for_half = 10_000 / 2 / found / 7
    assert weeks_for_half > (7 if people == 1 else 2.9)


def test_a_browser_somebody_signed_on_in_is_no_way_to_guess_quickly() -> None:
    found = guesses_a_day(["192.0.2.7"], 20, console="fedcba9876543210")
    assert 300 < found <= 375


def test_who_makes_many_browsers_known_gains_no_guess_by_it() -> None:
    clock = FakeClock()
    limit = SignOnLimit(clock)
    guesses = 0
    for number in range(1_000):
        caller = Caller(address="192.0.2.7", console=f"{number:016x}", vouched="p-9")
        if limit.begin(caller, "张三") == 0:
            limit.wrong(caller)
            guesses += 1
    assert guesses == CONSOLE_TRIES


def test_many_at_once_are_not_more_than_many_one_after_another() -> None:
    limit = SignOnLimit(FakeClock())
    begun = [limit.begin(Caller(address=address), "张三") for address in lan(254)]
    assert begun.count(0.0) == PERSON_TRIES
    assert limit.begin(Caller(address="192.0.2.1"), "李四") == BUSY_S, "one at a time from a place"


def test_a_right_pin_costs_nothing() -> None:
    limit = SignOnLimit(FakeClock())
    caller = Caller(address="192.0.2.7")
    for _ in range(10 * STRANGER_TRIES):
        assert limit.begin(caller, "张三") == 0
        limit.right(caller, "张三")


def test_many_wrong_ones_within_an_hour_are_alarming_for_an_hour() -> None:
    clock = FakeClock()
    limit = SignOnLimit(clock)
    for number in range(ALERT_FAILURES):
        assert not limit.is_alarming()
        caller = Caller(address=f"192.0.2.{number}", console=f"{number:016x}", vouched=f"{number}")
        assert limit.begin(caller, "张三") == 0
        limit.wrong(caller)
    assert limit.is_alarming()
    clock.forward(ALERT_WITHIN_S)
    assert not limit.is_alarming()


def test_whoever_must_wait_learns_how_long_before_anything_is_computed() -> None:
    clock = FakeClock()
    limit = FailureLimit(clock)
    for _ in range(6):
        assert limit.wait_s("192.0.2.1") == 0
        limit.failed("192.0.2.1")
    assert limit.wait_s("192.0.2.1") == 1
    clock.forward(1)
    assert limit.wait_s("192.0.2.1") == 0


@given(st.lists(st.floats(min_value=0, max_value=500), max_size=200))
def test_a_budget_is_never_overdrawn(pauses: list[float]) -> None:
    clock = FakeClock()
    budget = Budget(clock, burst=5, every_s=60)
    taken = 0
    for pause in pauses:
        clock.forward(pause)
        if budget.wait_s("a") == 0:
            budget.take("a")
            taken += 1
    assert taken <= 5 + sum(pauses) / 60 + 1e-6


def test_the_memory_of_budgets_is_bounded() -> None:
    budget = Budget(FakeClock(), burst=5, every_s=60)
    for number in range(MAX_ADDRESSES + 10):
        budget.take(str(number))
    assert len(budget._buckets) == MAX_ADDRESSES
