"""A gateway, a recorder and a camera as real processes: what an alarm does to video.

Needs   tests.harness for the gateway, simulators for the button, the broker and the camera.
"""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import av

from gateway.store.video import Hold, VideoReader, holds_of
from gateway.store.video.stills import StillNote, read_still, stills_of
from simulators.brokers import Mosquitto
from simulators.buttons import Hand, JsonButton
from simulators.cameras import SMALL, Camera, Cameras, LiveCamera, read_number
from simulators.mqtt import Publisher
from tests import forked
from tests.harness import ROOT, Gateway

PATIENCE_S = 120.0
LOOK_S = 0.05
T = TypeVar("T")


@dataclass
class Recorder:
    """The video process on a gateway's configuration; one at a time."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    process: forked.Process | None = None

    async def start(self, *, crash_at: str | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("CAMPUS_CRASH_AT", None)
        if crash_at is not None:
            environment["CAMPUS_CRASH_AT"] = crash_at
        with (self.folder / "video.log").open("ab") as log:
            command = [*forked.MODULE, "video", "--config", str(self.folder / "config")]
            self.process = forked.start(command, stdout=log, stderr=log, cwd=ROOT, env=environment)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return await self.died()

    async def died(self) -> int:
        """Its exit code once it has ended by itself."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    def pictures_pid(self) -> int | None:
        """The process that decodes, if there is one now."""
        assert self.process is not None
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue
            if b"gateway.pictures" in line and parent == self.process.pid:
                return int(entry.name)
        return None

    def log_text(self) -> str:
        path = self.folder / "video.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


@dataclass
class School:
    """All of it."""

    gateway: Gateway
    recorder: Recorder
    camera: LiveCamera
    hand: Hand
    reader: VideoReader

    @property
    def store(self) -> Path:
        return self.gateway.store_folder

    async def until(
        self, look: Callable[[], Coroutine[Any, Any, T]], what: str, seconds: float = PATIENCE_S
    ) -> T:
        """Look again until the answer is true, and return it."""
        try:
            async with asyncio.timeout(seconds):
                while not (found := await look()):  # noqa: ASYNC110 other processes set no event
                    await asyncio.sleep(LOOK_S)
                return found
        except TimeoutError:
            raise AssertionError(f"waited for {what}\n{self.recorder.log_text()[-4000:]}") from None

    async def recorded(self, least_bytes: int = 30_000) -> None:
        """Until so much of the camera lies in an open segment."""

        async def grown() -> bool:
            sizes = [path.stat().st_size for path in self.open_files()]
            return sum(sizes) > least_bytes

        await self.until(grown, "a recording")

    def open_files(self) -> list[Path]:
        return list((self.gateway.folder / "disk").rglob("*.mp4.open"))

    async def press(self) -> str:
        """Press the button; the alarm's id once a guard sees it."""
        before = {one["alarm_id"] for one in (await self.gateway.alarms(state="all")).values()}
        await self.hand.press()

        async def raised() -> str | None:
            seen = (await self.gateway.alarms(state="all")).values()
            return next((a["alarm_id"] for a in seen if a["alarm_id"] not in before), None)

        return await self.until(raised, "the alarm")

    async def close(self, alarm_id: str) -> None:
        status, answer = await self.gateway.post(
            f"/api/v1/alarms/{alarm_id}/close", {"disposition": "test", "note": ""}
        )
        assert status == 200, answer

    async def held(self, alarm_id: str) -> list[Hold]:
        """The alarm's holds once there are any."""

        async def there() -> list[Hold]:
            return await self.reader.run(holds_of, alarm_id)

        return await self.until(there, "a hold")

    async def still(self, alarm_id: str) -> tuple[bytes, StillNote]:
        """The alarm's still once it is there."""

        async def there() -> tuple[bytes, StillNote] | None:
            [*notes] = stills_of(self.store, alarm_id)
            return read_still(self.store, alarm_id, notes[0].camera) if notes else None

        return await self.until(there, "a still")

    async def raised_ns(self, alarm_id: str) -> int:
        """When the alarm was raised, to the millisecond."""
        for record in await self.gateway.records():
            if record["data"]["alarm_id"] == alarm_id and record["type"].endswith("raised.v1"):
                return ns_of(record["time"])
        raise AssertionError(alarm_id)


def without_account(url: str) -> str:
    """An address as an installer writes it: the account stands beside it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def ns_of(text: str) -> int:
    at = datetime.fromisoformat(text)
    return round(at.timestamp() * 1000) * 1_000_000


def number_of(jpeg: bytes) -> int:
    """The number that the picture shows."""
    with av.open(io.BytesIO(jpeg)) as container:
        return read_number(next(container.decode(video=0)))


@asynccontextmanager
async def school(folder: Path, *, sub: bool = False) -> AsyncIterator[School]:
    """The ends are open; gateway and recorder are the test's to start.

    sub  the camera has a small stream, whose pictures are looked at every two seconds
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        broker = await enter(Mosquitto(folder / "field"))
        made_like = Camera(name="gate", main=SMALL, sub=SMALL if sub else None)
        cameras = await enter(Cameras([made_like]))
        parts = urlsplit(cameras["gate"].url)
        small = f'sub_url = "{without_account(cameras["gate"].sub_url)}"' if sub else ""
        (folder / "disk").mkdir()
        button = JsonButton("b1")
        gateway = Gateway(
            folder=folder,
            field_port=broker.port,
            devices=[button],
            more=f"""
[video]
hold_after_s = 20
[[video.volume]]
path = "{folder / "disk"}"
[[camera]]
id = "gate"
url = "{without_account(cameras["gate"].url)}"
{small}
username = "{parts.username}"
password_file = "secrets/camera"
""",
        )
        await enter(gateway)
        secret = folder / "config" / "secrets" / "camera"
        secret.write_text(parts.password or "", "utf-8")
        secret.chmod(0o600)
        with (folder / "config" / "devices.toml").open("a", encoding="utf-8") as file:
            file.write('cameras = ["gate"]\n')
        publisher = await enter(Publisher(broker.address, client_id="hand"))
        recorder = Recorder(folder)
        reader = VideoReader(gateway.store_folder)
        made = School(gateway, recorder, cameras["gate"], Hand(button, publisher), reader)
        try:
            yield made
        finally:
            if recorder.process is not None:
                await recorder.end()
            await reader.close()
