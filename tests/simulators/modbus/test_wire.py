"""Bytes printed in documents, and any bytes at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import wire
from simulators.modbus.wire import MbapSplitter, Refused, RtuSplitter, Unframed

# Frames with the checksums their documents print: a fire panel, an arc-fault detector, and the
# worked example of the serial line specification (unit 2, function 7, checksum 1241).
PRINTED = [
    "01 03 00 00 00 64 44 21",
    "01 03 08 00 00 00 01 00 00 00 02 29 D6",
    "01 03 02 00 01 79 84",
    "01 10 01 02 00 01 02 01 F7 F7 64",
    "01 80 03 01 C1",
    "02 07 41 12",
]


@pytest.mark.parametrize("printed", PRINTED)
def test_checksums_are_the_ones_the_documents_print(printed: str) -> None:
    frame = bytes.fromhex(printed)
    assert wire.seal_rtu(frame[0], frame[1:-2]) == frame


def test_bits_are_packed_as_the_document_packs_outputs_20_to_38() -> None:
    printed = bytes.fromhex("CD 6B 05")  # Application Protocol V1.1b3, section 6.1
    bits = [printed[place // 8] >> place % 8 & 1 for place in range(19)]
    assert bits[:8] == [1, 0, 1, 1, 0, 0, 1, 1]
    assert wire.pack_bits(bits) == printed


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("", 1),
        ("2B 0E 01 00", 1),  # a function this server has not
        ("03 00 00 00", 3),  # too short
        ("10 00 01 00 02 04 00 0A 01", 3),  # byte count says more than there is
        ("10 00 01 00 03 04 00 0A 01 02", 3),  # three registers in four bytes
        ("10 00 01 00 00 00", 3),  # nothing to write
        ("0F 00 13 00 0A 01 CD", 3),  # ten coils in one byte
    ],
)
def test_a_broken_request_is_refused_with_the_documented_code(pdu: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        wire.read_request(bytes.fromhex(pdu))
    assert refused.value.code == code


def test_every_writing_example_of_the_document_is_read() -> None:
    coils = wire.read_request(bytes.fromhex("0F 00 13 00 0A 02 CD 01"))
    assert (coils.target, coils.values) == (0x13, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0))
    registers = wire.read_request(bytes.fromhex("10 00 01 00 02 04 00 0A 01 02"))
    assert (registers.target, registers.values) == (1, (0x000A, 0x0102))
    mask = wire.read_request(bytes.fromhex("16 00 04 00 F2 00 25"))
    assert (mask.target, mask.masks) == (4, (0xF2, 0x25))
    both = wire.read_request(bytes.fromhex("17 00 03 00 06 00 0E 00 03 06 00 FF 00 FF 00 FF"))
    assert (both.address, both.count, both.target, both.values) == (3, 6, 14, (0xFF, 0xFF, 0xFF))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(pdu: bytes) -> None:
    outcomes = set()
    try:
        outcomes.add(wire.read_request(pdu).function)
    except Refused as refused:
        outcomes.add(-refused.code)
    assert outcomes <= {-1, -3, pdu[0] if pdu else -1}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_requests_come_out_whole_however_the_stream_is_cut(
    functions: list[int], data: st.DataObject
) -> None:
    frames = [
        wire.seal_rtu(7, bytes([function, 0, place, 0, 1]))
        for place, function in enumerate(functions)
    ]
    stream = b"".join(frames)
    splitter, found, at = RtuSplitter(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        found += [frame.raw for frame in splitter.feed(stream[at : at + size])]
        at += size
    assert found == frames


def test_a_bad_checksum_is_forgotten_and_the_next_request_is_heard() -> None:
    splitter = RtuSplitter()
    good = bytes.fromhex("01 03 00 00 00 64 44 21")
    assert list(splitter.feed(good[:-1] + b"\x00")) == []
    assert splitter.dropped_bytes == len(good)
    assert [frame.raw for frame in splitter.feed(good)] == [good]


def test_an_unknown_function_ends_with_the_silence() -> None:
    splitter = RtuSplitter()
    frame = bytes.fromhex("02 07 41 12")
    assert list(splitter.feed(frame)) == []
    assert [heard.pdu for heard in splitter.silence()] == [b"\x07"]


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20))
def test_a_serial_stream_of_rubbish_holds_at_most_one_frame(chunks: list[bytes]) -> None:
    splitter = RtuSplitter()
    for chunk in chunks:
        list(splitter.feed(chunk))
        assert len(splitter._held) <= wire.MAX_RTU_BYTES


def test_a_header_that_is_none_ends_the_tcp_stream() -> None:
    with pytest.raises(Unframed):
        list(MbapSplitter().feed(b"GET / HTTP/1.1\r\n"))


def test_two_tcp_requests_in_one_segment_keep_their_transactions() -> None:
    one = wire.seal_mbap(258, 7, bytes.fromhex("03 00 00 00 01"))
    two = wire.seal_mbap(259, 9, bytes.fromhex("04 00 00 00 01"))
    frames = list(MbapSplitter().feed(one + two))
    assert [(frame.transaction, frame.unit, frame.pdu[0]) for frame in frames] == [
        (258, 7, 3),
        (259, 9, 4),
    ]
