"""One flipped byte is named; what is proved each day."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.store.video import forecast, prove, verify
from tests.clocks import NOON, FakeClock
from tests.store.video.making import CAMERA, DAY, MINUTE, opened, record, rows, video_files


async def some_video(root: Path, count: int = 4) -> None:
    async with opened(root, FakeClock()) as store:
        for minute in range(count):
            await record(store, NOON + minute * MINUTE)


async def test_sound_video_has_no_fault_beside_the_recorder_too(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        for minute in range(3):
            await record(store, NOON + minute * MINUTE)
        await store.hold("a", [CAMERA], NOON, NOON + 1)
        assert verify(tmp_path / "index") == []
    assert verify(tmp_path / "index") == []
    assert verify(tmp_path / "nothing here") == []


@pytest.mark.parametrize("at", [0, 30, 100, 500, -300, -100, -40, -1])
async def test_one_flipped_bit_anywhere_is_named(tmp_path: Path, at: int) -> None:
    await some_video(tmp_path)
    path = video_files(tmp_path)[2]
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    faults = verify(tmp_path / "index")
    assert len(faults) == 1
    assert faults[0].startswith(f"{path}: ")


async def test_a_file_that_is_gone_and_one_that_is_shorter_are_named(tmp_path: Path) -> None:
    await some_video(tmp_path)
    first, second, *_ = video_files(tmp_path)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    faults = verify(tmp_path / "index")
    assert [fault.split(": ")[0] for fault in faults] == [str(first), str(second)]
    assert "missing" in faults[0]


async def test_two_sound_files_that_changed_places_are_both_named(tmp_path: Path) -> None:
    await some_video(tmp_path)
    first, second, *_ = video_files(tmp_path)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert len(verify(tmp_path / "index")) == 2


async def test_a_volume_that_is_away_is_one_line(tmp_path: Path) -> None:
    await some_video(tmp_path)
    shutil.rmtree(tmp_path / "one")
    faults = verify(tmp_path / "index")
    assert len(faults) == 1
    assert str(tmp_path / "one") in faults[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE folder SET bytes = bytes + 1", "folder cam-gate-west/20261121"),
        ("UPDATE folder SET segments = 0", "folder cam-gate-west/20261121"),
        ("UPDATE segment SET joined = 1 - joined WHERE start_ns % 7 = 0", "joined is wrong"),
        ("INSERT INTO hold VALUES ('x', 1, 2, 3)", "in one of index and notes only"),
    ],
)
async def test_tables_that_do_not_agree_are_named(tmp_path: Path, change: str, named: str) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        for minute in range(8):
            await record(store, NOON + minute * MINUTE)
        await store.run(lambda db: db.execute(change).fetchall())
    assert named in verify(tmp_path / "index")[0]


async def test_the_daily_proof_reads_an_old_file_and_tells_what_is_missing(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as store:
        for minute in (0, 1, 2, 5):
            await record(store, NOON + minute * MINUTE)
        clock.advance(6 * 60)
        proof = await prove(store, CAMERA, random.Random(1))
        assert (proof.oldest_ns, proof.missing_ns, proof.wrong) == (NOON, 2 * MINUTE, None)
        assert [gap.reason for gap in proof.gaps] == ["unknown"]
        assert proof.read in video_files(tmp_path)
        for path in video_files(tmp_path):
            content = bytearray(path.read_bytes())
            content[200] ^= 1
            path.write_bytes(content)
        again = await prove(store, CAMERA, random.Random(1))
        assert again.wrong is not None
        assert again.read == proof.read
        nothing = await prove(store, "cam-never-seen", random.Random(1))
        assert (nothing.oldest_ns, nothing.read) == (None, None)


async def test_the_forecast_knows_that_a_small_stream_gives_back_soon_what_it_took(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock, recovered=True) as store:
        for day in range(4, 0, -1):
            for camera in ("cam", "cam.sub"):
                await record(store, NOON - day * DAY, camera=camera)
        [volume] = store.volumes.all
        rate = (await forecast(store)).rate_bytes_per_day
        assert rate
        volume.free_bytes = 60 * rate
        volume.spare_bytes = 0
        assert (await forecast(store, 90)).full_in_days == 60
        # Half of it, kept for seven days, comes to a standstill: 90 / 2 + 7 / 2 days of it fit.
        assert (await forecast(store, 90, {"cam.sub": 7})).full_in_days is None
        volume.free_bytes = 30 * rate
        left = (await forecast(store, 90, {"cam.sub": 7})).full_in_days
        assert left is not None
        assert 50 <= left <= 60


async def test_the_forecast_follows_what_is_really_written(tmp_path: Path) -> None:
    clock = FakeClock(NOON + 10 * DAY)
    async with opened(tmp_path, clock) as store:
        volume = store.volumes.all[0]
        volume.free_bytes = 0
        assert (await forecast(store)).rate_bytes_per_day is None
        for day in range(10):
            for minute in range(4):
                await record(store, NOON + day * DAY + minute * MINUTE)
        size = rows(tmp_path, "SELECT max(bytes) FROM folder")[0][0]
        volume.free_bytes = 20 * size + size // 2
        told = await forecast(store, days=90)
        assert told.rate_bytes_per_day == size
        assert told.full_in_days == 20
        assert told.full_on_ns == clock.utc_ns() + 20 * DAY + DAY // 2
        # With twenty days to keep, as much leaves each day as comes: it never gets full.
        assert (await forecast(store, days=20)).full_in_days is None
