"""What a guard sees of bad devices, bad wires and bad neighbours on the way into the gateway."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.brokers import Broker, Mosquitto, MosquittoSettings
from simulators.buttons import GARBAGE, Device, Hand, JsonButton, ZigbeeAction
from simulators.inbox import Inbox, Received
from simulators.mqtt import Message, Publisher
from simulators.police import Police
from simulators.wire import Wire
from tests.conftest import POLICE_SECRET
from tests.harness import ROOT, UNTIL_S, Gateway, http

pytestmark = pytest.mark.timeout(300)

OUR_CLIENT_ID = "campus-320612-0001-gw-1-field"
FLOOD_S = 10.0
AT_ONCE_S = 8.0
"""Of a press while another button is stuck: it did not wait for the flood to end. The first is made
at its beginning. How fast it is `python -m bench --only beside` measures."""
GROWTH_BYTES = 40 * 1024 * 1024
"""What 10,000 messages of a stuck button may cost on disk at most, WAL and all."""


@dataclass
class School:
    """A gateway with a wire to its broker, a police, and a hand for each device."""

    gateway: Gateway
    broker: Broker
    wire: Wire
    police: Police
    hands: dict[str, Hand]

    async def arrives(self, name: str, timeout_s: float = 60) -> Received:
        """Press the button and return its next record once the police has it."""
        inbox = self.police.inbox

        def newest(box: Inbox) -> Received | None:
            mark = f"{name}#{self.hands[name].device.press_count}"
            return next(
                (r for r in box.received if r.data.get("attributes", {}).get("mark") == mark), None
            )

        await self.hands[name].press()
        await inbox.until(lambda box: newest(box) is not None, timeout_s)
        found = newest(inbox)
        assert found is not None
        return found

    async def arrives_at_last(self, name: str) -> None:
        """Press now and then until a press arrives; at most UNTIL_S."""
        async with asyncio.timeout(UNTIL_S):
            while True:
                with suppress(TimeoutError):
                    await self.arrives(name, timeout_s=2.0)
                    return


@asynccontextmanager
async def school(
    folder: Path, devices: list[Device], *, started: bool = True, link_more: str = ""
) -> AsyncIterator[School]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        settings = MosquittoSettings(max_inflight=0, max_queued=0)
        broker = await enter(Mosquitto(folder / "field", settings))
        wire = await enter(Wire(broker.port, seed=3))
        police = await enter(Police(secret=POLICE_SECRET, inbox=Inbox(folder / "police.inbox")))
        hands = {
            one.name: Hand(one, await enter(Publisher(broker.address, client_id=f"d-{one.name}")))
            for one in devices
        }
        gateway = await enter(
            Gateway(
                folder=folder,
                field_port=wire.port,
                devices=devices,
                uplinks=[http("police", police.port)],
                link_more=link_more,
            )
        )
        if started:
            await gateway.start()
        yield School(gateway, broker, wire, police, hands)


def buttons(*names: str) -> list[Device]:
    return [JsonButton(name) for name in names]


async def test_every_garbage_is_seen_as_a_fault_or_as_a_press_and_none_stops_the_driver(
    tmp_path: Path,
) -> None:
    names = {f"g-{number}": what for number, what in enumerate(GARBAGE)}
    async with school(tmp_path, buttons(*names, "sound")) as here:
        await asyncio.gather(*(here.hands[name].babble(what) for name, what in names.items()))

        async def all_seen() -> bool:
            seen = {**await here.gateway.alarms(), **await here.gateway.faults()}
            return {key.partition("/")[0] for key in seen} >= names.keys()

        await here.gateway.until(all_seen, "each garbage seen")
        faults = await here.gateway.faults()
        told = {what for name, what in names.items() if f"{name}/message" in faults}
        assert told >= {"empty", "not-utf8", "not-json", "half", "nan", "deep", "huge", "bom"}
        assert "可能是报警" in faults[f"{next(iter(names))}/message"]["text"]
        await here.arrives("sound")
        assert (await here.gateway.receivers())["police"]["state"] == "ok"
        for name, what in names.items():
            if what in told:
                await here.hands[name].press()
                await here.gateway.no_fault(f"{name}/message")


async def test_a_retained_emergency_is_no_new_alarm_after_a_start(tmp_path: Path) -> None:
    devices: list[Device] = [ZigbeeAction("z-1"), JsonButton("j-1"), JsonButton("sound")]
    async with school(tmp_path, devices, started=False) as here:
        await here.hands["z-1"].leave_retained()
        await here.hands["j-1"].leave_retained()
        await here.gateway.start()
        await here.arrives("sound")  # what was retained came before it
        assert set(await here.gateway.alarms(state="all")) == {"sound/button"}


async def test_a_stuck_button_delays_no_other_fills_no_disk_and_is_seen(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("stuck", "other")) as here:
        await here.arrives("other")
        alarm = (await here.gateway.alarms())["other/button"]
        store = here.gateway.store_folder

        def size_bytes() -> int:
            return sum(one.stat().st_size for one in store.glob("events.db*"))

        before_bytes = size_bytes()
        stuck = asyncio.ensure_future(here.hands["stuck"].stick(1000, FLOOD_S))
        began_s = time.monotonic()
        slowest_s = 0.0
        while not stuck.done():
            await here.gateway.post(
                f"/api/v1/alarms/{alarm['alarm_id']}/close", {"disposition": "test"}
            )
            pressed_s = time.monotonic()
            received = await here.arrives("other")
            slowest_s = max(slowest_s, time.monotonic() - pressed_s)
            assert received.type == "campus.alarm.raised.v1"
            alarm = (await here.gateway.alarms())["other/button"]
            await asyncio.wait({stuck}, timeout=1.0)
        assert await stuck > 5000
        fault = await here.gateway.fault("stuck/flooding")
        assert "stuck" in fault["text"]
        assert slowest_s < AT_ONCE_S
        assert size_bytes() - before_bytes < GROWTH_BYTES
        told = [one for one in here.police.inbox.received if one.device == "stuck"]
        most = 8 + (time.monotonic() - began_s) / 5
        assert len(told) < most, "repeats are told at most once in 5 s"


async def test_a_second_gateway_on_the_store_ends_and_says_why(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b")) as here:
        second = await asyncio.to_thread(
            subprocess.run,
            here.gateway.command("run"),
            capture_output=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert b"another gateway process uses this store" in second.stdout + second.stderr
        await here.arrives("b")


async def test_a_second_client_with_our_id_is_a_fault_and_presses_go_on(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b")) as here:
        rival = Publisher(here.broker.address, client_id=OUR_CLIENT_ID)
        async with rival:
            fault = await here.gateway.fault("gw-1/field.client", 60)
            assert OUR_CLIENT_ID in fault["text"]
        # A rival that asks for a clean session makes the broker forget ours: what is pressed until
        # we are back has no subscriber, and only the fault above can tell.
        await here.gateway.no_fault("gw-1/link.field")
        # Until then each press is tried anew: that it was lost is what the fault says.
        await here.arrives_at_last("b")


@pytest.mark.long
async def test_the_fault_about_a_second_client_ends_when_it_is_gone(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b")) as here:
        async with Publisher(here.broker.address, client_id=OUR_CLIENT_ID):
            await here.gateway.fault("gw-1/field.client", 60)
        await here.gateway.no_fault("gw-1/field.client", 90)


async def test_a_broker_that_is_dead_at_the_start_is_one_fault_and_nothing_waits_for_it(
    tmp_path: Path,
) -> None:
    async with school(tmp_path, buttons("b", "c", "d"), started=False) as here:
        await here.broker.stop()
        await here.gateway.start()
        await here.gateway.fault("gw-1/link.field")
        assert set(await here.gateway.faults()) == {"gw-1/link.field"}, "one fault, not four"
        states = (await here.gateway.get("/api/v1/devices"))["devices"]
        assert {one["state"] for one in states} == {"unknown"}
        await here.broker.start()
        await here.gateway.no_fault("gw-1/link.field")
        await here.arrives("b")


async def test_a_half_open_wire_is_a_fault_and_no_press_is_lost(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b"), link_more="keepalive_seconds = 5") as here:
        await here.arrives("b")
        here.wire.half_open()
        await here.hands["b"].press()
        await here.gateway.fault("gw-1/link.field")
        assert (await here.gateway.get("/api/v1/devices"))["devices"][0]["state"] == "unknown"
        here.wire.heal()
        await here.arrives("b")
        await here.gateway.no_fault("gw-1/link.field")
        assert (await here.gateway.alarms())["b/button"]["count"] == 3


async def test_a_wire_that_delays_drops_and_resets_loses_no_press(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b", "sound")) as here:
        here.wire.trouble.delay_s = 0.05
        for number in range(24):
            await here.hands["b"].press()
            if number % 8 == 3:
                await here.wire.cut()
            elif number % 8 == 7:
                await here.wire.reset()
        here.wire.heal()
        await here.arrives("sound")

        async def counted() -> bool:
            return (await here.gateway.alarms())["b/button"]["count"] == 24

        await here.gateway.until(counted, "all twenty-four presses, each once")
        assert not here.police.inbox.changed


async def test_a_wire_that_garbles_makes_faults_and_no_silence(tmp_path: Path) -> None:
    """A press whose payload was spoiled on the way is a garbled message: it may be a press."""
    async with school(tmp_path, buttons("b", "sound")) as here:
        here.wire.trouble.garble_rate = 0.3

        async def told() -> bool:
            await here.hands["b"].press()  # which byte is spoiled is chance: one in twenty tells
            return "b/message" in await here.gateway.faults(state="all")

        await here.gateway.until(told, "a fault about a press that was spoiled on the way")
        here.wire.heal()
        await here.wire.cut()
        await here.arrives("sound")


async def test_what_belongs_to_no_device_is_a_number_and_holds_up_nobody(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b", "c"), link_more="subscriptions = 1") as here:
        stray = JsonButton("stranger").press_topic()
        for _ in range(5):
            await here.hands["b"].publisher.send(Message(topic=stray, payload=b"{}"))
        await here.arrives("c")
        assert await here.gateway.metric("campus_unknown_topic_total", link="field") == 5


async def test_a_message_larger_than_any_alarm_is_kept_in_part_and_told(tmp_path: Path) -> None:
    async with school(tmp_path, buttons("b")) as here:
        topic = here.hands["b"].device.press_topic()
        await here.hands["b"].publisher.send(Message(topic=topic, payload=b"\x00" * 3_000_000))
        fault = await here.gateway.fault("b/message")
        assert fault["kind"] == "fault"
        await here.arrives("b")
        await here.gateway.no_fault("b/message")
