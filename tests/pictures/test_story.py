"""A camera is covered, and the journal of a real gateway has it until the camera sees again.

Everything is real but the camera, which is simulated: the alarm process, the video process, the
pictures process below it, the disk, the reports, the intake, the API.
"""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from gateway.media import Run, Sample, fragment, init_segment
from gateway.media.nal import join_lengths
from gateway.media.tracks import video
from gateway.pictures.asking import scene_path
from gateway.pictures.decode import key_picture
from gateway.pictures.judge import Judge
from gateway.pictures.scene_file import save
from gateway.pictures.watch import picture_of
from gateway.reports import read_report
from simulators.cameras import SMALL
from simulators.cameras.clip import load
from simulators.cameras.scene import Picture
from tests import forked
from tests.recorder.school import School, school

COVERED = "gw-1/picture.gate.covered"
MOVED = "gw-1/picture.gate.moved"
CLOCK_HZ = 90_000
STEP_S = 2
LOOKS_S = 400.0
"""The pictures process is nice and takes half of the time at most: on a busy machine its looks come
far apart, and a verdict needs several."""


def keep_scene(store: Path) -> None:
    """What the camera sees, learned by the judge itself as it would be in two minutes."""
    clip, judge = load("gate", SMALL, Picture.NORMAL), Judge()
    init = init_segment([video(SMALL.codec, CLOCK_HZ, clip.sets)])
    begin_ns = time.time_ns() - 120 * 10**9
    for look in range(45):
        number = look * STEP_S * SMALL.fps // SMALL.group * SMALL.group
        units = [unit for unit in clip.units(number) if unit not in clip.sets]
        ticks = STEP_S * CLOCK_HZ
        body = fragment(1, [Run(1, 0, [Sample(join_lengths(units), ticks, 0, True)])])
        judge.see(picture_of(key_picture(init, body), begin_ns + look * STEP_S * 10**9))
    assert judge.is_learned
    save(scene_path(store, "gate"), judge.scene)


async def until_state(it: School, wanted: str) -> None:
    """Until the pictures process says so of the camera."""

    async def said() -> bool:
        report = await asyncio.to_thread(read_report, it.store, "pictures")
        return report is not None and report.cameras.get("gate", {}).get("picture") == wanted

    await it.until(said, f"pictures that are {wanted}", LOOKS_S)


async def told(it: School, key: str) -> list[str]:
    """What the journal says of a fault, oldest first."""
    point = key.partition("/")[2]
    return [one["type"] for one in await it.gateway.records() if one["data"]["point"] == point]


async def cover_and_uncover(it: School) -> None:
    await it.camera.show(Picture.COVERED)
    fault = await it.gateway.fault(COVERED, LOOKS_S)
    assert "镜头被遮挡" in fault["text"]
    assert await told(it, COVERED) == ["campus.fault.raised.v1"]
    [raised] = [one for one in await it.gateway.records() if one["data"]["point"] == COVERED[5:]]
    said = raised["data"]["attributes"]
    assert said["camera"] == "gate"
    assert (it.store / said["still"]).read_bytes()[:2] == b"\xff\xd8"
    await it.camera.show(Picture.NORMAL)
    await it.gateway.no_fault(COVERED, LOOKS_S)
    assert await told(it, COVERED) == ["campus.fault.raised.v1", "campus.fault.restored.v1"]
    await until_state(it, "well")


def relearn(it: School, camera: str = "gate") -> subprocess.CompletedProcess[str]:
    """Run `campus-gateway video relearn`."""
    config = str(it.gateway.folder / "config")
    words = ["video", "relearn", "--config", config, "--camera", camera]
    return forked.run([*forked.MODULE, *words], timeout_s=LOOKS_S)


@pytest.mark.timeout(1800)
async def test_a_covered_camera_is_a_fault_in_the_journal_until_it_sees_again(
    tmp_path: Path,
) -> None:
    """The scene was learned before, as at any restart; in long it is learned while it runs."""
    async with school(tmp_path, sub=True) as it:
        await asyncio.to_thread(keep_scene, it.store)
        async with asyncio.TaskGroup() as group:
            group.create_task(it.gateway.start())
            group.create_task(it.recorder.start())
        await until_state(it, "well")
        await cover_and_uncover(it)
        done = await asyncio.to_thread(relearn, it, "yard")
        assert done.returncode == 1, "no such camera"
        assert scene_path(it.store, "gate").exists()
        done = await asyncio.to_thread(relearn, it)
        assert done.returncode == 0, done.stdout + done.stderr
        await until_state(it, "learning")


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_scene_is_learned_covered_turned_and_learned_anew_at_an_installers_word(
    tmp_path: Path,
) -> None:
    async with school(tmp_path, sub=True) as it:
        await it.gateway.start()
        await it.recorder.start()
        await until_state(it, "learning")
        await until_state(it, "well")
        await cover_and_uncover(it)
        await it.camera.show(Picture.MOVED)
        await it.gateway.fault(MOVED, LOOKS_S)
        done = await asyncio.to_thread(relearn, it)
        assert done.returncode == 0, done.stdout + done.stderr
        await it.gateway.no_fault(MOVED, LOOKS_S)
        await until_state(it, "well")
        await it.camera.show(Picture.NORMAL)
        await it.gateway.fault(MOVED, LOOKS_S)
        assert len(await told(it, MOVED)) == 3
