"""What a real recorder recorded of a camera with numbered pictures, through the real API."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from simulators.cameras import SMALL, Camera
from tests.console.video_rig import Rig, serving
from tests.playback.film import PICTURE_NS, camera_of, look
from tests.recorder.test_camera import Room, recording

VIDEO = "/api/v1/cameras/gate/video.mp4"


async def whole(it: Rig, room: Room) -> tuple[bytes, Mapping[str, str]]:
    found = await room.segments()
    begin, end = found[0].segment.facts.started_ns, found[-1].segment.end_ns
    where = it.range(begin, end + 1_000_000)
    answer = await it.ask(VIDEO, params=where)
    assert answer.status == 200
    size = len(answer.body)
    cuts = [0, 1, size // 3, size // 2, size - 1, size]
    parts = []
    for first, last in pairwise(cuts):
        asked = {"Range": f"bytes={first}-{last - 1}"}
        parts.append((await it.ask(VIDEO, params=where, headers=asked)).body)
    assert b"".join(parts) == answer.body
    return answer.body, answer.headers


@pytest.mark.timeout(180)
async def test_no_picture_is_missing_or_double_and_a_reconnect_is_one_gap(tmp_path: Path) -> None:
    camera = Camera(name="gate", main=SMALL, sub=None)
    async with recording(tmp_path, camera) as room:
        await room.until_segments(3)
        await room.camera.hang_up()
        await room.until_segments(5)
        await room.end()
        async with serving(tmp_path, tmp_path, [camera_of("gate")]) as it:
            body, headers = await whole(it, room)
        seen = look(body)
        steps = [after - before for before, after in pairwise(seen.numbers)]
        assert len([step for step in steps if step != 1]) == 1, "one reconnect, one gap"
        for (before, after), step in zip(pairwise(seen.at_ns), steps, strict=True):
            assert (step == 1) == (after - before < 3 * PICTURE_NS)
        assert headers["Campus-Gaps"].endswith(";camera")
        assert headers["Campus-Gaps"].count(";") == 1


@pytest.mark.timeout(180)
async def test_live_follows_a_real_camera_over_its_seals_without_a_hole(tmp_path: Path) -> None:
    async with (
        recording(tmp_path, Camera(name="gate", main=SMALL, sub=None)) as room,
        serving(tmp_path, tmp_path, [camera_of("gate")]) as it,
    ):
        await room.until_pictures(20)
        await room.until_segments(1)
        got = bytearray()
        live = await it.http.get(f"{it.url}/api/v1/cameras/gate/live.mp4", headers=it.bearer())
        assert live.status == 200
        wanted = len(await room.segments()) + 2
        while len(await room.segments()) < wanted:
            async with asyncio.timeout(60):
                got += await live.content.readany()
        live.close()
        await it.until_nobody_looks()
        got = got[: _whole_boxes(got)]
        seen = look(bytes(got))
        assert seen.numbers == list(range(seen.numbers[0], seen.numbers[0] + len(seen.numbers)))
        assert len(seen.numbers) > 50
        assert seen.at_ns[0] == 0


def _whole_boxes(content: bytes | bytearray) -> int:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if at + size > len(content):
            break
        at += size
    return at
