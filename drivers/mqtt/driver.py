"""One broker and every device behind it.

Owns    the session: one client id, one connection at a time, kept by the broker while we are away.
Needs   gateway.links.mqtt for the bytes, gateway.profile for their meaning.
Keeps   1. A message is acknowledged to the broker after emit() returned for it, never before, also
           when it was garbled or nobody's (promise 1).
        2. At most two batches of BATCH_MESSAGES are between the socket and the disk: one is decoded
           while the other is committed.
        3. A packet is judged by its own content; nothing one device sends changes what becomes of
           another device's message.
"""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal
from urllib.parse import urlsplit

import structlog
from pydantic import BaseModel, ConfigDict, Field

from drivers.mqtt.strangers import Strangers
from drivers.mqtt.topics import TopicTree, cover, extended
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Emit, LinkSettings, Notice, Recall, Stranger, nothing_kept
from gateway.errors import BadFrame, LinkDown
from gateway.events import MAX_RAW_BYTES, ONLINE_POINT, Arrival, Device, Garbled, Reading
from gateway.links.mqtt import MqttConnection
from gateway.links.mqtt_settings import MqttSettings
from gateway.links.mqtt_wire import MAX_BODY_BYTES, Message
from gateway.profile import BridgePlan, MqttPlan, Profile, plan_mqtt

SCHEMES: Final = {"mqtt": 1883, "mqtts": 8883}
BATCH_MESSAGES: Final = 512
PAUSE_FIRST_S: Final = 0.2
PAUSE_MOST_S: Final = 15.0
STABLE_S: Final = 30.0
TAKEOVERS: Final = 4
"""Connections in a row ended within STABLE_S before a rival with our id is suspected."""

log = structlog.get_logger()


class Options(BaseModel):
    """Keys of a [[link]] of kind mqtt beside the common ones.

    subscriptions        above this many topics, subscribe to wider filters that cover them
    resume_hold_seconds  after a session was resumed, wait this long and take what the broker sends
                         again before what is new: nats-server sends it after its ack_wait, and a
                         device's order would be lost
    """

    model_config = ConfigDict(extra="forbid")

    protocol: Literal["auto", "3.1.1", "5"] = "auto"
    keepalive_seconds: int = Field(default=15, ge=5, le=60)
    subscriptions: int = Field(default=200, ge=1, le=10_000)
    resume_hold_seconds: float = Field(default=0.0, ge=0.0, le=5.0)


class Driver:
    """See the module and gateway.driver.Driver."""

    def __init__(
        self,
        link: LinkSettings,
        devices: Sequence[Device],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._link = link
        self._clock = clock
        self._options = Options.model_validate(dict(link.options))
        self._plan(devices, profiles)
        self._filters = cover(self._wanted, self._options.subscriptions)
        self._unwanted: set[str] = set()
        self.unknown_topics = 0
        self._strangers = Strangers()
        self._listened = self._rival = False
        self._connection: MqttConnection | None = None
        self._decoding = asyncio.Lock()
        self._handing: asyncio.Task[None] | None = None
        self._notice: Notice | None = None

    def _plan(self, devices: Sequence[Device], profiles: Mapping[str, Profile]) -> None:
        """Make what tells a message's meaning; put in place at once, never half."""
        tree: TopicTree[MqttPlan] = TopicTree()
        bridges: dict[str, BridgePlan] = {}
        behind: dict[str, list[str]] = {}
        filters: list[str] = []
        for device in devices:
            plan = plan_mqtt(profiles[device.profile_id], device)
            for pattern in plan.filters:
                tree.add(pattern, plan)
                filters.append(pattern)
            if plan.bridge is not None:
                bridges[plan.bridge.topic] = plan.bridge
                behind.setdefault(plan.bridge.topic, []).append(device.id)
        self._tree, self._bridges, self._behind = tree, bridges, behind
        self._wanted = [*filters, *bridges]

    def strangers(self) -> Sequence[Stranger]:
        """See gateway.driver.Hearing."""
        return self._strangers.all()

    async def change(self, devices: Sequence[Device], profiles: Mapping[str, Profile]) -> None:
        """See gateway.driver.Changeable. New topics first, then those nobody wants any more."""
        async with self._decoding:
            bridges = set(self._bridges)
            self._plan(devices, profiles)
            handing = self._handing
        if handing is not None:
            await asyncio.wait({handing})
        before = self._filters
        self._filters = extended(before, self._wanted, self._options.subscriptions)
        self._unwanted = (self._unwanted | set(before)) - set(self._filters)
        connection, notice = self._connection, self._notice
        if connection is None or notice is None:
            return  # the next session begins with the new ones
        for topic in bridges - set(self._bridges):
            await notice(f"bridge.{topic}"[:64], True, "")  # noqa: FBT003 Notice is positional
        with contextlib.suppress(LinkDown):  # the session's own end says so, and begins another
            fresh = sorted(set(self._filters) - set(before))
            await self._ask_for(connection, fresh, notice)

    async def _ask_for(
        self, connection: MqttConnection, filters: Sequence[str], notice: Notice
    ) -> None:
        """Subscribe, then let go of what is not wanted any more: never the other way round."""
        refused = await connection.subscribe(filters)
        if refused:
            some = ", ".join(refused[:5])
            text = f"代理拒绝订阅 / the broker refused {len(refused)} topics: {some}"
            await notice("subscriptions", False, text)  # noqa: FBT003
        elif len(filters) == len(self._filters):
            await notice("subscriptions", True, "")  # noqa: FBT003
        gone = sorted(self._unwanted - set(self._filters))
        await connection.unsubscribe(gone)
        self._unwanted.difference_update(gone)

    def settings(self) -> MqttSettings:
        """How the broker is reached; raises LinkDown when a certificate cannot be read."""
        link = self._link
        parts = urlsplit(link.url)
        tls = None
        if parts.scheme == "mqtts":
            try:
                tls = ssl.create_default_context(cafile=link.ca)
                if link.cert is not None:
                    tls.load_cert_chain(link.cert, link.key)
            except (OSError, ssl.SSLError) as error:
                raise LinkDown(f"{link.name}: certificates: {error}") from error
        return MqttSettings(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or SCHEMES[parts.scheme],
            client_id=link.client_id,
            username=link.username,
            password=link.password,
            tls=tls,
            keepalive_s=self._options.keepalive_seconds,
            clean=False,
            protocol=self._options.protocol,
        )

    async def run(self, emit: Emit, notice: Notice, recall: Recall = nothing_kept) -> None:
        """Connect, listen, and connect again, for ever; the broker need not be there yet."""
        del recall  # the broker remembers for us
        self._notice = notice
        pause, short_lives = PAUSE_FIRST_S, 0
        while True:
            began, self._listened = self._clock.mono_ns(), False
            try:
                await self._session(emit, notice)
            except LinkDown as down:
                lived = (self._clock.mono_ns() - began) / 1e9
                log.warning(
                    "broker lost; trying again",
                    link=self._link.name,
                    why=str(down),
                    again_in_s=round(pause, 1),
                )
                await notice("link", False, str(down)[:200])  # noqa: FBT003 Notice is positional
            if lived > STABLE_S:
                pause, short_lives = PAUSE_FIRST_S, 0
            elif self._listened:
                short_lives += 1
            if short_lives >= TAKEOVERS:
                self._rival = True
                name = self._link.client_id
                text = f"另一台网关可能在用同一个身份 / another client may use the id {name!r}"
                await notice("client", False, text)  # noqa: FBT003
            await self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 jitter
            pause = min(pause * 2, PAUSE_MOST_S)

    async def _session(self, emit: Emit, notice: Notice) -> None:
        connection = await MqttConnection.open(self.settings())
        try:
            self._connection = connection
            await notice("session", connection.session_present, f"MQTT {connection.protocol}")
            async with asyncio.TaskGroup() as group:
                # A resumed session sends its backlog at once, and the SUBACK only behind it.
                group.create_task(self._subscribe(connection, notice))
                if self._rival:
                    group.create_task(self._alone(notice))
                if connection.session_present:
                    await self._clock.sleep(self._options.resume_hold_seconds)
                await self._pump(connection, emit, notice)
        except* LinkDown as ended:
            raise LinkDown(_first(ended)) from ended
        finally:
            self._connection = None
            await connection.close()

    async def _subscribe(self, connection: MqttConnection, notice: Notice) -> None:
        await self._ask_for(connection, self._filters, notice)
        await notice("link", True, "")  # noqa: FBT003
        self._listened = True
        log.info(
            "listening",
            link=self._link.name,
            protocol=connection.protocol,
            filters=len(self._filters),
            session_kept=connection.session_present,
        )

    async def _alone(self, notice: Notice) -> None:
        """A connection that lasts was not taken over: whoever used our id is gone."""
        await self._clock.sleep(STABLE_S)
        self._rival = False
        await notice("client", True, "")  # noqa: FBT003

    async def _pump(self, connection: MqttConnection, emit: Emit, notice: Notice) -> None:
        """Keep 2: decode the next batch while the last one is on its way to the disk."""
        handing: asyncio.Task[None] | None = None
        messages = connection.take()
        messages.sort(key=lambda message: not message.duplicate)  # what it had sent before, first
        async with asyncio.TaskGroup() as group:
            while True:
                if not messages:
                    messages = await connection.receive(BATCH_MESSAGES)
                async with self._decoding:  # change() comes between two batches, never amid one
                    arrivals = await self._read(messages, notice)
                    if handing is not None:
                        await handing
                    handing = group.create_task(_hand_over(connection, messages, arrivals, emit))
                    self._handing = handing
                messages = []

    async def _read(self, messages: Sequence[Message], notice: Notice) -> list[Arrival]:
        now = self._clock.utc_ns()
        arrivals: list[Arrival] = []
        for message in messages:
            bridge = self._bridges.get(message.topic)
            if bridge is not None:
                arrivals += await self._bridge(bridge, message, now, notice)
            plans = self._tree.find(message.topic)
            if plans:
                arrivals.append(self._arrival(message, plans, now))
            elif bridge is None:
                self.unknown_topics += 1
                self._strangers.note(message, now)
        return arrivals

    def _arrival(self, message: Message, plans: Sequence[MqttPlan], now: int) -> Arrival:
        """What a message means to every device it belongs to; usually that is one."""
        garbled = None
        readings: list[Reading] = []
        if message.size_bytes > MAX_BODY_BYTES:
            why = f"报文过大 {message.size_bytes} bytes are too many"
            garbled = self._garbled(message, plans[0], now, why)
        else:
            for plan in plans:
                try:
                    readings += plan.decode(
                        message.topic, message.payload, retained=message.retained, received_ns=now
                    )
                except BadFrame as bad:
                    garbled = self._garbled(message, plan, now, str(bad))
        return Arrival(
            link=self._link.name,
            readings=readings,
            devices=(
                ()
                if message.retained or _is_of_others(readings)
                else tuple([plan.device_id for plan in plans])
            ),
            garbled=garbled,
            token=(message.mid, _digest(message)) if message.mid else None,
            repeated=message.duplicate,
        )

    @staticmethod
    def _garbled(message: Message, plan: MqttPlan, now: int, why: str) -> Garbled:
        return Garbled(
            device_id=plan.device_id,
            why=why,
            raw=message.payload[:MAX_RAW_BYTES],
            size_bytes=message.size_bytes,
            received_ns=now,
        )

    async def _bridge(
        self, bridge: BridgePlan, message: Message, now: int, notice: Notice
    ) -> list[Arrival]:
        """One fault for the bridge; its devices become unknown, none of them is blamed."""
        there = bridge.decode(message.payload)
        if there is None:
            return []
        text = "" if there else f"网桥离线 / bridge offline: {bridge.topic}"
        await notice(f"bridge.{bridge.topic}"[:64], there, text)
        return [
            Arrival(
                link=self._link.name,
                readings=[
                    Reading(
                        device_id=name,
                        point=ONLINE_POINT,
                        received_ns=now,
                        value=there,
                        attributes={"via": bridge.topic},
                        retained=message.retained,
                    )
                    for name in self._behind[bridge.topic]
                ],
            )
        ]


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """What the first of a nest of exceptions says."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _digest(message: Message) -> int:
    """What tells a message from another: 63 bits of topic and payload."""
    digest = blake2b(message.payload, digest_size=8, key=message.topic.encode()[-64:]).digest()
    return int.from_bytes(digest, "big") >> 1


def _is_of_others(readings: Sequence[Reading]) -> bool:
    """A last will or a bridge's word about a device is no sign of life of the device itself."""
    return (
        bool(readings)
        and readings[0].point == ONLINE_POINT
        and all(reading.point == ONLINE_POINT for reading in readings)
    )


async def _hand_over(
    connection: MqttConnection, messages: Sequence[Message], arrivals: list[Arrival], emit: Emit
) -> None:
    if arrivals:
        await emit(arrivals)
    crash.here("ack.before")
    connection.acknowledge(messages)
    crash.here("ack.after")
