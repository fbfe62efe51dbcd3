"""Recording: what is sealed is on the disk, in the index, and found again by time."""

import asyncio
import hashlib
import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.video import Gap, NoVolume, Span, State, VideoReader, boxes
from gateway.store.video.timeline import timeline
from tests.clocks import NOON, SECOND, FakeClock
from tests.store.video.making import (
    CAMERA,
    DAY,
    INIT,
    MINUTE,
    begin,
    fragment,
    open_store,
    opened,
    record,
    video_files,
)


async def test_a_sealed_segment_is_a_file_with_a_seal_and_a_row(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        segment = await record(store)
        path = tmp_path / "one" / CAMERA / "20261121" / "20261121T120000.000000000Z.mp4"
        assert video_files(tmp_path) == [path]
        content = path.read_bytes()
        assert content.startswith(INIT)
        with path.open("rb") as file:
            facts, covered = boxes.read_seal(file)
        assert hashlib.sha256(content[:covered]).digest() == segment.sha256
        assert facts["ended_ns"] == NOON + MINUTE
        found = await store.segments(CAMERA, NOON, NOON + 1)
    assert [place.segment for place in found] == [segment]
    assert found[0].path == path
    assert segment.size_bytes == len(content)


async def test_add_returns_before_the_disk_has_it_and_flush_after(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON)
        assert await writer.add(fragment(1), NOON + SECOND, 25)
        await writer.flush()
        assert writer.synced[0] == NOON + SECOND
        with writer.open_path.open("rb") as file:
            assert len(boxes.walk(file).fragments) == 1


async def test_minutes_in_a_row_are_one_span_and_a_hole_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        for minute in (0, 1, 2, 5, 6):
            await record(store, NOON + minute * MINUTE)
        store.gap(CAMERA, NOON + 3 * MINUTE, NOON + 4 * MINUTE, "camera_silent")
        told = await store.timeline(CAMERA, NOON + MINUTE, NOON + 8 * MINUTE)
        uuid = store.volumes.all[0].uuid
    assert told.spans == [
        Span(NOON + MINUTE, NOON + 3 * MINUTE, uuid),
        Span(NOON + 5 * MINUTE, NOON + 7 * MINUTE, uuid),
    ]
    assert told.gaps == [
        Gap(NOON + 3 * MINUTE, NOON + 4 * MINUTE, "camera_silent"),
        Gap(NOON + 4 * MINUTE, NOON + 5 * MINUTE, "unknown"),
        Gap(NOON + 7 * MINUTE, NOON + 8 * MINUTE, "nothing_yet"),
    ]


async def test_pictures_lost_inside_a_span_are_a_gap_inside_it(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        store.gap(CAMERA, NOON + SECOND, NOON + 2 * SECOND, "packets_lost")
        told = await store.timeline(CAMERA, NOON, NOON + MINUTE)
    assert [span.end_ns - span.start_ns for span in told.spans] == [MINUTE]
    assert told.gaps == [Gap(NOON + SECOND, NOON + 2 * SECOND, "packets_lost")]


async def test_segments_that_overlap_after_a_clock_step_hide_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store, NOON, seconds=60)
        await record(store, NOON + 30 * SECOND, seconds=60)
        await record(store, NOON + 40 * SECOND, seconds=20)
        await record(store, NOON + 90 * SECOND, seconds=60)
        told = await store.timeline(CAMERA, NOON, NOON + 150 * SECOND)
    assert told.gaps == []
    assert max(span.end_ns for span in told.spans) == NOON + 150 * SECOND


async def test_a_gap_over_many_days_is_found_from_any_of_them(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        store.gap(CAMERA, NOON + MINUTE, NOON + 9 * DAY, "no_power")
        inside = await store.timeline(CAMERA, NOON + 5 * DAY, NOON + 6 * DAY)
        over = await store.timeline(CAMERA, NOON, NOON + 9 * DAY)
    assert inside.gaps == [Gap(NOON + 5 * DAY, NOON + 6 * DAY, "no_power")]
    assert over.gaps == [Gap(NOON + MINUTE, NOON + 9 * DAY, "no_power")]


async def test_another_process_reads_beside_the_recorder(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        reader = store.reader(tmp_path / "index")
        try:
            await record(store)
            told = await reader.timeline(CAMERA, NOON, NOON + MINUTE)
            assert (len(told.spans), told.gaps) == (1, [])
            assert await reader.cameras() == [CAMERA]
        finally:
            await reader.close()


async def test_a_reader_waits_for_an_index_that_is_not_there_yet(tmp_path: Path) -> None:
    reader = VideoReader(tmp_path / "index")
    try:
        with pytest.raises(StoreError, match="no video index yet"):
            await reader.timeline(CAMERA, NOON, NOON + 1)
        async with opened(tmp_path, FakeClock()) as store:
            await record(store)
            assert len(await reader.segments(CAMERA, NOON, NOON + 1)) == 1
    finally:
        await reader.close()


async def test_two_recorders_do_not_share_a_store(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()):
        with pytest.raises(StoreError, match="stop it first"):
            await open_store(tmp_path, FakeClock())
    async with opened(tmp_path, FakeClock()):
        pass


async def test_a_segment_without_a_picture_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        assert await begin(store, NOON).seal("cut") is None
        told = await store.timeline(CAMERA, NOON, NOON + MINUTE)
    assert video_files(tmp_path) == []
    assert told.spans == []


async def test_a_name_that_is_taken_moves_the_start_by_a_nanosecond(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        first, second = await record(store), await record(store)
    assert second.facts.started_ns == first.facts.started_ns + 1
    assert len(video_files(tmp_path)) == 2


@pytest.mark.parametrize("camera", ["../x", "", ".hidden", "a/b", "x" * 81])
async def test_a_camera_cannot_be_called_like_a_way_out(tmp_path: Path, camera: str) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        with pytest.raises(ValueError, match="trusted"):
            begin(store, NOON, camera)


async def test_a_fragment_that_goes_back_in_time_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON)
        assert await writer.add(fragment(1), NOON + SECOND, 25)
        for end_ns in (NOON, NOON + SECOND, NOON + 601 * SECOND):
            with pytest.raises(ValueError, match="a fragment from"):
                await writer.add(fragment(2), end_ns, 25)


async def test_nothing_is_begun_when_no_volume_can_be_written(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        store.volumes.all[0].fail(State.READ_ONLY, "a test")
        with pytest.raises(NoVolume, match="read_only"):
            begin(store, NOON)
        await store.look()
        assert await record(store)


async def test_what_is_open_at_the_end_is_sealed(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        writer = begin(store, NOON)
        await writer.add(fragment(1), NOON + SECOND, 25)
    async with opened(tmp_path, FakeClock()) as store:
        assert len(await store.segments(CAMERA, NOON, NOON + 1)) == 1


async def test_a_look_that_takes_long_keeps_no_seal_waiting(tmp_path: Path) -> None:
    begun, enough = threading.Event(), threading.Event()

    def slow(_db: sqlite3.Connection) -> str:
        begun.set()
        assert enough.wait(60)
        return "read"

    async with opened(tmp_path, FakeClock()) as store:
        reading = asyncio.ensure_future(store.read(slow))
        assert await asyncio.to_thread(begun.wait, 60)
        assert await record(store)
        assert not reading.done()
        enough.set()
        assert await reading == "read"


async def test_a_look_sees_what_was_asked_to_be_written_before_it(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as store:
        await record(store)
        store.gap(CAMERA, NOON - MINUTE, NOON, "no_power")
        told = await store.read(timeline, CAMERA, NOON - MINUTE, NOON)
    assert told.gaps == [Gap(NOON - MINUTE, NOON, "no_power")]
