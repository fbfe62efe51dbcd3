"""What registers are called and how they are shown."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commission.words import (
    ORDERS,
    explained,
    has_variants,
    numbered,
    order_of,
    shown,
    sound_orders,
    variants,
    written,
)
from gateway.profile.formula import on_the_wire
from gateway.profile.schema_modbus import Modbus, Value

MODBUS = Modbus(transports=["tcp"])


def value(form: str, **more: object) -> Value:
    return Value.model_validate({"name": "x", "at": 0, "form": form, **more})


def words_in(order: str, number: float, form: str = ">f") -> list[int]:
    """The registers of a number whose bytes A B C D travel in this order."""
    data = struct.pack(form, number)
    placed = bytes(data["ABCD".index(letter)] for letter in order)
    return list(struct.unpack(">2H", placed))


@pytest.mark.parametrize("order", ORDERS)
def test_a_float_is_itself_in_the_order_it_was_sent_in(order: str) -> None:
    found = variants(value("f32"), words_in(order, 21.5), MODBUS)
    assert found[order] == "21.5"
    assert [name for name, text in found.items() if text == "21.5"] == [order]


@pytest.mark.parametrize("order", ORDERS)
def test_only_the_right_order_of_a_round_float_looks_sound(order: str) -> None:
    assert sound_orders(value("f32"), words_in(order, 21.5), MODBUS) == [order]


@given(st.sampled_from(list(ORDERS)), st.floats(2**-10, 2**17, width=32))
def test_the_right_order_of_a_measured_float_always_looks_sound(order: str, number: float) -> None:
    assert order in sound_orders(value("f32"), words_in(order, number), MODBUS)


def test_a_small_whole_number_in_the_wrong_order_is_a_huge_one() -> None:
    turned = words_in("CDAB", 116_365, ">i")
    assert "CDAB" in sound_orders(value("s32"), turned, MODBUS)
    assert "ABCD" not in sound_orders(value("s32"), turned, MODBUS)


def test_the_order_in_use_is_the_values_own_before_the_devices() -> None:
    assert order_of(value("f32"), MODBUS) == "ABCD"
    assert order_of(value("f32", word_order="little"), MODBUS) == "CDAB"
    swapped = Modbus(transports=["tcp"], byte_order="little")
    assert order_of(value("f32"), swapped) == "BADC"
    assert order_of(value("f32", word_order="little"), swapped) == "DCBA"


def test_only_numbers_of_several_registers_have_variants() -> None:
    assert has_variants(value("f32"))
    assert has_variants(value("u64"))
    assert not has_variants(value("u16"))
    assert not has_variants(value("text", words=4))


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[2J泄漏", "\\x1b[2J泄漏"),
        ("a\r\nb\x00\x07", "a\\r\\nb\\x00\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udc80", "\\udc80"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_a_text_that_would_command_the_terminal_is_escaped(hostile: str, harmless: str) -> None:
    assert shown(hostile) == harmless


@given(st.text(max_size=400))
def test_whatever_a_device_says_is_one_printable_line_of_bounded_length(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= 120 * 10 + 1


@given(st.integers(1, 4), st.integers(0, 0xFFFF), st.sampled_from(["wire", "one", "reference"]))
def test_an_address_that_was_numbered_leads_back_to_its_place_on_the_wire(
    function: int, address: int, numbering: str
) -> None:
    text = numbered(function, address, numbering)
    if function == 1 and numbering == "reference" and address > 9_998:
        return  # coils have no six-digit reference of their own: 010000 reads as 10000
    meant, wire = on_the_wire(int(text), numbering, function)
    assert (meant, wire) == (function, address)


def test_exceptions_are_explained_and_unknown_ones_too() -> None:
    assert "地址" in explained(2)
    assert "gap" in explained(2)
    assert explained(0x77).startswith("119: ")


def test_values_are_written_as_a_file_would_have_them() -> None:
    assert [written(each) for each in (None, True, 7, 0.1, "a\n")] == [
        "—", "true", "7", "0.1", '"a\\n"',
    ]  # fmt: skip
