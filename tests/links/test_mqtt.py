"""One connection against real brokers, and against ends that misbehave."""

import asyncio
import contextlib
import inspect
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest

from gateway.errors import LinkDown
from gateway.links import mqtt, mqtt_outbox
from gateway.links.mqtt import MqttConnection
from gateway.links.mqtt_outbox import TOO_LARGE, Outgoing
from gateway.links.mqtt_settings import MqttSettings, Will
from gateway.links.mqtt_tap import Session, Tap
from gateway.links.mqtt_wire import Message
from simulators.mqtt import Listener, Publisher
from simulators.mqtt import Message as Sent
from tests.conftest import Certificates, MosquittoFactory, NatsFactory, WireFactory

PATIENCE_S = 30.0
"""How long a test waits for what must come; only a test that fails waits as long."""


@asynccontextmanager
async def connected(port: int, **given: Any) -> AsyncIterator[MqttConnection]:
    """A connection, closed at the end."""
    said: dict[str, Any] = {"host": "127.0.0.1", "port": port, "client_id": "gw-1"}
    connection = await MqttConnection.open(MqttSettings(**(said | given)))
    try:
        yield connection
    finally:
        await connection.close()


async def receive(connection: MqttConnection, count: int) -> list[Message]:
    """That many messages."""
    messages: list[Message] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(messages) < count:
            messages += await connection.receive()
    return messages


async def has_read(connection: MqttConnection) -> None:
    """Return once the broker has read all we sent: its SUBACK answers what came after that."""
    assert await connection.subscribe(["elsewhere/#"]) == []


async def lost(connection: MqttConnection) -> LinkDown:
    """Wait until the link is down; what is still in the inbox is thrown away."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await connection.receive()
            except LinkDown as why:
                return why


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def broker_that(does: Handler) -> AsyncIterator[int]:
    """A TCP server with that behaviour; its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await does(reader, writer)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))


async def packet(reader: asyncio.StreamReader) -> bytes:
    """One whole packet of less than 16 KiB."""
    first = await reader.readexactly(2)
    length, more = first[1] & 127, b""
    if first[1] >= 128:
        more = await reader.readexactly(1)
        length |= more[0] << 7
    return first + more + await reader.readexactly(length)


MACHINE_S = 10.0
"""How late a busy machine may be with what it does in time by itself."""
NOBODY = 0x10
"""MQTT 5: taken, and nobody has subscribed to it."""

CONNACK5 = b"\x20\x03\x00\x00\x00"
CONNACK4 = b"\x20\x02\x00\x00"


# What paho must go on doing.


def test_paho_still_asks_for_its_socket_where_the_tap_is() -> None:
    """Decision 0003: these are not public, so an upgrade must not take them away unnoticed."""
    assert "_create_socket()" in inspect.getsource(paho.Client.reconnect)
    assert "_ssl_wrap_socket(" in inspect.getsource(paho.Client._create_socket)
    assert Session._create_socket is not paho.Client._create_socket
    assert "_ssl_context" in inspect.getsource(paho.Client._ssl_wrap_socket)


async def test_the_tap_stands_where_the_socket_stands(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        assert isinstance(connection._client.socket(), Tap)


# Sessions and acknowledgements.


@pytest.mark.parametrize("protocol", ["5", "3.1.1", "auto"])
async def test_what_was_not_acknowledged_comes_again_and_the_rest_does_not(
    mosquitto: MosquittoFactory, protocol: str
) -> None:
    broker = await mosquitto(max_inflight=100)
    settings: dict[str, Any] = {"clean": False, "protocol": protocol}
    async with connected(broker.port, **settings) as connection:
        assert connection.session_present is False
        assert await connection.subscribe(["field/#"]) == []
        async with Publisher(broker.address, client_id="buttons") as device:
            sent = [device.post(Sent(topic="field/b", payload=b"%d" % n)) for n in range(50)]
            await asyncio.gather(*sent)
        first = await receive(connection, 50)
        assert [m.payload for m in first] == [b"%d" % n for n in range(50)]
        connection.acknowledge(first[:30])
        await has_read(connection)
        connection._tap.sock.shutdown(socket.SHUT_RDWR)
        await lost(connection)
    async with connected(broker.port, **settings) as connection:
        assert connection.session_present is True
        again = await receive(connection, 20)
        assert [m.payload for m in again] == [b"%d" % n for n in range(30, 50)]
        assert all(m.duplicate for m in again)
        connection.acknowledge(again)
    async with connected(broker.port, **settings) as connection:
        async with Publisher(broker.address, client_id="buttons") as device:
            await device.post(Sent(topic="field/b", payload=b"last"))
        assert [m.payload for m in await receive(connection, 1)] == [b"last"]


async def test_an_acknowledgement_of_a_lost_connection_reaches_no_other(
    mosquitto: MosquittoFactory,
) -> None:
    """Packet ids are used again: a late one would acknowledge a message nobody has stored."""
    broker = await mosquitto()
    async with connected(broker.port, clean=False) as first:
        await first.subscribe(["field/#"])
        async with Publisher(broker.address, client_id="buttons") as device:
            await device.post(Sent(topic="field/b", payload=b"press"))
            old = await receive(first, 1)
            first._tap.sock.shutdown(socket.SHUT_RDWR)
            await lost(first)
            async with connected(broker.port, clean=False) as second:
                new = await receive(second, 1)
                assert new[0].mid == old[0].mid
                first.acknowledge(old)
                await has_read(second)
                second._tap.sock.shutdown(socket.SHUT_RDWR)
                await lost(second)
    async with connected(broker.port, clean=False) as third:
        assert [m.payload for m in await receive(third, 1)] == [b"press"]


async def test_a_clean_session_leaves_nothing_behind(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        await connection.subscribe(["a"])
    async with connected(broker.port, clean=False) as connection:
        assert connection.session_present is False


async def test_refused_subscriptions_are_named(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(
        passwords={"gateway": "secret"}, acl=("user gateway", "topic read field/#")
    )
    filters = [f"field/{n}" for n in range(250)]
    settings = {"username": "gateway", "password": "secret"}
    async with connected(broker.port, **settings) as connection:
        assert await connection.subscribe(filters) == []
    assert "secret" not in repr(MqttSettings(host="h", port=1, client_id="c", **settings))


async def test_a_wrong_password_is_an_answer(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(passwords={"gateway": "secret"})
    with pytest.raises(LinkDown, match=r"(?i)not authorized"):
        await MqttConnection.open(
            MqttSettings(
                host="127.0.0.1", port=broker.port, client_id="c", username="gateway", password="x"
            )
        )


async def test_a_broker_without_version_5_is_spoken_to_in_3_1_1(nats_mqtt: NatsFactory) -> None:
    broker = await nats_mqtt()
    address = broker.address
    async with connected(
        broker.port, clean=False, username=address.username, password=address.password
    ) as connection:
        assert connection.protocol == 4
        assert await connection.subscribe(["field/#"]) == []
        codes = await connection.publish([Outgoing(topic="field/b", payload=b"press")])
        assert codes == [0]
        got = await receive(connection, 1)
        assert got[0].payload == b"press"
        connection.acknowledge(got)


# Publishing.


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_every_message_published_is_answered_for_and_arrives_as_it_was(
    mosquitto: MosquittoFactory, protocol: str
) -> None:
    broker = await mosquitto(max_queued=0)
    async with (
        Listener(broker.address, "alarms/#", client_id="bureau") as bureau,
        connected(broker.port, protocol=protocol) as connection,
    ):
        items = [
            Outgoing(
                topic=f"alarms/{n % 7}",
                payload=b"x" * (n * 11 % 3000),
                properties=(("late-seconds", str(n)),),
                content_type="application/cloudevents+json",
            )
            for n in range(3000)
        ]
        answers = await asyncio.gather(
            *(connection.publish(items[at : at + 500]) for at in range(0, 3000, 500))
        )
        assert {code for codes in answers for code in codes} == {0}
        got = [await bureau.next() for _ in range(3000)]
    assert sorted((m.topic, m.payload) for m in got) == sorted((i.topic, i.payload) for i in items)


async def test_publishing_nothing_is_done_at_once(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        assert await connection.publish([]) == []


async def test_a_broker_killed_while_publishing_ends_every_wait(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        broker.pause()
        waits = [
            asyncio.ensure_future(
                connection.publish([Outgoing(topic="a", payload=b"x" * 100)] * 50, timeout_s=30)
            )
            for _ in range(5)
        ]
        await asyncio.sleep(0)
        await broker.kill()
        async with asyncio.timeout(PATIENCE_S / 2):  # publish() itself would give up after 30 s
            ended = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(one) for one in ended] == [LinkDown] * 5
        with pytest.raises(LinkDown):
            await connection.publish([Outgoing(topic="a", payload=b"")])
        with pytest.raises(LinkDown):
            await connection.subscribe(["a"])
        connection.acknowledge([])


async def test_a_missing_puback_gives_the_connection_up(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        broker.pause()
        with pytest.raises(LinkDown, match="no PUBACK"):
            await connection.publish([Outgoing(topic="a", payload=b"")], timeout_s=0.2)
        broker.resume()
        with pytest.raises(LinkDown):
            await connection.publish([Outgoing(topic="a", payload=b"")])


async def test_a_cancelled_publish_disturbs_no_other(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        broker.pause()
        first = asyncio.ensure_future(connection.publish([Outgoing(topic="a", payload=b"1")]))
        second = asyncio.ensure_future(connection.publish([Outgoing(topic="a", payload=b"2")]))
        await asyncio.sleep(0)
        first.cancel()
        broker.resume()
        assert await second == [NOBODY]
        assert connection._outbox.waiting == {}
        with pytest.raises(asyncio.CancelledError):
            await first


def broker_with(receive_maximum: int, packet_bytes: int, most: list[int]) -> Handler:
    """A version 5 broker that says what it takes, and notes how much it was given at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        said = (
            b"\x21" + struct.pack(">H", receive_maximum) + b"\x27" + struct.pack(">I", packet_bytes)
        )
        writer.write(b"\x20" + bytes([3 + len(said)]) + b"\x00\x00" + bytes([len(said)]) + said)
        waiting: list[bytes] = []
        coming: asyncio.Task[bytes] | None = None
        while True:
            coming = coming or asyncio.create_task(packet(reader))
            try:
                await asyncio.wait({coming}, timeout=0.02)
            except asyncio.CancelledError:
                coming.cancel()
                raise
            if not coming.done():  # no more comes by itself: this is all we are given at once
                most.append(len(waiting))
                writer.write(b"".join(b"\x40\x02" + mid for mid in waiting))
                waiting.clear()
                continue
            got, coming = coming.result(), None
            if got[0] & 0xF0 == 0x30:
                head = 2 if got[1] < 128 else 3
                topic = struct.unpack(">H", got[head : head + 2])[0]
                waiting.append(got[head + 2 + topic : head + 4 + topic])

    return serve


async def test_no_more_is_sent_at_once_than_the_broker_takes() -> None:
    """MQTT 5, 3.3.4: a broker disconnects whoever sends more than its Receive Maximum."""
    most: list[int] = []
    async with broker_that(broker_with(7, 200, most)) as port, connected(port) as connection:
        items = [Outgoing(topic="a", payload=b"x")] * 30
        items.insert(11, Outgoing(topic="a", payload=b"y" * 300))
        codes = await connection.publish(items)
        assert codes[11] == TOO_LARGE
        assert codes[:11] + codes[12:] == [0] * 30
        big = [Outgoing(topic="a", payload=b"z" * 300)] * 2
        assert await connection.publish(big) == [TOO_LARGE] * 2
    assert max(most) == 7


async def test_too_many_waiting_messages_are_refused_and_the_link_stays(
    monkeypatch: pytest.MonkeyPatch, mosquitto: MosquittoFactory
) -> None:
    monkeypatch.setattr(mqtt_outbox, "OUTBOX_MESSAGES", 10)
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        with pytest.raises(LinkDown, match="too many"):
            await connection.publish([Outgoing(topic="a", payload=b"")] * 11)
        assert await connection.publish([Outgoing(topic="a", payload=b"")] * 10) == [NOBODY] * 10


# Goodbye and will.


async def test_the_will_is_said_for_a_connection_that_vanished_and_not_after_goodbye(
    mosquitto: MosquittoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "GOODBYE_S", PATIENCE_S)  # a busy machine moves megabytes slowly
    broker = await mosquitto()
    will = Will(topic="gw/state", payload=b"gone", retain=False)
    async with Listener(broker.address, "gw/#", client_id="watch") as watch:
        async with connected(broker.port, will=will) as connection:
            items = [Outgoing(topic="gw/last", payload=b"x" * 200_000)] * 20
            last = asyncio.ensure_future(connection.publish(items))
            await asyncio.sleep(0)  # goodbye while megabytes still wait to be written
        with contextlib.suppress(LinkDown):
            await last
        async with connected(broker.port, will=will) as connection:
            await connection.publish([Outgoing(topic="gw/mark", payload=b"")])
            connection._tap.sock.shutdown(socket.SHUT_RDWR)
            await lost(connection)
        topics = []
        while not topics or topics[-1] != "gw/state":
            topics.append((await watch.next()).topic)
    assert topics.index("gw/mark") < topics.index("gw/state")


async def test_closing_twice_and_after_a_loss_is_harmless(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port) as connection:
        await connection.close()
        await connection.close()
    async with connected(broker.port) as connection:
        await broker.kill()
        await lost(connection)


async def test_connections_can_be_opened_and_lost_for_ever(mosquitto: MosquittoFactory) -> None:
    """A socket number that is still watched when it is given out again goes deaf."""
    broker = await mosquitto()
    before = len(asyncio.get_running_loop()._selector.get_map())  # type: ignore[attr-defined]
    for _ in range(10):
        async with connected(broker.port) as connection:
            await connection.subscribe(["a"])
            connection._tap.sock.shutdown(socket.SHUT_RDWR)
            await lost(connection)
    assert len(asyncio.get_running_loop()._selector.get_map()) == before  # type: ignore[attr-defined]


# Silence, garbage, pressure.


async def test_a_frozen_broker_is_noticed_in_one_and_a_half_keep_alives(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    loop = asyncio.get_running_loop()
    async with connected(broker.port, keepalive_s=2) as connection:
        await connection.subscribe(["a"])
        broker.pause()
        began = loop.time()
        why = await lost(connection)
        broker.resume()
    assert "nothing heard" in str(why)
    # Looked at once a second; and what this machine may be late while it runs other tests.
    assert 2 <= loop.time() - began < 2 * 1.5 + 1.0 + MACHINE_S


async def test_a_quiet_connection_lives_on(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with connected(broker.port, keepalive_s=3) as connection:
        await connection.subscribe(["a"])
        with pytest.raises(TimeoutError):  # by then either end would have given a mute one up
            async with asyncio.timeout(8):
                await connection.receive()
        assert await connection.publish([Outgoing(topic="a", payload=b"x")]) == [0]


async def test_a_half_open_wire_is_noticed(mosquitto: MosquittoFactory, wire: WireFactory) -> None:
    broker = await mosquitto()
    between = await wire(broker.port)
    async with connected(between.port, keepalive_s=1) as connection:
        between.half_open()
        assert "nothing heard" in str(await lost(connection))


async def refuse_to_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


def answers(*replies: bytes) -> Handler:
    """A broker with these words, one for each packet, and then nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await packet(reader)
            writer.write(reply)
        await reader.read()

    return serve


async def test_a_broker_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with broker_that(answers(CONNACK5)) as port, connected(port) as connection:
        monkeypatch.setattr(mqtt, "ANSWER_TIMEOUT_S", 0.2)
        with pytest.raises(LinkDown, match="SUBSCRIBE"):
            await connection.subscribe(["a"])
    async with broker_that(refuse_to_answer) as port:
        with pytest.raises(LinkDown, match="no answer to CONNECT"):
            await MqttConnection.open(MqttSettings(host="127.0.0.1", port=port, client_id="c"))


async def test_a_broker_that_only_answers_pings_is_given_up_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        writer.write(CONNACK5)
        while got := await packet(reader):
            if got[0] == 0xC0:
                writer.write(b"\xd0\x00")

    async with broker_that(serve) as port, connected(port, keepalive_s=1) as connection:
        monkeypatch.setattr(mqtt, "ANSWER_TIMEOUT_S", 1.5)
        with pytest.raises(LinkDown, match="SUBSCRIBE"):
            async with asyncio.timeout(PATIENCE_S):
                await connection.subscribe(["a"])


async def test_nobody_there_is_link_down(unused_tcp_port: int) -> None:
    with pytest.raises(LinkDown, match=rf"127\.0\.0\.1:{unused_tcp_port}"):
        await MqttConnection.open(
            MqttSettings(host="127.0.0.1", port=unused_tcp_port, client_id="c")
        )


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 40,
        b"\xff" * 40,
        b"\x20\x00",
        b"\x20\x01\x00",
        b"\x20\x05\x00\x00\x09\x11\x00",
        b"\x20\x06\x00\x00\x03\x7f\x00\x00",
        b"\x90\x01\x00",
        b"\xe0\x05\x00\x63\x00\x00\x00",
        b"\x34\x05\x00\x01a\x00\x01",
    ],
    ids=lambda g: g[:6].hex(),
)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_garbage_in_the_place_of_a_welcome_is_link_down(
    garbage: bytes, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "ANSWER_TIMEOUT_S", 0.5)
    async with broker_that(answers(garbage)) as port:
        with pytest.raises(LinkDown):
            await MqttConnection.open(
                MqttSettings(host="127.0.0.1", port=port, client_id="c", protocol=protocol)
            )


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x90\x00",
        b"\x90\x05\x00\x01\x00\x01\x01",
        b"\xb0\x02\x00\x01",
        b"\xe0\x03\x8e\x00\x00",
        b"\x62\x02\x00\x09",
        b"\x50\x01\x00",
        b"\x40\x01\x00",
        b"\xf0\x02\x18\x00",
        b"\xff\xff\xff\xff\xff",
        b"\x30\x03\x00\x09a",
    ],
    ids=lambda g: g.hex(),
)
async def test_garbage_later_on_ends_in_link_down_and_hangs_nobody(
    garbage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with broker_that(answers(CONNACK5, garbage)) as port, connected(port) as connection:
        monkeypatch.setattr(mqtt, "ANSWER_TIMEOUT_S", 0.5)
        with pytest.raises(LinkDown):
            await connection.subscribe(["a"])


async def test_a_cancelled_opening_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connecting thread ends by itself, and closes what nobody waits for."""
    loop = asyncio.get_running_loop()
    connecting, closed, may_go_on = asyncio.Event(), asyncio.Event(), threading.Event()
    create = Session._create_socket

    def create_slowly(client: Session) -> Any:
        loop.call_soon_threadsafe(connecting.set)
        assert may_go_on.wait(PATIENCE_S)
        return create(client)

    monkeypatch.setattr(Session, "_create_socket", create_slowly)

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        closed.set()

    async with broker_that(serve) as port:
        settings = MqttSettings(host="127.0.0.1", port=port, client_id="c")
        connection = MqttConnection(settings, 5)
        opening = asyncio.ensure_future(connection._connect())
        await connecting.wait()  # or the thread would not even begin
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        await connection.close()
        may_go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()


async def test_a_flood_stops_being_read_and_goes_on_afterwards(
    monkeypatch: pytest.MonkeyPatch, mosquitto: MosquittoFactory
) -> None:
    monkeypatch.setattr(mqtt, "INBOX_MESSAGES", 100)
    broker = await mosquitto(max_inflight=0, max_queued=0)
    async with connected(broker.port, keepalive_s=3) as connection:
        await connection.subscribe(["field/#"])
        async with Publisher(broker.address, client_id="stuck", window=1000) as device:
            sent = [device.post(Sent(topic="field/b", payload=b"x" * 2000)) for _ in range(3000)]
            await asyncio.gather(*sent)
        async with asyncio.timeout(PATIENCE_S):
            while not connection._paused:  # noqa: ASYNC110 it tells nobody
                await asyncio.sleep(0.01)
        waiting = len(connection._tap.splitter.messages)
        assert waiting <= 100 + 256 * 1024 // 2000 + 1
        with pytest.raises(TimeoutError):  # longer than the keep-alive: it must not be given up
            async with asyncio.timeout(8):
                await asyncio.get_running_loop().create_future()
        taken = 0
        while taken < 3000:
            messages = await connection.receive(64)
            taken += len(messages)
            connection.acknowledge(messages)
        assert not connection._paused
        assert await connection.publish([Outgoing(topic="a", payload=b"x")]) == [NOBODY]


async def test_big_messages_are_bounded_by_their_bytes(
    monkeypatch: pytest.MonkeyPatch, mosquitto: MosquittoFactory
) -> None:
    monkeypatch.setattr(mqtt, "INBOX_BYTES", 1024 * 1024)
    broker = await mosquitto(max_inflight=0, max_queued=0)
    async with connected(broker.port) as connection:
        await connection.subscribe(["field/#"])
        async with Publisher(broker.address, client_id="huge") as device:
            await asyncio.gather(
                *(device.post(Sent(topic="field/b", payload=b"x" * 500_000)) for _ in range(20))
            )
        got: list[Message] = []
        while len(got) < 20:
            assert connection._tap.splitter.held_bytes <= 1024 * 1024 + 500_000 + 256 * 1024
            messages = await connection.receive(1)
            got += messages
            connection.acknowledge(messages)
        assert {m.size_bytes for m in got} == {500_000}


# TLS.


async def test_a_client_certificate_opens_the_door_and_a_flood_comes_through_tls(
    mosquitto: MosquittoFactory, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "INBOX_MESSAGES", 50)
    broker = await mosquitto(
        ca=certificates.ca,
        cert=certificates.server_cert,
        key=certificates.server_key,
        require_certificate=True,
        client_cert=certificates.client_cert,
        client_key=certificates.client_key,
        max_inflight=0,
        max_queued=0,
    )
    tls = certificates.client_context()
    async with connected(broker.port, tls=tls, keepalive_s=120) as connection:
        await connection.subscribe(["field/#"])
        items = [Outgoing(topic="field/b", payload=b"%d" % n * 500) for n in range(1000)]
        publishing = asyncio.ensure_future(connection.publish(items))
        got: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(got) < 1000:
                messages = await connection.receive(20)
                connection.acknowledge(messages)
                got += [m.payload for m in messages]
        assert got == [item.payload for item in items]
        assert await publishing == [0] * 1000


@pytest.mark.parametrize("wrong", ["no certificate", "stranger's authority"])
async def test_without_the_right_certificate_there_is_no_link(
    mosquitto: MosquittoFactory, certificates: Certificates, wrong: str
) -> None:
    broker = await mosquitto(
        ca=certificates.ca,
        cert=certificates.server_cert,
        key=certificates.server_key,
        require_certificate=True,
        client_cert=certificates.client_cert,
        client_key=certificates.client_key,
    )
    tls = certificates.client_context(with_certificate=False)
    if wrong != "no certificate":
        tls = ssl.create_default_context(cafile=str(certificates.stranger_ca))
    with pytest.raises(LinkDown):
        await MqttConnection.open(
            MqttSettings(host="127.0.0.1", port=broker.port, client_id="c", tls=tls)
        )


async def test_a_server_that_is_silent_in_the_handshake_is_given_up(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.links.mqtt_tap.CONNECT_TIMEOUT_S", 0.3)
    async with broker_that(refuse_to_answer) as port:
        with pytest.raises(LinkDown):
            await MqttConnection.open(
                MqttSettings(
                    host="127.0.0.1", port=port, client_id="c", tls=certificates.client_context()
                )
            )
