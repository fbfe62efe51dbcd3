"""What the alarm process sees of recordings: a camera without video is a fault while it is so."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest

from gateway.config.settings import Camera
from gateway.links.rtsp import RtspSettings
from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.tracks import g711_track
from gateway.metrics import Metrics
from gateway.recordings import (
    GONE_S,
    RAISED_MOST,
    RAISED_PER_S,
    SILENT_S,
    START_S,
    Recordings,
)
from gateway.reports import STALE_S, Finding, Report, path_of, write_report
from gateway.store.video import VideoReader, VideoStore, Volumes
from gateway.words import Said
from tests.clocks import FakeClock
from tests.parts import Core, core

GATE = Camera(
    id="gate", name="西门枪机", place="西门", stream=RtspSettings(url="rtsp://192.0.2.5/1")
)
S = 1_000_000_000


def told(made: Core) -> list[str]:
    return [record.type for record in made.records]


async def record(store: VideoStore, clock: FakeClock, seconds: int) -> None:
    """Seal one segment that ends now."""
    track = g711_track("pcma")
    began = clock.utc_ns() - seconds * S
    writer = store.begin("gate", began, "trusted", init_segment([track]), codec="alaw", width=0,
                         height=0)  # fmt: skip
    data = fragment(1, [Run(1, 0, [Sample(b"\0" * 160, 160)])])
    assert await writer.add(data, clock.utc_ns(), 1)
    assert await writer.seal("test") is not None


async def test_a_camera_without_video_is_a_fault_until_there_is_some(tmp_path: Path) -> None:
    clock = FakeClock()
    (tmp_path / "disk").mkdir()
    volumes = Volumes.open([tmp_path / "disk"], site="s", clock=clock, spare_bytes=0)
    async with core(tmp_path / "events", clock) as made:
        reader = VideoReader(tmp_path)
        recordings = Recordings([GATE], reader, made.intake, clock)
        recordings.begin()
        await recordings.look()
        await made.turn()
        assert told(made) == [], "an index that is not there yet is no fault at once"
        await made.pass_time(SILENT_S, step=60)
        await recordings.look()
        await made.turn()
        assert told(made) == ["fault.raised"]
        store = await VideoStore.open(tmp_path, volumes, clock)
        try:
            await record(store, clock, 60)
            await recordings.look()
            await made.turn()
            assert told(made) == ["fault.raised", "fault.restored"]
            await recordings.look()
            await made.turn()
            assert len(made.records) == 2
        finally:
            await store.close()
        await reader.close()


FULL = Finding("video-volume.disk", Said("录像盘已满", "volume full"), {"free_bytes": 1})
DARK = Finding(
    "video.gate",
    Said("西门枪机 没有录像", "西门枪机 is not being recorded: refused"),
    {"camera": "gate"},
)


@asynccontextmanager
async def watching(folder: Path, made: Core) -> AsyncIterator[Recordings]:
    recordings = Recordings([GATE], VideoReader(folder), made.intake, made.clock, folder)
    recordings.begin()
    try:
        yield recordings
    finally:
        await recordings.close()


def report(folder: Path, clock: FakeClock, *findings: Finding, **state: Any) -> None:
    """What a sound video process and a sound pictures process say."""
    cameras = {"gate": state} if state else {}
    write_report(folder, "video", Report(clock.utc_ns(), findings, cameras, clock.mono_ns()))
    write_report(folder, "pictures", Report(clock.utc_ns(), (), {}, clock.mono_ns()))


async def read(recordings: Recordings, made: Core) -> list[tuple[str, str]]:
    """Read the reports once; (type, point) of all records so far."""
    await recordings.read()
    await made.turn()
    return points(made)


def points(made: Core) -> list[tuple[str, str]]:
    found = [json.loads(record.body) for record in made.records]
    return [(each["type"].split(".")[2], each["data"]["point"]) for each in found]


async def test_a_finding_is_a_fault_until_fresh_reports_are_without_it(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        report(tmp_path, clock, FULL)
        assert await read(recordings, made) == [("raised", "video-volume.disk")]
        report(tmp_path, clock, FULL)
        assert len(await read(recordings, made)) == 1, "told once"
        report(tmp_path, clock)
        assert len(await read(recordings, made)) == 1, "it may be back in a moment"
        clock.advance(GONE_S)
        report(tmp_path, clock)
        found = await read(recordings, made)
        assert found[1:] == [("restored", "video-volume.disk")]
        [raised] = made.bodies("fault.raised")
        assert raised["data"]["attributes"] == {"free_bytes": 1, "report": "video"}


async def test_a_finding_that_is_back_in_a_moment_is_no_second_fault(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        for _ in range(20):
            report(tmp_path, clock, FULL)
            await read(recordings, made)
            clock.advance(GONE_S / 2)
            report(tmp_path, clock)
            await read(recordings, made)
        assert points(made) == [("raised", "video-volume.disk")]


async def test_a_reporter_that_falls_silent_is_a_fault_and_its_findings_stay(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        report(tmp_path, clock, FULL)
        await read(recordings, made)
        clock.advance(START_S + STALE_S)
        assert (await read(recordings, made))[1:] == [("raised", "video-process")]
        clock.step(-86_400)
        assert len(await read(recordings, made)) == 2
        report(tmp_path, clock, FULL)
        assert (await read(recordings, made))[2:] == [("restored", "video-process")]


async def test_reports_that_never_came_are_a_fault_after_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        assert await read(recordings, made) == []
        clock.advance(START_S)
        assert await read(recordings, made) == [("raised", "video-process")]


async def test_only_the_pictures_process_is_told_when_only_it_is_silent(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        clock.advance(START_S)
        assert await read(recordings, made) == [("raised", "video-process")]
        report(tmp_path, clock)
        path_of(tmp_path, "pictures").unlink()
        assert (await read(recordings, made))[1:] == [("restored", "video-process")]
        for _ in range(3):
            clock.advance(START_S / 3)
            report(tmp_path, clock)
            path_of(tmp_path, "pictures").unlink()
            assert len(points(made)) == 2, "it has time to begin"
            await read(recordings, made)
        assert points(made)[2:] == [("raised", "pictures-process")]


async def test_a_camera_that_is_dark_is_one_fault_however_many_notice(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        report(tmp_path, clock, DARK)
        await read(recordings, made)
        clock.advance(SILENT_S)
        report(tmp_path, clock, DARK)
        await read(recordings, made)
        await recordings.look()
        await made.turn()
        assert points(made) == [("raised", "video.gate")]
        report(tmp_path, clock)
        await read(recordings, made)
        clock.advance(GONE_S)
        report(tmp_path, clock)
        assert len(await read(recordings, made)) == 1, "the index still says that it is dark"


async def test_what_was_open_before_a_restart_ends_with_its_finding(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        report(tmp_path, clock, FULL, DARK)
        assert len(await read(recordings, made)) == 2
    clock.advance(20)
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        report(tmp_path, clock, FULL)
        assert await read(recordings, made) == []
        clock.advance(GONE_S)
        report(tmp_path, clock, FULL)
        assert await read(recordings, made) == [("restored", "video.gate")]


async def test_silence_from_before_a_restart_ends_when_there_is_video(tmp_path: Path) -> None:
    clock = FakeClock()
    (tmp_path / "disk").mkdir()
    volumes = Volumes.open([tmp_path / "disk"], site="s", clock=clock, spare_bytes=0)
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        clock.advance(SILENT_S)
        await recordings.look()
        await made.turn()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        await recordings.look()
        await made.turn()
        assert points(made) == []
        store = await VideoStore.open(tmp_path, volumes, clock)
        try:
            await record(store, clock, 60)
        finally:
            await store.close()
        await recordings.look()
        await made.turn()
        assert points(made) == [("restored", "video.gate")]


async def test_a_report_of_rubbish_is_none_and_a_pipe_in_its_place_holds_up_nobody(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        path = path_of(tmp_path, "video")
        path.parent.mkdir()
        path.write_bytes(b"{" * 5000)
        clock.advance(START_S)
        async with asyncio.timeout(60):
            assert await read(recordings, made) == [("raised", "video-process")]
            path.unlink()
            os.mkfifo(path)
            assert len(await read(recordings, made)) == 1


async def test_a_report_reaches_no_fault_that_is_not_of_its_kind(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        made.intake.fault("clock", Said("时钟", "the clock jumped"), active=True, attributes={})
        await made.turn()
        foreign = [
            Finding(key, Said("x", "x"))
            for key in ("clock", "disk", "video-process", "picture.gate")
        ]
        report(tmp_path, clock, *foreign)
        await read(recordings, made)
        clock.advance(GONE_S)
        report(tmp_path, clock)
        await read(recordings, made)
        clock.advance(GONE_S)
        report(tmp_path, clock)
        assert await read(recordings, made) == [("raised", "clock")]


async def test_a_reporter_gone_mad_does_not_flood_the_receivers(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        for turn in range(30):
            report(
                tmp_path, clock, *(Finding(f"video.{turn}-{n}", Said("x", "x")) for n in range(100))
            )
            await read(recordings, made)
            clock.advance(GONE_S)
        raised = [kind for kind, _ in points(made)].count("raised")
        assert RAISED_MOST <= raised <= RAISED_MOST + 30 * GONE_S * RAISED_PER_S + 1


async def test_the_state_of_streams_is_among_the_numbers_and_unknown_is_not_zero(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path / "events", clock) as made, watching(tmp_path, made) as recordings:
        metrics = Metrics()
        recordings.gauges(metrics)
        now = clock.utc_ns()
        report(tmp_path, clock, FULL, recording=True, bit_rate_bps=8000, lost_packets=3,
               offset_ms=None, oldest_ns=now - 86_400 * S, newest_ns=now - 2 * S)  # fmt: skip
        await read(recordings, made)
        lines = generate_latest(metrics.registry).decode().splitlines()
        assert 'campus_video_recording{camera="gate"} 1.0' in lines
        assert 'campus_video_bytes_per_second{camera="gate"} 1000.0' in lines
        assert 'campus_video_lost_packets{camera="gate"} 3.0' in lines
        assert 'campus_video_oldest_age_seconds{camera="gate"} 86400.0' in lines
        assert 'campus_video_findings{process="video"} 1.0' in lines
        assert not [line for line in lines if line.startswith("campus_video_clock_offset_seconds{")]
        volumes: tuple[dict[str, Any], ...] = (
            {"path": "/srv/a", "state": "ok", "free_bytes": 5, "size_bytes": 9},
            {"path": "/srv/b", "state": "gone", "free_bytes": None, "size_bytes": None},
        )
        fresh = Report(clock.utc_ns(), (), {}, clock.mono_ns(), volumes=volumes)
        write_report(tmp_path, "video", fresh)
        await read(recordings, made)
        told_of = [
            line
            for line in generate_latest(metrics.registry).decode().splitlines()
            if line.startswith("campus_video_volume")
        ]
        assert told_of == [
            'campus_video_volume_free_bytes{volume="/srv/a"} 5.0',
            'campus_video_volume_size_bytes{volume="/srv/a"} 9.0',
            'campus_video_volume_sound{volume="/srv/a"} 1.0',
            'campus_video_volume_sound{volume="/srv/b"} 0.0',
        ]
        clock.advance(STALE_S + 1)
        lines = generate_latest(metrics.registry).decode().splitlines()
        assert not [line for line in lines if line.startswith("campus_video_recording{")]
