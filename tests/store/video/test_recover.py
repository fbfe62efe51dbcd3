"""After a crash, and without an index: the files say what was there."""

import hashlib
import shutil
from pathlib import Path

import pytest

from gateway.store.video import Gap, VideoStore, recover
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import (
    CAMERA,
    DAY,
    INIT,
    MINUTE,
    begin,
    fragment,
    opened,
    record,
    rows,
    video_files,
)


async def leave_open(store: VideoStore, start_ns: int, count: int = 3) -> Path:
    """A copy of an open file, as a kill would leave it."""
    writer = begin(store, start_ns)
    for number in range(count):
        assert await writer.add(fragment(number), start_ns + (number + 1) * SECOND, 25)
    await writer.flush()
    path = writer.open_path
    content = path.read_bytes()
    await writer.seal("cut")
    await store.connection.run(lambda db: db.execute("DELETE FROM segment"))
    path.with_suffix("").unlink()
    path.write_bytes(content)
    return path


async def test_an_open_file_is_cut_behind_its_last_whole_fragment_and_sealed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        path = await leave_open(store, NOON)
        whole = path.read_bytes()
        path.write_bytes(whole + fragment(9)[:-5])
    async with opened(tmp_path, FakeClock()) as store:
        found = await recover(store)
        places = await store.segments(CAMERA, NOON, NOON + MINUTE)
    assert (found.mended, found.damaged, found.failed) == (1, 0, 0)
    assert video_files(tmp_path) == [path.with_suffix("")]
    assert path.with_suffix("").read_bytes().startswith(whole)
    segment = places[0].segment
    assert segment.sha256 == hashlib.sha256(whole).digest()
    assert (segment.end_ns, segment.frames) == (NOON + 3 * SECOND, 75)


async def test_the_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON)
        await writer.add(fragment(1), NOON + SECOND, 25)
        await writer.flush()
        assert (await recover(store)).mended == 0
        await writer.add(fragment(2), NOON + 2 * SECOND, 25)
        segment = await writer.seal("cut")
    assert segment is not None
    assert segment.frames == 50


async def test_a_lost_index_is_rebuilt_to_the_last_row(tmp_path: Path) -> None:
    everything = (
        "SELECT c.name, v.uuid, s.start_ns, s.length_ns, s.joined, s.quality, s.offset_ms,"
        " s.frames, s.size_bytes, s.sha256 FROM segment s JOIN camera c ON c.id = s.camera"
        " JOIN volume v ON v.id = s.volume ORDER BY c.name, s.start_ns"
    )
    async with opened(tmp_path, FakeClock(), volumes=("one", "two")) as store:
        for camera in ("cam-a", "cam-b"):
            for minute in range(5):
                await record(store, NOON + minute * MINUTE, camera=camera)
        await record(store, NOON + 1 * DAY, camera="cam-a")
    before = rows(tmp_path, everything)
    for path in (tmp_path / "index").glob("video.sqlite*"):
        path.unlink()
    async with opened(tmp_path, FakeClock(), volumes=("one", "two")) as store:
        told: list[tuple[int, int]] = []
        found = await recover(store, progress=lambda done, of: told.append((done, of)))
        assert found.indexed == 11
        assert told == [(1, 3), (2, 3), (3, 3)]
        assert not await store.holds_are_unknown(), "notes.json still says what is held"
    assert rows(tmp_path, everything) == before


async def test_an_index_that_is_rubbish_is_moved_aside_and_rebuilt(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
    (tmp_path / "index" / "video.sqlite").write_bytes(b"rubbish" * 1000)
    async with opened(tmp_path, FakeClock()) as store:
        assert "video-damaged-0001" in store.told[0]
        assert (await recover(store)).indexed == 1
        assert len(await store.segments(CAMERA, NOON, NOON + 1)) == 1
    aside = tmp_path / "index" / "video-damaged-0001" / "video.sqlite"
    assert aside.read_bytes().startswith(b"rubbish")


async def test_a_reader_follows_to_the_index_that_was_made_anew(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        reader = store.reader(tmp_path / "index")
        assert len(await reader.segments(CAMERA, NOON, NOON + 1)) == 1
    (tmp_path / "index" / "video.sqlite").write_bytes(b"rubbish" * 1000)
    try:
        async with opened(tmp_path, FakeClock()) as store:
            await recover(store)
            await record(store, NOON + MINUTE)
            assert len(await reader.segments(CAMERA, NOON, NOON + DAY)) == 2
    finally:
        await reader.close()


@pytest.mark.parametrize("name", ["20261399", "99991231", "00000000", "２０２６１１２１"])
async def test_folders_that_only_look_like_days_hinder_nothing(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        path = await leave_open(store, NOON)
    stray = path.parent.parent / name
    stray.mkdir()
    (stray / "99991231T000000.000000000Z.mp4").write_bytes(path.read_bytes())
    async with opened(tmp_path, FakeClock()) as store:
        found = await recover(store)
        assert (found.mended, found.failed) == (1, 0)
    assert rows(tmp_path, "SELECT count(*) FROM segment") == [(1,)]
    assert list(stray.iterdir()), "what is not ours is left alone"


async def test_a_row_without_its_file_becomes_a_gap(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        for minute in range(3):
            await record(store, NOON + minute * MINUTE)
        video_files(tmp_path)[1].unlink()
        found = await recover(store)
        told = await store.timeline(CAMERA, NOON, NOON + 3 * MINUTE)
    assert found.missing == 1
    assert told.gaps == [Gap(NOON + MINUTE, NOON + 2 * MINUTE, "missing")]
    assert len(told.spans) == 2


async def test_a_folder_that_is_gone_is_missed_even_when_it_was_settled(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        await recover(store)
        assert rows(tmp_path, "SELECT settled FROM folder") == [(1,)]
        shutil.rmtree(tmp_path / "one" / CAMERA)
        assert (await recover(store)).missing == 1
        assert (await recover(store)).missing == 0


async def test_a_settled_folder_is_looked_into_again_once_something_is_begun_there(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        assert (await recover(store)).folders == 1
        assert (await recover(store)).folders == 0
        path = await leave_open(store, NOON + MINUTE)
        assert (await recover(store)).mended == 1
    assert path.with_suffix("") in video_files(tmp_path)


@pytest.mark.parametrize("content", [b"", INIT[:10], INIT])
async def test_an_open_file_without_a_picture_is_taken_away(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "one" / CAMERA / "20261121"
    folder.mkdir(parents=True)
    (folder / "20261121T120000.000000000Z.mp4.open").write_bytes(content)
    async with opened(tmp_path, FakeClock()) as store:
        assert (await recover(store)).mended == 0
    assert video_files(tmp_path) == []


async def test_what_cannot_be_read_is_kept_under_another_name(tmp_path: Path) -> None:
    folder = tmp_path / "one" / CAMERA / "20261121"
    folder.mkdir(parents=True)
    path = folder / "20261121T120000.000000000Z.mp4.open"
    path.write_bytes(b"x" * 100_000)
    async with opened(tmp_path, FakeClock()) as store:
        found = await recover(store)
    assert found.damaged == 1
    assert path.name in found.named
    assert [p.name for p in video_files(tmp_path)] == [path.name + ".damaged"]


async def test_a_damaged_fragment_in_the_middle_costs_none_of_its_neighbours(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        path = await leave_open(store, NOON, 5)
        content = bytearray(path.read_bytes())
        content[content.index(fragment(1)) + 50] ^= 1
        path.write_bytes(content)
        assert (await recover(store)).mended == 1
        segment = (await store.segments(CAMERA, NOON, NOON + 1))[0].segment
    assert segment.end_ns == NOON + 5 * SECOND
    assert path.with_suffix("").read_bytes().startswith(content)


async def test_what_lies_behind_a_length_that_cannot_be_read_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        path = await leave_open(store, NOON, 5)
        content = bytearray(path.read_bytes())
        at = content.index(fragment(2))
        content[at] = 0x7F
        path.write_bytes(content)
        found = await recover(store)
        segment = (await store.segments(CAMERA, NOON, NOON + 1))[0].segment
    assert (found.mended, found.damaged) == (1, 1)
    assert segment.end_ns == NOON + 2 * SECOND
    assert path.with_name(path.name + ".damaged").read_bytes() == content[at:]


async def test_a_sealed_file_with_a_damaged_seal_is_indexed_and_told(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        segment = await record(store)
    path = video_files(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    for file in (tmp_path / "index").glob("video.sqlite*"):
        file.unlink()
    async with opened(tmp_path, FakeClock()) as store:
        found = await recover(store)
        again = (await store.segments(CAMERA, NOON, NOON + 1))[0].segment
    assert (found.damaged, found.indexed) == (1, 1)
    assert again == segment
    assert path.read_bytes() == content


async def test_the_time_the_recorder_was_off_is_a_gap_with_that_reason(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await leave_open(store, NOON)
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON + MINUTE)
        await recover(store)
        await writer.add(fragment(8), NOON + 2 * MINUTE, 25)
        await writer.seal("cut")
        told = await store.timeline(CAMERA, NOON, NOON + 2 * MINUTE)
    assert told.gaps == [Gap(NOON + 3 * SECOND, NOON + MINUTE, "recorder_off")]


async def test_without_index_and_notes_nobody_knows_what_was_held(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await recover(store)
        assert not await store.holds_are_unknown(), "nothing was ever recorded here"
        await record(store)
    shutil.rmtree(tmp_path / "index")
    async with opened(tmp_path, FakeClock()) as store:
        await recover(store)
        assert await store.holds_are_unknown()
        await store.confirm_holds()
        assert not await store.holds_are_unknown()
