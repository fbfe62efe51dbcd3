"""The video process among its disks: one that fails costs nothing but itself, and a person is told.

The service runs in this process, so that a disk can be broken under it; test_service.py and the
last tests here run it as the process it is.
"""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway import requests
from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.recorder import adopting
from gateway.recorder.service import Service
from gateway.reports import Finding, Report, read_report
from gateway.store.video import State, VideoReader, VideoStore, Volume
from gateway.store.video.disk import Disk
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera
from tests.recorder.test_service import recorder

PATIENCE = 1200
DAY_NS = 86_400_000_000_000
SEGMENT_S = 2.0


async def until(enough: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if enough():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


def configure(
    folder: Path, cameras: Sequence[LiveCamera], *, disks: int = 1, sub: bool = False
) -> Path:
    lines = [
        '[site]\nid = "s"\nname = "校"\n[store]\npath = "data"\n[[link]]\nname = "field"\n'
        'kind = "mqtt"\nurl = "mqtt://127.0.0.1:1"\n[log]\nformat = "console"\n'
    ]
    for number in range(disks):
        (folder / f"disk-{number}").mkdir(exist_ok=True)
        lines.append(f'[[video.volume]]\npath = "disk-{number}"\n')
    (folder / "password").write_text("look-only", encoding="utf-8")
    (folder / "password").chmod(0o600)
    for camera in cameras:
        lines.append(
            f'[[camera]]\nid = "{camera.settings.name}"\nurl = "{plain(camera.url)}"\n'
            f'username = "viewer"\npassword_file = "password"\n'
        )
        if sub:
            lines.append(f'sub_url = "{plain(camera.sub_url)}"\nsub_retention_days = 3\n')
    (folder / "gateway.toml").write_text("".join(lines), encoding="utf-8")
    (folder / "devices.toml").write_text(
        '[[device]]\nid = "b"\nprofile = "generic/json_button"\nlink = "field"\n'
        'address = { topic = "b" }\n',
        encoding="utf-8",
    )
    return folder


def plain(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def break_disk(patch: pytest.MonkeyPatch, volume: Volume, number: int) -> None:
    """From now on this volume takes every look and no byte of video, of open segments neither."""
    write = Disk.write

    def fails(disk: Disk, descriptor: int, parts: Sequence[bytes]) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(volume.path):
            raise OSError(number, os.strerror(number))
        write(disk, descriptor, parts)

    patch.setattr(Disk, "write", fails)


@dataclass
class Living:
    folder: Path
    service: Service

    @property
    def store(self) -> VideoStore:
        assert self.service.store is not None
        return self.service.store

    def report(self) -> Report | None:
        return read_report(self.folder / "data", "video")

    def finding(self, beginning: str) -> Finding | None:
        report = self.report()
        found = () if report is None else report.findings
        return next((each for each in found if each.key.startswith(beginning)), None)

    async def until_pictures(self, count: int) -> None:
        [state] = [each.state for each in self.service.recorders[:1]]
        wanted = state.pictures + count
        await until(lambda: state.pictures >= wanted)

    def home(self) -> Volume:
        """The volume that is being written to."""
        [volume] = [
            v for v in self.store.volumes.all if any(w.is_on(v) for w in self.store.writers)
        ]
        return volume


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[Living]:
    """The service of a folder, until it records."""
    service, stop = Service(load_config(folder), segment_s=SEGMENT_S), asyncio.Event()
    task = asyncio.create_task(service.live(stop))
    try:
        await until(lambda: bool(service.recorders) or task.done())
        await until(lambda: task.done() or any(each.state.pictures for each in service.recorders))
        if task.done():
            task.result()
        yield Living(folder, service)
    finally:
        stop.set()
        await asyncio.wait([task], timeout=60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


GATE = Camera(name="gate", main=SMALL, sub=SMALL)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_of_three_disks_one_fails_and_recording_goes_on_on_another(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        Cameras([GATE]) as cameras,
        living(configure(tmp_path, [cameras["gate"]], disks=3)) as here,
    ):
        await until(lambda: bool(here.store.writers))
        broken = here.home()
        break_disk(monkeypatch, broken, number)
        await until(lambda: any(not w.is_on(broken) for w in here.store.writers))
        await here.until_pictures(30)
        assert here.service.recorders[0].state.sessions == 1, "the camera noticed nothing"
        await here.store.look()
        assert broken.state is State.OK, "it passes every look"
        await until(lambda: here.finding("video-volume.") is not None)
        finding = here.finding("video-volume.")
        assert finding is not None
        assert finding.attributes["path"] == str(broken.path)
        assert here.home() is not broken


@pytest.mark.timeout(300)
async def test_a_wrong_mount_is_written_to_once_a_person_adopted_it(tmp_path: Path) -> None:
    async with (
        Cameras([GATE]) as cameras,
        living(configure(tmp_path, [cameras["gate"]])) as here,
    ):
        disk = tmp_path / "disk-0"
        disk.rename(tmp_path / "taken-out")
        disk.mkdir()
        [volume] = here.store.volumes.all
        await until(lambda: volume.state is State.WRONG_MOUNT)
        await until(lambda: here.finding("video-mount.") is not None)
        finding = here.finding("video-mount.")
        assert finding is not None
        assert finding.attributes["command"] == (
            f"campus-gateway video adopt --config {tmp_path} {disk}"
        )
        assert list(disk.rglob("*.mp4*")) == [], "nothing was written there"
        found = adopting.look(disk)
        assert found.uuid is None
        clock = SystemClock()
        said = await adopting.adopt(tmp_path / "data", found, clock)
        assert said.ok, said.text
        await until(lambda: bool(list(disk.rglob("*.mp4"))))
        await until(lambda: here.finding("video-mount.") is None)
        again = await adopting.adopt(tmp_path / "data", found, clock)
        assert not again.ok, "it is not the disk that was shown: it has a marker by now"


@pytest.mark.timeout(300)
async def test_what_is_asked_for_and_makes_no_sense_is_answered(tmp_path: Path) -> None:
    async with (
        Cameras([GATE]) as cameras,
        living(configure(tmp_path, [cameras["gate"]])),
    ):
        clock, data = SystemClock(), tmp_path / "data"
        for what, values in (
            ("format", {}),
            ("adopt", {}),
            ("adopt", {"path": "/etc", "uuid": None, "device": 1}),
            ("adopt", {"path": str(tmp_path / "disk-0"), "uuid": "another", "device": 1}),
        ):
            said = await requests.ask(data, "video", what, values, clock)
            assert not said.ok
            assert said.text


@pytest.mark.timeout(300)
async def test_both_streams_are_recorded_and_told_under_their_names(tmp_path: Path) -> None:
    async with (
        Cameras([GATE]) as cameras,
        living(configure(tmp_path, [cameras["gate"]], sub=True)) as here,
    ):
        main, sub = here.service.recorders
        await until(lambda: main.state.pictures > 20 and sub.state.pictures > 20)

        def both_told() -> bool:
            report = here.report()
            return report is not None and all(
                report.cameras.get(name, {}).get("recording") for name in ("gate", "gate.sub")
            )

        await until(both_told)
        report = here.report()
        assert report is not None
        assert report.cameras["gate.sub"]["retention_days"] == 3
        assert report.cameras["gate"]["codec"] == main.state.codec
        assert not [each for each in report.findings if each.key.startswith("video")]
    folders = {path.name for path in (tmp_path / "disk-0").iterdir() if path.is_dir()}
    assert folders == {"gate", "gate.sub"}


@pytest.mark.timeout(300)
async def test_a_camera_that_is_taken_out_of_the_configuration_keeps_its_video(
    tmp_path: Path,
) -> None:
    yard = Camera(name="yard", label="gate", main=SMALL, sub=None)
    async with Cameras([GATE, yard]) as cameras:
        async with living(configure(tmp_path, [cameras["gate"], cameras["yard"]])) as here:
            await until(lambda: all(each.state.pictures > 20 for each in here.service.recorders))
        async with living(configure(tmp_path, [cameras["gate"]])) as here:
            await here.until_pictures(10)
            assert [each.camera for each in here.service.recorders] == ["gate"]
            reader = VideoReader(tmp_path / "data")
            try:
                assert await reader.cameras() == ["gate", "yard"]
                now = SystemClock().utc_ns()
                assert await reader.segments("yard", now - DAY_NS, now + DAY_NS)
            finally:
                await reader.close()
    assert list((tmp_path / "disk-0" / "yard").rglob("*.mp4"))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_told_to_stop_it_seals_and_it_records_again_within_five_seconds(
    tmp_path: Path,
) -> None:
    """That it seals when it is told to stop is in test_service.py, in short."""
    clock = SystemClock()
    async with Cameras([GATE]) as cameras:
        folder = configure(tmp_path, [cameras["gate"]])
        disk = folder / "disk-0"
        async with recorder(folder) as process:
            await until(lambda: _open_bytes(disk) > 20_000)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
        assert not list(disk.rglob("*.mp4.open"))
        assert list(disk.rglob("*.mp4"))
        started = await _start_s()
        began_ns = clock.mono_ns()
        async with recorder(folder):
            await until(lambda: _open_bytes(disk) > 0)
            took_s = (clock.mono_ns() - began_ns) / 1e9
        # What this machine takes now for nothing but starting and reading the configuration is
        # its load, not ours.
        assert took_s < 5.0 + 2 * started


def _open_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.mp4.open"))


async def _start_s() -> float:
    clock = SystemClock()
    began_ns = clock.mono_ns()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import gateway.recorder.service, gateway.config"
    )
    await process.wait()
    return (clock.mono_ns() - began_ns) / 1e9
