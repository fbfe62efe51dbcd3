"""What a guard sees of every bad receiver, while the good ones get their alarms as ever.

One gateway, one press, and a receiver for each way to be bad: all of it happens at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simulators.brokers import Mosquitto, free_port
from simulators.bureau import Bureau
from simulators.buttons import Hand, JsonButton
from simulators.inbox import Inbox
from simulators.mqtt import Publisher
from simulators.police import How, Police, ServerTls
from simulators.wire import Wire
from tests.conftest import POLICE_SECRET, Certificates
from tests.harness import Gateway, Receiver, http, mqtt

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

MACHINE_S = 10.0
"""How late a busy machine may be with what it does in time by itself."""
TOLD_S = 10.0 + MACHINE_S
"""A dead receiver is a fault within 10 s of the first panic it failed to take (issue, part 6)."""
WAITS_S = 9.0
AT_ONCE_S = 7.0
"""Less than is waited for one dead receiver: so none was waited for. How fast it is
`python -m bench --only beside` measures."""
QUICK = f"total_timeout_s = {WAITS_S}"

UNREACHED: dict[str, dict[str, Any]] = {
    "silent": {"how": How.SILENCE},
    "error-500": {"how": How.STATUS, "status": 500},
    "error-503": {"how": How.STATUS, "status": 503, "retry_after": "1"},
    "busy-429": {"how": How.BUSY, "retry_after": "1"},
    "slow-body": {"how": How.DRIBBLE, "interval_s": 0.5},
    "reset": {"how": How.RESET},
    "drop": {"how": How.DROP},
}
"""Not now: kept and tried again for ever; the guard sees `uplink.NAME` and a lamp that is down."""
REFUSED: dict[str, dict[str, Any]] = {
    "redirect": {"how": How.REDIRECT},
    "login-page": {"how": How.LOGIN_PAGE},
    "other-id": {"how": How.OTHER_ID},
    "not-json": {"how": How.NOT_JSON},
    "endless": {"how": How.ENDLESS},
    "poison-400": {"how": How.POISON, "devices": ["btn-1"]},
}
"""No receipt: parked, with the reason, and the guard sees `parked.NAME`."""
WIRES = ("refused", "half-open", "cut", "garbled", "wrong-certificate", "broker-gone")
"""Ways between that do not carry; the receivers behind them are good."""
GOOD = ("good", "empty", "slow-wire", "bureau")


@dataclass
class Scene:
    """The gateway after one press, and every receiver by name."""

    gateway: Gateway
    button: Hand
    other: Hand
    police: dict[str, Police] = field(default_factory=dict)
    wires: dict[str, Wire] = field(default_factory=dict)
    bureau: Bureau | None = None
    took_s: dict[str, float] = field(default_factory=dict)


async def _scenery(stack: AsyncExitStack, folder: Path, certificates: Certificates) -> Scene:
    enter = stack.enter_async_context
    broker = await enter(Mosquitto(folder / "field"))
    centre = await enter(Mosquitto(folder / "centre"))
    bureau = await enter(Bureau(centre.address, inbox=Inbox(folder / "bureau.inbox")))
    police: dict[str, Police] = {}
    uplinks: list[Receiver] = [mqtt("bureau", centre.port)]
    wires: dict[str, Wire] = {}
    for name in (*UNREACHED, *REFUSED, "good", "empty", "slow-wire", "refused", *WIRES[1:4]):
        inbox = Inbox(folder / f"{name}.inbox")
        receiver = police[name] = await enter(Police(secret=POLICE_SECRET, inbox=inbox))
        port = receiver.port
        if name in {"slow-wire", "half-open", "cut", "garbled"}:
            wires[name] = await enter(Wire(port, seed=5))
            port = wires[name].port
        uplinks.append(http(name, port, QUICK))
    stranger = ServerTls(cert=certificates.stranger_cert, key=certificates.stranger_key)
    police["wrong-certificate"] = await enter(
        Police(secret=POLICE_SECRET, inbox=Inbox(folder / "tls.inbox"), tls=stranger)
    )
    uplinks.append(
        Receiver(
            "wrong-certificate",
            "http",
            f"https://localhost:{police['wrong-certificate'].port}/alarms",
            f'secret_file = "secrets/police"\nca = "{certificates.ca}"\n{QUICK}',
        )
    )
    uplinks.append(mqtt("broker-gone", free_port()))
    devices = [JsonButton("btn-1"), JsonButton("btn-2")]
    gateway = await enter(
        Gateway(folder=folder, field_port=broker.port, devices=devices, uplinks=uplinks)
    )
    await gateway.start()
    hands = [
        Hand(one, await enter(Publisher(broker.address, client_id=f"hand-{one.name}")))
        for one in devices
    ]
    return Scene(gateway, hands[0], hands[1], police, wires, bureau)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> AsyncIterator[Scene]:
    """Everything begins well, then goes wrong, then one button is pressed."""
    async with AsyncExitStack() as stack:
        here = await _scenery(stack, tmp_path_factory.mktemp("receivers"), certificates)
        for name, conduct in (UNREACHED | REFUSED).items():
            here.police[name].behave(**conduct)
        here.police["empty"].behave(How.EMPTY)
        await here.police["refused"].down()
        here.wires["slow-wire"].trouble.delay_s = 0.1
        here.wires["half-open"].half_open()
        here.wires["cut"].trouble.cut_after_bytes = 200
        here.wires["garbled"].trouble.garble_rate = 1.0
        pressed_s = time.monotonic()
        await here.button.press()
        assert here.bureau is not None

        async def arrived(name: str, inbox: Inbox) -> None:
            await inbox.wait_for(1, "campus.alarm.raised.v1", timeout_s=60)
            here.took_s[name] = time.monotonic() - pressed_s

        await asyncio.gather(
            arrived("bureau", here.bureau.inbox),
            *(arrived(name, here.police[name].inbox) for name in GOOD if name != "bureau"),
        )
        yield here


async def lamps(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """The lamps beside the button's alarm, by receiver."""
    alarm = (await gateway.alarms())["btn-1/button"]
    return {one["receiver"]: one for one in alarm["deliveries"]}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_receiver_has_the_alarm_at_once_whatever_the_others_do(
    scene: Scene, name: str
) -> None:
    assert scene.took_s[name] < AT_ONCE_S < WAITS_S

    async def noted() -> bool:
        return bool((await lamps(scene.gateway))[name]["state"] == "received")

    await scene.gateway.until(noted, f"the receipt of {name}")
    assert (await scene.gateway.receivers())[name]["state"] == "ok"


@pytest.mark.parametrize("name", [*UNREACHED, *WIRES])
async def test_an_unreached_receiver_is_a_fault_and_a_lamp_that_is_down(
    scene: Scene, name: str
) -> None:
    if name == "garbled":
        await _garbled(scene)
        return
    fault = await scene.gateway.fault(f"gw-1/uplink.{name}")
    assert name in fault["text"]
    alarm = (await scene.gateway.alarms())["btn-1/button"]
    told_s = (_when(fault) - _when(alarm)).total_seconds()
    assert told_s < TOLD_S
    assert (await scene.gateway.receivers())[name]["state"] == "down"
    assert (await scene.gateway.receivers())[name]["queue_depth"] >= 1
    assert (await lamps(scene.gateway))[name]["state"] == "pending"


def _when(alarm: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(alarm["raised_at"])


async def _garbled(scene: Scene) -> None:
    """What a spoiled request comes to is the receiver's choice; never a silent receipt."""

    async def told() -> bool:
        faults = await scene.gateway.faults()
        return "gw-1/uplink.garbled" in faults or "gw-1/parked.garbled" in faults

    await scene.gateway.until(told, "a fault about the garbled wire")
    assert (await lamps(scene.gateway))["garbled"]["state"] in {"pending", "parked"}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_receipt_parks_the_record_with_its_reason(scene: Scene, name: str) -> None:
    await scene.gateway.fault(f"gw-1/parked.{name}")
    lamp = (await lamps(scene.gateway))[name]
    assert lamp["state"] == "parked"
    assert lamp["reason"]
    parked = (await scene.gateway.get("/api/v1/deliveries", state="parked"))["deliveries"]
    assert name in {one["receiver"] for one in parked}


async def test_a_poison_record_does_not_hold_up_another_buttons(scene: Scene) -> None:
    inbox = scene.police["poison-400"].inbox
    await scene.other.press()
    await inbox.until(lambda box: any(one.device == "btn-2" for one in box.received), 60)


@pytest.mark.parametrize("name", ["good", "bureau"])
async def test_a_receiver_that_says_rejected_is_a_fault_the_guard_must_phone_about(
    scene: Scene, name: str
) -> None:
    if name == "bureau":
        assert "gw-1/rejected.bureau" not in await scene.gateway.faults()
        return
    # Of this device only: a heartbeat that happens to be due would use it up.
    scene.police[name].behave(How.REJECTED, times=1, devices=["btn-1"])
    try:
        alarm_id = (await scene.gateway.alarms())["btn-1/button"]["alarm_id"]
        status, _ = await scene.gateway.post(f"/api/v1/alarms/{alarm_id}/acknowledge")
        assert status == 200
        await scene.gateway.fault(f"gw-1/rejected.{name}")
    finally:
        scene.police[name].behave()


async def test_everything_that_was_unreached_is_delivered_and_told_over_once_it_is_mended(
    scene: Scene,
) -> None:
    for name in (*UNREACHED, "refused"):
        scene.police[name].behave()
        await scene.police[name].up()
    for wire in scene.wires.values():
        wire.heal()
    mended = [*UNREACHED, "refused", "half-open", "cut"]
    await asyncio.gather(
        *(
            scene.police[name].inbox.wait_for(1, "campus.alarm.raised.v1", timeout_s=60)
            for name in mended
        )
    )
    for name in mended:
        await scene.gateway.no_fault(f"gw-1/uplink.{name}")
        inbox = scene.police[name].inbox
        assert not inbox.changed
        raised = {one.id for one in inbox.received if one.device == "btn-1"}
        assert len(raised) == len({one.body for one in inbox.received if one.device == "btn-1"})

    async def well() -> bool:
        rows = await scene.gateway.receivers()
        return all(rows[name]["state"] == "ok" for name in mended)

    await scene.gateway.until(well, "every receiver that was mended is ok")
