"""A disk that is full: an error of its own, the reserve, and the same batch again."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreFull
from gateway.store import Batch, Store, recover, verify
from gateway.store.disk import Reserve, write_file
from tests.store.making import RECEIVERS, START_NS, fill, journal_of, opened, seal_some
from tests.store.test_crash import check_after_a_kill, newest_acked, writing

MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip(f"a small file system needs root: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill_up(disk: Path, *, leave_bytes: int = 0) -> Path:
    """Take all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave_bytes))
    return ballast


async def commit_until_full(store: Store, batch_of: list[Batch], journal: object) -> None:
    """Commit until the disk refuses; batch_of then ends with the batch it refused."""
    while True:
        batch_of.append(Batch(records=seal_some(journal, 20, receivers=(1,))))  # type: ignore[arg-type]
        await store.commit(batch_of[-1])


async def test_alarms_live_on_the_reserve_and_the_same_batch_succeeds(small_disk: Path) -> None:
    store, start = await Store.open(small_disk, reserve_mib=2, receivers=RECEIVERS)
    assert store.reserve.held_bytes == 2 * MIB
    journal = journal_of(start)
    ballast = fill_up(small_disk)
    batches: list[Batch] = []
    with pytest.raises(StoreFull):
        await commit_until_full(store, batches, journal)
    assert (await store.read("SELECT count(*) FROM record"))[0][0] == journal.seq - 20
    assert store.reserve.release() == MIB // 2
    await store.commit(batches[-1])
    with pytest.raises(StoreFull):
        await commit_until_full(store, batches, journal)
    assert store.reserve.release() == MIB // 2
    await store.commit(batches[-1])
    assert store.reserve.fill() is False, "there is no ample room yet"
    assert store.reserve.held_bytes == MIB
    ballast.unlink()
    assert store.reserve.fill() is True
    assert store.reserve.held_bytes == 2 * MIB
    await store.close(journal.seq, START_NS)
    assert verify(small_disk) == []
    async with opened(small_disk) as (_, start, _):
        assert start.seq == journal.seq


async def test_a_store_on_a_full_disk_opens_and_takes_alarms(small_disk: Path) -> None:
    records = await fill(small_disk, 50)
    Reserve(small_disk / "reserve", 2 * MIB).fill()
    fill_up(small_disk)
    store, start = await Store.open(small_disk, reserve_mib=2, receivers=RECEIVERS)
    journal = journal_of(start)
    assert start.seq == len(records)
    batch = Batch(records=seal_some(journal, 20))
    for _ in range(3):
        try:
            await store.commit(batch)
            break
        except StoreFull:
            assert store.reserve.release()
    store.write_head(journal.seq, START_NS)  # may fail, must not raise
    await store.close(journal.seq, START_NS)
    async with opened(small_disk) as (_, start, _):
        assert start.seq == len(records) + 20


async def test_a_damaged_store_on_a_full_disk_is_begun_anew_on_the_reserve(
    small_disk: Path,
) -> None:
    await fill(small_disk, 50, receivers=(1,))
    Reserve(small_disk / "reserve", 2 * MIB).fill()
    recover.mark_suspect(small_disk, "a test")
    fill_up(small_disk)
    store, start = await Store.open(small_disk, reserve_mib=2, receivers=RECEIVERS)
    assert await store.read("SELECT count(*) FROM delivery WHERE state = 0") == [(50,)]
    assert store.reserve.held_bytes < 2 * MIB
    journal = journal_of(start)
    await store.commit(Batch(records=seal_some(journal, 1)))
    await store.abandon()


async def test_no_room_at_all_is_store_full_and_the_folder_is_free_again(small_disk: Path) -> None:
    ballast = fill_up(small_disk)
    with pytest.raises(StoreFull):
        await Store.open(small_disk, reserve_mib=2)
    ballast.unlink()
    async with opened(small_disk) as (_, start, _):
        assert start.seq == 0


async def test_a_file_size_limit_is_a_full_disk_too(tmp_path: Path) -> None:
    """SQLite reports it as a failed write; meant is the same."""
    with writing(tmp_path, 400, str(1536 * 1024)) as process:
        assert process.stdout is not None
        lines = process.stdout.read().split("\n")
        assert process.wait() == 0
    assert sum(line.startswith("full") for line in lines) == 1
    assert lines[-2] == "closed"
    await check_after_a_kill(tmp_path, int(lines[-3].split()[1]))


async def test_a_kill_on_a_full_disk_loses_nothing_acknowledged(small_disk: Path) -> None:
    with writing(small_disk, 100_000) as process:
        acked = newest_acked(process, most_lines=40)
        fill_up(small_disk, leave_bytes=64 * 1024)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("acked"):
                acked = int(line.split()[1])
            if line.startswith("full"):
                break
        process.kill()
        acked = max(acked, newest_acked(process))
    (small_disk / "ballast").unlink()
    await check_after_a_kill(small_disk, acked)


def test_a_file_is_written_whole_or_not_at_all(small_disk: Path) -> None:
    path = small_disk / "head.json"
    write_file(path, b"old")
    fill_up(small_disk, leave_bytes=8192)
    with pytest.raises(OSError, match="space"):
        write_file(path, b"n" * MIB)
    assert path.read_bytes() == b"old"


def test_a_reserve_that_cannot_be_filled_keeps_what_it_has(tmp_path: Path) -> None:
    """The file system has room, and a file may not be that long: nothing is given away for it."""
    Reserve(tmp_path / "reserve", MIB).fill()
    script = (
        "import pathlib, resource, sys\n"
        "from gateway.store.disk import Reserve\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB * 3 // 2}, -1))\n"
        f"reserve = Reserve(pathlib.Path(sys.argv[1]), {2 * MIB})\n"
        "print(reserve.fill(), reserve.held_bytes)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "reserve"],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.split() == ["False", str(MIB)]


def test_the_reserve_is_real_blocks(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", MIB)
    with reserve.path.open("wb") as file:
        file.truncate(MIB)
    assert reserve.held_bytes == 0, "a sparse file would give nothing back"
    assert reserve.fill() is True
    assert reserve.path.stat().st_blocks * 512 >= MIB
    assert [reserve.release() for _ in range(5)] == [MIB // 4] * 4 + [0]
