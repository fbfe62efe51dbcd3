"""What is asked, and what counts as an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceError
from gateway.links.modbus import Refused, Request, Wrong
from tests.links.modbus.ends import registers, rtu, words


def answer(request: Request, pdu: bytes) -> bytes | DeviceError:
    return request.answer(pdu[0], pdu[1:])


# Requests: the examples are those of the Modbus Application Protocol 1.1b3, section 6.


@pytest.mark.parametrize(
    ("request_", "pdu"),
    [
        (Request.read(1, 1, 0x13, 19), "01 0013 0013"),
        (Request.read(1, 2, 0xC4, 22), "02 00C4 0016"),
        (Request.read(1, 3, 0x6B, 3), "03 006B 0003"),
        (Request.read(1, 4, 0x08, 1), "04 0008 0001"),
        (Request.write_coil(1, 0xAC, True), "05 00AC FF00"),
        (Request.write_coil(1, 0xAC, False), "05 00AC 0000"),
        (Request.write_coil(1, 0xAC, 0x5500), "05 00AC 5500"),
        (Request.write_register(1, 1, 3), "06 0001 0003"),
        (
            Request.write_coils(1, 0x13, [bool(int(bit)) for bit in "1011001110"]),
            "0F 0013 000A 02 CD01",
        ),
        (Request.write_registers(1, 1, [0x0A, 0x0102]), "10 0001 0002 04 000A 0102"),
    ],
)
def test_a_request_has_the_bytes_of_the_specification(request_: Request, pdu: str) -> None:
    assert request_.pdu == bytes.fromhex(pdu)
    assert request_.rtu == rtu(1, bytes.fromhex(pdu))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Request.read(1, 5, 0, 1),
        lambda: Request.read(1, 3, 0, 0),
        lambda: Request.read(1, 3, 0, 126),
        lambda: Request.read(1, 1, 0, 2001),
        lambda: Request.read(1, 3, 65535, 2),
        lambda: Request.read(1, 3, -1, 1),
        lambda: Request.read(256, 3, 0, 1),
        lambda: Request.read(-1, 3, 0, 1),
        lambda: Request.write_coil(1, 0, 0x10000),
        lambda: Request.write_register(1, 0, -1),
        lambda: Request.write_coils(1, 0, []),
        lambda: Request.write_coils(1, 0, [True] * 1969),
        lambda: Request.write_registers(1, 0, [0] * 124),
        lambda: Request.write_registers(1, 0, [0x10000]),
    ],
)
def test_what_the_specification_forbids_is_never_made(make) -> None:
    with pytest.raises(ValueError, match=r"expected|does not read|leaves"):
        make()


def test_a_write_to_unit_zero_is_a_broadcast_and_a_read_is_not() -> None:
    assert Request.write_register(0, 1, 2).broadcast
    assert not Request.read(0, 3, 1, 2).broadcast
    assert not Request.write_register(1, 1, 2).broadcast


# Answers.


def test_a_read_returns_exactly_its_bytes() -> None:
    assert answer(Request.read(1, 3, 0, 2), registers(7, 9)) == words(7, 9)
    assert answer(Request.read(1, 2, 0, 9), b"\x02\x02\xff\x01") == b"\xff\x01"


@pytest.mark.parametrize(
    "pdu", [registers(1, 2), registers(*range(12)), b"\x03\x14\x00\x01", b"\x03", b"\x03\x14"]
)
def test_row_9_a_short_or_long_reply_is_wrong(pdu: bytes) -> None:
    """Quirk row 9: the client measured takes 2 registers of 10 for success."""
    found = answer(Request.read(1, 3, 0, 10), pdu)
    assert isinstance(found, Wrong)
    assert found.raw == b"\x01" + pdu


@pytest.mark.parametrize("function", [1, 2, 4, 5, 6, 15, 16, 23, 0x84, 0x81])
def test_row_10_a_reply_of_another_function_is_wrong(function: int) -> None:
    """Quirk row 10: function 4 in answer to function 3 is no answer."""
    found = answer(Request.read(1, 3, 0, 2), bytes([function]) + registers(1, 2)[1:])
    assert isinstance(found, Wrong)
    assert f"{function}" in found.why


@pytest.mark.parametrize(
    ("request_", "right", "wrong"),
    [
        (Request.write_coil(1, 9, True), "05 0009 FF00", "05 0008 FF00"),
        (Request.write_coil(1, 9, True), "05 0009 FF00", "05 0009 0000"),
        (Request.write_register(1, 9, 8), "06 0009 0008", "06 0009 0009"),
        (Request.write_coils(1, 9, [True] * 8), "0F 0009 0008", "0F 0009 0007"),
        (Request.write_registers(1, 9, [1] * 9), "10 0009 0009", "10 0009 0008"),
        (Request.write_registers(1, 9, [1] * 9), "10 0009 0009", "10 0109 0009"),
        (Request.write_registers(1, 9, [1] * 9), "10 0009 0009", "10 0009"),
    ],
)
def test_row_11_an_echo_is_compared_with_what_was_written(
    request_: Request, right: str, wrong: str
) -> None:
    """Quirk row 11: address, value and count; a device was seen to echo 8 for 9."""
    assert answer(request_, bytes.fromhex(right)) == b""
    assert isinstance(answer(request_, bytes.fromhex(wrong)), Wrong)


def test_row_12_the_bare_function_0x80_is_an_exception_of_that_device() -> None:
    """Quirk row 12: an arc detector's way of refusing."""
    found = answer(Request.read(1, 3, 0, 2), b"\x80\x02")
    assert isinstance(found, Refused)
    assert (found.unit, found.code, found.nonstandard) == (1, 2, True)


@pytest.mark.parametrize("code", [0x0A, 0x0B, 0x41, 0x42, 0x43, 0x4B])
def test_row_13_a_gateways_exception_says_that_the_unit_is_silent(code: int) -> None:
    """Quirk row 13: the unit behind the gateway is lost, not the gateway."""
    found = answer(Request.read(1, 3, 0, 2), bytes([0x83, code]))
    assert isinstance(found, Refused)
    assert found.unit_silent
    assert found.nonstandard == (code > 0x0B)


def test_row_14_busy_and_acknowledge_mean_later() -> None:
    """Quirk row 14: what to do then is the scheduler's; the link only says so."""
    for code in range(1, 12):
        found = answer(Request.read(1, 3, 0, 2), bytes([0x83, code]))
        assert isinstance(found, Refused)
        assert found.busy == (code in {5, 6})
        assert found.unit_silent == (code in {10, 11})


def test_every_code_is_passed_on() -> None:
    for code in range(256):
        found = answer(Request.write_register(1, 0, 2), bytes([0x86, code]))
        assert isinstance(found, Refused)
        assert found.code == code


@given(
    request_=st.sampled_from(
        [
            Request.read(1, 1, 0, 9),
            Request.read(1, 3, 5, 2),
            Request.write_coil(1, 7, True),
            Request.write_registers(1, 3, [1, 2]),
        ]
    ),
    pdu=st.binary(min_size=1, max_size=20),
)
def test_any_reply_is_data_of_the_right_length_or_an_error(request_: Request, pdu: bytes) -> None:
    found = answer(request_, pdu)
    if isinstance(found, bytes):
        assert pdu[0] == request_.function
        assert len(found) == request_.data_bytes
        assert pdu.endswith(found)
    else:
        assert isinstance(found, Refused | Wrong)
