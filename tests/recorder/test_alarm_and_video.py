"""Alarm and video together, as real processes: pressed, held, pictured; whoever dies meanwhile."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gateway.store.video import holds_of
from gateway.store.video.stills import stills_of
from simulators.cameras import SMALL
from tests import forked
from tests.recorder.school import School, number_of, school

SECOND = 1_000_000_000
GROUP_NS = SMALL.group * SECOND // SMALL.fps
GROUP_MOST_NS = 3 * GROUP_NS
"""A busy machine takes a picture a little later than it was shown."""


async def shown(it: School, alarm_id: str) -> tuple[int, int]:
    """What the still shows: its number, and how long before the raise it was taken."""
    jpeg, note = await it.still(alarm_id)
    raised_ns = await it.raised_ns(alarm_id)
    assert abs(note.wanted_ns - raised_ns) <= 1_000_000
    return number_of(jpeg), note.wanted_ns - note.at_ns


@pytest.mark.timeout(400)
async def test_a_press_holds_the_video_and_keeps_the_picture_of_the_moment(tmp_path: Path) -> None:
    async with school(tmp_path) as it:
        await it.gateway.start()
        await it.recorder.start()
        await it.recorded()
        pressed = time.monotonic()
        alarm_id = await it.press()
        [hold] = await it.held(alarm_id)
        held_s = time.monotonic() - pressed
        raised_ns = await it.raised_ns(alarm_id)
        assert abs(raised_ns - 10 * SECOND - hold.from_ns) <= 1_000_000
        assert abs(raised_ns + 20 * SECOND - hold.to_ns) <= 1_000_000
        assert held_s < 30, "at once, on a machine that is not busy within a second"
        sent = it.camera.runs[-1].numbers()
        number, early_ns = await shown(it, alarm_id)
        assert number % SMALL.group == 0, "a key picture"
        assert 0 <= early_ns <= GROUP_MOST_NS, "of the group of pictures in which it was pressed"
        assert sent[-1] - 3 * SMALL.group <= number <= sent[-1] + SMALL.group
        [record] = [
            one for one in await it.gateway.records() if one["type"] == "campus.alarm.raised.v1"
        ]
        assert record["data"]["cameras"] == ["gate"]
        assert set(record["data"]["video"]) == {"from", "to"}
        # Whoever has the alarm's id has its clip and its picture.
        [row] = (await it.gateway.alarms()).values()
        assert (row["cameras"], row["video"]) == (["gate"], record["data"]["video"])
        status, shown_jpeg = await it.gateway.picture(f"/api/v1/alarms/{alarm_id}/stills/gate.jpg")
        assert (status, shown_jpeg) == (200, (await it.still(alarm_id))[0])
        # The pictures process dies: the next alarm's picture comes when there is another.
        first = it.recorder.pictures_pid()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await it.close(alarm_id)
        second = await it.press()
        number, early_ns = await shown(it, second)
        assert 0 <= early_ns <= GROUP_MOST_NS
        assert it.recorder.pictures_pid() != first
        # A person ends the hold of what is closed.
        done = await release(it, alarm_id)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [each.alarm_id for each in await it.held(second)] == [second]


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_what_is_open_is_not_released_and_what_was_released_stays_so_over_a_restart(
    tmp_path: Path,
) -> None:
    async with school(tmp_path) as it:
        await it.gateway.start()
        await it.recorder.start()
        await it.recorded()
        alarm_id = await it.press()
        await it.held(alarm_id)
        assert (await release(it, alarm_id)).returncode == 1, "it is open"
        await it.close(alarm_id)
        second = await it.press()
        await it.held(second)
        done = await release(it, alarm_id)
        assert done.returncode == 0, done.stdout + done.stderr
        await it.recorder.end(signal.SIGTERM)
        assert it.recorder.pictures_pid() is None
        await it.recorder.start()

        async def derived_again() -> bool:
            return "recording" in it.recorder.log_text().rpartition("stopping")[2]

        await it.until(derived_again, "another life")
        await it.recorded()
        await it.close(second)
        await it.held(await it.press())
        assert not await it.reader.run(holds_of, alarm_id), "what was released stays so"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "point",
    [
        "hold.noted",
        "still.made",
        "still.noted",
    ],
)
async def test_a_recorder_that_dies_in_the_middle_of_it_does_it_in_its_next_life(
    tmp_path: Path, point: str
) -> None:
    """In short, without processes: test_moments.py and test_keeping.py."""
    async with school(tmp_path) as it:
        await it.gateway.start()
        await it.recorder.start(crash_at=point)
        await it.recorded()
        alarm_id = await it.press()
        assert await it.recorder.died() == -signal.SIGKILL
        await it.recorder.start()
        await it.held(alarm_id)
        _number, early_ns = await shown(it, alarm_id)
        assert 0 <= early_ns <= GROUP_MOST_NS


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_whoever_dies_the_alarm_is_held_and_pictured_when_both_live_again(
    tmp_path: Path,
) -> None:
    async with school(tmp_path) as it:
        await it.gateway.start()
        await it.recorder.start()
        await it.recorded()
        pictures = it.recorder.pictures_pid()
        await it.recorder.end()
        alarm_id = await it.press()  # nobody records
        await it.gateway.kill()
        await it.recorder.start()  # and nobody takes alarms
        [hold] = await it.held(alarm_id)
        assert hold.camera == "gate"

        async def gone() -> bool:
            return pictures is None or not Path(f"/proc/{pictures}").exists()

        await it.until(gone, "the end of the pictures process whose parent was killed")
        await it.gateway.start()
        assert stills_of(it.store, alarm_id) or "gate" in it.recorder.log_text()
        await it.recorded()
        await it.close(alarm_id)
        second = await it.press()
        await it.held(second)
        _number, early_ns = await shown(it, second)
        assert 0 <= early_ns <= GROUP_MOST_NS


async def release(it: School, alarm_id: str) -> subprocess.CompletedProcess[str]:
    """Run `campus-gateway video release`, in a thread: the loop sees what the gateway hangs up."""
    words = [
        *(*forked.MODULE, "video", "release", "--yes"),
        *("--config", str(it.gateway.folder / "config")),
        *("--alarm", alarm_id, "--reason", "已移交"),
    ]
    return await asyncio.to_thread(forked.run, words, timeout_s=120)
