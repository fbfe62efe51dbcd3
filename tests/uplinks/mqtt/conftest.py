"""A real mosquitto, a subscriber that keeps what it hears, and uplinks that end with the test."""

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.clock import SystemClock
from gateway.uplink import Parcel, Receipt, UplinkSettings
from gateway.uplinks.mqtt import Options, Uplink
from simulators.ports import free_port

START_S = 30.0


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")
    assert found, f"{name} is not installed: install the system's package mosquitto"
    return found


class Mosquitto:
    """One broker process; `more` are lines of mosquitto.conf."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true") -> None:
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        # Started by root, mosquitto would become a user who may not read the test's folder.
        self._config.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\n{more}\nlog_type error\n", encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 forks, does not wait
            [program("mosquitto"), "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_S):
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                    return
                assert self._process.poll() is None, self._config.read_text()
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    made: list[Mosquitto] = []

    def build(more: str = "allow_anonymous true") -> Mosquitto:
        made.append(Mosquitto(tmp_path, more))
        return made[-1]

    yield build
    for broker in made:
        broker.kill()


@pytest.fixture
async def broker(brokers: Callable[..., Mosquitto]) -> Mosquitto:
    made = brokers()
    await made.start()
    return made


class Listener:
    """The receiver's side: paho in its own thread, MQTT 5, every message in a queue."""

    def __init__(self, port: int) -> None:
        self.heard: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._port = port

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self.heard.put_nowait, message)

    def _on_subscribe(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    async def start(self, topic: str = "campus/#") -> "Listener":
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port)
        self._client.loop_start()
        self._client.subscribe(topic, qos=1)
        await asyncio.wait_for(self._ready.wait(), 30)
        return self

    async def next(self, ending: str = "") -> paho.MQTTMessage:
        async with asyncio.timeout(30):
            while True:
                message = await self.heard.get()
                if message.topic.endswith(ending):
                    return message

    async def say(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        await asyncio.to_thread(info.wait_for_publish, 30)

    async def stop(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client._reset_sockets()  # or the collector finds them open, during any other test


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[int], Any]]:
    made: list[Listener] = []

    async def build(port: int) -> Listener:
        made.append(Listener(port))
        return await made[-1].start()

    yield build
    for listener in made:
        await listener.stop()


class Later:
    """What the uplink reported after a delivery."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, Receipt]] = asyncio.Queue()

    def __call__(self, record_id: str, receipt: Receipt) -> None:
        self.queue.put_nowait((record_id, receipt))

    async def next(self) -> tuple[str, Receipt]:
        return await asyncio.wait_for(self.queue.get(), 30)


@pytest.fixture
def later() -> Later:
    return Later()


def parcel(number: int = 1, **changes: Any) -> Parcel:
    values: dict[str, Any] = {
        "seq": number,
        "id": f"0197-{number}",
        "type": "campus.alarm.raised.v1",
        "kind": "panic",
        "priority": 1,
        "device": "btn-gate-west",
        "body": f'{{"id": "0197-{number}", "text": "按下"}}'.encode(),
    }
    return Parcel(**(values | changes))


def settings(folder: Path, **table: Any) -> UplinkSettings:
    return UplinkSettings(
        name="bureau",
        site_id="320612-0001",
        site_name="示范小学",
        gateway="gw-1",
        folder=folder,
        options=Options.model_validate(table, context={"folder": folder}),
    )


class Made:
    """Uplinks whose run() is under way."""

    def __init__(self, folder: Path, later: Later) -> None:
        self._folder = folder
        self._later = later
        self._running: list[asyncio.Task[None]] = []

    def __call__(self, port: int, scheme: str = "mqtt", **table: Any) -> Uplink:
        made = settings(self._folder, url=f"{scheme}://127.0.0.1:{port}", **table)
        uplink = Uplink(made, SystemClock(), self._later)
        self._running.append(asyncio.create_task(uplink.run()))
        return uplink

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        ended = await asyncio.gather(*self._running, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
        self._running.clear()


@pytest.fixture
async def make(tmp_path: Path, later: Later) -> AsyncIterator[Made]:
    made = Made(tmp_path, later)
    yield made
    await made.stop()


async def deliver_at_last(uplink: Uplink, *parcels: Parcel) -> list[Any]:
    """Deliver as the gateway would: again until the receiver took it (each try waits itself)."""
    async with asyncio.timeout(40):
        while True:
            outcomes = await uplink.deliver(list(parcels))
            if all(isinstance(one, Receipt) for one in outcomes):
                return outcomes


RUN_UNTIL_KILLED = """
import asyncio, pathlib, sys
from gateway.clock import SystemClock
from gateway.uplink import UplinkSettings
from gateway.uplinks.mqtt import Options, Uplink
options = Options.model_validate({"url": sys.argv[1]}, context={"folder": pathlib.Path()})
settings = UplinkSettings(name="bureau", site_id="320612-0001", site_name="x", gateway="gw-1",
                          folder=pathlib.Path(), options=options)
asyncio.run(Uplink(settings, SystemClock(), lambda *_: None).run())
"""


def run_in_a_process(port: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", RUN_UNTIL_KILLED, f"mqtt://127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
    )
