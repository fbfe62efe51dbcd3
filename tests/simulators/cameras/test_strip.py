"""A strip is read exactly or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.cameras import strip
from simulators.cameras.strip import StripUnreadable, read_luma

WIDTH = 672


def drawn(number: int, white: int = 218, black: int = 18) -> bytearray:
    row = bytearray([128]) * WIDTH
    shown = [cell for group in strip.groups(number) for cell in strip.cells(group)]
    for at, cell in enumerate(shown):
        row[at * 16 : at * 16 + 16] = bytes([white if cell else black]) * 16
    return row * 16


@given(st.integers(0, strip.NUMBERS - 1), st.integers(120, 255), st.integers(0, 55))
def test_every_number_comes_back_from_any_two_greys(number: int, white: int, black: int) -> None:
    assert read_luma(bytes(drawn(number, white, black)), WIDTH) == number


@given(st.integers(0, strip.NUMBERS - 1), st.integers(0, strip.CELLS - 1))
def test_one_wrong_cell_is_noticed(number: int, cell: int) -> None:
    luma = drawn(number)
    for row in range(16):
        at = row * WIDTH + cell * 16
        luma[at : at + 16] = bytes(236 - value for value in luma[at : at + 16])
    with pytest.raises(StripUnreadable):
        read_luma(bytes(luma), WIDTH)


def test_the_layout_stays_what_other_readers_were_told() -> None:
    """The check by hand: CRC-8, x^8+x^2+x+1, begun with 0xFF, over 12 34 56."""
    remainder = (0xFF123456 ^ 0xFF << 24 ^ 0xFF << 16) << 8
    for bit in range(39, 7, -1):
        if remainder >> bit & 1:
            remainder ^= 0x107 << (bit - 8)
    assert strip.groups(0x123456) == bytes([0x12, 0x34, 0x56, remainder])
    cells = "".join("#" if cell else "." for cell in strip.cells(0x12))
    assert cells == "#...#..#.."


def test_numbers_begin_again_after_the_last() -> None:
    assert strip.groups(strip.NUMBERS + 5) == strip.groups(5)


@pytest.mark.parametrize("grey", [0, 16, 128, 255])
def test_an_even_picture_has_no_number(grey: int) -> None:
    with pytest.raises(StripUnreadable):
        read_luma(bytes([grey]) * (WIDTH * 16), WIDTH)


def test_a_picture_too_small_for_a_strip_has_no_number() -> None:
    with pytest.raises(StripUnreadable):
        read_luma(bytes(320 * 180), 320)
