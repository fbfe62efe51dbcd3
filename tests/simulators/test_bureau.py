"""The bureau takes records from a real broker, notices who lives, and sends receipts."""

from pathlib import Path

import orjson
import pytest

from simulators.bureau import Bureau, Status
from simulators.inbox import Inbox, read_inbox
from simulators.mqtt import V5, V311, Listener, Message, Publisher
from simulators.progress import LaterState
from tests.conftest import BureauFactory, MosquittoFactory
from tests.simulators.records import a_record

EVENTS = "campus/320612-0001/gw-1/events"
STATUS = "campus/320612-0001/gw-1/status"


@pytest.mark.parametrize("version", [V311, V5])
async def test_a_sound_record_is_kept_and_its_repeat_counted(
    mosquitto: MosquittoFactory, bureau: BureauFactory, version: int
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address, version=version)
    record = a_record()
    async with Publisher(broker.address, client_id="gw-1", version=version) as gateway:
        await gateway.publish(EVENTS, orjson.dumps(record))
        await gateway.publish(EVENTS, orjson.dumps(record))
        await gateway.publish(EVENTS, orjson.dumps(record | {"mode": "drill"}))
    await peer.inbox.until(lambda inbox: inbox.repeat_count == 2)
    assert peer.inbox.records() == [record]
    assert not peer.inbox.problems
    assert peer.inbox.changed == [record["id"]]


async def test_what_breaks_the_contract_is_noted_and_does_not_stop_it(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address)
    async with Publisher(broker.address, client_id="gw-1") as gateway:
        await gateway.publish(EVENTS, b"\xff not JSON")
        await gateway.publish(EVENTS, orjson.dumps(a_record()), retain=True, qos=0)
        await gateway.publish(EVENTS, orjson.dumps(a_record()))
    await peer.inbox.until(lambda inbox: len(inbox.copies) == 3)
    problems = " ".join(peer.inbox.problems)
    assert "not JSON" in problems
    assert "QoS 0" in problems


async def test_how_late_a_record_is_comes_beside_it(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address)
    async with Publisher(broker.address, client_id="gw-1", version=V5) as gateway:
        await gateway.send(
            Message(
                topic=EVENTS,
                payload=orjson.dumps(a_record()),
                properties=(("late-seconds", "177"),),
            )
        )
    await peer.inbox.wait_for(1)
    assert peer.inbox.received[0].late_s == 177


async def test_birth_and_death_of_a_gateway_are_noticed(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address)
    will = Message(topic=STATUS, payload=b"offline", retain=True)
    async with Publisher(broker.address, client_id="gw-1", will=will) as gateway:
        await gateway.publish(STATUS, b'{"state": "online"}', retain=True)
        await peer.until_status(online=True)
        await gateway.vanish()
        assert (await peer.until_status(online=False)).text == "offline"
    assert not peer.inbox.copies


async def test_a_status_from_before_is_known_to_be_retained(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    async with Publisher(broker.address, client_id="gw-1") as gateway:
        await gateway.publish(STATUS, b"online", retain=True)
    peer = await bureau(broker.address)
    assert await peer.until_status(online=True) == Status(
        topic=STATUS, text="online", retained=True
    )


async def test_while_it_is_absent_the_broker_keeps_everything_for_it(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address)
    await peer.leave()
    records = [a_record(seq) for seq in range(1, 51)]
    async with Publisher(broker.address, client_id="gw-1") as gateway:
        for record in records:
            await gateway.publish(EVENTS, orjson.dumps(record))
    assert not peer.inbox.copies
    await peer.come_back()
    await peer.inbox.wait_for(50)
    assert peer.inbox.records() == records


async def test_a_slow_bureau_has_no_more_unanswered_than_the_broker_allows(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto(max_inflight=1)
    peer = await bureau(broker.address)
    peer.delay_s = 2.0  # far more than five PUBACKs take
    async with Publisher(broker.address, client_id="gw-1") as gateway:
        for seq in range(1, 6):
            await gateway.publish(EVENTS, orjson.dumps(a_record(seq)))
        in_time = len(peer.inbox.copies)
        assert in_time < 5
        peer.delay_s = 0.0
        await peer.inbox.wait_for(5)


async def test_later_states_go_to_the_gateway_the_record_came_from(
    mosquitto: MosquittoFactory, bureau: BureauFactory
) -> None:
    broker = await mosquitto()
    peer = await bureau(broker.address, progress=[("accepted", 0.01), ("closed", 0.02)])
    async with (
        Listener(broker.address, "campus/320612-0001/gw-1/receipts", client_id="l") as gateway,
        Publisher(broker.address, client_id="gw-1") as sender,
    ):
        record = a_record()
        await sender.publish(EVENTS, orjson.dumps(record))
        heard = [orjson.loads(message.payload) for message in await gateway.take(2)]
        assert [one["state"] for one in heard] == ["accepted", "closed"]
        assert {one["id"] for one in heard} == {record["id"]}
        by_hand = LaterState(
            id="x", receipt="JY-1", state="on_scene", source="/campus/320612-0001/gw-1"
        )
        await peer.send_receipt(by_hand)
        assert orjson.loads((await gateway.next()).payload) == by_hand.body()
    assert len(peer.inbox.copies) == 1


async def test_a_killed_bureau_knows_after_a_restart_what_it_had(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    broker = await mosquitto()
    path = tmp_path / "inbox"
    record = orjson.dumps(a_record())
    async with Publisher(broker.address, client_id="gw-1") as gateway:
        async with Bureau(broker.address, inbox=Inbox(path)) as first:
            await gateway.publish(EVENTS, record)
            await first.inbox.wait_for(1)
            await first._listener.settled()  # or the broker may send it again to the second
        async with Bureau(broker.address, inbox=Inbox(path)) as second:
            await gateway.publish(EVENTS, record)
            await second.inbox.until(lambda inbox: inbox.repeat_count == 1)
    assert [one.nth for one in read_inbox(path)] == [1, 2]
