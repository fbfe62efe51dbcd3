"""What leaves the disk and what must not."""

from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.video import Gap, Refused, Retention, VideoStore, recover
from gateway.store.video.aging import Place
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import (
    CAMERA,
    DAY,
    MINUTE,
    begin,
    fragment,
    opened,
    record,
    rows,
    video_files,
)


async def drain(retention: Retention) -> int:
    """All that goes now."""
    gone = 0
    while True:
        done = await retention.expire()
        assert done.refused is None
        gone += done.segments
        if not done.more:
            return gone


async def days_of_video(store: VideoStore, count: int, *cameras: str) -> None:
    """A minute at the end of each of the last days."""
    for day in range(count):
        for camera in cameras or (CAMERA,):
            await record(store, NOON - (count - 1 - day) * DAY - MINUTE, camera=camera)


async def test_only_what_is_older_than_its_days_goes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await days_of_video(store, 95)
        retention = Retention(store)
        assert await drain(retention) == 4, "of exactly 90 days and younger nothing"
        assert len(video_files(tmp_path)) == 91
        clock.advance(6 * 3600)
        assert await drain(retention) == 1
        assert (await recover(store)).missing == 0


async def test_a_camera_may_have_days_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        await days_of_video(store, 10, "cam-a", "cam-b")
        assert await drain(Retention(store, days=90, days_of={"cam-b": 5})) == 4
        assert len(await store.segments("cam-a", 0, NOON)) == 10


async def test_held_segments_stay_until_they_are_released(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        at = NOON - 3 * MINUTE
        for minute in range(3):
            await record(store, at + minute * MINUTE)
        await store.hold("alarm-1", [CAMERA], at + MINUTE + SECOND, at + MINUTE + 2 * SECOND)
        clock.advance(91 * 86_400)
        await record(store, clock.utc_ns() - MINUTE)
        retention = Retention(store)
        for _ in range(200):  # the horizon comes after in steps
            clock.advance(6 * 3600)
            await drain(retention)
        left = [p.segment.facts.started_ns for p in await store.segments(CAMERA, 0, NOON)]
        assert left == [at + MINUTE]
        await store.release("alarm-1")
        assert await drain(retention) == 1


async def test_a_hold_grows_and_survives_a_lost_index(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        await store.hold("a", [CAMERA, "cam-b"], NOON, NOON + MINUTE)
        await store.hold("a", [CAMERA], NOON + SECOND, NOON + 2 * SECOND)
        await store.extend("a", NOON + 2 * MINUTE)
        await store.extend("unheard of", NOON + 9 * MINUTE)
        expected = {
            ("a", CAMERA): (NOON, NOON + 2 * MINUTE),
            ("a", "cam-b"): (NOON, NOON + 2 * MINUTE),
        }
        assert store.noted.holds == expected
    for path in (tmp_path / "index").glob("video.sqlite*"):
        path.unlink()
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        assert store.noted.holds == expected
        sql = "SELECT alarm_id, from_ns, to_ns FROM hold ORDER BY camera"
        found = await store.run(lambda db: db.execute(sql).fetchall())
        assert found == [("a", NOON, NOON + 2 * MINUTE)] * 2


@pytest.mark.parametrize("quality", ["stepped", "unset"])
async def test_a_clock_that_is_not_trusted_deletes_nothing(tmp_path: Path, quality: str) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store)
        retention = Retention(store)
        clock.advance(100 * 86_400)
        clock.quality = quality
        assert (await retention.expire()).refused is Refused.CLOCK_UNTRUSTED
        clock.quality = "trusted"
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED
        clock.advance(86_400)
        assert (await retention.expire()).refused is None


async def test_a_step_of_the_clock_stops_retention_for_a_day(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store)
        retention = Retention(store)
        assert (await retention.expire()).refused is None
        clock.step(100 * 86_400)
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED
        clock.step(-100 * 86_400)
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED
        clock.advance(86_400 + 1)
        assert (await retention.expire()).segments == 0
        assert len(video_files(tmp_path)) == 1


async def test_a_step_is_not_forgotten_by_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store)
        assert (await Retention(store).expire()).refused is None
    clock.step(100 * 86_400)
    for _ in range(2):  # the rest is not over because somebody starts again
        async with opened(tmp_path, clock, recovered=True) as store:
            assert (await Retention(store).expire()).refused is Refused.CLOCK_STEPPED


async def test_a_leap_of_time_takes_three_days_worth_in_six_hours(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await days_of_video(store, 30)
        retention = Retention(store, days=20)
        assert await drain(retention) == 9
    clock.advance(365 * 86_400)  # a year in a cupboard
    async with opened(tmp_path, clock, recovered=True) as store:
        retention = Retention(store, days=20)
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED
        clock.advance(86_400)
        assert await drain(retention) <= 4
        clock.advance(6 * 3600)
        assert await drain(retention) <= 3


async def test_video_recorded_with_a_clock_of_1970_is_not_taken_for_old(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store, 1000 * SECOND, quality="unset")
        retention = Retention(store)
        assert await drain(retention) == 0
        for _ in range(4 * 92):
            clock.advance(6 * 3600)
            assert await drain(retention) <= 1
            if clock.utc_ns() < NOON + 89 * DAY:
                assert len(video_files(tmp_path)) == 1
        assert video_files(tmp_path) == []


async def test_video_recorded_while_the_clock_was_a_year_behind_is_kept(tmp_path: Path) -> None:
    """The clock was wrong and calm: it said trusted, and went back further than the store knew."""
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store, NOON - MINUTE)
        await record(store, NOON - 365 * DAY)
        assert await drain(Retention(store)) == 0


async def test_video_from_the_future_ages_from_when_that_was_noticed(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store, NOON + 500 * DAY)
        retention = Retention(store, days=10)
        assert await drain(retention) == 0
        await record(store, NOON)
        for _ in range(4 * 12):
            clock.advance(6 * 3600)
            await drain(retention)
        assert video_files(tmp_path) == []


async def test_after_index_and_notes_were_lost_nothing_goes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await days_of_video(store, 95)
    for path in (tmp_path / "index").iterdir():
        path.unlink()
    async with opened(tmp_path, clock, recovered=True) as store:
        retention = Retention(store)
        assert (await retention.expire()).refused is Refused.HOLDS_UNKNOWN
        await store.confirm_holds()
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED, "made anew: it rests"
        clock.advance(86_400)
        assert await drain(retention) == 4


async def test_a_plan_for_a_full_disk_takes_the_oldest_that_are_not_held(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        await days_of_video(store, 5, "cam-a", "cam-b")
        await record(store, 1000 * SECOND, camera="cam-a", quality="unset")
        oldest = NOON - 4 * DAY - MINUTE
        await store.hold("alarm", ["cam-a"], oldest, oldest + SECOND)
        retention = Retention(store)
        size = (await store.segments("cam-a", 0, NOON))[1].segment.size_bytes
        plan = await retention.plan_room(store.volumes.all[0], 2 * size)
        assert [(row[5], row[1]) for row in plan.rows] == [
            ("cam-b", oldest),
            ("cam-a", oldest + DAY),
        ]
        assert plan.is_short
        assert plan.is_enough
        assert "最旧的 2 段" in plan.told.zh
        assert len(video_files(tmp_path)) == 11, "a plan changes nothing"
        await store.hold("later", ["cam-a"], oldest + DAY, oldest + DAY + SECOND)
        assert await retention.make_room(plan) == plan.rows[0][3], "held since the plan was told"
        assert len(video_files(tmp_path)) == 10
        assert not (tmp_path / "one" / "cam-b" / "20261117").exists()


async def test_a_plan_never_takes_what_is_held_even_if_it_is_not_enough(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        await days_of_video(store, 3)
        await store.hold("alarm", [CAMERA], 0, 2 * NOON)
        plan = await Retention(store).plan_room(store.volumes.all[0], 1)
        assert (list(plan.rows), plan.is_enough) == ([], False)


async def test_what_is_being_written_is_not_in_any_plan(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        writer = begin(store, NOON - 200 * DAY)
        await writer.add(fragment(1), NOON - 200 * DAY + SECOND, 25)
        await writer.flush()
        assert await drain(Retention(store)) == 0
        assert not (await Retention(store).plan_room(store.volumes.all[0], 1)).rows
        assert await writer.seal("cut")


async def test_gaps_go_with_the_video_around_them(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store, NOON - MINUTE)
        store.gap(CAMERA, NOON - 95 * DAY, NOON - 94 * DAY, "no_power")
        store.gap(CAMERA, NOON - 80 * DAY, NOON - 80 * DAY + 1, "no_power")
        await drain(Retention(store))
        told = await store.timeline(CAMERA, NOON - 96 * DAY, NOON)
    kept = [gap for gap in told.gaps if gap.reason == "no_power"]
    assert kept == [Gap(NOON - 80 * DAY, NOON - 80 * DAY + 1, "no_power")]


async def test_a_folder_that_went_with_its_last_file_is_forgotten(tmp_path: Path) -> None:
    """Else a year without a restart leaves tens of thousands for the next one to look into."""
    async with opened(tmp_path, FakeClock(), recovered=True) as store:
        await days_of_video(store, 95)
        retention = Retention(store)
        assert await drain(retention) == 4
        assert await drain(retention) == 0
        assert len(rows(tmp_path, "SELECT day FROM folder")) == 91
        await record(store, NOON - 94 * DAY)
        assert rows(tmp_path, "SELECT segments, settled FROM folder ORDER BY day")[0] == (1, 0)
        assert (await recover(store)).missing == 0


async def test_what_the_next_pass_begins_with_is_all_cameras_again(tmp_path: Path) -> None:
    """A pass that was cut short by a doubtful clock forgets where it was."""
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await days_of_video(store, 3, "cam-a", "cam-b")
        retention = Retention(store, days=1)
        retention._place = Place("cam-b")  # as it is after a step that ended there
        clock.quality = "stepped"
        assert (await retention.expire()).refused is Refused.CLOCK_UNTRUSTED
        clock.quality = "trusted"
        clock.advance(86_400)
        assert await drain(retention) == 2


async def test_a_step_of_the_clock_that_could_not_be_noted_is_met_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        await record(store)
        retention = Retention(store)
        assert (await retention.expire()).refused is None
        clock.step(100 * 86_400)
        await store.run(
            lambda db: db.executescript(
                "CREATE TRIGGER full BEFORE INSERT ON meta WHEN NEW.key = 'rest_ns'"
                " BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        )
        with pytest.raises(StoreError):
            await retention.expire()
        await store.run(lambda db: db.executescript("DROP TRIGGER full"))
        assert (await retention.expire()).refused is Refused.CLOCK_STEPPED
