"""live.mjpeg: pictures one after another for a browser that cannot play the camera's video."""

import asyncio
from pathlib import Path

import pytest

from gateway.console import video_stills
from gateway.playback.moments import said
from tests.clocks import SECOND
from tests.console.video_rig import TINY, rig
from tests.playback.film import CAMERA

PATH = f"/api/v1/cameras/{CAMERA}/live.mjpeg?width=320&reason=x"


async def test_each_picture_comes_once_with_its_time_and_all_of_it_is_one_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_stills, "LOOK_S", 0.01)
    async with rig(tmp_path) as it:
        first = it.clock.utc_ns() // 10**6 * 10**6
        it.stills.newest_ns = first
        async with it.http.get(it.url + PATH, headers=it.bearer()) as answer:
            assert answer.status == 200
            assert answer.content_type == "multipart/x-mixed-replace"
            got = b""
            async with asyncio.timeout(60):
                while TINY not in got:
                    got += await answer.content.readany()
                for _ in range(5):  # asked for again and again, it is the same picture
                    await it.stills.came.acquire()
                it.stills.newest_ns = first + SECOND
                while got.count(TINY) < 2:
                    got += await answer.content.readany()
            assert got.count(f"Campus-At: {said(first)}".encode()) == 1
            assert got.count(f"Campus-At: {said(first + SECOND)}".encode()) == 1
            assert it.playback.viewers == 1
        await it.until_nobody_looks()
        assert {(name, width) for name, _at, width in it.stills.asked} == {(CAMERA, 320)}
        [entry] = it.trail
        assert (entry.details["medium"], entry.reason) == ("live.mjpeg", "x")


async def test_what_is_old_or_not_to_be_had_is_not_live_and_nobody_saw_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_stills, "LOOK_S", 0.01)
    monkeypatch.setattr(video_stills, "SILENT_S", 0.1)
    async with rig(tmp_path) as it:
        answer = await it.ask(PATH)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "not_recorded_now")
        it.stills.down = True
        assert (await it.ask(PATH)).status == 503
        it.stills.down, it.refuse_audit = False, True
        it.stills.newest_ns = it.clock.utc_ns()
        assert (await it.ask(PATH)).status == 503
        assert it.trail == []
        assert it.playback.viewers == 0
        # A camera that is away ends it: the page says so then.
        it.refuse_audit = False
        answer = await it.ask(PATH)
        assert (answer.status, answer.body.count(TINY)) == (200, 1)
        assert answer.body.endswith(b"--campus-still--\r\n")
        await it.until_nobody_looks()
