"""The whole of it with real ends: a camera, a recorder, a gateway, a press, and a package."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from gateway.evidence import verifier
from gateway.store.video import VideoReader
from simulators.buttons import JsonButton
from simulators.buttons.hand import Hand
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera
from simulators.mqtt import Publisher
from tests import forked
from tests.conftest import MosquittoFactory
from tests.evidence.world import contents, run_alone
from tests.harness import Gateway

DAY_NS = 86_400_000_000_000


@dataclass
class Place:
    gateway: Gateway
    hand: Hand
    leader: str

    @property
    def config(self) -> Path:
        return self.gateway.folder / "config"

    async def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`campus-gateway …` as a person types it."""
        return await asyncio.to_thread(forked.run, [*forked.MODULE, *words], timeout_s=170)

    async def export(self, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return await self.command("export", "--config", str(self.config), "--out", str(out), *words)

    async def recorded_until(self) -> int:
        """Up to when sealed video goes."""
        reader = VideoReader(self.gateway.store_folder)
        try:
            now = SystemClock().utc_ns()
            found = await reader.segments("gate", now - DAY_NS, now + DAY_NS)
        finally:
            await reader.close()
        return max((place.segment.end_ns for place in found), default=0)


def more(folder: Path, camera: LiveCamera) -> str:
    parts = urlsplit(camera.url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    (folder / "disk").mkdir(parents=True)
    password = folder / "camera-password"
    password.write_text(parts.password or "", encoding="utf-8")
    password.chmod(0o600)
    return (
        f'[[video.volume]]\npath = "{folder / "disk"}"\n[[camera]]\nid = "gate"\nurl = "{plain}"\n'
        f'username = "{parts.username}"\npassword_file = "{password}"\n'
    )


@asynccontextmanager
async def place(folder: Path, mosquitto: MosquittoFactory) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        cameras = await enter(Cameras([Camera(name="gate", main=SMALL, sub=None)]))
        broker = await mosquitto()
        button = JsonButton("btn-1")
        gateway = await enter(
            Gateway(
                folder=folder,
                field_port=broker.port,
                devices=[button],
                more=more(folder, cameras["gate"]),
            )
        )
        devices = folder / "config" / "devices.toml"
        devices.write_text(devices.read_text("utf-8") + 'cameras = ["gate"]\n', encoding="utf-8")
        await gateway.start()
        book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
        hand = Hand(button, await enter(Publisher(broker.address, client_id="hand")))
        yield Place(gateway, hand, book.create(Role.LEADER, "张三"))


@asynccontextmanager
async def recorder(here: Place) -> AsyncIterator[None]:
    """The video process; told to stop at the end, so that what is open is sealed."""
    with (here.gateway.folder / "video.log").open("ab") as log:
        command = [*forked.MODULE, "video", "--config", str(here.config)]
        process = forked.start(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 60)


async def is_recording(here: Place) -> bool:
    files = list((here.gateway.folder / "disk").rglob("*.mp4*"))
    return sum(path.stat().st_size for path in files) > 100_000


async def one_alarm(here: Place) -> str:
    found: dict[str, Any] = await here.gateway.until(here.gateway.alarms, "the alarm")
    return str(next(iter(found.values()))["alarm_id"])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("all_of_it", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_a_press_becomes_a_package_by_command_and_over_http_and_both_are_good(
    tmp_path: Path, mosquitto: MosquittoFactory, all_of_it: bool
) -> None:
    """In long also what is stopped, refused, or made while the gateway is not there."""
    async with place(tmp_path / "here", mosquitto) as here:
        async with recorder(here):
            await here.gateway.until(lambda: is_recording(here), "video")
            await here.hand.press()
            alarm_id = await one_alarm(here)
            if all_of_it:
                await ended_leaves_nothing(here, tmp_path / "out", alarm_id)
        assert await here.recorded_until() > 0

        by_command = tmp_path / "command.zip"
        done = await here.export(by_command, "--alarm", alarm_id, "--reason", "警方调取")
        assert done.returncode == 0, done.stderr
        assert by_command.stat().st_mode & 0o777 == 0o600

        async def taken_in() -> list[Any]:
            return [one for one in await trail(here) if one["data"]["action"] == "evidence.export"]

        [entry] = await here.gateway.until(taken_in, "the export in the trail")
        assert entry["data"]["role"] == "local"
        assert entry["data"]["reason"] == "警方调取"

        by_http = tmp_path / "http.zip"
        by_http.write_bytes(await posted(here, {"alarm_id": alarm_id, "reason": "r"}))

        key = (await here.command("export", "--config", str(here.config), "--show-key")).stdout
        await by_the_command_too(here, by_command, key.split()[0])
        for package in (by_command, by_http):
            await is_good(package, key.split()[0])
            found = contents(package)
            assert any(name.startswith("video/gate/") for name in found)
            assert alarm_id.encode() in found["events.jsonl"]
        assert b"evidence.export" in contents(by_http)["audit.jsonl"], "the first one is in it"

        assert "PRIVATE KEY" not in here.gateway.log_text()
        if not all_of_it:
            return
        refused = await here.export(by_command, "--alarm", alarm_id)
        assert refused.returncode == 2, "nothing is written over"
        assert await here.gateway.stop() == 0

        stopped = tmp_path / "stopped.zip"
        done = await here.export(stopped, "--alarm", alarm_id)
        assert done.returncode == 0, done.stderr
        await is_good(stopped, key.split()[0])
        assert len(list((here.gateway.store_folder / "audit-in").iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "command.zip",
        "http.zip",
        "stopped.zip",
    ]


async def trail(here: Place) -> list[Any]:
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{here.gateway.api_port}/api/v1/audit?limit=1000"
        async with http.get(url, headers=bearer(here)) as answer:
            assert answer.status == 200
            return list((await answer.json())["entries"])


async def posted(here: Place, body: object) -> bytes:
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{here.gateway.api_port}/api/v1/evidence"
        async with http.post(url, json=body, headers=bearer(here)) as answer:
            got = await answer.read()
            assert answer.status == 200, got
            return got


def bearer(here: Place) -> dict[str, str]:
    return {"Authorization": f"Bearer {here.leader}"}


async def is_good(package: Path, key: str) -> None:
    found = verifier.check(package, key)
    assert found.fault is None
    assert found.counts["segments"] >= 1
    alone = await asyncio.to_thread(run_alone, package, "--key", key)
    assert alone.returncode == 0, alone.stdout + alone.stderr


async def by_the_command_too(here: Place, package: Path, key: str) -> None:
    told = await here.command("verify", "--package", str(package), "--key", key)
    assert told.returncode == 0, told.stdout
    assert "完好 GOOD" in told.stdout
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    wrong = package.with_suffix(".wrong")
    wrong.write_bytes(content)
    told = await here.command("verify", "--package", str(wrong))
    assert told.returncode == 1
    assert "NOT GOOD" in told.stdout
    wrong.unlink()


async def ended_leaves_nothing(here: Place, out: Path, alarm_id: str) -> None:
    """A SIGTERM while it waits for the segment that is being recorded."""
    out.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "export", "--config", str(here.config),
        "--alarm", alarm_id, "--out", str(out / "package.zip"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert "封存" in (await process.stderr.readline()).decode(), "it waits for a seal"
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 130
    await process.communicate()
    assert list(out.iterdir()) == []
    assert not (here.gateway.store_folder / "audit-in").exists()
