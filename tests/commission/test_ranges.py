"""The search for what a unit has: against devices that are sets of addresses."""

import asyncio
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commission.asking import Reply
from gateway.commission.ranges import HOPS, MAX_FOLLOWED, Known, Ranges


class Device:
    """Has these addresses, gives at most so many at once, and refuses as the specification says."""

    def __init__(self, has: Collection[int], *, limit: int = 125, silent: bool = False) -> None:
        self.has = frozenset(has)
        self.limit = limit
        self.silent = silent
        self.asked: list[tuple[int, int]] = []

    async def __call__(self, address: int, count: int) -> Reply:
        assert 0 <= address <= address + count - 1 <= 0xFFFF
        assert 1 <= count <= 2000
        self.asked.append((address, count))
        if count > self.limit:
            return Reply("refused", code=3)
        if self.has.issuperset(range(address, address + count)):
            return Reply("data", tuple(each & 0xFFFF for each in range(address, address + count)))
        return Reply("silent") if self.silent else Reply("refused", code=2)


def explore(device: Device, seeds: Collection[int], *, budget: int = 400) -> Known:
    return asyncio.run(Ranges(3, device, budget=budget).explore(seeds))


def run(first: int, last: int) -> set[int]:
    return set(range(first, last + 1))


def test_a_range_is_followed_from_a_seed_in_its_middle_to_both_its_ends() -> None:
    known = explore(Device(run(90, 230)), [130])
    assert known.ranges() == [(90, 230)]
    assert {89, 231} <= known.missing


def test_a_gap_is_found_and_what_lies_behind_it_too() -> None:
    known = explore(Device(run(0, 9) | run(13, 20) | run(25, 29)), [0])
    assert known.ranges() == [(0, 9), (13, 20), (25, 29)]


def test_a_limit_is_told_from_a_gap() -> None:
    device = Device(run(0, 99), limit=19)
    known = explore(device, [0])
    assert known.ranges() == [(0, 99)]
    assert known.limit == 19


def test_a_device_that_answers_everywhere_is_not_read_to_its_end() -> None:
    device = Device(run(0, 0xFFFF))
    known = explore(device, [0])
    assert known.ranges() == [(0, MAX_FOLLOWED - 1)]
    assert len(device.asked) < 20


def test_the_last_address_there_is_can_be_reached() -> None:
    assert explore(Device(run(0xFFF0, 0xFFFF)), [0xFFF0]).ranges() == [(0xFFF0, 0xFFFF)]


def test_a_function_that_is_not_known_costs_one_question() -> None:
    class Never(Device):
        async def __call__(self, address: int, count: int) -> Reply:
            self.asked.append((address, count))
            return Reply("refused", code=1)

    device = Never(())
    known = explore(device, range(0, 500, 10))
    assert (known.state, known.held) == ("unknown", {})
    assert len(device.asked) == 1


def test_a_unit_that_is_silent_to_what_it_has_not_is_left_alone_soon() -> None:
    device = Device((), silent=True)
    known = explore(device, range(0, 500, 10))
    assert known.state == "silent"
    assert len(device.asked) == 3


def test_a_search_that_runs_out_of_questions_says_so_and_keeps_what_it_has() -> None:
    known = explore(Device(run(0, 3)), range(0, 5000, 100), budget=10)
    assert not known.complete
    assert known.ranges() == [(0, 3)]


@pytest.mark.parametrize("hop", HOPS)
def test_every_hop_lands_on_an_island_that_is_one_register_wide(hop: int) -> None:
    assert explore(Device({0, 1 + hop}), [0]).ranges() == [(0, 0), (1 + hop, 1 + hop)]


spans = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 90)), min_size=0, max_size=5)


@given(spans=spans, limit=st.integers(1, 125), seeds=st.sets(st.integers(0, 700), max_size=6))
def test_nothing_is_said_to_be_there_or_missing_that_is_not_so(
    spans: list[tuple[int, int]], limit: int, seeds: set[int]
) -> None:
    has = {at for first, count in spans for at in range(first, first + count)}
    device = Device(has, limit=limit)
    known = explore(device, seeds, budget=300)
    assert known.held.keys() <= has
    assert known.missing.isdisjoint(has)
    assert len(device.asked) <= 300
    assert all(known.held[at] == at for at in known.held)


@given(
    first=st.integers(0, 400),
    count=st.integers(1, 100),
    limit=st.integers(1, 125),
    data=st.data(),
)
def test_one_range_is_always_found_whole_from_any_seed_in_it(
    first: int, count: int, limit: int, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(first, first + count - 1))
    known = explore(Device(run(first, first + count - 1), limit=limit), [seed], budget=2000)
    assert known.ranges() == [(first, first + count - 1)]
    assert known.complete
