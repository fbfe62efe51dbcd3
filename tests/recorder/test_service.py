"""`campus-gateway video` as a process: it records, it is killed, and what it had is there."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.clock import SystemClock
from gateway.store import Store
from gateway.store.video import VideoReader
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera
from tests import forked

PATIENCE = 1200
DAY_NS = 86_400_000_000_000


def configure(folder: Path, camera: LiveCamera) -> Path:
    parts = urlsplit(camera.url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    (folder / "disk").mkdir(exist_ok=True)
    password = folder / "password"
    password.write_text(parts.password or "", encoding="utf-8")
    password.chmod(0o600)
    (folder / "gateway.toml").write_text(
        f"""[site]
id = "s"
name = "校"
[store]
path = "data"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
[log]
format = "console"
[[video.volume]]
path = "disk"
[[camera]]
id = "gate"
url = "{plain}"
username = "{parts.username}"
password_file = "password"
""",
        encoding="utf-8",
    )
    (folder / "devices.toml").write_text(
        '[[device]]\nid = "b"\nprofile = "generic/json_button"\nlink = "field"\n'
        'address = { topic = "b" }\n',
        encoding="utf-8",
    )
    return folder


@asynccontextmanager
async def recorder(folder: Path) -> AsyncIterator[forked.Process]:
    """The video process; killed at the end if it still runs."""
    with (folder / "video.log").open("ab") as output:
        command = [*forked.MODULE, "video", "--config", str(folder)]
        process = forked.start(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


async def recorded_s(folder: Path) -> float:
    """Seconds of the camera that are in the index."""
    reader = VideoReader(folder / "data")
    try:
        now = SystemClock().utc_ns()
        found = await reader.segments("gate", now - DAY_NS, now + DAY_NS)
    finally:
        await reader.close()
    return sum(each.segment.end_ns - each.segment.facts.started_ns for each in found) / 1e9


async def grows(folder: Path, size: int) -> None:
    """Wait until so much is in an open segment."""
    for _ in range(PATIENCE):
        if sum(path.stat().st_size for path in folder.rglob("*.mp4.open")) > size:
            return
        await asyncio.sleep(0.05)
    pytest.fail((folder / "video.log").read_text("utf-8"))


@pytest.mark.timeout(300)
async def test_it_records_is_killed_and_loses_no_more_than_the_open_fragment(
    tmp_path: Path,
) -> None:
    async with Cameras([Camera(name="gate", main=SMALL, sub=None)]) as cameras:
        folder = configure(tmp_path, cameras["gate"])
        store, started = await Store.open(folder / "data", reserve_mib=1, receivers=[])
        await store.close(started.seq, started.floor_ns)  # the alarm process was here before
        async with recorder(folder):
            await grows(folder, 200_000)
        [opened] = (folder / "disk").rglob("*.mp4.open")
        async with recorder(folder) as process:
            for _ in range(PATIENCE):
                if opened.with_suffix("").exists():
                    break
                await asyncio.sleep(0.05)
            await grows(folder, 100_000)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 60) == 0
    assert not list((folder / "disk").rglob("*.mp4.open")), "both are sealed"
    assert len(list((folder / "disk").rglob("*.mp4"))) == 2
    assert await recorded_s(folder) > 2
    sound = prove(folder)
    assert sound.returncode == 0, sound.stdout
    [first, _] = sorted((folder / "disk").rglob("*.mp4"))
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    found = prove(folder)
    assert found.returncode == 1
    assert first.name in found.stdout
    assert prove(folder, "--no-video").returncode == 0


def prove(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `campus-gateway verify` on it."""
    command = [*forked.MODULE, "verify", "--config", str(folder), *options]
    return forked.run(command, timeout_s=60)


def test_without_a_camera_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(
        '[site]\nid = "s"\nname = "校"\n[store]\npath = "data"\n[[link]]\nname = "field"\n'
        'kind = "mqtt"\nurl = "mqtt://127.0.0.1:1"\n',
        encoding="utf-8",
    )
    (tmp_path / "devices.toml").write_text(
        '[[device]]\nid = "b"\nprofile = "generic/json_button"\nlink = "field"\n'
        'address = { topic = "b" }\n',
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "video", "--config", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert "[[camera]]" in ended.stderr
    assert "[[video.volume]]" in ended.stderr
