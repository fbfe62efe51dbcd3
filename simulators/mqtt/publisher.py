"""A device that publishes and knows which of its messages the broker has answered for.

Needs   simulators.mqtt.session.
Keeps   1. A message leaves by its PUBACK or by `close`; a new connection sends it again.
        2. Order: paho would send a message it is given between CONNECT and CONNACK before the older
           ones it repeats, so new ones are held until all the repeated ones are acknowledged.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from simulators.mqtt.session import V5, V311, Address, BrokerRefused, DeviceFull, Message, Session

MAX_WAITING: Final = 65_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message the broker has answered for.

    resent      the connection broke before the PUBACK came, so the broker may hold it twice
    waited_s    from the press to the PUBACK
    """

    message: Message
    resent: bool
    waited_s: float


@dataclass(slots=True)
class _Waiting:
    message: Message
    future: asyncio.Future[Accepted]
    since_s: float
    losses: int | None = None


class Publisher(Session):
    """A device, or the bridge of many devices, that publishes.

    window       messages sent and not yet acknowledged, at most; as the device's maker chose
    keep_session whether the device asks the broker to remember it
    """

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        version: int = V311,
        keepalive_s: int = 15,
        keep_session: bool = False,
        window: int = 20,
        will: Message | None = None,
    ) -> None:
        super().__init__(
            address,
            client_id=client_id,
            version=version,
            keepalive_s=keepalive_s,
            keep_session=keep_session,
            window=window,
            will=will,
        )
        self._waiting: dict[int, _Waiting] = {}
        self._held: deque[_Waiting] = deque()
        self._repeated: set[int] = set()
        self.accepted_count = 0

    @property
    def waiting_count(self) -> int:
        """Messages the device has, and the broker has not answered for."""
        return len(self._waiting) + len(self._held)

    def post(self, message: Message) -> asyncio.Future[Accepted]:
        """Put a message into the device's queue; the future is done when the broker has it.

        Works while the broker is away: the device keeps at most MAX_WAITING messages in memory and
        sends them, oldest first, when the connection is back. QoS 0 is done when it was handed to
        the socket, which promises nothing.
        raises DeviceFull     the queue is full
        """
        if self.waiting_count >= MAX_WAITING:
            raise DeviceFull(f"{self.client_id}: {MAX_WAITING} messages already wait")
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._held.append(_Waiting(message, future, time.monotonic()))
        self._send_held()
        return future

    def _send_held(self) -> None:
        """Give paho what is held, if it has a connection and nothing left to repeat."""
        while self._client is not None and self._held and not self._repeated:
            if not (self.is_connected and self._link.is_set()):
                return
            self._hand_over(self._client, self._held.popleft())

    def _hand_over(self, client: paho.Client, waiting: _Waiting) -> None:
        message = waiting.message
        properties = None
        if message.properties and self._version == V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = list(message.properties)
        info = client.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        if info.rc not in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}:
            raise DeviceFull(f"{self.client_id}: {paho.error_string(info.rc)}")
        if waiting.losses is None:
            waiting.losses = self.losses
        # The PUBACK may already be here, but it reaches us through the loop, so after this line.
        self._waiting[info.mid] = waiting

    def _build(self) -> paho.Client:
        """As every session; what the old power-up left unacknowledged goes before all else."""
        client = super()._build()
        client.on_publish = self._on_publish
        self._held.extendleft(reversed(self._waiting.values()))
        self._waiting.clear()
        self._repeated.clear()
        return client

    def _note_up(self, refused: str | None) -> None:
        super()._note_up(refused)
        self._send_held()

    def _note_down(self) -> None:
        super()._note_down()
        self._repeated = set(self._waiting)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
    ) -> Accepted:
        """Publish and return once the broker has acknowledged it, however long that takes."""
        return await self.send(Message(topic=topic, payload=payload, qos=qos, retain=retain))

    async def send(self, message: Message) -> Accepted:
        """As publish, for a whole message.

        raises BrokerRefused  MQTT 5 only: the PUBACK said no
        """
        return await self.post(message)

    async def close(self) -> None:
        """See above; what the broker has not acknowledged is forgotten, its futures cancelled."""
        await super().close()
        for waiting in (*self._waiting.values(), *self._held):
            waiting.future.cancel()
        self._waiting.clear()
        self._held.clear()

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: object,
        packet_id: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._tell(self._acknowledged, packet_id, str(reason) if reason.is_failure else None)

    def _acknowledged(self, packet_id: int, refused: str | None) -> None:
        waiting = self._waiting.pop(packet_id, None)
        self._repeated.discard(packet_id)
        if waiting is not None and not waiting.future.done():
            self._resolve(waiting, refused)
        self._send_held()

    def _resolve(self, waiting: _Waiting, refused: str | None) -> None:
        if refused is not None:
            waiting.future.set_exception(BrokerRefused(f"{waiting.message.topic}: {refused}"))
            return
        self.accepted_count += 1
        waiting.future.set_result(
            Accepted(
                message=waiting.message,
                resent=self.losses != waiting.losses,
                waited_s=time.monotonic() - waiting.since_s,
            ),
        )
