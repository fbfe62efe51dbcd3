"""One MQTT session: a paho client in a thread, whose callbacks reach the loop in batches.

Owns    the client, its thread and its socket, from `open` to `close` or `vanish`.
Needs   a running asyncio loop.
Keeps   1. While the session is open paho reconnects by itself, 0.05 s to 0.5 s after a loss.
        2. However many callbacks wait, the loop is woken once for all of them.
"""

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_S: Final = 20.0
V311: Final = 4
V5: Final = 5


class BrokerRefused(Exception):
    """The broker answered, and said no: the caller has to change what it asks for."""


class DeviceFull(Exception):
    """The device's own queue is full: a real device would start to forget here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker is and how one gets in; ca alone means TLS, cert and key mean mutual TLS."""

    port: int
    host: str = "127.0.0.1"
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """Return the context for this address, None for plain TCP."""
        if self.ca is None:
            return None
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.cert is not None:
            context.load_cert_chain(str(self.cert), str(self.key) if self.key else None)
        return context

    @property
    def url(self) -> str:
        """As an installer writes it."""
        return f"{'mqtts' if self.ca else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes through a broker.

    duplicate   the DUP flag of the packet that brought it
    properties  MQTT 5 user properties
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    duplicate: bool = False
    properties: tuple[tuple[str, str], ...] = ()


class Session:
    """A paho client in a thread of its own, whose callbacks reach the loop in batches."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        version: int,
        keepalive_s: int,
        keep_session: bool,
        window: int,
        will: Message | None,
    ) -> None:
        self.address = address
        self.client_id = client_id
        self.losses = 0
        self.refused: str | None = None
        self._version = version
        self._keepalive_s = keepalive_s
        self._keep_session = keep_session
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._scheduled = threading.Event()
        self._up = asyncio.Event()
        self._link = threading.Event()
        self._window = window
        self._will = will
        self._client: paho.Client | None = None

    async def __aenter__(self) -> Self:
        """Open the session; waits at most CONNECT_S."""
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close politely: the will is not published."""
        await self.close()

    async def open(self, *, wait: bool = True) -> None:
        """Begin to connect; with wait, return when connected or raise after CONNECT_S seconds.

        raises TimeoutError   no broker answered; the thread has been stopped
        raises BrokerRefused  the broker answered with a reason; the thread has been stopped
        """
        self._loop = asyncio.get_running_loop()
        if self._client is None:
            self._client = self._build()
            self._client.loop_start()
        if not wait:
            return
        try:
            await self.connected()
        except BaseException:
            await self.close()
            raise

    async def connected(self, timeout_s: float = CONNECT_S) -> None:
        """Wait until the broker has accepted the session; raises TimeoutError or BrokerRefused."""
        async with asyncio.timeout(timeout_s):
            await self._up.wait()
        if self.refused is not None:
            raise BrokerRefused(f"{self.client_id} at {self.address.url}: {self.refused}")

    @property
    def is_connected(self) -> bool:
        """Whether the session is up, as far as the loop has heard."""
        return self._up.is_set() and self.refused is None

    async def close(self) -> None:
        """Say goodbye and end the thread; takes at most about a second."""
        if self._client is not None:
            self._client.disconnect()
        await self._end()

    async def vanish(self) -> None:
        """Lose power: no goodbye, so the broker publishes the will. `open` brings it back."""
        connection = None
        if self._client is not None:
            self._client.reconnect_delay_set(3600, 3600)  # or it comes back before the thread ends
            connection = self._client.socket()
        if connection is not None:
            with suppress(OSError):
                _unwrap(connection).shutdown(socket.SHUT_RDWR)
        await self._end()

    async def _end(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await asyncio.to_thread(client.loop_stop)
            # paho leaves the pair that wakes its thread to the collector, whenever that may come.
            client._reset_sockets()  # noqa: SLF001 it has no other name
        self._drain()
        self._up.clear()

    def _build(self) -> paho.Client:
        """Return a client that is about to connect: a new one at each power-up."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=paho.MQTTv5 if self._version == V5 else paho.MQTTv311,
            clean_session=None if self._version == V5 else not self._keep_session,
        )
        client.max_inflight_messages_set(self._window)
        client.max_queued_messages_set(0)  # the bound is the publisher's, with an error of its own
        client.reconnect_delay_set(0.05, 0.5)  # type: ignore[arg-type] # fractions work
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        context = self.address.tls()
        if context is not None:
            client.tls_set_context(context)
        if self._will is not None:
            will = self._will
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        where = (self.address.host, self.address.port, self._keepalive_s)
        if self._version == V5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            if self._keep_session:
                properties.SessionExpiryInterval = 0xFFFFFFFF
            client.connect_async(*where, clean_start=not self._keep_session, properties=properties)
        else:
            client.connect_async(*where)
        return client

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        """From paho's thread: have the loop do it; one wake-up for however many are waiting."""
        self._inbox.append((what, arguments))
        if not self._scheduled.is_set() and self._loop is not None:
            self._scheduled.set()
            with suppress(RuntimeError):  # the loop has ended: nobody is left to be told
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._scheduled.clear()
        while self._inbox:
            what, arguments = self._inbox.popleft()
            what(*arguments)

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            self._link.set()
        self._tell(self._note_up, str(reason) if reason.is_failure else None)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._link.clear()
        self._tell(self._note_down)

    def _note_up(self, refused: str | None) -> None:
        self.refused = refused
        self._up.set()

    def _note_down(self) -> None:
        self.losses += 1
        if self.refused is None:
            self._up.clear()


def _unwrap(connection: Any) -> socket.socket:  # noqa: ANN401 paho types it as a union
    plain: socket.socket = connection
    return plain
