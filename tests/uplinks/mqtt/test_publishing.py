"""Real brokers: what a receiver hears, what counts as received, what happens while it is away."""

import asyncio
import gc
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.links import mqtt as links
from gateway.uplink import Receipt, find_uplink
from gateway.uplinks.mqtt import Uplink, publishing
from simulators.ports import free_port
from tests.uplinks.conftest import raw_server
from tests.uplinks.mqtt.conftest import (
    Later,
    Made,
    Mosquitto,
    deliver_at_last,
    parcel,
    program,
    run_in_a_process,
)

pytestmark = pytest.mark.usefixtures("no_task_left_behind")

ME = "campus/320612-0001/gw-1"
PATIENCE_S = 20.0
"""Instead of the uplink's own bounds where a test is not about them: machines are busy."""
UNHEARD = Receipt(reference="no matching subscribers")


def test_the_folder_is_found_by_its_name() -> None:
    assert find_uplink("mqtt").Uplink is Uplink


async def test_with_mqtt_5_the_record_arrives_byte_for_byte_beside_its_lateness(
    broker: Mosquitto, make: Made, listen: Any
) -> None:
    listener = await listen(broker.port)
    sent = parcel(late_s=130)
    assert await deliver_at_last(make(broker.port), sent) == [Receipt()]
    heard = await listener.next("alarm.raised")
    assert heard.topic == f"{ME}/panic/alarm.raised"
    assert (heard.payload, heard.qos, heard.retain) == (sent.body, 1, False)
    assert heard.properties.ContentType == "application/cloudevents+json"
    assert heard.properties.UserProperty == [("late-seconds", "130")]


async def test_a_record_in_time_carries_no_lateness(
    broker: Mosquitto, make: Made, listen: Any
) -> None:
    listener = await listen(broker.port)
    await deliver_at_last(make(broker.port), parcel())
    heard = await listener.next("alarm.raised")
    assert not hasattr(heard.properties, "UserProperty")


async def test_with_mqtt_3_1_1_the_same_bytes_arrive(
    broker: Mosquitto, make: Made, listen: Any
) -> None:
    listener = await listen(broker.port)
    sent = parcel(late_s=130)
    assert await deliver_at_last(make(broker.port, protocol="3.1.1"), sent) == [Receipt()]
    heard = await listener.next("alarm.raised")
    assert heard.payload == sent.body
    assert not hasattr(heard.properties, "UserProperty")


async def test_a_broker_without_mqtt_5_gets_3_1_1(make: Made) -> None:
    levels: list[int] = []
    published = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, length = await reader.readexactly(2)
            if length & 0x80:
                length = (length & 0x7F) + 128 * (await reader.readexactly(1))[0]
            body = await reader.readexactly(length)
            if first == 0x10:
                levels.append(body[6])
                if body[6] != 4:
                    writer.write(b"\x20\x02\x00\x01")  # unacceptable protocol version
                    await writer.drain()
                    return
                writer.write(b"\x20\x02\x00\x00")
            elif first == 0x82:
                writer.write(b"\x90\x03" + body[:2] + b"\x01")
            elif first & 0xF0 == 0x30:
                topic_bytes = body[0] << 8 | body[1]
                writer.write(b"\x40\x02" + body[2 + topic_bytes : 4 + topic_bytes])
                published.set()

    async with raw_server(speak) as port:
        assert await deliver_at_last(make(port), parcel()) == [Receipt()]
        assert published.is_set()
        await make.stop()
    assert levels[:2] == [5, 4]


async def test_a_record_nobody_subscribes_to_is_received_with_a_note(
    broker: Mosquitto, make: Made
) -> None:
    assert await deliver_at_last(make(broker.port), parcel()) == [UNHEARD]


async def test_a_thousand_records_arrive_in_order_with_an_outcome_each(
    broker: Mosquitto, make: Made, listen: Any
) -> None:
    listener = await listen(broker.port)
    uplink = make(broker.port, window=64)
    sent = [parcel(n) for n in range(1000)]
    assert await deliver_at_last(uplink, *sent) == [Receipt()] * 1000
    assert [(await listener.next("alarm.raised")).payload for _ in sent] == [p.body for p in sent]


async def test_birth_is_retained_and_an_orderly_end_is_said(
    broker: Mosquitto, make: Made, listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "FAREWELL_S", PATIENCE_S)
    monkeypatch.setattr(links, "GOODBYE_S", PATIENCE_S)
    await deliver_at_last(make(broker.port), parcel())
    first = await (await listen(broker.port)).next("status")  # came after: it is the retained one
    assert (first.topic, first.retain) == (f"{ME}/status", True)
    birth = json.loads(first.payload)
    assert birth["type"] == "campus.gateway.online.v1"
    assert birth["source"] == "/campus/320612-0001/gw-1"
    await make.stop()
    last = json.loads((await (await listen(broker.port)).next("status")).payload)
    assert (last["type"], last["data"]["why"]) == ("campus.gateway.offline.v1", "stopped")
    assert last["data"]["session"] == birth["data"]["session"]


async def test_after_a_kill_the_broker_says_we_are_offline(broker: Mosquitto, listen: Any) -> None:
    listener = await listen(broker.port)
    process = run_in_a_process(broker.port)
    try:
        birth = json.loads((await listener.next("status")).payload)
        assert birth["type"] == "campus.gateway.online.v1"
    finally:
        process.kill()
        process.wait(10)
    will = json.loads((await listener.next("status")).payload)
    assert (will["type"], will["data"]["why"]) == ("campus.gateway.offline.v1", "lost")
    assert will["data"]["session"] == birth["data"]["session"]
    assert will["id"] != birth["id"]
    retained = await (await listen(broker.port)).next("status")
    assert json.loads(retained.payload) == will


async def test_what_the_receiver_reports_later_is_passed_on(
    broker: Mosquitto, make: Made, listen: Any, later: Later
) -> None:
    await deliver_at_last(make(broker.port), parcel())
    listener = await listen(broker.port)
    await listener.say(f"{ME}/receipts", '{"id": "0197-1", "state": "dispatched", "receipt": "7"}')
    assert await later.next() == ("0197-1", Receipt(state="dispatched", reference="7"))


async def test_hostile_reports_are_ignored_and_counted(
    broker: Mosquitto, make: Made, listen: Any, later: Later
) -> None:
    uplink = make(broker.port)
    await deliver_at_last(uplink, parcel())
    listener = await listen(broker.port)
    hostile: list[bytes | str] = ["", "x" * 70_000, "[" * 9_000, b"\xff\x00", '{"id": 7}', "null"]
    for payload in hostile:
        await listener.say(f"{ME}/receipts", payload)
    await listener.say(f"{ME}/receipts", '{"id": "0197-1", "state": "closed"}')
    assert await later.next() == ("0197-1", Receipt(state="closed"))
    assert uplink._ignored == len(hostile)
    assert await deliver_at_last(uplink, parcel(2))


async def test_what_is_reported_while_we_are_away_comes_when_we_are_back(
    broker: Mosquitto, make: Made, listen: Any, later: Later
) -> None:
    await deliver_at_last(make(broker.port), parcel())
    await make.stop()
    listener = await listen(broker.port)
    await listener.say(f"{ME}/receipts", '{"id": "0197-1", "state": "on_scene"}')
    make(broker.port)
    assert await later.next() == ("0197-1", Receipt(state="on_scene"))


async def test_an_old_report_that_the_broker_retained_is_not_believed(
    broker: Mosquitto, make: Made, listen: Any, later: Later
) -> None:
    listener = await listen(broker.port)
    await listener.say(f"{ME}/receipts", '{"id": "0197-1", "state": "accepted"}', retain=True)
    uplink = make(broker.port)
    await deliver_at_last(uplink, parcel())
    await listener.say(f"{ME}/receipts", '{"id": "0197-1", "state": "closed"}')
    assert await later.next() == ("0197-1", Receipt(state="closed"))
    assert uplink._ignored == 1


async def test_a_record_we_may_not_publish_is_rejected_and_its_neighbour_is_not(
    brokers: Callable[..., Mosquitto], make: Made, tmp_path: Path
) -> None:
    (tmp_path / "acl").write_text(f"topic readwrite {ME}/fire/#\n")
    broker = brokers(f"allow_anonymous true\nacl_file {tmp_path / 'acl'}")
    await broker.start()
    uplink = make(broker.port)
    assert await deliver_at_last(uplink, parcel(1, kind="fire")) == [UNHEARD]
    refused, taken = await uplink.deliver([parcel(2), parcel(3, kind="fire")])
    assert isinstance(refused, UplinkRejected)
    assert "not authorized" in str(refused)
    assert taken == UNHEARD


async def test_name_and_password_open_the_broker_and_a_wrong_one_is_not_shown(
    brokers: Callable[..., Mosquitto], make: Made, tmp_path: Path
) -> None:
    accounts = tmp_path / "accounts"
    command = [program("mosquitto_passwd"), "-b", "-c", str(accounts), "gw", "right"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    broker = brokers(f"allow_anonymous false\npassword_file {accounts}")
    await broker.start()
    (tmp_path / "right").write_text("right\n")
    (tmp_path / "wrong").write_text("hunter2\n")
    known = make(broker.port, username="gw", password_file="right")
    assert await deliver_at_last(known, parcel()) == [UNHEARD]
    stranger = make(broker.port, username="gw", password_file="wrong", client_id="other")
    [outcome] = await stranger.deliver([parcel()])
    assert isinstance(outcome, UplinkUnavailable)
    assert "hunter2" not in str(outcome)


# paho leaves the socket of a failed handshake to the collector; the test is not about that.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_mqtts_is_verified_and_shows_our_certificate(
    brokers: Callable[..., Mosquitto], make: Made, pem: Path
) -> None:
    broker = brokers(
        f"allow_anonymous true\nrequire_certificate true\ncafile {pem / 'ca.pem'}\n"
        f"certfile {pem / 'server.pem'}\nkeyfile {pem / 'server.pem'}"
    )
    await broker.start()
    known = make(broker.port, "mqtts", ca="pem/ca.pem", cert="pem/client.pem")
    assert await deliver_at_last(known, parcel()) == [UNHEARD]
    for table in ({"ca": "pem/other-ca.pem", "cert": "pem/client.pem"}, {"ca": "pem/ca.pem"}):
        stranger = make(broker.port, "mqtts", client_id="other", **table)
        [outcome] = await stranger.deliver([parcel()])
        assert isinstance(outcome, UplinkUnavailable)
    await make.stop()
    gc.collect()


async def test_while_the_broker_is_away_records_wait_and_when_it_is_back_they_go(
    brokers: Callable[..., Mosquitto], make: Made
) -> None:
    broker = brokers()
    uplink = make(broker.port)
    first, second = await uplink.deliver([parcel(1), parcel(2)])
    assert isinstance(first, UplinkUnavailable)
    assert isinstance(second, UplinkUnavailable)
    await broker.start()
    assert await deliver_at_last(uplink, parcel()) == [UNHEARD]
    broker.kill()
    await broker.start()
    assert await deliver_at_last(uplink, parcel()) == [UNHEARD]


async def test_nobody_listening_is_an_outcome_and_not_an_exception(make: Made) -> None:
    [outcome] = await make(free_port()).deliver([parcel()])
    assert isinstance(outcome, UplinkUnavailable)


async def test_a_broker_that_never_acknowledges_is_given_up_with_fewer_at_once_next_time(
    make: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CONNECTION_WAIT_S", PATIENCE_S)
    monkeypatch.setattr(publishing, "ACKNOWLEDGE_S", 0.3)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"MQTT")
        writer.write(b"\x20\x02\x00\x00")
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(port, protocol="3.1.1", receipts_topic="", status_topic="", window=1000)
        outcomes = await uplink.deliver([parcel(n) for n in range(500)])
        assert {type(one) for one in outcomes} == {UplinkUnavailable}
        assert len(outcomes) == 500
        assert uplink._window == 500
        await make.stop()


async def test_quota_exceeded_is_tried_again(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "CONNECTION_WAIT_S", PATIENCE_S)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"MQTT")
        writer.write(b"\x20\x03\x00\x00\x00")
        await reader.readuntil(b"alarm.raised")
        mid = await reader.readexactly(2)
        writer.write(b"\x40\x03" + mid + b"\x97")
        await reader.read()

    async with raw_server(speak) as port:
        uplink = make(port, protocol="5", receipts_topic="", status_topic="")
        [outcome] = await uplink.deliver([parcel()])
        assert isinstance(outcome, UplinkUnavailable)
        assert "quota" in str(outcome)
        await make.stop()
