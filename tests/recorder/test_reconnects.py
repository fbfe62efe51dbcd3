"""A storm of reconnects leaves nothing behind: no file handle, no thread, no memory."""

import asyncio
import gc
import os
import threading
from pathlib import Path

import pytest

from gateway.recorder import camera as recording
from simulators.cameras import SMALL, Camera, Conduct
from tests.recorder.test_isolation import Row, row_of

CAMERAS = 8
WARM = 10
"""Sessions of each camera before the first look, at least: caches and pools fill first."""
GROWTH_BYTES = 12 << 20
"""What the allocator, the index's cache and the simulators (which remember every run) may keep;
one group of pictures that is not let go of for each session would be more."""


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def until_sessions(row: Row, count: int) -> None:
    """Until every camera was opened so many times more."""
    states = [recorder.state for recorder in row.recorders.values()]
    wanted = [state.sessions + count for state in states]
    for _ in range(6000):
        if all(state.sessions >= most for state, most in zip(states, wanted, strict=True)):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError([state.sessions for state in states])


async def storm(tmp_path: Path, sessions: int, patch: pytest.MonkeyPatch) -> None:
    """So many sessions, each a few pictures long, of several cameras at once."""
    patch.setattr(recording, "PAUSE_FIRST_S", 0.01)
    patch.setattr(recording, "PAUSE_MOST_S", 0.01)
    cameras = [Camera(name=f"c{n}", label="gate", main=SMALL, sub=None) for n in range(CAMERAS)]
    async with row_of(tmp_path, cameras) as row:
        for camera in row.cameras:
            camera.conduct = Conduct(die_after=3)
        await until_sessions(row, max(WARM, sessions // CAMERAS // 4))
        gc.collect()
        before = handles(), threading.active_count(), resident_bytes()
        await until_sessions(row, sessions // CAMERAS)
        for camera in row.cameras:
            camera.conduct = Conduct()
        for recorder in row.recorders.values():
            pictures = recorder.state.pictures
            for _ in range(2000):
                if recorder.state.is_recording and recorder.state.pictures > pictures + 10:
                    break
                await asyncio.sleep(0.05)
            assert recorder.state.is_recording, "and then it is recorded as if nothing had been"
        gc.collect()
        after = handles(), threading.active_count(), resident_bytes()
    assert after[0] <= before[0] + 2 * CAMERAS, "a socket and a file for each, as at the beginning"
    assert after[1] == before[1]
    assert after[2] - before[2] < GROWTH_BYTES


@pytest.mark.timeout(300)
async def test_two_hundred_reconnects_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storm(tmp_path, 200, monkeypatch)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_reconnects_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storm(tmp_path, 1000, monkeypatch)
