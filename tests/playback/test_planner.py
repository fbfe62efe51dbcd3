"""From a range of time to an answer: every picture once, at its time, every byte known before."""

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.playback import NothingThere, Plan, Playback, TooMuch
from gateway.playback.reading import read
from tests.clocks import NOON, SECOND
from tests.playback.film import (
    CAMERA,
    GROUP_NS,
    LARGER,
    PICTURE_NS,
    Film,
    camera_of,
    filming,
    is_close,
    look,
)


async def planned(film: Film, from_ns: int, to_ns: int) -> Plan:
    playback = Playback([camera_of()], [film.root / "disk"], film.root / "store", film.clock)
    try:
        return await playback.plan(CAMERA, from_ns, to_ns, going_on=False)
    finally:
        await playback.end()


def whole(plan: Plan) -> bytes:
    answer = b"".join(read(plan, 0, plan.size_bytes))
    assert len(answer) == plan.size_bytes
    return answer


async def test_a_range_over_several_segments_has_every_picture_once_at_its_time(
    tmp_path: Path,
) -> None:
    async with filming(tmp_path) as film:
        await film.segments(4)
        from_ns, to_ns = NOON + 3 * GROUP_NS, NOON + 17 * GROUP_NS
        plan = await planned(film, from_ns, to_ns)
        seen = look(whole(plan))
        assert seen.numbers == list(range(30, 170))
        assert is_close(seen.at_ns, [film.taken[number] - from_ns for number in seen.numbers])
        assert (plan.origin_ns, plan.end_ns, plan.gaps) == (from_ns, to_ns, ())


async def test_it_begins_with_the_key_picture_before_and_says_how_much_before(
    tmp_path: Path,
) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2)
        from_ns = NOON + 2 * GROUP_NS + 3 * PICTURE_NS
        plan = await planned(film, from_ns, from_ns + 1)
        assert plan.from_ns - plan.origin_ns == 3 * PICTURE_NS
        assert look(whole(plan)).numbers == list(range(20, 30))


async def test_a_gap_stays_a_gap_in_time_and_is_told(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2)
        film.pause(7.5)
        await film.segments(1)
        plan = await planned(film, NOON, film.at_ns)
        seen = look(whole(plan))
        assert is_close(seen.at_ns, [film.taken[number] - NOON for number in seen.numbers])
        [gap] = plan.gaps
        assert gap.reason == "camera"
        assert gap.to_ns - gap.from_ns == 7.5 * SECOND


async def test_a_range_that_begins_in_a_gap_begins_with_the_gap(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(1)
        film.pause(10)
        await film.segments(1)
        from_ns = NOON + 6 * SECOND
        plan = await planned(film, from_ns, film.at_ns)
        seen = look(whole(plan))
        assert plan.origin_ns == from_ns
        assert is_close(seen.at_ns, [film.taken[number] - from_ns for number in seen.numbers])


async def test_pieces_put_together_are_the_whole_wherever_they_are_cut(tmp_path: Path) -> None:
    async with filming(tmp_path, sound=True) as film:
        await film.segments(3, groups=2)
        plan = await planned(film, NOON, film.at_ns)
        answer = whole(plan)
        for step in (977, 4096, 65_537):
            cuts = [*range(0, plan.size_bytes, step), plan.size_bytes]
            parts = [b"".join(read(plan, begin, end)) for begin, end in pairwise(cuts)]
            assert b"".join(parts) == answer


async def test_the_same_sealed_range_is_the_same_bytes_and_another_is_not(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(3)
        first = await planned(film, NOON, NOON + 2 * SECOND)
        again = await planned(film, NOON, NOON + 2 * SECOND)
        other = await planned(film, NOON, NOON + 4 * SECOND)
        assert first.etag == again.etag != other.etag
        assert whole(first) == whole(again)
        assert first.is_settled


async def test_what_is_still_being_written_is_played_up_to_its_last_whole_group(
    tmp_path: Path,
) -> None:
    async with filming(tmp_path) as film:
        await film.segments(1)
        await film.groups(3)
        plan = await planned(film, NOON, NOON + 60 * SECOND)
        assert look(whole(plan)).numbers == list(range(80))
        assert not plan.is_settled
        assert [gap.from_ns for gap in plan.gaps] == [film.at_ns]
        await film.seal()
        assert len(whole(plan)) == plan.size_bytes, "it has another name now"


async def test_where_the_form_changes_the_answer_ends_and_says_where_it_goes_on(
    tmp_path: Path,
) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2)
        changed_ns, first = film.at_ns, film.number
        film.shape = LARGER
        await film.segments(2)
        plan = await planned(film, NOON, film.at_ns)
        assert (plan.next_ns, plan.next_why) == (changed_ns, "form")
        assert look(whole(plan)).numbers == list(range(first))
        rest = await planned(film, plan.next_ns or 0, film.at_ns)
        assert look(whole(rest)).numbers == list(range(first, film.number))


async def test_sound_stays_in_step_over_every_cut(tmp_path: Path) -> None:
    async with filming(tmp_path, sound=True) as film:
        for late in (0, 300, 0, 40):
            await film.groups(5, sound_late=late)
            await film.seal()
        plan = await planned(film, NOON, film.at_ns)
        seen = look(whole(plan))
        assert len(seen.heard_ns) == 4 * 5 * 20
        assert seen.heard_ns == sorted(set(seen.heard_ns)), "no piece of sound lies before another"
        natural = [index * 20_000_000 for index in range(len(seen.heard_ns))]
        assert is_close(seen.heard_ns, natural, 40_000_000)
        assert look(whole(plan)).numbers == list(range(200))


async def test_a_segment_that_retention_took_is_a_gap_in_the_next_plan(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(3)
        victim = sorted((tmp_path / "disk").rglob("*.mp4"))[1]
        victim.unlink()
        plan = await planned(film, NOON, film.at_ns)
        assert look(whole(plan)).numbers == [*range(50), *range(100, 150)]
        assert [gap.reason for gap in plan.gaps] == ["missing"]


async def test_where_there_is_nothing_that_is_said(tmp_path: Path) -> None:
    async with filming(tmp_path) as film:
        await film.segments(1)
        with pytest.raises(NothingThere):
            await planned(film, NOON - 60 * SECOND, NOON)
        with pytest.raises(NothingThere):
            await planned(film, film.at_ns, film.at_ns + SECOND)
        with pytest.raises(TooMuch):
            await planned(film, NOON, NOON + 6 * 3600 * SECOND + 1)


async def test_of_recordings_over_each_other_one_is_followed_and_each_can_be_asked_for(
    tmp_path: Path,
) -> None:
    async with filming(tmp_path) as film:
        await film.segments(2)
        film.at_ns, second = NOON + SECOND, film.number  # the clock was set back
        await film.segments(2)
        first = look(whole(await planned(film, NOON, NOON + 10 * SECOND)))
        assert first.numbers[:second] == list(range(second))
        other = look(whole(await planned(film, NOON + SECOND, NOON + 10 * SECOND)))
        assert other.numbers == list(range(second, film.number))
        assert first.at_ns == sorted(set(first.at_ns))
