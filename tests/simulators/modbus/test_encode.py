"""Values into words, held against what makers print."""

import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import encode
from simulators.modbus.encode import shape_of

VECTORS: list[tuple[dict[str, Any], Any, list[int]]] = [
    ({}, 500, [0x01F4]),  # New Cosmos: 500 ml is 0x01F4
    ({"form": "s16"}, -5, [0xFFFB]),
    ({"form": "m16", "scale": 0.1}, -12.5, [0x807D]),  # JBF: the top bit is the minus
    ({"form": "m32"}, -1, [0x8000, 0x0001]),
    ({"form": "u32"}, 0x12345678, [0x1234, 0x5678]),
    ({"form": "u32", "word_order": "little"}, 0x12345678, [0x5678, 0x1234]),
    ({"form": "u32", "byte_order": "little"}, 0x12345678, [0x3412, 0x7856]),
    ({"form": "u32", "byte_order": "little", "word_order": "little"}, 0x12345678, [0x7856, 0x3412]),
    ({"form": "u64"}, 1, [0, 0, 0, 1]),
    ({"form": "s64", "word_order": "little"}, -2, [0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF]),
    ({"form": "f32"}, 1.0, [0x3F80, 0]),
    ({"form": "f32", "word_order": "little"}, -2.5, [0, 0xC020]),
    ({"form": "f64"}, 1.0, [0x3FF0, 0, 0, 0]),
    ({"form": "bcd16"}, 1234, [0x1234]),
    ({"form": "bcd32"}, 87654321, [0x8765, 0x4321]),
    ({"form": "digits", "words": 2}, 42, [0x3030, 0x3432]),
    ({"form": "digits", "words": 2}, -7, [0x2D30, 0x3037]),
    ({"form": "text", "words": 2}, "CO", [0x434F, 0]),
    ({"form": "text", "words": 2, "encoding": "gbk"}, "火警", [0xBBF0, 0xBEAF]),  # GST printer
    ({"form": "text", "words": 1, "encoding": "utf-16-be"}, "é", [0x00E9]),
    ({"form": "text", "words": 2, "byte_order": "little"}, "ABC", [0x4241, 0x0043]),
    ({"subtract": 100, "divide": 10}, 110.0, [1200]),  # IGD: 1200 is 110 %LEL
    ({"subtract": 100, "divide": 10}, -10, [0]),
    ({"form": "u32", "subtract": 101665, "divide": 9800}, 1.0, [1, 0xB369]),  # water level
    ({"divide": 10, "offset": -40}, 25, [650]),  # battery gateway: v/10-40
    ({"scale": 20, "divide": 4095}, 12.26, [2510]),  # Wellpro: 0x09CE is 12.26 mA
    ({"names": {"1": "ppm", "0x10": "mA"}, "byte": "high"}, "mA", [0x1000]),
    ({"form": "bit"}, True, [1]),
]


@pytest.mark.parametrize(("table", "wish", "words"), VECTORS)
def test_a_wish_becomes_the_words_a_maker_would_send(
    table: dict[str, Any], wish: Any, words: list[int]
) -> None:
    assert encode.encode(table, wish) == words


def test_a_value_of_some_bits_leaves_its_neighbours_alone() -> None:
    assert encode.encode({"bits": [4, 5]}, 2, before=[0xFFCF]) == [0xFFEF]
    assert encode.encode({"bit": 7}, False, before=[0xFFFF]) == [0xFF7F]
    assert encode.encode({"byte": "low"}, 0x12, before=[0xABCD]) == [0xAB12]
    assert encode.encode({"bits": [0, 3], "signed": True}, -1, before=[0x50]) == [0x5F]
    assert encode.encode({"form": "u32", "bit": 16}, True, before=[0, 0]) == [1, 0]


def test_a_band_is_met_in_its_middle() -> None:
    table = {"bands": [{"name": "idle", "from": 1600, "to": 2400}]}
    assert encode.encode(table, "idle") == [2000]


def test_the_else_band_is_met_between_the_others_or_beyond_them() -> None:
    apart = [{"name": "a", "from": 0, "to": 10}, {"name": "b", "from": 20, "to": 30}]
    assert encode.encode({"bands": apart, "else_band": "bad"}, "bad") == [15]
    one = [{"name": "level", "from": -0.5, "to": 20.0}]
    table = {"form": "s32", "divide": 9800, "bands": one, "else_band": "impossible"}
    words = encode.encode(table, "impossible")
    assert encode.number_in(shape_of(table), words) == 21
    full = [{"name": "all", "from": 0, "to": 65535}]
    with pytest.raises(ValueError, match="leave no number"):
        encode.encode({"bands": full, "else_band": "bad"}, "bad")


def test_a_factor_from_other_registers_is_undone() -> None:
    assert encode.encode({}, 2.5, factor=Fraction(1, 100)) == [250]
    assert encode.encode({}, 50, factor=Fraction(1, 10) * 5) == [100]


def test_the_devices_word_order_is_for_its_numbers_and_not_for_its_texts() -> None:
    modbus = {"word_order": "little"}
    assert encode.encode({"form": "u32"}, 1, modbus=modbus) == [1, 0]
    assert encode.encode({"form": "text", "words": 2}, "ABCD", modbus=modbus) == [0x4142, 0x4344]
    turned = {"form": "text", "words": 2, "word_order": "little"}
    assert encode.encode(turned, "ABCD") == [0x4344, 0x4142]


@pytest.mark.parametrize(
    ("table", "wish"),
    [
        ({}, 65_536),
        ({}, -1),
        ({"form": "s16"}, 40_000),
        ({"form": "bcd16"}, 10_000),
        ({"form": "m16"}, -32_768),
        ({"bits": [4, 5]}, 4),
        ({"form": "digits", "words": 1}, 100),
        ({"form": "text", "words": 1}, "ABC"),
        ({"names": {"1": "fire"}}, "smoke"),
        ({"scale": 0}, 1),
    ],
)
def test_what_a_form_cannot_hold_is_refused(table: dict[str, Any], wish: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each says something else
        encode.encode(table, wish)


def test_a_float_may_say_that_there_is_no_number() -> None:
    words = encode.encode({"form": "f32"}, math.nan)
    assert math.isnan(struct.unpack(">f", struct.pack(">2H", *words))[0])
    assert math.isnan(encode.number_in(shape_of({"form": "f32"}), words))


@pytest.mark.parametrize(("form", "words"), [("bcd16", [0xFFFF]), ("digits", [0x2D2D, 0x2D2D])])
def test_what_spells_no_number_is_none(form: str, words: list[int]) -> None:
    assert math.isnan(encode.number_in(shape_of({"form": form, "words": len(words)}), words))


def test_a_text_can_be_cut_in_the_middle_of_a_character() -> None:
    shape = shape_of({"form": "text", "words": 1, "encoding": "gbk"})
    assert encode.cut_text(shape, "A火") == [0x41BB]
    assert encode.text_in(shape, [0x41BB]) == "A"


INTEGER_FORMS = ["u16", "s16", "m16", "bcd16", "u32", "s32", "m32", "bcd32", "u64", "s64"]


@given(
    st.sampled_from(INTEGER_FORMS),
    st.sampled_from(["big", "little"]),
    st.sampled_from(["big", "little"]),
    st.integers(-(2**63), 2**64 - 1),
)
def test_a_number_comes_back_or_is_refused(
    form: str, word_order: str, byte_order: str, number: int
) -> None:
    shape = shape_of({"form": form, "word_order": word_order, "byte_order": byte_order})
    try:
        words = encode.put(shape, number)
    except ValueError:
        held = False
    else:
        held = True
        assert encode.raw_in(shape, words) == number
        assert len(words) == shape.words
    assert held or abs(number) > 2**15 or number < 0 or number > 9999
