"""A publisher tells the truth about what the broker accepted."""

import asyncio
import queue
import threading

import pytest

from simulators.mqtt import (
    V5,
    V311,
    Listener,
    Message,
    Publisher,
    connect_packet,
    publish_packet,
    send_twice,
)
from tests.conftest import MosquittoFactory


@pytest.mark.parametrize("version", [V311, V5])
async def test_messages_arrive_in_the_order_in_which_they_were_sent(
    mosquitto: MosquittoFactory, version: int
) -> None:
    broker = await mosquitto()
    async with (
        Listener(broker.address, "t/#", client_id="l", version=version) as listener,
        Publisher(broker.address, client_id="p", version=version) as device,
    ):
        await asyncio.gather(*(device.publish("t/1", b"%d" % n) for n in range(300)))
        assert device.accepted_count == 300
        assert device.waiting_count == 0
        arrived = await listener.take(300)
    assert [message.payload for message in arrived] == [b"%d" % n for n in range(300)]


async def test_a_press_while_the_broker_is_down_is_accepted_when_it_is_back(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as device,
    ):
        await device.publish("t/1", b"before")
        assert (await listener.next()).payload == b"before"
        await listener.settled()  # or the broker would send it again after its restart
        await broker.stop()
        waiting = [device.post(Message(topic="t/1", payload=b"%d" % n)) for n in range(50)]
        assert device.waiting_count == 50
        await broker.start()
        await asyncio.gather(*waiting)
        arrived = await listener.take(50)
    assert [m.payload for m in arrived] == [b"%d" % n for n in range(50)]


@pytest.mark.parametrize("version", [V311, V5])
async def test_what_a_listener_has_settled_does_not_come_again_and_the_rest_does(
    mosquitto: MosquittoFactory, version: int
) -> None:
    """What it heard and has not acknowledged: paho's thread stands in its on_message."""
    broker = await mosquitto()
    heard: queue.Queue[Message] = queue.Queue()
    stands, go_on = threading.Event(), threading.Event()

    def take(message: Message) -> None:
        heard.put(message)
        if message.payload == b"unsettled" and not message.duplicate:
            stands.set()
            go_on.wait(30)

    async with (
        Listener(
            broker.address, "t/#", client_id="l", version=version, on_message=take
        ) as listener,
        Publisher(broker.address, client_id="p", version=version) as device,
    ):
        await device.publish("t/1", b"settled")
        assert (await asyncio.to_thread(heard.get, timeout=30)).payload == b"settled"
        await listener.settled()
        await device.publish("t/1", b"unsettled")
        assert await asyncio.to_thread(stands.wait, 30)
        await broker.stop()
        go_on.set()
        await broker.start()
        await device.publish("t/1", b"after")
        told = [await asyncio.to_thread(heard.get, timeout=30) for _ in range(3)]
    assert [(m.payload, m.duplicate) for m in told] == [
        (b"unsettled", False),
        (b"unsettled", True),
        (b"after", False),
    ]


async def test_presses_keep_their_order_while_the_broker_comes_and_goes(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto(max_inflight=0, max_queued=0)
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(broker.address, client_id="p", window=5) as device,
    ):
        waiting = []

        async def press() -> None:
            for n in range(600):
                waiting.append(device.post(Message(topic="t/1", payload=b"%d" % n)))
                await asyncio.sleep(0.003)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(press())
            for _ in range(4):
                await broker.restart(away_s=0.1)
        accepted = await asyncio.gather(*waiting)
        found: list[int] = []
        while len(set(found)) < 600:
            message = await listener.next()
            n = int(message.payload)
            # DUP: our own answer got lost, or the first copy with the connection it was sent on.
            if not message.duplicate or n not in found:
                found.append(n)
        firsts = list(dict.fromkeys(found))
        assert firsts == list(range(600))
        twice = {n for n in found if found.count(n) > 1}
        assert twice <= {n for n, one in enumerate(accepted) if one.resent}


async def test_no_press_is_called_accepted_by_a_broker_that_is_down(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    async with Publisher(broker.address, client_id="p") as device:
        await broker.kill()
        waiting = device.post(Message(topic="t/1", payload=b"pressed"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.3)
        assert device.accepted_count == 0
    assert waiting.cancelled()


async def test_a_device_that_loses_power_leaves_its_will_and_comes_back_with_its_queue(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    will = Message(topic="t/LWT", payload=b"Offline", retain=True)
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(broker.address, client_id="p", will=will) as device,
    ):
        await device.vanish()
        assert (await listener.next()).payload == b"Offline"
        waiting = device.post(Message(topic="t/1", payload=b"pressed"))
        await device.open()
        await waiting
        assert (await listener.next()).payload == b"pressed"


async def test_a_polite_goodbye_leaves_no_will(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    will = Message(topic="t/LWT", payload=b"Offline", retain=True)
    async with Listener(broker.address, "t/#", client_id="l") as listener:
        async with Publisher(broker.address, client_id="p", will=will) as device:
            await device.publish("t/1", b"last word")
        async with Publisher(broker.address, client_id="q") as other:
            await other.publish("t/2", b"after")
        assert [m.payload for m in await listener.take(2)] == [b"last word", b"after"]


async def test_a_duplicate_goes_through_the_broker_twice(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with Listener(broker.address, "t/#", client_id="l") as listener:
        message = Message(topic="t/1", payload=b"pressed")
        assert await send_twice(broker.address, message, client_id="p") == 2
        assert [m.payload for m in await listener.take(2)] == [b"pressed", b"pressed"]


def test_packets_are_those_of_the_standard() -> None:
    assert connect_packet("ab") == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x1e\x00\x02ab"
    assert connect_packet("a", "u", "p")[9] == 0b11000010
    long = publish_packet(Message(topic="t", payload=b"x" * 200), 7, duplicate=True)
    assert long[:3] == b"\x3a\xcd\x01"
    assert long[3:8] == b"\x00\x01t\x00\x07"
    assert publish_packet(Message(topic="t", payload=b"", retain=True), 1)[0] == 0x33
