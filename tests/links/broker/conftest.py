"""A real nats-server under the real supervisor, and real paho clients."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import pytest_asyncio

from gateway.clock import SystemClock
from gateway.links.broker import BrokerSettings, EmbeddedBroker
from simulators.ports import free_port

PATIENCE_S = 45.0


class Notices:
    """What the gateway was told, in order, and a way to wait for more."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool, str]] = []
        self._more = asyncio.Condition()

    async def __call__(self, what: str, healthy: bool, text: str) -> None:
        async with self._more:
            self.told.append((what, healthy, text))
            self._more.notify_all()

    async def wait_for(self, what: str, *, healthy: bool, count: int = 1) -> str:
        """Wait until this was told `count` times in all; return the newest text."""

        def texts() -> list[str]:
            return [text for name, well, text in self.told if (name, well) == (what, healthy)]

        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: len(texts()) >= count)
        return texts()[-1]


class Running:
    """A broker that runs in this test's loop."""

    def __init__(self, broker: EmbeddedBroker, settings: BrokerSettings, told: Notices) -> None:
        self.broker = broker
        self.settings = settings
        self.told = told

    @property
    def pid(self) -> int:
        assert self.broker.pid is not None
        return self.broker.pid


@asynccontextmanager
async def running(settings: BrokerSettings, clock: Any = None) -> AsyncIterator[Running]:
    told = Notices()
    broker = EmbeddedBroker(settings, clock or SystemClock(), told)
    task = asyncio.create_task(broker.run())
    try:
        yield Running(broker, settings, told)
    finally:
        await broker.stop()
        await task


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def settings(tmp_path: Path) -> BrokerSettings:
    return BrokerSettings(folder=tmp_path / "broker", port=free_port())


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    """`await start(settings)`: running and ready."""
    async with AsyncExitStack() as stack:

        async def run(settings: BrokerSettings, clock: Any = None) -> Running:
            one = await stack.enter_async_context(running(settings, clock))
            await one.broker.wait_ready(PATIENCE_S)
            return one

        yield run


class Client:
    """A paho client whose every wait is an event with an end."""

    def __init__(self, settings: BrokerSettings, name: str, user: str, password: str) -> None:
        self.settings = settings
        self.acked: set[int] = set()
        self.received: list[tuple[str, bytes]] = []
        self.answer = ""
        self._change = threading.Condition()
        self._connects = 0
        self.disconnects = 0
        self._subscribed = 0
        self.mqtt = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=False,
            reconnect_on_failure=False,
        )
        self.mqtt.username_pw_set(user, password)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_disconnect = self._on_disconnect
        self.mqtt.on_publish = self._on_publish
        self.mqtt.on_message = self._on_message
        self.mqtt.on_subscribe = self._on_subscribe

    def _tell(self) -> None:
        with self._change:
            self._change.notify_all()

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, props: Any) -> None:
        self.answer = str(reason)
        self._connects += 1
        self._tell()

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, props: Any) -> None:
        self.disconnects += 1
        self._tell()

    def _on_publish(self, client: Any, data: Any, mid: int, reason: Any, props: Any) -> None:
        self.acked.add(mid)
        self._tell()

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        self.received.append((message.topic, message.payload))
        self._tell()

    def _on_subscribe(self, client: Any, data: Any, mid: int, codes: Any, props: Any) -> None:
        self._subscribed += not codes[0].is_failure
        self._tell()

    def wait(self, until: Callable[[], bool]) -> bool:
        with self._change:
            return self._change.wait_for(until, PATIENCE_S)

    def connect(self) -> str:
        """Connect and return the broker's answer."""
        self.mqtt.connect(self.settings.host, self.settings.port, keepalive=60)
        self.mqtt.loop_start()
        assert self.wait(lambda: self._connects > 0)
        return self.answer

    def subscribe(self, topic: str) -> None:
        wanted = self._subscribed + 1
        self.mqtt.subscribe(topic, qos=1)
        assert self.wait(lambda: self._subscribed >= wanted)

    def publish(self, topic: str, payload: bytes) -> int:
        return self.mqtt.publish(topic, payload, qos=1).mid

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()
        self.mqtt._reset_sockets()  # or the collector finds them open, during any other test


@contextmanager
def client(settings: BrokerSettings, name: str, user: str, password: str) -> Iterator[Client]:
    one = Client(settings, name, user, password)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def gateway_client(one: Running, name: str = "gw") -> Iterator[Client]:
    """The gateway's own account, connected."""
    with client(one.settings, name, one.broker.username, one.broker.password) as mqtt:
        assert mqtt.connect() == "Success"
        yield mqtt
