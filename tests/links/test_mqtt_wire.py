"""The batch codec: any bytes, any cut, and the same bytes another implementation writes."""

import struct
from contextlib import suppress
from itertools import pairwise
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.errors import LinkDown
from gateway.events import MAX_RAW_BYTES
from gateway.links.mqtt_wire import (
    MAX_BODY_BYTES,
    Message,
    Splitter,
    encode_properties,
    encode_puback,
    encode_publish,
    variable_length,
)
from tests.examples import examples

TOPICS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
PROTOCOLS = st.sampled_from([4, 5])


@st.composite
def packets(draw: st.DrawFn, protocol: int) -> tuple[bytes, Any]:
    """A sound packet and what it must become: a Message, an acknowledgement, or paho's bytes."""
    which = draw(st.integers(0, 3))
    if which == 0:
        mid = draw(st.integers(1, 65535))
        reason = draw(st.sampled_from([0, 16, 128, 151]))
        if protocol == 5 and draw(st.booleans()):
            return b"\x40\x03" + struct.pack(">HB", mid, reason), (mid, reason)
        return encode_puback(mid), (mid, 0)
    if which == 1:
        other = draw(st.sampled_from([b"\xd0\x00", b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01"]))
        return other, other
    topic, payload = draw(TOPICS), draw(st.binary(max_size=300))
    qos, retain, duplicate = draw(st.integers(0, 1)), draw(st.booleans()), draw(st.booleans())
    mid = draw(st.integers(1, 65535)) if qos else 0
    head = struct.pack(">H", len(topic.encode())) + topic.encode()
    head += struct.pack(">H", mid) if qos else b""
    if protocol == 5:
        user = draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
        properties = encode_properties(draw(st.none() | TEXTS), tuple(user))
        head += variable_length(len(properties)) + properties
    first = 0x30 | qos << 1 | int(retain) | int(duplicate) << 3
    packet = bytes([first]) + variable_length(len(head) + len(payload)) + head + payload
    return packet, Message(topic, payload, qos, retain, duplicate, mid, len(payload))


def feed(splitter: Splitter, data: bytes, cuts: list[int]) -> None:
    """Feed in pieces."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        splitter.feed(data[start:end])


@given(st.data(), PROTOCOLS, st.lists(st.integers(0, 5000), max_size=12))
def test_any_cut_of_a_sound_stream_gives_the_same(
    data: st.DataObject, protocol: int, cuts: list[int]
) -> None:
    sent = data.draw(st.lists(packets(protocol), max_size=8))
    splitter = Splitter(protocol)
    feed(splitter, b"".join(packet for packet, _ in sent), cuts)
    meant = [meaning for _, meaning in sent]
    assert splitter.messages == [m for m in meant if isinstance(m, Message)]
    assert splitter.acks == [m for m in meant if isinstance(m, tuple)]
    assert bytes(splitter.others) == b"".join(m for m in meant if isinstance(m, bytes))
    assert splitter.held_bytes == sum(len(m.payload) for m in splitter.messages)
    splitter.take(2)
    assert splitter.held_bytes == sum(len(m.payload) for m in splitter.messages)


@settings(max_examples=examples(400))
@given(st.binary(max_size=600), PROTOCOLS, st.lists(st.integers(0, 600), max_size=5))
def test_any_bytes_are_split_or_raise_link_down(
    data: bytes, protocol: int, cuts: list[int]
) -> None:
    with suppress(LinkDown):
        feed(Splitter(protocol), data, cuts)


@settings(max_examples=examples(300))
@given(st.data(), PROTOCOLS)
def test_a_sound_stream_with_a_broken_byte_is_split_or_raises_link_down(
    data: st.DataObject, protocol: int
) -> None:
    sent = data.draw(st.lists(packets(protocol), min_size=1, max_size=6))
    stream = bytearray(b"".join(packet for packet, _ in sent))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    with suppress(LinkDown):
        Splitter(protocol).feed(bytes(stream))


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 3 * MAX_BODY_BYTES + 17])
@pytest.mark.parametrize("step", [1000, 65_536, 10**9])
def test_a_payload_that_is_too_long_costs_no_memory_and_can_be_acknowledged(
    protocol: int, size: int, step: int
) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    properties = encode_properties("a/b", (("k", "v"),)) if protocol == 5 else None
    packet = encode_publish("d/西".encode(), payload, 77, retain=False, properties=properties)
    stream = (
        packet
        + encode_puback(5)
        + encode_publish(b"next", b"small", 78, retain=True, properties=properties)
    )
    splitter = Splitter(protocol)
    most_held = 0
    for at in range(0, len(stream), step):
        splitter.feed(stream[at : at + step])
        most_held = max(most_held, len(splitter._rest))
    big, small = splitter.messages
    assert (big.topic, big.mid, big.qos, big.size_bytes) == ("d/西", 77, 1, len(payload))
    assert payload.startswith(big.payload)
    assert MAX_RAW_BYTES <= len(big.payload) <= 2 * MAX_RAW_BYTES
    assert (small.topic, small.payload, small.mid) == ("next", b"small", 78)
    assert splitter.acks == [(5, 0)]
    assert most_held <= 1000 + 64, "its bytes are not kept while they come in"


def test_properties_longer_than_what_is_kept_do_not_end_the_link() -> None:
    """The broker would send it again at every reconnect, and the link would never come back."""
    properties = encode_properties(None, tuple(("k", "v" * 60_000) for _ in range(4)))
    packet = encode_publish(
        b"hostile", b"x" * MAX_BODY_BYTES, 9, retain=False, properties=properties
    )
    splitter = Splitter(5)
    splitter.feed(packet + encode_puback(3))
    [message] = splitter.messages
    assert (message.topic, message.mid, message.payload) == ("hostile", 9, b"")
    assert splitter.acks == [(3, 0)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x34\x05\x00\x01a\x00\x01",  # QoS 2, which we never asked for
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x32\x01\x00",  # no room for a topic
        b"\x32\x03\x00\x09a",  # a topic longer than the packet
        b"\x32\x03\x00\x01a",  # no packet id
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x20\xff\xff\xff\x7f",  # a control packet of 256 MiB
    ],
    ids=["qos 2", "qos 3", "short", "topic", "no id", "length", "control"],
)
def test_what_is_no_mqtt_ends_the_link(data: bytes) -> None:
    with pytest.raises(LinkDown):
        Splitter(4).feed(data)


@pytest.mark.parametrize("data", [b"\x30\x03\x00\x01a", b"\x30\x04\x00\x01a\x09"])
def test_properties_that_do_not_fit_end_the_link(data: bytes) -> None:
    with pytest.raises(LinkDown, match="properties"):
        Splitter(5).feed(data)


def test_a_topic_that_is_no_utf_8_is_readable_all_the_same() -> None:
    splitter = Splitter(4)
    splitter.feed(encode_publish(b"d/\xff\xfe", b"p", 1, retain=False, properties=None))
    assert splitter.messages[0].topic == "d/\ufffd\ufffd"


class Wiretap:
    """Stands in for a socket of paho and keeps what it writes: its bytes are the reference."""

    def __init__(self) -> None:
        self.written = bytearray()

    def send(self, data: bytes) -> int:
        self.written += data
        return len(data)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


def written_by_paho(
    protocol: int, topic: str, payload: bytes, properties: Any, **given_: Any
) -> bytes:
    """The bytes paho itself writes for a QoS 1 PUBLISH with packet id 1."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id="reference",
        protocol=paho.MQTTv5 if protocol == 5 else paho.MQTTv311,
    )
    tap = Wiretap()
    client._sock = tap  # type: ignore[assignment]
    client.publish(topic, payload, qos=1, properties=properties, **given_)
    return bytes(tap.written)


@settings(max_examples=60)
@given(
    protocol=PROTOCOLS,
    topic=TOPICS.filter(lambda t: t and not set("+#") & set(t)),
    payload=st.binary(max_size=300),
    retain=st.booleans(),
    content_type=st.none() | TEXTS.filter(bool),
    user=st.lists(st.tuples(TEXTS, TEXTS), max_size=3),
)
def test_we_write_byte_for_byte_what_paho_writes(
    protocol: int,
    topic: str,
    payload: bytes,
    retain: bool,
    content_type: str | None,
    user: list[tuple[str, str]],
) -> None:
    properties = None
    encoded = None
    if protocol == 5:
        properties = Properties(PacketTypes.PUBLISH)
        if content_type is not None:
            properties.ContentType = content_type
        if user:
            properties.UserProperty = user
        encoded = encode_properties(content_type, tuple(user))
    ours = encode_publish(topic.encode(), payload, 1, retain=retain, properties=encoded)
    assert ours == written_by_paho(protocol, topic, payload, properties, retain=retain)
    splitter = Splitter(protocol)
    splitter.feed(ours)
    assert splitter.messages == [Message(topic, payload, 1, retain, False, 1, len(payload))]


@given(st.integers(0, 268_435_455))
def test_a_length_can_be_had_back(value: int) -> None:
    encoded = variable_length(value)
    assert 1 <= len(encoded) <= 4
    total = sum((byte & 127) << 7 * place for place, byte in enumerate(encoded))
    assert total == value
    assert [byte >= 128 for byte in encoded] == [True] * (len(encoded) - 1) + [False]
