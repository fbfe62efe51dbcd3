"""Codes of any number come back, and no payload ever looks like a start code."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.cameras.bits import (
    BitReader,
    escape,
    nal_units,
    packed,
    s_exp,
    spliced,
    u,
    u_exp,
    unescape,
    with_stop_bit,
)

NUMBERS = st.integers(0, 2**31)
ZEROES = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=60).map(bytes)


@given(NUMBERS, st.integers(-(2**30), 2**30), st.integers(0, 255))
def test_codes_come_back_in_order(plain: int, signed: int, byte: int) -> None:
    reader = BitReader(with_stop_bit(u_exp(plain) + s_exp(signed) + u(byte, 8)))
    assert (reader.u_exp(), reader.s_exp(), reader.u(8)) == (plain, signed, byte)


def test_codes_are_those_the_standard_prints() -> None:
    assert [u_exp(value) for value in range(5)] == ["1", "010", "011", "00100", "00101"]
    assert [s_exp(value) for value in (0, 1, -1, 2, -2)] == ["1", "010", "011", "00100", "00101"]


@given(ZEROES)
def test_an_escaped_payload_holds_no_start_code_and_comes_back(payload: bytes) -> None:
    escaped = escape(payload)
    assert not any(code in escaped for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert unescape(escaped) == payload


@given(st.lists(ZEROES.map(lambda one: b"\x65" + escape(one) + b"\x80"), min_size=1, max_size=5))
def test_a_stream_falls_into_its_units(units: list[bytes]) -> None:
    assert nal_units(b"".join(b"\0\0\0\1" + unit for unit in units)) == units
    assert nal_units(b"".join(b"\0\0\1" + unit for unit in units)) == units


@given(st.text("01", min_size=1, max_size=40), st.text("01", max_size=80), st.integers(0, 40))
def test_another_head_leaves_every_bit_behind_it(head: str, bits: str, skip: int) -> None:
    skip = min(skip, len(bits))
    assert spliced(head, with_stop_bit(bits), skip) == with_stop_bit(head + bits[skip:])


@given(st.binary(min_size=1, max_size=20))
def test_packing_is_what_bits_say(data: bytes) -> None:
    assert packed("".join(u(byte, 8) for byte in data)) == data
