"""The MQTT driver against a real broker: acknowledged is safe, and nothing stops it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from drivers.mqtt.driver import Driver
from gateway.clock import SystemClock
from gateway.driver import LinkSettings
from gateway.events import ONLINE_POINT, Arrival, Device
from gateway.links.mqtt_wire import Message
from gateway.profile import Profile
from simulators.brokers import Mosquitto, free_port
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory, WireFactory
from tests.shelves import shipped

TOPIC = "school/gate/button"


@cache
def profile() -> Profile:
    found = shipped().get("generic/json_button")
    assert found is not None
    return found


def button(device_id: str = "btn-1", topic: str = TOPIC) -> Device:
    address: dict[str, Any] = {"topic": topic}
    return Device(
        id=device_id,
        name="按钮",
        place="西门",
        profile_id="generic/json_button",
        family="alarm_button",
        link="field",
        address=address,
        points=profile().points_for(address),
    )


class House:
    """Stands for the intake: keeps what was emitted, and waits when the test says so."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.notices: list[tuple[str, bool, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Event()

    async def emit(self, arrivals: Sequence[Arrival]) -> None:
        self.arrivals += arrivals
        self._tell()
        await self.gate.wait()

    async def notice(self, what: str, healthy: bool, text: str) -> None:
        self.notices.append((what, healthy, text))
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, ready: Any) -> None:
        async with asyncio.timeout(45):
            while not ready():
                await self._changed.wait()

    async def until_listening(self, times: int = 1) -> None:
        await self.until(lambda: self.notices.count(("link", True, "")) >= times)


@asynccontextmanager
async def driving(
    port: int, house: House, *devices: Device, client_id: str = "campus-gw-1"
) -> AsyncIterator[Driver]:
    link = LinkSettings(
        name="field",
        kind="mqtt",
        url=f"mqtt://127.0.0.1:{port}",
        client_id=client_id,
        options={},
    )
    held = devices or (button(),)
    driver = Driver(link, held, {"generic/json_button": profile()}, SystemClock())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(driver.run(house.emit, house.notice))
        try:
            yield driver
        finally:
            house.gate.set()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_message_is_acknowledged_only_after_emit_and_else_comes_again(
    mosquitto: MosquittoFactory, wire: WireFactory
) -> None:
    broker: Mosquitto = await mosquitto()
    async with Publisher(broker.address, client_id="btn") as device:
        first = House()
        first.gate.clear()
        async with driving(broker.port, first):
            await first.until_listening()
            await device.publish(TOPIC, b'{"n":1}')
            await first.until(lambda: first.arrivals)
            first.gate = asyncio.Event()  # that emit never returns: the disk did not take it
        again = House()
        async with driving(broker.port, again):
            await again.until(lambda: again.arrivals)
            assert again.arrivals[0].repeated
            assert again.arrivals[0].token is not None
            assert again.arrivals[0].token[1] == (first.arrivals[0].token or (0, 0))[1]
        third = House()
        async with driving(broker.port, third):  # now it was acknowledged
            await third.until_listening()
            await device.publish(TOPIC, b'{"n":2}')
            await third.until(lambda: third.arrivals)
            assert [one.readings[0].attributes for one in third.arrivals] == [{"n": 2}]


async def test_rubbish_is_handed_over_as_garbled_and_what_follows_arrives(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    house = House()
    payloads = [b"", b"\xff\xfe", b"[" * 100_000, b"NaN", b"x" * 300_000, b'{"ok":1}']
    async with Publisher(broker.address, client_id="btn") as device, driving(broker.port, house):
        await house.until_listening()
        for payload in payloads:
            await device.publish(TOPIC, payload)
        await house.until(lambda: len(house.arrivals) == len(payloads))
    garbled = [one.garbled for one in house.arrivals]
    assert [one is not None for one in garbled] == [True] * 5 + [False]
    sizes = [one.size_bytes for one in garbled if one is not None]
    assert sizes == [len(payload) for payload in payloads[:5]]
    assert max(len(one.raw) for one in garbled if one is not None) <= 64 * 1024


async def test_what_is_nobodys_is_acknowledged_and_counted(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(max_inflight=1)
    house = House()
    many = [button(f"b-{n}", f"school/{n}/button") for n in range(300)]  # so: school/+/button
    async with (
        Publisher(broker.address, client_id="btn") as device,
        driving(broker.port, house, *many) as driver,
    ):
        await house.until_listening()
        for _ in range(5):
            await device.publish("school/strange/button", b"1")
        await device.publish("school/7/button", b"1")  # waits for the acknowledgement of those
        await house.until(lambda: house.arrivals)
        assert driver.unknown_topics == 5
        assert [one.devices for one in house.arrivals] == [("b-7",)]


async def test_two_devices_on_one_topic_are_one_arrival_with_both(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    house = House()
    async with (
        Publisher(broker.address, client_id="btn") as device,
        driving(broker.port, house, button("b-1"), button("b-2")),
    ):
        await house.until_listening()
        await device.publish(TOPIC, b"1")
        await house.until(lambda: house.arrivals)
    assert len(house.arrivals) == 1
    assert [one.device_id for one in house.arrivals[0].readings] == ["b-1", "b-2"]


async def test_a_start_before_the_broker_is_told_and_listens_when_it_comes(
    mosquitto: MosquittoFactory,
) -> None:
    house = House()
    port = free_port()
    async with driving(port, house):
        await house.until(lambda: any(what == "link" and not up for what, up, _ in house.notices))
        broker = await mosquitto()
        await broker.stop()
        broker.port = port
        await broker.start()
        await house.until_listening()
        async with Publisher(broker.address, client_id="btn") as device:
            await device.publish(TOPIC, b"1")
            await house.until(lambda: house.arrivals)


async def test_a_retained_press_is_marked_and_is_no_sign_of_life(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    house = House()
    async with Publisher(broker.address, client_id="btn") as device:
        await device.publish(TOPIC, b"1", retain=True)
        async with driving(broker.port, house):
            await house.until(lambda: house.arrivals)
    assert house.arrivals[0].devices == ()
    assert all(one.retained for one in house.arrivals[0].readings)


def test_a_last_will_is_no_sign_of_life_of_its_device() -> None:
    found = shipped().get("alarm_button/zigbee2mqtt_sos")
    assert found is not None
    device = button("z-1", "zigbee2mqtt/z-1")
    link = LinkSettings(
        name="field", kind="mqtt", url="mqtt://127.0.0.1:1", client_id="x", options={}
    )
    driver = Driver(link, [device], {"generic/json_button": found}, SystemClock())
    message = Message(
        topic="zigbee2mqtt/z-1/availability",
        payload=b"offline",
        mid=1,
        qos=1,
        retained=False,
        duplicate=False,
        size_bytes=7,
    )
    arrival = driver._arrival(message, driver._tree.find(message.topic), 1)
    assert [one.point for one in arrival.readings] == [ONLINE_POINT]
    assert arrival.devices == ()


async def test_two_clients_with_one_id_are_noticed(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    one, other = House(), House()
    async with driving(broker.port, one), driving(broker.port, other):
        await one.until(lambda: any(what == "client" and not ok for what, ok, _ in one.notices))
    told = next(text for what, ok, text in one.notices if what == "client" and not ok)
    assert "campus-gw-1" in told
