"""The unfolded table says what pymodbus' own says."""

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from gateway.links.modbus.crc import crc_fits


@given(st.binary(max_size=300))
def test_a_frame_fits_with_the_crc_pymodbus_computes(frame: bytes) -> None:
    assert crc_fits(frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big"))


@given(st.binary(min_size=2, max_size=300))
def test_any_other_bytes_fit_exactly_when_pymodbus_says_so(frame: bytes) -> None:
    said = int.from_bytes(frame[-2:], "big")
    assert crc_fits(frame) == FramerRTU.check_CRC(frame[:-2], said)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 479))
def test_one_flipped_bit_never_fits(body: bytes, bit: int) -> None:
    frame = bytearray(body + FramerRTU.compute_CRC(body).to_bytes(2, "big"))
    bit %= 8 * len(frame)
    frame[bit // 8] ^= 1 << bit % 8
    assert not crc_fits(frame)
