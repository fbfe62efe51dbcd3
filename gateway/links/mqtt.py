"""One MQTT connection: paho keeps the session, this file moves the messages.

Owns    the socket, from connect to close. A connection is never reused: whoever wants another opens
        another, so an acknowledgement can never reach a later connection by mistake.
Needs   mqtt_wire, mqtt_tap, mqtt_outbox and mqtt_settings beside it, and paho-mqtt (CONNECT, TLS,
        SUBSCRIBE).
Keeps   1. Nothing is acknowledged to the broker before acknowledge() is called (promise 1).
        2. At most INBOX_MESSAGES or INBOX_BYTES wait in memory, and what one read brought beyond
           that; then the socket is not read until some are taken.
        3. No thread runs after open() has returned; everything happens in the event loop.
        4. A broker silent for 1.5 keep-alive periods has ended, and so has every wait for it.
        5. What it publishes ends with it: see mqtt_outbox.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.errors import LinkDown
from gateway.links.mqtt_outbox import OUTBOX_MESSAGES, Outbox, Outgoing
from gateway.links.mqtt_settings import MqttSettings
from gateway.links.mqtt_tap import CONNECT_TIMEOUT_S, Session, Tap
from gateway.links.mqtt_wire import MAX_PACKET_BYTES, Message, Splitter, encode_puback

INBOX_MESSAGES: Final = 4096
INBOX_BYTES: Final = 16 * 1024 * 1024
RECEIVE_MAXIMUM: Final = 1024
"""Unacknowledged messages a broker may have under way to us (MQTT 5; with 3.1.1 it is its own)."""
SESSION_EXPIRY_S: Final = 30 * 86400
ANSWER_TIMEOUT_S: Final = 10.0
GOODBYE_S: Final = 1.0
FILTERS_PER_SUBSCRIBE: Final = 100
_PINGREQ: Final = b"\xc0\x00"
_DISCONNECT: Final = b"\xe0\x00"


class MqttConnection:
    """One connection to one broker. Make it with open()."""

    def __init__(self, settings: MqttSettings, protocol: int) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.session_present = False
        self._client = self._make_client()
        self._tap: Tap
        self._connected: asyncio.Future[tuple[bool, str, int]] = self._loop.create_future()
        self._suback: dict[int, asyncio.Future[list[int]]] = {}
        self._lost: LinkDown | None = None
        self._arrived = asyncio.Event()
        self._paused = self._writing = self._flush_due = False
        self._outbox = Outbox(settings.window, with_properties=protocol == 5)
        self._keepalive_s = settings.keepalive_s
        self._heard = self._ping_at = self._loop.time()
        self._heard_bytes = 0
        self._ended = asyncio.Event()
        self._is_open = self._closing = False
        self._misc: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, settings: MqttSettings) -> "MqttConnection":
        """Connect and wait for the broker's welcome; raises LinkDown.

        Takes at most CONNECT_TIMEOUT_S * 2 + ANSWER_TIMEOUT_S for each version tried; "auto" tries
        another only when the broker refused or hung up, so seldom after waiting that long.
        """
        wanted = {"auto": (5, 4), "5": (5,), "3.1.1": (4,)}[settings.protocol]
        for protocol in wanted:
            connection = cls(settings, protocol)
            try:
                await connection._connect()
            except _WrongProtocol:
                await connection.close()
                if protocol == wanted[-1]:
                    raise
            except BaseException:
                await connection.close()
                raise
            else:
                return connection
        raise LinkDown("no MQTT version left to try")

    def _make_client(self) -> Session:
        settings = self._settings
        client = Session(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            clean_session=settings.clean if self.protocol == 4 else None,
            protocol=paho.MQTTv5 if self.protocol == 5 else paho.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            client.tls_set_context(settings.tls)
        if settings.will is not None:
            will = settings.will
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        return client

    async def _connect(self) -> None:
        settings = self._settings
        properties = None
        if self.protocol == 5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if settings.clean else SESSION_EXPIRY_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
        where = f"{settings.host}:{settings.port}"
        try:
            # The name look-up, the TCP connect and the TLS handshake block, each with a time-out.
            # A look-up has none of its own: then the thread is left to end by itself.
            async with asyncio.timeout(CONNECT_TIMEOUT_S * 2):
                await asyncio.to_thread(
                    self._client.connect,
                    settings.host,
                    settings.port,
                    settings.keepalive_s,
                    clean_start=settings.clean if self.protocol == 5 else 3,
                    properties=properties,
                )
        except TimeoutError:
            raise LinkDown(f"{where}: no connection within {CONNECT_TIMEOUT_S * 2} s") from None
        except (OSError, ValueError) as error:
            raise LinkDown(f"{where}: {error}") from error
        if self._client.tap is None or self._client.tap.fileno() < 0:
            raise LinkDown(f"{where}: the connection closed at once")
        self._tap = self._client.tap
        self._tap.before_close = self._unwatch
        self._is_open = True
        self._heard = self._ping_at = self._loop.time()
        self._loop.add_reader(self._tap.fileno(), self._readable)
        self._loop.call_soon(self._read_on)  # TLS may have read ahead
        self._flush()
        self._misc = self._loop.call_later(1.0, self._tick)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                accepted, why, code = await self._connected
        except TimeoutError:
            raise LinkDown(f"{where}: no answer to CONNECT within {ANSWER_TIMEOUT_S} s") from None
        if not accepted:
            if self.protocol == 5 and code in {-1, 1, 0x84}:
                raise _WrongProtocol(f"{where}: {why}")
            raise LinkDown(f"{where}: {why}")

    # What paho tells us, inside loop_read.

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, props: Any) -> None:  # noqa: ANN401
        self.session_present = flags.session_present
        self._outbox.agree(
            getattr(props, "ReceiveMaximum", OUTBOX_MESSAGES),
            getattr(props, "MaximumPacketSize", MAX_PACKET_BYTES),
        )
        self._keepalive_s = getattr(props, "ServerKeepAlive", self._keepalive_s)
        if not self._connected.done():
            self._connected.set_result((not reason.is_failure, str(reason), reason.value))

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: Any, _props: Any) -> None:  # noqa: ANN401
        waiter = self._suback.pop(mid, None)
        if waiter is not None and not waiter.done():
            waiter.set_result([code.value for code in codes])

    def _on_disconnect(self, _c: Any, _d: Any, _flags: Any, reason: Any, _props: Any) -> None:  # noqa: ANN401
        self._end(LinkDown(f"the connection ended: {reason}"))

    # The socket.

    def _readable(self) -> None:
        splitter = self._tap.splitter
        try:
            more = self._tap.read()
            if splitter.others:
                self._let_paho_read()
        except (OSError, LinkDown) as error:
            self._end(error if isinstance(error, LinkDown) else LinkDown(str(error)))
            return
        if splitter.acks:
            more_to_send = self._outbox.settle(splitter.acks)
            splitter.acks.clear()
            if more_to_send:
                self._send_more()
        if splitter.messages:
            self._arrived.set()
            if not self._paused and _is_full(splitter):
                self._paused = True
                self._loop.remove_reader(self._tap.fileno())
                return
        if more and self._lost is None:
            self._loop.call_soon(self._read_on)

    def _let_paho_read(self) -> None:
        """Hand paho its packets; bytes it cannot parse raise whatever its parser stumbles over."""
        others = self._tap.splitter.others
        try:
            while others and self._client.socket() is not None:
                self._client.loop_read()
            self._client.loop_write()
        except OSError:
            raise
        except Exception as error:
            # A 3.1.1 broker's refusal of MQTT 5 is such a packet: it ends this connection only.
            raise LinkDown(f"not the packet MQTT {self.protocol} has there: {error!r}") from error
        self._flush_soon()

    def _read_on(self) -> None:
        if self._lost is None and not self._paused:
            self._readable()

    def _flush_soon(self) -> None:
        if not self._flush_due and self._lost is None:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._lost is not None:
            return
        try:
            done = self._tap.flush()
        except OSError as error:
            self._end(LinkDown(f"writing: {error}"))
            return
        if done and self._writing:
            self._writing = False
            self._loop.remove_writer(self._tap.fileno())
        elif not done and not self._writing:
            self._writing = True
            self._loop.add_writer(self._tap.fileno(), self._flush)

    def _tick(self) -> None:
        """Once a second, keep 4. Ours and not paho's, which does not see most of what arrives.

        While we do not read (keep 2) we cannot hear, so only our own side is kept up.
        """
        now, keepalive_s = self._loop.time(), self._keepalive_s
        self._read_on()  # the loop itself may have been away
        if self._paused or self._tap.heard_bytes != self._heard_bytes:
            self._heard, self._heard_bytes = now, self._tap.heard_bytes
        elif keepalive_s and now - self._heard > keepalive_s * 1.5:
            self._end(LinkDown(f"nothing heard of the broker for {now - self._heard:.0f} s"))
        if self._lost is not None:
            return
        if keepalive_s and now >= self._ping_at:
            self._ping_at = now + keepalive_s / 2
            self._tap.out += _PINGREQ
            self._flush()
        self._misc = self._loop.call_later(1.0, self._tick)

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._tap.fileno())
        self._loop.remove_writer(self._tap.fileno())

    def _end(self, why: LinkDown) -> None:
        if self._lost is not None:
            return
        self._lost = why
        self._client.given_up = True
        if self._misc is not None:
            self._misc.cancel()
        if not self._connected.done():
            self._connected.set_result((False, str(why), -1))
        if self._client.tap is not None:
            self._client.tap.close()
        self._outbox.fail(why)
        for subscribed in self._suback.values():
            if not subscribed.done():
                subscribed.set_exception(why)
        self._suback.clear()
        self._arrived.set()
        self._ended.set()

    # What a driver or an uplink does.

    async def subscribe(self, filters: Sequence[str]) -> list[str]:
        """Subscribe at QoS 1, never 2 (a kill would block the session); returns those refused."""
        refused: list[str] = []
        for at in range(0, len(filters), FILTERS_PER_SUBSCRIBE):
            some = filters[at : at + FILTERS_PER_SUBSCRIBE]
            self._check()
            _result, mid = self._client.subscribe([(name, 1) for name in some])
            if mid is None:
                raise LinkDown("SUBSCRIBE could not be sent")
            answer = self._suback[mid] = self._loop.create_future()
            self._client.loop_write()
            self._flush()
            codes = await self._subscribed(answer)
            if len(codes) != len(some):
                self._end(LinkDown("no answer to SUBSCRIBE, or one to something else"))
                self._check()
            refused += [name for name, code in zip(some, codes, strict=True) if code >= 0x80]
        return refused

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Have nothing sent any more that only these let through; raises LinkDown.

        What the broker had sent before it heard of it comes all the same. One that it did not know
        of is no error (MQTT 5.0, 3.11.3: "no subscription existed").
        """
        for at in range(0, len(filters), FILTERS_PER_SUBSCRIBE):
            self._check()
            _result, mid = self._client.unsubscribe(list(filters[at : at + FILTERS_PER_SUBSCRIBE]))
            if mid is None:
                raise LinkDown("UNSUBSCRIBE could not be sent")
            answer = self._suback[mid] = self._loop.create_future()
            self._client.loop_write()
            self._flush()
            await self._subscribed(answer)

    async def _subscribed(self, answer: asyncio.Future[list[int]]) -> list[int]:
        """Wait for a SUBACK as long as a resumed session's backlog, behind which it stands, flows.

        Whoever subscribes on such a session must receive meanwhile. Empty when none came. Answers
        to our keep-alive do not count: a broker could give those for ever.
        """
        splitter = self._tap.splitter
        while True:
            before = splitter.count
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await asyncio.shield(answer)
            except TimeoutError:
                if splitter.count == before and not self._paused:
                    answer.cancel()
                    return []

    async def receive(self, most: int = 512) -> list[Message]:
        """What has arrived, oldest first, at most `most`; waits for the first. Raises LinkDown."""
        messages = self._tap.splitter.messages
        while not messages:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        taken = self._tap.splitter.take(most)
        self._resume()
        return taken

    def _resume(self) -> None:
        """Read the socket again once there is room."""
        if self._paused and self._lost is None and not _is_full(self._tap.splitter, half=True):
            self._paused = False
            self._loop.add_reader(self._tap.fileno(), self._readable)
            self._loop.call_soon(self._read_on)  # TLS holds bytes the socket knows nothing of

    def take(self) -> list[Message]:
        """Everything that has arrived and was not received yet, also after the link was lost."""
        taken = self._tap.splitter.take()
        self._resume()
        return taken

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """PUBACK these, in the order in which they arrived; does nothing once the link is lost."""
        if self._lost is None:
            self._tap.out += b"".join([encode_puback(m.mid) for m in messages if m.qos])
            self._flush_soon()

    async def publish(self, items: Sequence[Outgoing], timeout_s: float = 10.0) -> list[int]:
        """Publish at QoS 1 and wait for every PUBACK; returns the reason codes in order.

        Raises LinkDown when the connection ends, or when an answer is missing after timeout_s: the
        connection is then given up, because nobody knows what the broker still has of it. The code
        of a message larger than the broker takes is TOO_LARGE; it was not sent.
        """
        self._check()
        if not items:
            return []
        waiter = self._outbox.put(items)
        self._send_more()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.done
        except TimeoutError:
            self._end(LinkDown(f"no PUBACK within {timeout_s} s"))
            raise self._lost or LinkDown("lost") from None
        return waiter.codes

    def _send_more(self) -> None:
        self._outbox.write(self._tap.out)
        self._flush_soon()

    def _check(self) -> None:
        if self._lost is not None:
            raise LinkDown(str(self._lost))
        if self._closing:
            raise LinkDown("closed by us")

    async def close(self) -> None:
        """Say goodbye (no will is sent then) and close; safe to call twice.

        Waits at most GOODBYE_S for the broker to hang up. Whoever closes first while PUBACKs are
        still on their way resets the connection, and the broker sends the will after all.
        """
        if self._lost is None and self._is_open and not self._closing:
            self._closing = True
            self._tap.out += _DISCONNECT
            self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._ended.wait()
        self._end(LinkDown("closed by us"))


def _is_full(splitter: Splitter, *, half: bool = False) -> bool:
    """Whether as much waits as may (keep 2), or half of that."""
    share = 2 if half else 1
    return (
        len(splitter.messages) >= INBOX_MESSAGES // share
        or splitter.held_bytes >= INBOX_BYTES // share
    )


class _WrongProtocol(LinkDown):
    """The broker does not speak the version we tried."""
