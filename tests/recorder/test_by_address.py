"""A camera of which only the address is configured: asked by ONVIF, recorded by RTSP."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.errors import StoreError
from gateway.store.video import VideoReader
from simulators.cameras import SMALL, Camera, Cameras
from simulators.onvif import Account, Conduct, OnvifCamera, Stream
from tests.recorder.test_service import recorder

PATIENCE_S = 120.0


def plain(url: str) -> str:
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def configure(folder: Path, camera: OnvifCamera) -> None:
    (folder / "disk").mkdir()
    (folder / "password").write_text(camera.account.password, encoding="utf-8")
    (folder / "password").chmod(0o600)
    (folder / "gateway.toml").write_text(
        f"""[site]
id = "s"
name = "校"
[store]
path = "data"
[log]
format = "console"
[[video.volume]]
path = "disk"
[[camera]]
id = "gate"
address = "127.0.0.1:{camera.port}"
username = "{camera.account.user}"
password_file = "password"
""",
        encoding="utf-8",
    )
    (folder / "devices.toml").write_text("", encoding="utf-8")


async def recorded(folder: Path, names: set[str]) -> None:
    """Return once every one of these has a segment in the index; the caller gives the time."""
    while True:
        reader = VideoReader(folder / "data")
        try:
            if set(await reader.cameras()) >= names:
                return
        except StoreError:  # it has not made its index yet
            pass
        finally:
            await reader.close()
        await asyncio.sleep(0.2)


async def seconds(folder: Path, name: str) -> float:
    """Seconds of a stream that are in the index."""
    reader = VideoReader(folder / "data")
    try:
        found = await reader.segments(name, 0, 2**62)
    finally:
        await reader.close()
    return sum(each.segment.end_ns - each.segment.facts.started_ns for each in found) / 1e9


@pytest.mark.timeout(300)
async def test_a_camera_known_by_its_address_is_recorded_with_its_small_stream(
    tmp_path: Path,
) -> None:
    account = Account()
    made = Camera(name="gate", main=SMALL, sub=SMALL, user=account.user, password=account.password)
    async with Cameras([made]) as cameras:
        live = cameras["gate"]
        streams = [
            Stream("main", uri=plain(live.url)),
            Stream("sub", width=640, height=360, uri=plain(live.sub_url)),
        ]
        conduct = Conduct(clock_ahead_s=3600, said_host="192.0.2.99", get_services=False)
        async with OnvifCamera(streams=streams, account=account, conduct=conduct) as camera:
            configure(tmp_path, camera)
            async with recorder(tmp_path) as process, asyncio.timeout(PATIENCE_S):
                await recorded(tmp_path, {"gate", "gate.sub"})
                process.terminate()
                await asyncio.to_thread(process.wait)
            for name in ("gate", "gate.sub"):
                assert await seconds(tmp_path, name) > 0
            log = (tmp_path / "video.log").read_text("utf-8")
            assert "192.0.2.99" in log
            assert account.password not in log
            assert camera.asked["GetProfiles"] == 1
