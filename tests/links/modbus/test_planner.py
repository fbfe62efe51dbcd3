"""The read planner: every want is served, no limit is passed, and nothing is dearer than apart."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.modbus.planner import (
    MAX_GAP,
    OVERHEAD_BYTES,
    Read,
    Want,
    plan_reads,
    split,
)


def want(address: int, count: int = 1, **what: object) -> Want:
    fields: dict[str, object] = {
        "unit": 1,
        "function": 3,
        "period_s": 1.0,
        "urgent": True,
        "limit": 100,
        "gaps": False,
        "owner": address,
        "part": 0,
    }
    return Want(address=address, count=count, **(fields | what))  # type: ignore[arg-type]


@st.composite
def wants(draw: st.DrawFn) -> list[Want]:
    found = draw(
        st.lists(
            st.builds(
                Want,
                unit=st.integers(1, 2),
                function=st.sampled_from([1, 3]),
                address=st.integers(0, 300),
                count=st.integers(1, 20),
                period_s=st.sampled_from([0.2, 1.0, 5.0, 60.0]),
                urgent=st.booleans(),
                limit=st.sampled_from([20, 50, 125]),
                gaps=st.booleans(),
                owner=st.just(0),
                part=st.just(0),
            ),
            max_size=40,
        )
    )
    return [replace(each, owner=number // 3, part=number % 3) for number, each in enumerate(found)]


def inside(read: Read, all_wants: Sequence[Want]) -> list[Want]:
    by_name = {(each.owner, each.part): each for each in all_wants}
    return [by_name[piece.owner, piece.part] for piece in read.slices]


def cost(reads: Sequence[Read]) -> float:
    """Bytes a second, worked out anew."""
    return sum((OVERHEAD_BYTES + _bytes(read)) / read.period_s for read in reads)


def _bytes(read: Read) -> float:
    return read.count / 8 if read.function <= 2 else read.count * 2


def alone(each: Want) -> Read:
    return plan_reads([each])[0]


@given(wants())
def test_every_want_is_inside_exactly_one_read_whole(held: list[Want]) -> None:
    served = []
    for read in plan_reads(held):
        for piece, each in zip(read.slices, inside(read, held), strict=True):
            assert (read.unit, read.function) == (each.unit, each.function)
            assert read.address + piece.at == each.address
            assert piece.count == each.count
            assert piece.at + piece.count <= read.count
            served.append((piece.owner, piece.part))
    assert sorted(served) == sorted((each.owner, each.part) for each in held)


@given(wants())
def test_no_read_is_longer_than_any_of_its_wants_allows(held: list[Want]) -> None:
    for read in plan_reads(held):
        members = inside(read, held)
        if len(members) > 1:
            assert read.count <= min(each.limit for each in members)
        assert read.address == min(each.address for each in members)
        assert read.address + read.count == max(each.end for each in members)


@given(wants())
def test_what_nobody_wants_is_only_read_over_where_everybody_allows_it(held: list[Want]) -> None:
    for read in plan_reads(held):
        members = inside(read, held)
        wanted = {at for each in members for at in range(each.address, each.end)}
        missing = set(range(read.address, read.address + read.count)) - wanted
        if missing:
            assert all(each.gaps for each in members), "quirk row 6: an illegal address was asked"
        most = MAX_GAP * 16 if read.function <= 2 else MAX_GAP
        run = 0
        for at in range(read.address, read.address + read.count):
            run = run + 1 if at in missing else 0
            assert run <= most


@given(wants())
def test_nothing_is_read_less_often_than_it_is_wanted(held: list[Want]) -> None:
    for read in plan_reads(held):
        members = inside(read, held)
        assert read.period_s == min(each.period_s for each in members)
        assert read.urgent == any(each.urgent for each in members)


@given(wants())
def test_the_plan_costs_no_more_than_one_read_for_each_want(held: list[Want]) -> None:
    assert cost(plan_reads(held)) <= cost([alone(each) for each in held]) + 1e-6


@given(wants(), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_the_wants(held: list[Want], dice: object) -> None:
    shuffled = list(held)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert cost(plan_reads(shuffled)) == pytest.approx(cost(plan_reads(held)))


@given(wants())
def test_a_refused_read_is_split_into_two_that_serve_the_same(held: list[Want]) -> None:
    for read in plan_reads(held):
        pieces = split(read, held)
        if len(read.slices) == 1:
            assert pieces == [read]
            continue
        assert len(pieces) == 2
        names = [(each.owner, each.part) for piece in pieces for each in piece.slices]
        assert sorted(names) == sorted((each.owner, each.part) for each in read.slices)
        assert all(len(piece.slices) < len(read.slices) for piece in pieces)


@given(wants())
def test_splitting_again_and_again_ends_with_each_want_alone(held: list[Want]) -> None:
    waiting, ended = plan_reads(held), 0
    while waiting:
        read = waiting.pop()
        pieces = split(read, held)
        if pieces == [read]:
            ended += 1
        else:
            waiting += pieces
    assert ended == len(held)


def test_two_thousand_four_hundred_fire_points_are_twenty_four_reads() -> None:
    """GST 5000: 100 registers at most in one read (quirk row 5)."""
    reads = plan_reads(want(at) for at in range(2400))
    assert [(read.address, read.count) for read in reads] == [
        (start, 100) for start in range(0, 2400, 100)
    ]


def test_points_that_share_a_register_are_served_by_one_read_of_it() -> None:
    reads = plan_reads(want(7, owner=number) for number in range(2400))
    assert len(reads) == 1
    assert len(reads[0].slices) == 2400


def test_a_gap_is_read_over_only_while_no_neighbour_forbids_it() -> None:
    """Rows 6 and 7: the device of the third want has no address between the first two."""
    free = [want(0, gaps=True), want(4, gaps=True)]
    strict = want(5, gaps=False)
    assert [(read.address, read.count) for read in plan_reads(free)] == [(0, 5)]
    spans = {(read.address, read.count) for read in plan_reads([*free, strict])}
    assert spans in ({(0, 5), (5, 1)}, {(0, 1), (4, 2)})


def test_what_is_wanted_seldom_does_not_ride_along_where_that_is_dearer() -> None:
    button = want(0, period_s=0.2)
    history = want(1, 99, period_s=60.0, urgent=False)
    reads = plan_reads([button, history])
    assert [(read.count, read.period_s) for read in reads] == [(1, 0.2), (99, 60.0)]


def test_what_is_wanted_seldom_rides_along_where_a_read_of_its_own_is_dearer() -> None:
    button = want(0, period_s=1.0)
    state = want(1, 1, period_s=5.0, urgent=False)
    reads = plan_reads([button, state])
    assert [(read.count, read.period_s, read.urgent) for read in reads] == [(2, 1.0, True)]


def test_a_want_longer_than_its_own_limit_is_read_as_it_is() -> None:
    """The schema forbids it; the device says no, and that is told."""
    assert [read.count for read in plan_reads([want(0, 30, limit=20)])] == [30]


def test_row_7_registers_that_read_as_0_are_read_over_and_belong_to_nobody() -> None:
    """Quirk row 7: an address the device does not define reads 0, which is no value of a point."""
    [read] = plan_reads([want(0, gaps=True), want(9, gaps=True)])
    assert (read.address, read.count) == (0, 10)
    assert [(piece.at, piece.count) for piece in read.slices] == [(0, 1), (9, 1)]
