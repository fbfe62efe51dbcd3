"""A day is played against real ends, and the ledger holds exactly what the brokers accepted."""

import asyncio
import sys
from collections.abc import Callable

import orjson

from simulators.buttons import Hand, make
from simulators.day import Handles, Planned, Step, What, plan_day, play
from simulators.mqtt import Address, Listener, Publisher
from tests.conftest import (
    BureauFactory,
    MosquittoFactory,
    NatsFactory,
    PoliceFactory,
    WireFactory,
)


async def marks_of(listener: Listener, until: Callable[[list[str]], bool]) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(30):
        while not until(found):
            payload = (await listener.next()).payload
            if b"mark" in payload:
                found.append(orjson.loads(payload)["mark"])
    return found


async def test_everything_the_broker_accepted_in_a_bad_day_is_at_its_subscriber(
    nats_mqtt: NatsFactory,
) -> None:
    broker = await nats_mqtt()
    devices = [Planned(name="btn-1", family="json-button"), Planned(name="door-1", per_s=8)]
    steps = plan_day(11, devices, 3.0, [What.BROKER_KILL, What.GATEWAY_KILL])
    async with (
        Listener(broker.address, "campus-test/#", client_id="keeper") as listener,
        Publisher(broker.address, client_id="p") as publisher,
    ):
        hands = {one.name: Hand(make(one.family, one.name), publisher) for one in devices}
        ledger = await play(steps, Handles(hands=hands, broker=broker))
        accepted = {one.mark for one in ledger.sent if one.accepted}
        assert len(accepted) >= len(ledger.sent) - 5
        assert accepted <= set(await marks_of(listener, lambda found: accepted <= set(found)))
    assert broker.starts >= 2
    assert any("gateway_kill" in note for note in ledger.notes)


async def test_a_press_nobody_took_is_not_called_accepted(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    async with Publisher(broker.address, client_id="p") as publisher:
        await broker.stop()
        hands = {"door-1": Hand(make("json-event", "door-1"), publisher)}
        steps = [Step(at_s=0, what=What.PRESS, target="door-1")]
        ledger = await play(steps, Handles(hands=hands), settle_s=0.2)
    assert [one.accepted for one in ledger.sent] == [False]
    assert ledger.notes == ["1 messages were never accepted"]


async def test_what_may_be_in_the_broker_twice_is_known(
    mosquitto: MosquittoFactory, wire: WireFactory
) -> None:
    broker = await mosquitto()
    proxy = await wire(broker.port)
    async with Publisher(Address(port=proxy.port), client_id="p") as publisher:
        hands = {"door-1": Hand(make("json-event", "door-1"), publisher)}
        steps = [
            Step(at_s=0, what=What.DUPLICATE, target="door-1"),
            Step(at_s=0.05, what=What.WIRE_HALF_OPEN, target="field", for_s=2.0),
            Step(at_s=0.1, what=What.PRESS, target="door-1"),
            Step(at_s=2.5, what=What.PRESS, target="door-1"),
        ]
        ledger = await play(steps, Handles(hands=hands, wires={"field": proxy}))
    assert [one.accepted for one in ledger.sent] == [True, True, True]
    assert ledger.sent[0].copies == 2
    assert ledger.sent[1].copies > 1
    assert [one.number for one in ledger.sent] == [1, 2, 3]


async def test_every_trouble_is_made_and_mended(
    mosquitto: MosquittoFactory,
    wire: WireFactory,
    police: PoliceFactory,
    bureau: BureauFactory,
) -> None:
    field, centre = await mosquitto(), await mosquitto()
    receiver, office = await police(), await bureau(centre.address)
    proxy = await wire(field.port)
    kills: list[float] = []
    clocks: list[float] = []

    async def kill(away_s: float) -> None:
        kills.append(away_s)

    async def step_clock(by_s: float) -> None:
        clocks.append(by_s)

    handles = Handles(
        hands={},
        wires={"field": proxy, "police": proxy, "bureau": proxy},
        broker=field,
        police=receiver,
        bureau=office,
        kill_gateway=kill,
        step_clock=step_clock,
    )
    ledger = await play(plan_day(3, [], 2.0), handles)
    assert ledger.notes == []
    assert kills
    assert clocks
    assert field.starts >= 2
    assert field.is_running
    assert receiver.is_up
    assert receiver.behaviour.conducts == []
    assert not proxy.trouble.swallow_up
    assert office._listener.is_connected


async def test_the_command_line_prints_a_plan_and_its_seed() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.campus", "--seed", "5", "--plan"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 50)
    assert out.startswith(b"seed 5\n")
    assert b"gateway_kill gateway" in out
