"""A driver that takes other devices on a live broker, and what it hears of those that are none."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt import Driver
from drivers.mqtt.strangers import SAMPLE_BYTES, TOPICS_MOST, Strangers
from drivers.mqtt.topics import cover, extended
from gateway.clock import SystemClock
from gateway.driver import LinkSettings
from gateway.events import Arrival, Device
from gateway.links.mqtt_wire import Message
from simulators.mqtt import Publisher
from tests.conftest import MosquittoFactory
from tests.shelves import shipped

PROFILE = "generic/json_button"
SHELF = shipped()
FOUND = SHELF.get(PROFILE)
assert FOUND is not None
PROFILES = {PROFILE: FOUND}
LEVEL = st.sampled_from(["a", "b", "c", "+"])
FILTERS = st.lists(st.lists(LEVEL, min_size=1, max_size=3).map("/".join), max_size=8)
TOPIC = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3)


def lets_through(filters: Sequence[str], topic: Sequence[str]) -> int:
    """How many of the filters match a topic."""
    split = [each.split("/") for each in filters]
    return sum(
        len(each) == len(topic) and all(a in {"+", b} for a, b in zip(each, topic, strict=True))
        for each in split
    )


@given(before=FILTERS, wanted=FILTERS, most=st.integers(1, 6), topic=TOPIC)
def test_what_is_wanted_comes_through_exactly_once_and_what_nobody_wants_is_let_go(
    before: list[str], wanted: list[str], most: int, topic: list[str]
) -> None:
    held = cover(before, most)
    after = extended(held, wanted, most)
    if lets_through(wanted, topic):
        assert lets_through(after, topic) == 1
    assert lets_through(after, topic) <= 1
    if not wanted:
        assert after == []


@given(names=st.sets(st.sampled_from("abcdefgh"), min_size=1), more=st.sampled_from("xyz"))
def test_adding_a_device_asks_for_its_topic_alone(names: set[str], more: str) -> None:
    held = cover(names, 100)
    assert set(extended(held, [*names, more], 100)) - set(held) == {more}


def devices(*names: str) -> list[Device]:
    assert FOUND is not None
    return [
        Device(
            id=name, name=name, place="", profile_id=PROFILE, family="x", link="field",
            address={"topic": f"site/{name}"}, points=FOUND.points_for({"topic": f"site/{name}"}),
        )
        for name in names
    ]  # fmt: skip


async def test_new_devices_are_heard_and_gone_ones_are_not_without_a_second_connection(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    link = LinkSettings(
        name="field", kind="mqtt", url=f"mqtt://127.0.0.1:{broker.port}", client_id="gw", options={}
    )
    driver = Driver(link, devices("one", "two"), PROFILES, SystemClock())
    heard: asyncio.Queue[str] = asyncio.Queue()
    ups: list[bool] = []
    is_up = asyncio.Event()

    async def emit(arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            for name in arrival.devices:
                heard.put_nowait(name)

    async def notice(what: str, healthy: bool, _text: str) -> None:
        if what == "link":
            ups.append(healthy)
            is_up.set()

    async def run() -> None:
        await driver.run(emit, notice)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        running = group.create_task(run())
        await is_up.wait()
        async with Publisher(broker.address, client_id="school") as publisher:
            await publisher.publish("site/one", b"{}")
            assert await heard.get() == "one"
            await driver.change(devices("two", "three"), PROFILES)
            await publisher.publish("site/one", b"{}")
            await publisher.publish("site/three", b"{}")
            assert await heard.get() == "three"
            await publisher.publish("site/two", b"{}")
            assert await heard.get() == "two"
            await driver.change([], {})
            await driver.change(devices("one"), PROFILES)
            await publisher.publish("site/one", b"{}")
            assert await heard.get() == "one"
        assert ups == [True]
        running.cancel()


def message(topic: str, payload: bytes) -> Message:
    return Message(topic, payload, 0, False, False, 0, len(payload))


def test_strangers_are_few_their_samples_short_and_the_newest_are_kept() -> None:
    strangers = Strangers()
    for number in range(TOPICS_MOST + 50):
        strangers.note(message(f"t/{number}", b"x" * 100_000), number)
    strangers.note(message("t/100", b"again"), 9_999)
    found = strangers.all()
    assert len(found) == TOPICS_MOST
    assert (found[0].topic, found[0].count, found[0].sample) == ("t/100", 2, b"again")
    assert max(len(each.sample) for each in found) == SAMPLE_BYTES
    assert found[1].size_bytes == 100_000
