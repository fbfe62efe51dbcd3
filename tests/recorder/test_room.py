"""Room on a full volume: nobody loses video who was not told before, and what is held stays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.recorder.reporter import Reporter
from gateway.recorder.room import CALM_S, GRACE_MOST_S, GRACE_S, NO_ROOM, SHORT_S, Room
from gateway.reports import path_of, read_report
from gateway.store.video import Retention, State, VideoStore
from tests.clocks import NOON, FakeClock
from tests.store.video.making import CAMERA, DAY, MINUTE, opened, record, video_files

NEVER = 1 << 60
"""More bytes than any disk has: a volume that has to leave so many free is full."""


@dataclass
class Full:
    """A volume with three days of video, and who looks after its room."""

    root: Path
    clock: FakeClock
    store: VideoStore
    reporter: Reporter
    room: Room

    async def fill(self) -> None:
        self.store.volumes.all[0].spare_bytes = NEVER
        await self.store.look()
        assert self.store.volumes.all[0].state is State.FULL

    def told(self) -> list[str]:
        return [finding.key for finding in self.room.findings()]

    def files(self) -> int:
        return len(video_files(self.root / "one"))


@asynccontextmanager
async def kept(root: Path, clock: FakeClock, store: VideoStore) -> AsyncIterator[Full]:
    reporter = Reporter(root / "index", clock)
    room = Room(store, Retention(store), reporter)
    reporter.sources.append(room.findings)
    await room.begin()
    try:
        yield Full(root, clock, store, reporter, room)
    finally:
        reporter.close()


@asynccontextmanager
async def three_days(root: Path, clock: FakeClock, *, first: bool = True) -> AsyncIterator[Full]:
    async with opened(root, clock, recovered=True) as store:
        if first:
            for day in (3, 2, 1):
                await record(store, NOON - day * DAY)
        async with kept(root, clock, store) as full:
            yield full


async def test_a_volume_with_room_is_left_alone(tmp_path: Path) -> None:
    async with three_days(tmp_path, FakeClock()) as full:
        await full.room.look()
        assert full.told() == []
        assert full.files() == 3


async def test_nothing_goes_before_a_report_told_it_and_somebody_had_time_to_read_it(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        await full.fill()
        await full.room.look()
        clock.advance(GRACE_S)
        await full.room.look()
        assert full.files() == 3, "told to nobody yet"
        await full.reporter.write()
        report = read_report(tmp_path / "index", "video")
        assert report is not None
        [finding] = report.findings
        assert finding.key.startswith("video-room.")
        assert "最旧的 3 段" in finding.text
        await full.room.look()
        clock.advance(GRACE_S - 1)
        await full.room.look()
        assert full.files() == 3
        clock.advance(1)
        await full.room.look()
        assert full.files() == 0


async def test_a_report_written_before_it_was_noticed_does_not_count(tmp_path: Path) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        for _ in range(5):
            await full.reporter.write()
        await full.fill()
        await full.room.look()
        clock.advance(GRACE_S)
        await full.room.look()
        assert full.files() == 3


async def test_when_no_report_can_be_written_recording_goes_on_after_a_bounded_wait(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        path_of(tmp_path / "index", "video").parent.write_text("a file where the folder belongs")
        await full.fill()
        await full.room.look()
        await full.reporter.write()
        clock.advance(GRACE_MOST_S - 1)
        await full.room.look()
        assert full.files() == 3
        clock.advance(1)
        await full.room.look()
        assert full.files() == 0


async def test_once_told_room_is_made_at_once_and_for_an_hour_the_finding_stays(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        await full.fill()
        await full.room.look()
        await full.reporter.write()
        await full.room.look()
        clock.advance(GRACE_S)
        await full.room.look()
        full.store.volumes.all[0].spare_bytes = 0
        await full.store.look()
        await record(full.store, clock.utc_ns() - MINUTE)
        await full.fill()
        await full.room.look()
        assert full.files() == 0
        full.store.volumes.all[0].spare_bytes = 0
        await full.store.look()
        clock.advance(CALM_S - 1)
        await full.room.look()
        assert any(key.startswith("video-room.") for key in full.told())
        clock.advance(2)
        await full.room.look()
        assert not any(key.startswith("video-room.") for key in full.told())


async def test_it_begins_while_there_is_still_room_to_record(tmp_path: Path) -> None:
    async with three_days(tmp_path, FakeClock()) as full:
        [volume] = full.store.volumes.all
        volume.spare_bytes = volume.free_bytes - volume.total_bytes // 1000
        await full.room.look()
        assert volume.state is State.OK
        assert full.told() != []


async def test_what_is_held_stays_and_that_nothing_can_go_is_told(tmp_path: Path) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        await full.store.hold("alarm", [CAMERA], 0, 2 * NOON)
        await full.fill()
        for _ in range(3):
            await full.room.look()
            await full.reporter.write()
            clock.advance(GRACE_MOST_S)
        assert full.files() == 3
        [finding] = full.room.findings()
        assert "留证" in finding.text


async def test_days_that_could_not_be_kept_are_told_for_a_day_also_after_a_restart(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with three_days(tmp_path, clock) as full:
        await full.fill()
        await full.room.look()
        clock.advance(GRACE_MOST_S)
        await full.room.look()
        assert "video-short" in full.told()
    async with three_days(tmp_path, clock, first=False) as full:
        assert full.told() == ["video-short"]
        clock.advance(SHORT_S)
        assert full.told() == []


@asynccontextmanager
async def two_disks(root: Path, clock: FakeClock) -> AsyncIterator[Full]:
    """The older day lies on the second disk."""
    async with opened(root, clock, volumes=("one", "two"), recovered=True) as store:
        one, two = store.volumes.all
        for day, only in ((3, two), (2, one)):
            for volume in (one, two):
                volume.spare_bytes = 0 if volume is only else NEVER
            await store.look()
            await record(store, NOON - day * DAY)
        async with kept(root, clock, store) as full:
            yield full


async def test_while_another_volume_has_room_nothing_goes_from_the_full_one(tmp_path: Path) -> None:
    clock = FakeClock()
    async with two_disks(tmp_path, clock) as full:
        states = [volume.state for volume in full.store.volumes.all]
        assert states == [State.OK, State.FULL]
        for _ in range(3):
            await full.room.look()
            await full.reporter.write()
            clock.advance(GRACE_MOST_S)
        assert len(video_files(tmp_path / "two")) == 1
        assert full.told() == []


async def test_when_every_volume_is_full_the_oldest_goes_wherever_it_lies(tmp_path: Path) -> None:
    clock = FakeClock()
    async with two_disks(tmp_path, clock) as full:
        full.store.volumes.all[0].spare_bytes = NEVER
        await full.store.look()
        await full.room.look()
        clock.advance(GRACE_MOST_S)
        await full.room.look()
        assert (full.files(), len(video_files(tmp_path / "two"))) == (1, 0)
        old_ns = NOON - 3 * DAY
        told = await full.store.timeline(CAMERA, old_ns - MINUTE, old_ns + 2 * MINUTE)
        gone = [(gap.from_ns, gap.to_ns) for gap in told.gaps if gap.reason == NO_ROOM]
        assert gone == [(old_ns, old_ns + MINUTE)]
        full.store.volumes.all[1].spare_bytes = 0
        await full.store.look()
        await full.room.look()
        assert full.files() == 1, "there is room on the other again"
