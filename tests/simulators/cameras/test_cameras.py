"""Real clients see every picture, once, in order, at its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import av
import pytest

from simulators.cameras import SMALL, Camera, Cameras, LiveCamera, Picture, Scheme, Sound
from tests.simulators.cameras.viewer import Viewer, ran, watch

H265 = replace(SMALL, codec="h265")


@asynccontextmanager
async def one(**settings: Any) -> AsyncIterator[LiveCamera]:
    settings = {"name": "gate", "main": SMALL, "sub": None, **settings}
    async with Cameras([Camera(**settings)]) as cameras:
        yield cameras["gate"]


def in_order(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("main", [SMALL, H265], ids=["h264", "h265"])
async def test_a_minute_of_stream_has_every_picture_once(main: Any) -> None:
    """A minute by the camera's clock; ours is a tenth of that."""
    count = 60 * main.fps
    async with one(main=main, speed=10.0) as camera:
        seen = await watch(camera.url, count)
        await camera.until(lambda _: camera.playing_count == 0)
        assert len(seen) == count
        assert in_order([picture.number for picture in seen])
        assert seen[0].number % main.group == 0
        times = [picture.pts for picture in seen if picture.pts is not None]
        assert {after - before for before, after in pairwise(times)} == {3600}
        (run,) = camera.runs
        sent = run.numbers()
        assert run.lost == set()
        assert [picture.number for picture in seen] == sent[:count]


@pytest.mark.parametrize("scheme", list(Scheme))
async def test_libav_gets_in_by_every_scheme_and_not_with_a_wrong_word(scheme: Scheme) -> None:
    async with one(scheme=scheme, password="se:c/r@t #1") as camera:
        assert in_order([picture.number for picture in await watch(camera.url, 3)])
        assert camera.answers[401] == (0 if scheme is Scheme.NONE else 1)
        if scheme is Scheme.NONE:
            return
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await watch(camera.url.replace("se%3Ac", "guess"), 1)
        assert camera.requests["PLAY"] == 1


@pytest.mark.parametrize("sound", list(Sound))
@pytest.mark.parametrize("main", [SMALL, H265], ids=["h264", "h265"])
async def test_sound_comes_with_the_picture_and_has_no_holes(main: Any, sound: Sound) -> None:
    def listen(url: str) -> tuple[list[int], float]:
        times, power = [], 0.0
        with av.open(url, options={"rtsp_transport": "tcp"}) as container:
            for packet in container.demux(audio=0):
                for frame in packet.decode():
                    if packet.pts is not None:
                        times.append(packet.pts)
                    samples = memoryview(bytes(frame.planes[0])).cast(
                        "f" if frame.format.name == "fltp" else "h"
                    )
                    power += sum(abs(sample) for sample in samples[: frame.samples])
                if len(times) >= 150:  # further than the tune is long
                    return times, power
        return times, power

    async with one(main=main, sound=sound, speed=8.0) as camera:
        times, power = await asyncio.to_thread(listen, camera.url)
        step = 1024 if sound is Sound.AAC else 320
        off = [after - before - step for before, after in pairwise(times)]
        assert set(off) <= {-1, 0, 1}  # libav rounds once, when the first report comes
        assert sum(map(abs, off)) <= 2
        assert power > 0


async def test_main_and_sub_stream_show_the_same_moment_in_their_own_size() -> None:
    sub = replace(SMALL, fps=10, groups=4)
    main = replace(SMALL, width=1280, height=720, kbit_per_s=800)
    async with one(main=main, sub=sub, scheme=Scheme.NONE) as camera:
        both = await asyncio.gather(watch(camera.url, 12), watch(camera.sub_url, 12))
        for stream, shape, seen in zip(("main", "sub"), (main, sub), both, strict=True):
            assert in_order([picture.number for picture in seen])
            assert {picture.width for picture in seen} == {shape.width}
            late_s = camera.taken_wall_s(camera.number_now(stream), stream)
            late_s -= camera.taken_wall_s(seen[-1].number, stream)
            assert 0 <= late_s < 20
        newest = [camera.number_now("main") / main.fps, camera.number_now("sub") / sub.fps]
        assert abs(newest[0] - newest[1]) < 0.2


async def test_who_comes_back_finds_a_gap_as_long_as_the_time_away() -> None:
    async with one(speed=4.0) as camera:
        first = await watch(camera.url, 5)
        await camera.until(lambda _: camera.playing_count == 0)
        left_at = camera.number_now()
        await camera.power_off()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", camera.port)
        await camera.power_on()
        second = await watch(camera.url, 5)
        assert in_order([picture.number for picture in first])
        assert in_order([picture.number for picture in second])
        assert second[0].number >= left_at > first[-1].number
        assert [run.first for run in camera.runs] == [first[0].number, second[0].number]


async def test_a_number_near_the_end_of_all_numbers_begins_again() -> None:
    begin = (1 << 24) - 20
    async with one(first_number=begin, speed=4.0) as camera:
        seen = await watch(camera.url, 60)
        wanted = range(seen[0].number, seen[0].number + 60)
        assert [picture.number for picture in seen] == [number % (1 << 24) for number in wanted]
        assert wanted[-1] >= 1 << 24


async def test_many_clients_see_the_same_camera_each_in_its_own_session() -> None:
    async with one(speed=2.0) as camera:
        everybody = await asyncio.gather(*(watch(camera.url, 30) for _ in range(4)))
        assert all(in_order([picture.number for picture in seen]) for seen in everybody)
        assert len(camera.runs) == 4


async def test_cameras_are_told_apart_and_do_not_disturb_each_other() -> None:
    settings = [Camera(name=name, label="shared", main=SMALL, sub=None) for name in ("a", "b")]
    async with Cameras(settings) as cameras:
        cameras["a"].conduct.die_after = 3
        async with Viewer(cameras["a"].url) as broken, Viewer(cameras["b"].url) as sound:
            await broken.play()
            await sound.play()
            await cameras["a"].until(ran(cameras["a"], "died"))
            assert len(await sound.pictures(15)) == 15
        assert [camera.settings.name for camera in cameras] == ["a", "b"]
    with pytest.raises(ValueError, match="one name"):
        Cameras(["a", "a"])


async def test_a_report_ties_the_stream_to_the_cameras_own_clock() -> None:
    async with one(clock_ahead_s=7200.0) as camera, Viewer(camera.url) as viewer:
        info = (await viewer.play()).header("rtp-info")
        packets = await viewer.until(lambda packet: packet.channel == 1)
        report = packets[-1].data
        assert report[1] == 200
        wall_s = int.from_bytes(report[8:16], "big") / 2**32 - 2_208_988_800
        time = int.from_bytes(report[16:20], "big")
        first = next(packet for packet in packets if packet.is_video)
        assert f"rtptime={first.timestamp}" in info
        assert f"seq={first.sequence}" in info
        number = camera.runs[0].first
        assert number is not None
        since_s = (time - first.timestamp) % 2**32 / 90_000
        assert camera.taken_wall_s(number) + since_s == pytest.approx(wall_s, abs=0.001)


async def test_sequence_numbers_and_timestamps_have_no_holes_through_the_seam_of_the_clip() -> None:
    async with one(speed=5.0) as camera, Viewer(camera.url) as viewer:
        await viewer.play()
        pictures = await viewer.pictures(3 * SMALL.frames)
        packets = [packet for picture in pictures for packet in picture]
        for before, after in pairwise(packets):
            assert after.sequence == (before.sequence + 1) % 65536
            assert (after.timestamp - before.timestamp) % 2**32 in {0, 3600}
        assert all(len({packet.timestamp for packet in picture}) == 1 for picture in pictures)


async def test_libav_keeps_its_session_alive() -> None:
    async with one(session_timeout_s=2.0) as camera:
        seen = await watch(camera.url, 150)  # six seconds: three time-outs
        assert in_order([picture.number for picture in seen])
        assert camera.client_report_count + camera.requests["GET_PARAMETER"] > 1
        assert len(camera.runs) == 1


async def test_forty_cameras_serve_everybody_every_picture() -> None:
    names = [f"cam-{number}" for number in range(40)]
    settings = [Camera(name=name, label="shared", main=SMALL, sub=None) for name in names]
    async with Cameras(settings) as cameras, AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(Viewer(camera.url)) for camera in cameras]
        await asyncio.gather(*(viewer.play() for viewer in viewers))
        for pictures in await asyncio.gather(*(viewer.pictures(60) for viewer in viewers)):
            times = [picture[0].timestamp for picture in pictures]
            assert {(after - before) % 2**32 for before, after in pairwise(times)} == {3600}
        assert len({(await viewer.packet()).data[8:12] for viewer in viewers}) == 40


async def test_another_picture_comes_with_a_key_frame_and_the_numbers_go_on() -> None:
    async with one(speed=2.0) as camera:
        looking = asyncio.create_task(watch(camera.url, 60))
        await camera.until(lambda _: camera.playing_count == 1)
        night = await camera.show(Picture.NIGHT)
        seen = await looking
        assert night % SMALL.group == 0
        assert in_order([picture.number for picture in seen])


async def test_a_frozen_picture_keeps_the_number_it_froze_at() -> None:
    async with one(speed=2.0) as camera:
        looking = asyncio.create_task(watch(camera.url, 60))
        await camera.until(lambda _: camera.playing_count == 1)
        frozen = await camera.show(Picture.FROZEN)
        numbers = [picture.number for picture in await looking]
        await camera.until(lambda _: camera.playing_count == 0)
        assert numbers[-1] == frozen
        assert set(numbers[numbers.index(frozen) :]) == {frozen}


async def test_the_size_changes_in_mid_stream_with_new_parameter_sets() -> None:
    wider = replace(SMALL, width=1280, height=720, kbit_per_s=800)
    async with one(speed=2.0) as camera:
        await camera.show(shape=wider, stream="main")  # encoded now, not while somebody waits
        await camera.show(shape=SMALL, stream="main")
        looking = asyncio.create_task(watch(camera.url, 80))
        await camera.until(lambda _: bool(camera.runs) and camera.runs[0].last is not None)
        since = await camera.show(shape=wider, stream="main")
        seen = await looking
        assert in_order([picture.number for picture in seen])
        sizes = {picture.number: picture.width for picture in seen if picture.number >= since - 1}
        assert (sizes[since - 1], sizes[since]) == (640, 1280)
        with pytest.raises(ValueError, match="only size"):
            await camera.show(shape=H265, stream="main")
        with pytest.raises(ValueError, match="say which"):
            await camera.show(shape=wider)
