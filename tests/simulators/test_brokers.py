"""The brokers are real: they keep what they promise, and only that."""

import asyncio
import os
from pathlib import Path

import pytest

from simulators import brokers
from simulators.brokers import BrokerFailed, BrokerMissing, Mosquitto, NatsMqtt
from simulators.mqtt import Address, BrokerRefused, Listener, Message, Publisher, Session
from tests.conftest import Certificates, MosquittoFactory, NatsFactory


async def _absent_listener(broker: Mosquitto | NatsMqtt) -> None:
    async with Listener(broker.address, "t/#", client_id="keeper"):
        pass


async def _waiting_for_keeper(broker: Mosquitto | NatsMqtt, count: int) -> list[bytes]:
    async with Listener(broker.address, "t/#", client_id="keeper") as keeper:
        return [message.payload for message in await keeper.take(count)]


async def test_a_message_accepted_by_mosquitto_reaches_a_durable_subscriber_later(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    await _absent_listener(broker)
    async with Publisher(broker.address, client_id="button") as button:
        accepted = await button.publish("t/1", b"pressed")
    assert not accepted.resent
    assert await _waiting_for_keeper(broker, 1) == [b"pressed"]


async def test_mosquitto_keeps_what_it_accepted_over_a_polite_restart(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    await _absent_listener(broker)
    async with Publisher(broker.address, client_id="button") as button:
        await button.publish("t/1", b"pressed")
    await broker.restart()
    assert broker.starts == 2
    assert await _waiting_for_keeper(broker, 1) == [b"pressed"]


async def test_mosquitto_with_its_defaults_forgets_when_it_is_killed(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    await _absent_listener(broker)
    async with Publisher(broker.address, client_id="button") as button:
        await button.publish("t/1", b"pressed")
    await broker.restart(kill=True)
    with pytest.raises(TimeoutError):
        async with Listener(broker.address, "t/#", client_id="keeper") as keeper:
            await keeper.next(timeout_s=0.5)


async def test_nats_keeps_what_it_accepted_when_it_is_killed(nats_mqtt: NatsFactory) -> None:
    broker = await nats_mqtt()
    await _absent_listener(broker)
    async with Publisher(broker.address, client_id="button") as button:
        await asyncio.gather(*(button.publish("t/1", b"%d" % n) for n in range(50)))
    await broker.restart(kill=True)
    assert sorted(await _waiting_for_keeper(broker, 50)) == sorted(b"%d" % n for n in range(50))


async def test_a_broker_with_passwords_refuses_a_stranger(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(passwords={"gateway": "for this test only"})
    async with Publisher(broker.address, client_id="button") as button:
        await button.publish("t/1", b"let in")
    stranger = Address(port=broker.port, username="gateway", password="guessed")
    with pytest.raises(BrokerRefused):
        async with Publisher(stranger, client_id="stranger"):
            pass


async def test_an_acl_keeps_a_device_to_its_own_topic(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto(
        passwords={"button-1": "one"},
        acl=("user button-1", "topic write t/1", "topic read t/#"),
    )
    async with (
        Listener(broker.address, "t/#", client_id="l") as listener,
        Publisher(broker.address, client_id="b") as button,
    ):
        await button.publish("t/2", b"another's")
        await button.publish("t/1", b"its own")
        assert (await listener.next()).payload == b"its own"


async def test_a_broker_that_wants_certificates_lets_in_only_who_shows_one(
    mosquitto: MosquittoFactory, certificates: Certificates
) -> None:
    broker = await mosquitto(
        ca=certificates.ca,
        cert=certificates.server_cert,
        key=certificates.server_key,
        require_certificate=True,
        client_cert=certificates.client_cert,
        client_key=certificates.client_key,
    )
    async with Publisher(broker.address, client_id="button") as button:
        await button.publish("t/1", b"over TLS")
    bare = Publisher(Address(port=broker.port, ca=certificates.ca), client_id="bare")
    await bare.open(wait=False)
    with pytest.raises(TimeoutError):
        await bare.connected(timeout_s=0.5)
    await bare.close()


async def test_a_frozen_broker_holds_the_connection_and_answers_when_it_thaws(
    mosquitto: MosquittoFactory,
) -> None:
    broker = await mosquitto()
    async with Publisher(broker.address, client_id="button") as button:
        broker.pause()
        waiting = button.post(Message(topic="t/1", payload=b"pressed"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.2)
        broker.resume()
        assert not (await waiting).resent


async def test_a_broker_that_cannot_have_its_port_says_so_with_its_log(
    mosquitto: MosquittoFactory, tmp_path: Path
) -> None:
    first = await mosquitto(persistence=False)
    second = Mosquitto(
        tmp_path / "second", brokers.MosquittoSettings(persistence=False), first.port
    )
    with pytest.raises(BrokerFailed, match="in use"):
        await second.start()
    assert not second.is_running
    await second.stop()


def test_a_missing_program_is_named_with_what_to_install() -> None:
    with pytest.raises(BrokerMissing, match="no-such-broker is not installed: apt install it"):
        brokers.find_program("no-such-broker", "apt install it")


async def test_a_stopped_broker_leaves_no_process(mosquitto: MosquittoFactory) -> None:
    broker = await mosquitto()
    pid = broker.pid
    assert pid is not None
    await broker.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_session_gives_up_when_nobody_listens() -> None:
    nobody = Publisher(Address(port=brokers.free_port()), client_id="x")
    assert isinstance(nobody, Session)
    await nobody.open(wait=False)
    with pytest.raises(TimeoutError):
        await nobody.connected(timeout_s=0.3)
    await nobody.close()
