"""A timeline in a few cells: nothing that is missing is hidden, nothing is told twice."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.playback import Missing, Playback
from gateway.playback.bins import BINS_MOST, as_rows, cells
from gateway.store.video.timeline import SPANS_MOST
from tests.clocks import NOON, SECOND
from tests.playback.film import CAMERA, camera_of, filming

HOUR = 3600 * SECOND


def test_what_has_no_gap_is_one_cell() -> None:
    assert cells([], 0, HOUR, 2000) == [(0, HOUR, 0, "")]


def test_a_second_in_ninety_days_is_still_told() -> None:
    day = 24 * HOUR
    found = cells([Missing(45 * day, 45 * day + SECOND, "camera")], 0, 90 * day, 900)
    assert [cell[2:] for cell in found] == [(0, ""), (SECOND, "camera"), (0, "")]
    begin, end, *_ = found[1]
    assert begin <= 45 * day < end
    assert end - begin == day // 10


def test_a_long_gap_is_one_cell_and_its_ends_say_how_much_of_them_is_missing() -> None:
    found = cells([Missing(15, 85, "network")], 0, 100, 10)
    assert found == [
        (0, 10, 0, ""),
        (10, 20, 5, "network"),
        (20, 80, 60, "network"),
        (80, 90, 5, "network"),
        (90, 100, 0, ""),
    ]


def test_of_two_reasons_in_a_cell_the_longer_one_is_told() -> None:
    found = cells([Missing(0, 3, "camera"), Missing(4, 9, "disk")], 0, 10, 1)
    assert found == [(0, 10, 8, "disk")]


def test_rows_say_times_and_round_a_sliver_up() -> None:
    [row] = as_rows([(0, 2_000_000, 1, "camera")])
    assert row == {
        "from": "1970-01-01T00:00:00.000Z",
        "to": "1970-01-01T00:00:00.002Z",
        "missing_ms": 1,
        "reason": "camera",
    }


@given(
    st.lists(
        st.tuples(
            st.integers(-50, 1050), st.integers(0, 300), st.sampled_from(["a", "b", "unknown"])
        ),
        max_size=30,
    ),
    st.integers(1, 1000),
    st.integers(1, 3000),
)
def test_cells_meet_cover_all_and_miss_what_the_gaps_miss(
    gaps: list[tuple[int, int, str]], length: int, most: int
) -> None:
    found = cells([Missing(at, at + long, why) for at, long, why in gaps], 0, length, most)
    assert len(found) <= min(most, BINS_MOST)
    assert found[0][0] == 0
    assert found[-1][1] == length
    for (_, end, *_), (begin, *_) in pairwise(found):
        assert end == begin
    missing = {at for begin, long, _ in gaps for at in range(max(begin, 0), begin + long)}
    for begin, end, lacking, reason in found:
        assert lacking == len(missing & set(range(begin, end)))
        assert bool(reason) == bool(lacking)


async def test_a_camera_that_breaks_off_all_the_time_is_shown_whole(tmp_path: Path) -> None:
    """More recordings than one answer of the index has."""
    async with filming(tmp_path) as film:
        await film.segments(1, groups=1)
        begin = film.at_ns
        for _ in range(SPANS_MOST + 500):
            film.pause(2, "camera")
            film.at_ns += SECOND
            film.pause(1, "network")
        to_ns = film.at_ns
        playback = Playback([camera_of()], [tmp_path / "disk"], tmp_path / "store", SystemClock())
        try:
            row = await playback.bins(CAMERA, CAMERA, NOON, to_ns, 100)
        finally:
            await playback.end()
    assert row["next"] is None
    assert len(row["bins"]) <= 100
    missing_ms = sum(cell["missing_ms"] for cell in row["bins"])
    assert abs(missing_ms - (to_ns - begin) // 1_000_000) < 200
