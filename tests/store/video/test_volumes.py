"""Disks that are slow, full, read-only, gone, or not the ones that were here."""

import shutil
import threading
from pathlib import Path

import pytest

from gateway.store.video import Gap, State, recover, verify
from gateway.store.video.disk import Disk
from gateway.store.video.writer import DISK_FAILED, QUEUE_BYTES
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.test_full_disk import fill_up, small_disk
from tests.store.video.making import (
    CAMERA,
    DAY,
    MINUTE,
    begin,
    fragment,
    opened,
    record,
    video_files,
)
from tests.store.video.test_verify import some_video

__all__ = ["small_disk"]


class HangingDisk(Disk):
    """One volume's disk that does not answer from a moment until another."""

    def __init__(self, hangs: Path) -> None:
        self.hangs = hangs
        self.go = threading.Event()
        self.go.set()

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        if path.is_relative_to(self.hangs):
            self.go.wait(30)
        return descriptor

    def sync_data(self, descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(self.hangs):
            self.go.wait(30)
        super().sync_data(descriptor)


async def test_a_disk_that_hangs_delays_no_camera_of_another_and_loses_what_is_told(
    tmp_path: Path,
) -> None:
    disk, clock = HangingDisk(tmp_path / "one"), FakeClock()
    async with opened(tmp_path, clock, volumes=("one", "two"), disk=disk) as store:
        slow, quick = (
            next(f"cam-{n}" for n in range(9) if store.volumes.choose(f"cam-{n}") is volume)
            for volume in store.volumes.all
        )
        disk.go.clear()
        writer = begin(store, NOON, slow)
        taken = 0
        while await writer.add(fragment(taken, QUEUE_BYTES // 4), NOON + (taken + 1) * SECOND, 25):
            taken += 1
        assert 3 <= taken <= 5
        assert writer.failure == "disk_slow"
        for minute in range(3):
            await record(store, NOON + minute * MINUTE, camera=quick)
        clock.advance(11)
        assert store.volumes.choose(slow) is store.volumes.all[1], "it does not answer"
        sealing = writer.begin_seal("disk_slow")
        disk.go.set()
        segment = await store.run(lambda _db: None) or sealing.result(30)
        assert segment is not None
        assert segment.end_ns == NOON + taken * SECOND
        told = await store.timeline(slow, NOON, NOON + (taken + 1) * SECOND)
        assert told.gaps == [Gap(segment.end_ns, NOON + (taken + 1) * SECOND, "disk_slow")]
        assert store.volumes.choose(slow) is store.volumes.all[0]


async def test_a_full_disk_keeps_what_was_synced_and_recording_goes_on_elsewhere(
    tmp_path: Path, small_disk: Path
) -> None:
    names = (small_disk.name, "two")
    async with opened(small_disk.parent, FakeClock(), volumes=names) as store:
        camera = next(
            f"cam-{n}" for n in range(9)
            if store.volumes.choose(f"cam-{n}") is store.volumes.all[0]
        )  # fmt: skip
        writer = begin(store, NOON, camera)
        assert await writer.add(fragment(1), NOON + SECOND, 25)
        await writer.flush()
        fill_up(small_disk, leave_bytes=16 * 1024)
        assert await writer.add(fragment(2, 100_000), NOON + 2 * SECOND, 25)
        await writer.flush()
        assert writer.failure == "disk_full"
        assert not await writer.add(fragment(3), NOON + 3 * SECOND, 25)
        segment = await writer.seal("disk_full")
        assert segment is not None
        assert segment.frames == 25
        assert store.volumes.all[0].state is State.FULL
        again = await record(store, NOON + 3 * SECOND, camera=camera)
        assert again.volume == store.volumes.all[1].uuid
        told = await store.timeline(camera, NOON, NOON + 3 * SECOND)
        assert told.gaps == [Gap(NOON + SECOND, NOON + 3 * SECOND, "disk_full")]
    assert verify(small_disk.parent / "index") == []


async def test_a_volume_that_was_away_is_recovered_when_it_is_back(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON)
        await writer.add(fragment(1), NOON + SECOND, 25)
        await writer.flush()
        shutil.move(tmp_path / "one", tmp_path / "away")
        assert await writer.seal("gone") is None
        await store.look()
        assert store.volumes.all[0].state is State.GONE
        assert (await recover(store)).folders == 0
        shutil.move(tmp_path / "away", tmp_path / "one")
        await store.look()
        assert (await recover(store)).mended == 1
        told = await store.timeline(CAMERA, NOON, NOON + SECOND)
        assert [span.end_ns for span in told.spans] == [NOON + SECOND]


async def test_an_empty_mount_point_is_never_written_to_until_it_is_adopted(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    await some_video(tmp_path)
    shutil.move(tmp_path / "one", tmp_path / "away")
    async with opened(tmp_path, clock, volumes=("one", "two")) as store:
        one, two = store.volumes.all
        assert (one.state, two.state) == ("wrong_mount", "ok")
        await record(store, NOON + DAY)
        assert video_files(tmp_path / "one") == []
        assert (await recover(store)).missing == 0, "what is away is not lost"
        assert len(await store.segments(CAMERA, NOON, NOON + DAY)) == 4
        await store.adopt(tmp_path / "one")
        assert one.state == "ok"
        one.fail(one.state, "")
        await store.look()
        two.fail(two.state.GONE, "a test")
        await record(store, NOON + 2 * DAY)
        assert len(video_files(tmp_path / "one")) == 1


async def test_a_disk_of_another_site_is_not_written_to(tmp_path: Path) -> None:
    await some_video(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    shutil.move(tmp_path / "theirs" / "one", tmp_path / "ours" / "one")
    async with opened(tmp_path / "ours", FakeClock(), site="another") as store:
        assert store.volumes.all[0].state == "foreign"


async def test_a_disk_that_is_mounted_elsewhere_is_known_again(tmp_path: Path) -> None:
    clock = FakeClock()
    await some_video(tmp_path)
    shutil.move(tmp_path / "one", tmp_path / "elsewhere")
    async with opened(tmp_path, clock, volumes=("elsewhere",)) as store:
        assert store.volumes.all[0].is_usable
        places = await store.segments(CAMERA, NOON, NOON + DAY)
        assert all(place.path.is_file() for place in places)
    assert verify(tmp_path / "index") == []


async def test_a_volume_whose_disk_is_taken_away_while_recording_gets_nothing_more(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        shutil.move(tmp_path / "one", tmp_path / "away")
        (tmp_path / "one").mkdir()
        with pytest.raises(AssertionError):
            await record(store, NOON + MINUTE)
        assert list((tmp_path / "one").iterdir()) == []


async def test_a_disk_that_is_taken_away_costs_what_was_open_and_not_a_minute_more(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, FakeClock(), volumes=("one", "two")) as store:
        one, two = store.volumes.all
        two.fail(State.STALLED, "a test")
        writer = begin(store, NOON)
        assert writer.is_on(one)
        assert await writer.add(fragment(0), NOON + SECOND, 25)
        await writer.flush()
        shutil.rmtree(tmp_path / "one")
        await store.look()
        assert one.is_away
        assert not await writer.add(fragment(1), NOON + 2 * SECOND, 25)
        assert writer.failure == DISK_FAILED
        assert await writer.seal("cut") is None
        assert one.is_away, "what is left of the disk that went says nothing of what is there"
        await store.volumes.look([two])
        assert begin(store, NOON + 2 * SECOND).is_on(two)
        gaps = (await store.timeline(CAMERA, NOON, NOON + 2 * SECOND)).gaps
        assert [(gap.from_ns, gap.to_ns, gap.reason) for gap in gaps] == [
            (NOON, NOON + 2 * SECOND, DISK_FAILED)
        ]
