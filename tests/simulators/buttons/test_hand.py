"""Presses go through a real broker, and every pathology is what it says."""

import asyncio
import json
import sys
import time

import orjson
import pytest

from simulators.buttons import FAMILIES, GARBAGE, Hand, JsonButton, make, random_garbage
from simulators.mqtt import Listener, Publisher
from tests.conftest import MosquittoFactory


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_press_of_each_family_arrives_where_its_device_publishes(
    mosquitto: MosquittoFactory, family: str
) -> None:
    broker = await mosquitto(persistence=False)
    device = make(family, "24e124535c000107")
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p", will=device.will) as publisher,
    ):
        hand = Hand(device, publisher)
        accepted = await hand.press()
        arrived = await listener.take(len(accepted))
        assert [m.payload for m in arrived] == [one.message.payload for one in accepted]
        assert arrived[0].topic == device.press_topic()
        assert not arrived[0].retain


async def test_a_double_press_is_two_messages_within_300_ms(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(persistence=False)
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        begun_s = time.monotonic()
        await Hand(JsonButton("b"), publisher).double_press(gap_s=0.1)
        assert time.monotonic() - begun_s >= 0.1
        marks = [orjson.loads(message.payload)["mark"] for message in await listener.take(2)]
        assert marks == ["b#1", "b#2"]


async def test_a_press_while_the_broker_is_down_comes_when_it_is_back(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        hand = Hand(JsonButton("b"), publisher)
        await broker.stop()
        [waiting] = hand.press_unheard()
        assert not waiting.done()
        await broker.start()
        await waiting
        assert orjson.loads((await listener.next()).payload)["mark"] == "b#1"


async def test_a_lost_puback_makes_one_press_two_equal_messages(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto(persistence=False)
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        assert await Hand(JsonButton("b"), publisher).press_duplicated() == 2
        first, second = await listener.take(2)
        assert first.payload == second.payload


async def test_a_retained_press_is_replayed_until_it_is_cleared(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto(persistence=False)
    async with Publisher(broker.address, client_id="p") as publisher:
        hand = Hand(JsonButton("b"), publisher)
        await hand.leave_retained()
        for name in ("one", "two"):
            async with Listener(broker.address, "#", client_id=name) as listener:
                replayed = await listener.next()
                assert replayed.retain
                assert orjson.loads(replayed.payload)["mark"] == "b#1"
        await hand.clear_retained()
        async with Listener(broker.address, "#", client_id="three") as listener:
            await hand.press()
            assert not (await listener.next()).retain


async def test_a_battery_fades_and_then_there_is_silence(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(persistence=False)
    device = make("zigbee-action", "b")
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        accepted = await Hand(device, publisher).fade(down_to_pct=80, step_pct=5)
        reports = [orjson.loads(m.payload) for m in await listener.take(len(accepted))]
        assert [report["battery"] for report in reports] == [95, 90, 85, 80]
        assert not any("action" in report for report in reports)
        assert listener.unread_count == 0


async def test_a_stuck_button_sends_as_fast_as_it_was_told(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(persistence=False)
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        device = JsonButton("b")
        sent = await Hand(device, publisher).stick(rate_per_s=150, for_s=2.0)
        assert sent == device.press_count
        assert 50 <= sent <= 301
        assert len(await listener.take(sent)) == sent


@pytest.mark.parametrize("what", GARBAGE)
async def test_garbage_goes_through_a_broker_unchanged(
    mosquitto: MosquittoFactory, what: str
) -> None:
    broker = await mosquitto(persistence=False)
    async with (
        Listener(broker.address, "#", client_id="l") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        device = JsonButton("b")
        await Hand(device, publisher).babble(what)
        assert (await listener.next()).payload == GARBAGE[what]
        assert device.press_count == 0


@pytest.mark.parametrize("what", GARBAGE)
def test_no_garbage_carries_the_mark_of_a_press(what: str) -> None:
    try:
        content = json.loads(GARBAGE[what])
    except (ValueError, RecursionError):
        return
    assert (
        not isinstance(content, dict)
        or not isinstance(content.get("mark"), str)
        or ("#" not in content["mark"])
    )


def test_random_garbage_is_the_same_for_the_same_seed_and_never_text() -> None:
    assert random_garbage(5) == random_garbage(5) != random_garbage(6)
    with pytest.raises(UnicodeDecodeError):
        random_garbage(5).decode()


async def test_the_command_line_presses(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(persistence=False)
    async with Listener(broker.address, "zigbee2mqtt/gate", client_id="l") as listener:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators.buttons", "press", "--family", "zigbee-action"),
            *("--name", "gate", "--port", str(broker.port), "--count", "2", "--every-s", "0"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 50)
        assert process.returncode == 0
        assert b"broker accepted 3" in out
        for message in await listener.take(2):
            assert orjson.loads(message.payload)["action"] == "emergency"
