"""Cameras that come and go while another is recorded on without a gap."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from gateway import requests
from gateway.clock import SystemClock
from gateway.config import load_config
from gateway.recorder.service import Service
from gateway.store.video import VideoReader
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera
from tests.recorder.test_service import configure


def camera_toml(name: str, camera: LiveCamera) -> str:
    parts = urlsplit(camera.url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return (
        f'[[camera]]\nid = "{name}"\nurl = "{plain}"\nusername = "{parts.username}"\n'
        'password_file = "password"\n'
    )


async def until_recording(service: Service, *names: str) -> None:
    """Return once exactly these are recorded; a look each 50 ms, no event says so."""
    async with asyncio.timeout(90):
        while True:
            on = {one.camera for one in service.recorders if one.state.pictures > 5}
            if on == set(names) == {one.camera for one in service.recorders}:
                return
            await asyncio.sleep(0.05)


async def test_a_second_camera_comes_and_goes_and_the_first_has_no_gap(tmp_path: Path) -> None:
    made = [Camera(name=name, main=SMALL, sub=None) for name in ("gate", "hall")]
    async with Cameras(made) as simulated:
        gate, hall = simulated["gate"], simulated["hall"]
        configure(tmp_path, gate)
        alone = (tmp_path / "gateway.toml").read_text("utf-8")
        clock, stop = SystemClock(), asyncio.Event()
        service = Service(load_config(tmp_path))
        store = tmp_path / "data"
        async with asyncio.TaskGroup() as group:
            group.create_task(service.live(stop))
            await until_recording(service, "gate")
            first = service.recorders[0]
            for text, names in ((alone + camera_toml("hall", hall), ("gate", "hall")),
                                (alone, ("gate",))):  # fmt: skip
                (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
                answer = await requests.ask(store, "video", "reload", {}, clock)
                assert answer.ok, answer.text
                await until_recording(service, *names)
                assert service.recorders[0] is first
            (tmp_path / "gateway.toml").write_text(alone + "[[camera]]\n", encoding="utf-8")
            answer = await requests.ask(store, "video", "reload", {}, clock)
            assert not answer.ok
            assert first.state.sessions == 1
            stop.set()
        reader = VideoReader(store)
        try:
            assert len(await reader.segments("gate", 0, clock.utc_ns())) == 1  # one, without a cut
            assert await reader.segments("hall", 0, clock.utc_ns())  # sealed when it went
        finally:
            await reader.close()
