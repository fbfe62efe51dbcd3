"""Depacketising: any bytes, any loss, and the odd forms a header may have."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.rtsp.rtp import Agreed
from gateway.links.rtsp.unit import AccessUnit, Counters, Moment
from gateway.links.rtsp.video import H264Receiver, H265Receiver, TooLarge, VideoReceiver
from gateway.media.nal import split_lengths
from tests.links.rtsp.camera import expected, interleaved, packets, rtp
from tests.media.clips import clip

KINDS: dict[str, type[VideoReceiver]] = {"h264": H264Receiver, "h265": H265Receiver}


class Desk:
    """A receiver and what came out of it."""

    def __init__(self, codec: str = "h264") -> None:
        self.units: list[AccessUnit] = []
        self.counters = Counters()
        self.receiver = KINDS[codec](
            Agreed(0, 96, 90_000), self.units.append, self.counters, Moment()
        )

    def take(self, stream: Iterable[bytes], *, follows: bool = True) -> None:
        """Packets that lie in one buffer, as the wire goes through it."""
        buffer = bytearray(b"".join(interleaved(0, packet) for packet in stream))
        at, view = 0, memoryview(buffer)
        while at + 4 <= len(buffer):
            stop = at + 4 + int.from_bytes(buffer[at + 2 : at + 4], "big")
            self.receiver.packet(buffer, at + 4, stop)
            at = stop
            if follows:
                at = self.receiver.follow(buffer, view, stop, len(buffer), 0x2400)


@pytest.mark.parametrize("codec", KINDS)
def test_extensions_sources_and_padding_are_looked_past(codec):
    part = clip(codec, frames=12)
    desk = Desk(codec)
    odd = [
        rtp(
            one[12:],
            struct.unpack(">H", one[2:4])[0],
            struct.unpack(">I", one[4:8])[0],
            marker=bool(one[1] & 0x80),
            sources=[1, 2],
            extension=b"abcdefgh",
            padding=9,
        )
        for unit in packets(part)
        for one in unit
    ]

    desk.take(odd)

    assert [(unit.data, unit.ticks) for unit in desk.units] == expected(part)


@pytest.mark.parametrize("codec", KINDS)
@given(gone=st.sets(st.integers(1, 400), max_size=40), again=st.sets(st.integers(0, 400)))
def test_whatever_is_lost_or_repeated_what_comes_out_splits_and_adds_up(codec, gone, again):
    part = clip(codec, frames=20)
    sent = [one for unit in packets(part, mtu=150) for one in unit]
    sent = [
        one for n, one in enumerate(sent) for _ in range(2 if n in again else 1) if n not in gone
    ]
    desk = Desk(codec)

    desk.take(sent)

    whole = set(expected(part))
    for unit in desk.units:
        split_lengths(unit.data)
        assert unit.damaged or (unit.data, unit.ticks) in whole
    numbers = [struct.unpack(">H", one[2:4])[0] for one in sent]
    if numbers:
        missing = (numbers[-1] - numbers[0] + 1 & 0xFFFF) - len(set(numbers))
        assert desk.counters.lost_packets == missing


@pytest.mark.parametrize("codec", KINDS)
def test_the_shortcut_changes_nothing(codec):
    part = clip(codec, b_frames=2)
    sent = [one for unit in packets(part, mtu=90) for one in unit]
    quick, slow = Desk(codec), Desk(codec)

    quick.take(sent)
    slow.take(sent, follows=False)

    assert quick.units == slow.units
    assert quick.receiver.highest == slow.receiver.highest
    assert quick.receiver.received == len(sent)


@pytest.mark.parametrize("codec", KINDS)
@given(payloads=st.lists(st.binary(max_size=60), max_size=30), seed=st.integers(0, 255))
def test_any_bytes_in_any_packets_give_units_that_split(codec, payloads, seed):
    desk = Desk(codec)
    stream = [
        rtp(data, n, n // 3 * 3600, marker=bool(data and data[0] & 1))
        for n, data in enumerate(payloads)
    ]
    kind = bytes((0x7C, seed)) if codec == "h264" else bytes((98, 1, seed))
    stream += [rtp(kind + data, len(payloads) + n, 9) for n, data in enumerate(payloads)]

    desk.take(stream)
    desk.take([data for data in payloads if len(data) < 40])

    for unit in desk.units:
        split_lengths(unit.data)


def test_an_access_unit_of_too_many_nal_units_is_refused():
    desk = Desk()
    with pytest.raises(TooLarge):
        desk.take(rtp(b"\x41\x9a", n, 0) for n in range(5000))


def test_a_stranger_in_the_channel_is_counted_and_thrown_away():
    desk = Desk()
    desk.take([rtp(b"\x65\x88x", 0, 0, kind=97, marker=True), b"\x00" * 20, b"\x80"])

    assert desk.units == []
    assert (desk.counters.foreign_packets, desk.counters.damaged_packets) == (2, 1)


def test_parameter_sets_sent_ahead_with_a_time_of_their_own_go_with_the_next_picture():
    part = clip("h264", frames=2)
    sps, pps = part.track.parameter_sets
    desk = Desk()
    desk.take(
        [
            rtp(sps, 0, 0, marker=True),
            rtp(pps, 1, 0, marker=True),
            rtp(b"\x65\x88xyz", 2, 3600, marker=True),
        ]
    )

    (unit,) = desk.units
    assert split_lengths(unit.data) == [sps, pps, b"\x65\x88xyz"]
    assert (unit.ticks, unit.is_key) == (3600, True)
    assert unit.parameter_sets == (sps, pps)


def test_two_pictures_with_one_time_stamp_are_two_when_both_are_marked():
    desk = Desk()
    desk.take([rtp(b"\x65\x88a", 0, 7, marker=True), rtp(b"\x41\x9ab", 1, 7, marker=True)])

    assert [unit.data[4:] for unit in desk.units] == [b"\x65\x88a", b"\x41\x9ab"]
