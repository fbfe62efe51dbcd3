"""Pictures come out of packets as they went in, and packets say what RFC 3550 wants."""

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from simulators.cameras.packets import (
    PAYLOAD_BYTES,
    Burst,
    aac_payload,
    apart,
    gathered,
    goodbye,
    h264_payloads,
    h265_payloads,
    sender_report,
)

SIZES = st.integers(1, 4 * PAYLOAD_BYTES)


def whole_h264(payloads: list[bytes]) -> list[bytes]:
    """Put fragments together again, by RFC 6184 5.8."""
    units: list[bytes] = []
    for payload in payloads:
        if payload[0] & 0x1F != 28:
            units.append(payload)
        elif payload[1] & 0x80:
            units.append(bytes([payload[0] & 0xE0 | payload[1] & 0x1F]) + payload[2:])
        else:
            units[-1] += payload[2:]
    return units


def whole_h265(payloads: list[bytes]) -> list[bytes]:
    """Put fragments together again, by RFC 7798 4.4.3."""
    units: list[bytes] = []
    for payload in payloads:
        if payload[0] >> 1 & 0x3F != 49:
            units.append(payload)
        elif payload[2] & 0x80:
            kind = payload[0] & 0x81 | (payload[2] & 0x3F) << 1
            units.append(bytes([kind, payload[1]]) + payload[3:])
        else:
            units[-1] += payload[3:]
    return units


@given(st.lists(SIZES, min_size=1, max_size=5))
def test_units_of_any_size_come_back_from_their_fragments(sizes: list[int]) -> None:
    avc = [b"\x65" + bytes([at % 251 for at in range(size)]) for size in sizes]
    hevc = [b"\x26\x01" + bytes([at % 251 for at in range(size)]) for size in sizes]
    for units, cut, whole in (
        (avc, h264_payloads, whole_h264),
        (hevc, h265_payloads, whole_h265),
    ):
        payloads = cut(units)
        assert whole(payloads) == units
        assert max(map(len, payloads)) <= PAYLOAD_BYTES


@given(st.lists(SIZES, min_size=1, max_size=9))
def test_gathered_units_come_back_in_order(sizes: list[int]) -> None:
    for codec, start, kind_of, single, skip in (
        ("h264", b"\x67", lambda one: one[0] & 0x1F, 24, 1),
        ("h265", b"\x42\x01", lambda one: one[0] >> 1 & 0x3F, 48, 2),
    ):
        units = [start + bytes([at % 251 for at in range(size)]) for size in sizes]
        back: list[bytes] = []
        for one in gathered(units, codec):
            if kind_of(one) != single:
                back.append(one)
                continue
            assert len(one) <= PAYLOAD_BYTES
            at, before = skip, len(back)
            while at < len(one):
                size = int.from_bytes(one[at : at + 2], "big")
                back.append(one[at + 2 : at + 2 + size])
                at += 2 + size
            assert len(back) - before >= 2
        assert back == units


def test_only_the_last_fragment_says_it_ends_the_unit() -> None:
    unit = b"\x65" + bytes(5000)
    flags = [payload[1] >> 6 for payload in h264_payloads([unit])]
    assert flags == [2, 0, 0, 1]


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6), st.integers(0, 65535))
@example([b"a"] * 5, 65_533)
def test_a_burst_counts_through_the_end_of_the_numbers(
    payloads: list[bytes], sequence: int
) -> None:
    burst = Burst.of(payloads[:1], 96, ends=False) + Burst.of(payloads[1:], 96, ends=True)
    packets = apart(burst.filled(4, sequence, 0xFFFFFFFF, 7))
    assert [packet[16:] for packet in packets] == payloads
    for at, packet in enumerate(packets):
        dollar, channel, length, first, second, number, time, source = struct.unpack_from(
            ">BBHBBHII", packet
        )
        assert (dollar, channel, length) == (0x24, 4, len(packet) - 4)
        assert (first, second & 0x7F, number) == (0x80, 96, (sequence + at) & 0xFFFF)
        assert (time, source) == (0xFFFFFFFF, 7)
        assert bool(second & 0x80) == (at == len(packets) - 1 and len(payloads) > 1)


def test_a_burst_may_be_filled_again_and_again() -> None:
    burst = Burst.of([b"a", b"b"], 96, ends=True)
    assert burst.filled(0, 1, 2, 3) != burst.filled(0, 2, 2, 3)
    assert burst.filled(0, 1, 2, 3) == burst.filled(0, 1, 2, 3)


def test_a_report_names_the_time_in_both_clocks() -> None:
    report = sender_report(1, 9, wall_s=1_000_000_000.5, timestamp=90_000, packets=3, octets=400)
    dollar, channel, length = struct.unpack_from(">BBH", report)
    assert (dollar, channel, length) == (0x24, 1, len(report) - 4)
    first, kind, words, source, seconds, part, time, packets, octets = struct.unpack_from(
        ">BBHIIIIII", report, 4
    )
    assert (first, kind, words, source) == (0x80, 200, 6, 9)
    assert seconds + part / 2**32 - 2_208_988_800 == 1_000_000_000.5
    assert (time, packets, octets) == (90_000, 3, 400)
    _, description, more = struct.unpack_from(">BBH", report, 4 + 28)
    assert description == 202
    assert 4 + 28 + 4 * (more + 1) == len(report)


def test_a_goodbye_is_a_whole_compound_packet() -> None:
    bye = goodbye(1, 5)
    assert [bye[5], bye[13]] == [201, 203]
    assert int.from_bytes(bye[2:4], "big") == len(bye) - 4


def test_an_access_unit_says_its_length_in_bits_and_bytes() -> None:
    assert aac_payload(b"xyz") == bytes([0, 16, 0, 3 << 3]) + b"xyz"
