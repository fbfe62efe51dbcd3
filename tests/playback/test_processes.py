"""The gateway and the video process as they are installed: seen, killed, seen again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.brokers import free_port
from simulators.buttons import make
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera
from tests.conftest import MosquittoFactory
from tests.harness import Gateway
from tests.playback.film import look
from tests.recorder.test_service import recorder

GATE = "/api/v1/cameras/gate"
PATIENCE_S = 120


def cameras_toml(folder: Path, camera: LiveCamera) -> str:
    parts = urlsplit(camera.url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    (folder / "disk").mkdir(exist_ok=True)
    (folder / "config" / "secrets").mkdir(parents=True, exist_ok=True)
    secret = folder / "config" / "secrets" / "camera"
    secret.write_text(parts.password or "", encoding="utf-8")
    secret.chmod(0o600)
    return f"""
[[video.volume]]
path = "{folder / "disk"}"
[[camera]]
id = "gate"
url = "{plain}"
username = "{parts.username}"
password_file = "secrets/camera"
"""


@asynccontextmanager
async def watching(gateway: Gateway) -> AsyncIterator[aiohttp.ClientResponse]:
    """live.mp4, as soon as there is something to see."""
    assert gateway._client is not None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await gateway._client.get(
                f"{GATE}/live.mp4", timeout=aiohttp.ClientTimeout(None)
            )
            if answer.status == 200:
                break
            answer.close()
            await asyncio.sleep(0.2)
    try:
        yield answer
    finally:
        answer.close()


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_recorder_that_is_killed_ends_live_and_everything_works_when_it_is_back(
    tmp_path: Path, mosquitto: MosquittoFactory
) -> None:
    broker = await mosquitto()
    async with Cameras([Camera(name="gate", main=SMALL, sub=None)]) as cameras:
        gateway = Gateway(
            folder=tmp_path,
            field_port=broker.port,
            devices=[make("json-button", "btn")],
            more=cameras_toml(tmp_path, cameras["gate"]),
            api_port=free_port(),
        )
        async with gateway:
            book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
            leader = {"Authorization": f"Bearer {book.create(Role.LEADER, '值班长')}"}
            await gateway.start()
            assert gateway._client is not None
            began = SystemClock().utc_ns() // 1_000_000
            async with recorder(tmp_path / "config") as video, watching(gateway) as live:
                got = await asyncio.wait_for(live.content.readany(), PATIENCE_S)
                video.kill()
                await video.wait()
                async with asyncio.timeout(PATIENCE_S):
                    got += await live.content.read()  # it ends by itself
                assert look(got).numbers
            async with recorder(tmp_path / "config"):
                async with watching(gateway) as live:
                    assert await asyncio.wait_for(live.content.readany(), PATIENCE_S)
                ended = SystemClock().utc_ns() // 1_000_000
                where = {"from": str(began), "to": str(ended)}
                async with gateway._client.get(f"{GATE}/video.mp4", params=where) as answer:
                    assert answer.status == 200
                    assert answer.headers["Campus-Gaps"]
                    seen = look(await answer.read())
                assert seen.numbers == sorted(set(seen.numbers))
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        async with gateway._client.get(f"{GATE}/snapshot.jpg") as answer:
                            if answer.status == 200:
                                assert (await answer.read()).startswith(b"\xff\xd8")
                                break
                            assert answer.status in {404, 503}
                        await asyncio.sleep(0.2)
                [camera] = (await gateway.get("/api/v1/cameras"))["cameras"]
                assert camera["state"] is not None
                row = await gateway.get(f"{GATE}/timeline", **where)
                assert row["spans"]
            async with gateway._client.get("/api/v1/audit", headers=leader) as answer:
                entries = (await answer.json())["entries"]
            media = [entry["data"]["details"].get("medium") for entry in entries]
            assert media.count("live.mp4") == 2
            assert media.count("video.mp4") == 1
