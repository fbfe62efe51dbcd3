"""A subscriber with a durable session.

Needs   simulators.mqtt.session.
Keeps   1. It subscribes again on every connection.
        2. `on_message` has returned before its message is acknowledged.
        3. After `settled` the broker has read our PUBACK of everything that had reached us, so it
           sends none of it again.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulators.mqtt.session import CONNECT_S, V5, V311, Address, DeviceFull, Message, Session

MAX_UNREAD: Final = 100_000


class Listener(Session):
    """A subscriber with a durable session; read it with `next` or give it `on_message`.

    on_message  called in paho's thread, before the PUBACK; when it raises, the thread ends and the
                broker keeps the message, so it must catch what it can name
    """

    def __init__(
        self,
        address: Address,
        *topics: str,
        client_id: str,
        on_message: Callable[[Message], None] | None = None,
        version: int = V311,
        keepalive_s: int = 15,
        keep_session: bool = True,
        qos: int = 1,
    ) -> None:
        super().__init__(
            address,
            client_id=client_id,
            version=version,
            keepalive_s=keepalive_s,
            keep_session=keep_session,
            window=20,
            will=None,
        )
        self._topics = topics
        self._qos = qos
        self._hook = on_message
        self._unread: asyncio.Queue[Message] = asyncio.Queue()
        self._subscribed = asyncio.Event()
        self._unsubscribed = asyncio.Event()

    def _build(self) -> paho.Client:
        """As every session, and it listens."""
        client = super()._build()
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        return client

    async def connected(self, timeout_s: float = CONNECT_S) -> None:
        """Wait until the broker has accepted the session and every subscription."""
        await super().connected(timeout_s)
        async with asyncio.timeout(timeout_s):
            await self._subscribed.wait()

    async def next(self, timeout_s: float = 20.0) -> Message:
        """Return the oldest unread message; raises TimeoutError when none comes."""
        async with asyncio.timeout(timeout_s):
            return await self._unread.get()

    async def take(self, count: int, timeout_s: float = 30.0) -> list[Message]:
        """Return the next `count` messages; raises TimeoutError when fewer come."""
        async with asyncio.timeout(timeout_s):
            return [await self._unread.get() for _ in range(count)]

    async def settled(self, timeout_s: float = CONNECT_S) -> None:
        """Wait until the broker has read the PUBACK of every message that had reached us (keep 3).

        A broker reads a session's packets in order and answers every UNSUBSCRIBE, also of what
        nobody subscribed to (MQTT 3.1.1, 3.10.4). Two of them: once paho's thread has the answer to
        the first, it is done with the messages before it and has written their PUBACKs; the answer
        to the second says that these were read.
        raises TimeoutError  no answer, the connection broke meanwhile, or it is closed
        """
        client = self._client
        if client is None:
            raise TimeoutError(f"{self.client_id} is closed: nothing more is answered")
        async with asyncio.timeout(timeout_s):
            for _ in range(2):
                self._unsubscribed.clear()
                client.unsubscribe(f"nobody/{self.client_id}")
                await self._unsubscribed.wait()

    @property
    def unread_count(self) -> int:
        """Messages that arrived and were not read."""
        return self._unread.qsize()

    def _note_up(self, refused: str | None) -> None:
        super()._note_up(refused)
        if refused is None and self._topics and self._client is not None:
            options = SubscribeOptions(self._qos)
            wanted: Sequence[Any] = (
                [(topic, options) for topic in self._topics]
                if self._version == V5
                else [(topic, self._qos) for topic in self._topics]
            )
            self._client.subscribe(list(wanted))

    def _note_down(self) -> None:
        super()._note_down()
        self._subscribed.clear()

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _packet_id: int,
        _reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._tell(self._subscribed.set)

    def _on_unsubscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        _packet_id: int,
        _reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._tell(self._unsubscribed.set)

    def _on_message(
        self, _client: paho.Client, _userdata: object, arrived: paho.MQTTMessage
    ) -> None:
        message = Message(
            topic=arrived.topic,
            payload=bytes(arrived.payload),
            qos=arrived.qos,
            retain=arrived.retain,
            duplicate=arrived.dup,
            properties=tuple(getattr(arrived.properties, "UserProperty", ())),
        )
        if self._hook is not None:
            self._hook(message)
            return
        if len(self._inbox) + self._unread.qsize() > MAX_UNREAD:
            raise DeviceFull(f"{self.client_id}: more than {MAX_UNREAD} messages were not read")
        self._tell(self._unread.put_nowait, message)
