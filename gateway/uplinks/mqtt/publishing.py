"""Uplink "mqtt": publishes records to a receiver's own broker.

Owns    one connection, and opening another when it is lost.
Needs   gateway.uplink, gateway.links.mqtt, gateway.clock.
Keeps   1. A receipt is returned only for a record whose PUBACK came and does not refuse it.
        2. A call of deliver ends within 14 s: 1 s for a connection, the rest for acknowledgements.
        3. At most `window` records wait for their PUBACK.
        4. Whatever stands on the receipts topic, the worst is one line in the log a minute.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.errors import LinkDown, UplinkRejected, UplinkUnavailable
from gateway.links.mqtt import MqttConnection
from gateway.links.mqtt_outbox import Outgoing
from gateway.links.mqtt_settings import MqttSettings, Will
from gateway.links.mqtt_wire import Message
from gateway.uplink import LaterReceipt, Outcome, Parcel, Receipt, UplinkSettings
from gateway.uplinks import AGAIN, PARKED, plain
from gateway.uplinks.mqtt.options import Options
from gateway.uplinks.mqtt.words import (
    CONTENT_TYPE,
    LATE_PROPERTY,
    as_level,
    event_of,
    fill_template,
    read_receipts,
    status_record,
)

CONNECTION_WAIT_S: Final = 1.0
ACKNOWLEDGE_S: Final = 10.0
FAREWELL_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 15.0
STEADY_S: Final = 30.0
LOG_EVERY_S: Final = 60.0
SMALLEST_WINDOW: Final = 16

NOBODY: Final = 0x10
TEMPORARY: Final = frozenset({0x91, 0x97})
REASONS: Final = {
    0x80: "unspecified error",
    0x83: "implementation specific error",
    0x87: "not authorized",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}
"""What a PUBACK may say: MQTT 5.0 (OASIS, 2019), 3.4.2.1."""

RECEIVED: Final = Receipt()
UNHEARD: Final = Receipt(reference="no matching subscribers")


class Uplink:
    """One MQTT receiver; see gateway.uplink.Uplink."""

    batch = 256
    concurrency = 4
    alarms_in_batches = True
    ordered = True

    def __init__(self, settings: UplinkSettings, clock: Clock, later: LaterReceipt) -> None:
        options = Options.model_validate(settings.options, context={"folder": settings.folder})
        self._options = options
        self._name = settings.name
        self._clock = clock
        self._later = later
        self._where = f"{options.host}:{options.port}"
        self._source = f"/campus/{settings.site_id}/{settings.gateway}"
        self._who = {"site": settings.site_id, "gateway": settings.gateway}
        self._receipts_topic = fill_template(options.receipts_topic, self._who)
        self._status_topic = fill_template(options.status_topic, self._who)
        self._client_id = options.client_id or as_level(
            f"campus-{settings.site_id}-{settings.gateway}-{settings.name}"
        )
        self._topic = lru_cache(maxsize=4096)(self._fill_topic)
        self._connection: MqttConnection | None = None
        self._ready = asyncio.Event()
        self._why_not = "not connected yet"
        self._window = options.window
        self._ignored = 0
        self._logged_ns: int | None = None
        self._log = structlog.get_logger().bind(uplink=settings.name, broker=self._where)

    async def run(self) -> None:
        """Stay connected until cancelled; a lost broker is tried again after 0.25 to 15 s."""
        pause_s = FIRST_PAUSE_S
        while True:
            started_ns = self._clock.mono_ns()
            try:
                await self._live_once()
            except LinkDown as error:
                self._why_not = plain(str(error))
            if self._clock.mono_ns() - started_ns > STEADY_S * 1e9:
                pause_s = FIRST_PAUSE_S
            self._log.warning("uplink_lost", why=self._why_not, next="connect again")
            # Half of it by chance, so that a district's gateways do not come back all at once.
            await self._clock.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def deliver(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Publish the parcels in order; see gateway.uplink.Uplink.deliver."""
        try:
            connection = await self._connected()
            # All at once, though the connection may let them go in parts: what another call hands
            # over meanwhile must go behind them.
            return await self._publish(connection, parcels, ACKNOWLEDGE_S)
        except LinkDown as error:
            why = f"{self._where}: {plain(str(error))}; {AGAIN}"
            return [UplinkUnavailable(why)] * len(parcels)

    async def _connected(self) -> MqttConnection:
        try:
            async with asyncio.timeout(CONNECTION_WAIT_S):
                await self._ready.wait()
        except TimeoutError:
            raise LinkDown(self._why_not) from None
        if self._connection is None:
            raise LinkDown(self._why_not)
        return self._connection

    async def _publish(
        self, connection: MqttConnection, parcels: Sequence[Parcel], timeout_s: float
    ) -> list[Outcome]:
        items = [
            Outgoing(
                topic=self._topic(parcel.kind, parcel.type, parcel.device, parcel.priority),
                payload=parcel.body,
                content_type=CONTENT_TYPE,
                properties=(
                    () if parcel.late_s is None else ((LATE_PROPERTY, str(parcel.late_s)),)
                ),
            )
            for parcel in parcels
        ]
        try:
            reasons = await connection.publish(items, timeout_s)
        except LinkDown:
            # A broker that takes fewer at once than we sent ends the connection: the next one has
            # a smaller window.
            self._window = max(SMALLEST_WINDOW, self._window // 2)
            raise
        self._window = min(self._options.window, self._window + self.concurrency)
        return [self._outcome(reason) for reason in reasons]

    def _outcome(self, reason: int) -> Outcome:
        if reason == 0:
            return RECEIVED
        if reason == NOBODY:
            return UNHEARD
        if reason < 0x80:
            return RECEIVED
        said = f"{self._where}: PUBACK 0x{reason:02x} ({REASONS.get(reason, 'refused')})"
        if reason in TEMPORARY:
            return UplinkUnavailable(f"{said}; {AGAIN}")
        return UplinkRejected(f"{said}; {PARKED}")

    def _fill_topic(self, kind: str, record_type: str, device: str, priority: int) -> str:
        values = self._who | {
            "kind": kind,
            "event": event_of(record_type),
            "device": device,
            "priority": str(priority),
        }
        return fill_template(self._options.topic, values)

    async def _live_once(self) -> None:
        """Connect, say so, take receipts until the connection ends (LinkDown) or we do."""
        session = str(uuid.uuid4())
        since_ns = self._clock.utc_ns()
        connection = await MqttConnection.open(self._settings(session, since_ns))
        try:
            await self._introduce(connection, session, since_ns)
            self._connection = connection
            self._ready.set()
            self._log.info("uplink_connected", protocol=connection.protocol)
            while True:
                messages = await connection.receive()
                for message in messages:
                    self._take(message)
                connection.acknowledge(messages)
        except asyncio.CancelledError:
            # A broker forgets the will of who says goodbye, so an orderly end is said by ourselves.
            with contextlib.suppress(LinkDown):
                await self._say(connection, session, since_ns, why="stopped", within_s=FAREWELL_S)
            raise
        finally:
            self._ready.clear()
            self._connection = None
            self._why_not = "the connection has ended"
            await connection.close()

    def _settings(self, session: str, since_ns: int) -> MqttSettings:
        options = self._options
        will = None
        if self._status_topic:
            will = Will(
                topic=self._status_topic,
                payload=self._status(session, since_ns, why="lost"),
                retain=True,
            )
        return MqttSettings(
            host=options.host,
            port=options.port,
            client_id=self._client_id,
            username=options.username,
            password=options.password,
            tls=options.tls,
            # The broker keeps what the receiver reports while we are away.
            clean=not self._receipts_topic,
            protocol=options.protocol,
            will=will,
            window=self._window,
        )

    async def _introduce(self, connection: MqttConnection, session: str, since_ns: int) -> None:
        if self._receipts_topic and await connection.subscribe([self._receipts_topic]):
            self._log.warning(
                "uplink_receipts_refused", topic=self._receipts_topic, next="deliver without"
            )
        await self._say(connection, session, since_ns, why="connected", within_s=ACKNOWLEDGE_S)

    async def _say(
        self, connection: MqttConnection, session: str, since_ns: int, *, why: str, within_s: float
    ) -> None:
        if not self._status_topic:
            return
        status = Outgoing(
            topic=self._status_topic,
            payload=self._status(session, since_ns, why=why),
            retain=True,
            content_type=CONTENT_TYPE,
        )
        [reason] = await connection.publish([status], within_s)
        if reason >= 0x80:
            self._log.warning(
                "uplink_status_refused",
                topic=self._status_topic,
                reason=REASONS.get(reason, hex(reason)),
                next="deliver without",
            )

    def _status(self, session: str, since_ns: int, *, why: str) -> bytes:
        return status_record(
            online=why == "connected",
            record_id=str(uuid.uuid4()),
            source=self._source,
            uplink=self._name,
            session=session,
            since_ns=since_ns,
            why=why,
        )

    def _take(self, message: Message) -> None:
        """Pass receipts on; what is none is counted and logged, at most one line in LOG_EVERY_S."""
        try:
            if message.retained:
                raise ValueError("a retained receipt may be old, expected it once")  # noqa: TRY301
            receipts = read_receipts(message.payload, message.size_bytes)
        except ValueError as error:
            self._ignored += 1
            now_ns = self._clock.mono_ns()
            if self._logged_ns is None or now_ns - self._logged_ns > LOG_EVERY_S * 1e9:
                self._logged_ns = now_ns
                self._log.warning(
                    "uplink_receipt_ignored",
                    why=plain(str(error)),
                    ignored_in_all=self._ignored,
                    next="go on",
                )
            return
        for record_id, receipt in receipts:
            self._later(record_id, receipt)
