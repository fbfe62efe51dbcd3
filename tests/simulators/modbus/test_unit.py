"""What a device answers, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import Limits, Unit, Write


def ask(unit: Unit, text: str) -> str:
    return unit.answer(bytes.fromhex(text)).hex(" ").upper()


def test_the_documents_reading_example_is_answered_as_printed() -> None:
    unit = Unit(1)
    unit.set_words(3, 107, [0x022B, 0x0000, 0x0064])
    assert ask(unit, "03 00 6B 00 03") == "03 06 02 2B 00 00 00 64"


def test_bits_of_both_tables_are_read_apart() -> None:
    unit = Unit(1)
    unit.set_words(1, 0, [1, 0, 1])
    unit.set_words(2, 0, [0, 1, 1])
    assert (ask(unit, "01 00 00 00 03"), ask(unit, "02 00 00 00 03")) == ("01 01 05", "02 01 06")


def test_shared_memory_shows_both_functions_the_same_words() -> None:
    unit = Unit(1, shared=True)
    unit.holding[0] = 0x1234
    assert ask(unit, "04 00 00 00 01") == "04 02 12 34"


def test_a_gap_fails_the_whole_read_or_reads_as_zero() -> None:
    strict, lenient = Unit(1), Unit(1, limits=Limits(gap="zero"))
    for unit in (strict, lenient):
        unit.holding[0] = unit.holding[2] = 5
    assert ask(strict, "03 00 00 00 03") == "83 02"
    assert ask(lenient, "03 00 00 00 03") == "03 06 00 05 00 00 00 05"


def test_more_than_the_device_gives_at_once_is_refused_before_the_address_is_looked_at() -> None:
    unit = Unit(1, limits=Limits(max_registers=6, max_bits=512))
    unit.holding.define(0, 6)
    assert ask(unit, "03 00 00 00 06").startswith("03 0C")
    assert ask(unit, "03 90 00 00 07") == "83 03"
    assert ask(unit, "02 00 00 02 01") == "82 03"
    assert ask(unit, "03 00 00 00 00") == "83 03"


def test_a_function_the_device_has_not_is_refused_even_when_it_is_malformed() -> None:
    unit = Unit(1, limits=Limits(functions={3}))
    assert (ask(unit, "10 00 00"), ask(unit, "04 00 00 00 01")) == ("90 01", "84 01")


def test_one_maker_refuses_with_function_byte_0x80() -> None:
    unit = Unit(1, limits=Limits(max_registers=6, refusal_byte=0x80))
    assert ask(unit, "03 00 00 00 07") == "80 03"


def test_writes_are_echoed_stored_and_remembered() -> None:
    unit = Unit(9)
    unit.holding.define(0, 4)
    unit.coils.define(0, 12)
    assert ask(unit, "06 00 01 00 03") == "06 00 01 00 03"
    assert ask(unit, "10 00 02 00 02 04 00 0A 01 02") == "10 00 02 00 02"
    assert ask(unit, "05 00 0A FF 00") == "05 00 0A FF 00"
    assert ask(unit, "0F 00 00 00 0A 02 CD 01") == "0F 00 00 00 0A"
    assert unit.words(3, 0, 4) == [0, 3, 0x0A, 0x0102]
    assert unit.words(1, 0, 12) == [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0]
    assert [(write.table, write.address) for write in unit.writes] == [
        ("holding", 1),
        ("holding", 2),
        ("coils", 10),
        ("coils", 0),
    ]


def test_the_documents_mask_example_gives_0x17() -> None:
    unit = Unit(1)
    unit.holding[4] = 0x12
    assert ask(unit, "16 00 04 00 F2 00 25") == "16 00 04 00 F2 00 25"
    assert unit.holding[4] == 0x17


def test_reading_and_writing_at_once_reads_what_was_just_written() -> None:
    unit = Unit(1)
    unit.holding.define(0, 2, 7)
    assert ask(unit, "17 00 00 00 02 00 01 00 01 02 00 09") == "17 04 00 07 00 09"


@pytest.mark.parametrize(
    ("request_text", "reply"),
    [
        ("06 00 09 00 01", "86 02"),  # does not exist
        ("06 00 01 00 01", "86 02"),  # may only be read
        ("10 00 00 00 02 04 00 01 00 01", "90 02"),  # the second of two may only be read
        ("05 00 00 12 34", "85 03"),  # neither on nor off
    ],
)
def test_a_refused_write_changes_nothing(request_text: str, reply: str) -> None:
    unit = Unit(1)
    unit.holding.define(0, 2, 7)
    unit.holding.read_only.add(1)
    unit.coils[0] = 0
    assert ask(unit, request_text) == reply
    assert (unit.words(3, 0, 2), unit.words(1, 0), list(unit.writes)) == ([7, 7], [0], [])


def test_a_register_for_writing_only_cannot_be_read() -> None:
    unit = Unit(1)
    unit.holding[257] = 0
    unit.holding.write_only.add(257)
    assert ask(unit, "10 01 01 00 01 02 01 F7") == "10 01 01 00 01"
    assert ask(unit, "03 01 01 00 01") == "83 02"


def test_a_guard_refuses_and_a_hook_follows() -> None:
    unit = Unit(1)
    unit.coils[0] = 0
    unit.discrete[0] = 0

    def move(write: Write) -> None:
        unit.discrete[0] = write.values[0] != 0

    unit.on_write(move, table="coils", address=0)
    unit.guard = lambda _: 6
    assert (ask(unit, "05 00 00 FF 00"), unit.discrete[0]) == ("85 06", 0)
    unit.guard = None
    assert (ask(unit, "05 00 00 FF 00"), unit.discrete[0]) == ("05 00 00 FF 00", 1)


def test_a_relay_board_takes_its_own_words_for_coils() -> None:
    unit = Unit(1, limits=Limits(odd_coils=range(0x200, 0x208), toggle_word=0x5500))
    unit.coils.define(0, 8)
    unit.coils.define(0x200, 8)
    ask(unit, "05 00 03 55 00")
    ask(unit, "05 02 01 00 07")
    assert unit.coils[3] == 1
    assert unit.writes[-1].values == (7,)


@given(st.binary(max_size=260))
def test_any_request_gets_a_reply_that_fits_a_frame(pdu: bytes) -> None:
    unit = Unit(1, shared=True)
    unit.holding.define(0, 200)
    unit.coils.define(0, 2000)
    reply = unit.answer(pdu)
    assert 2 <= len(reply) <= 253
    assert reply[0] & 0x7F == (pdu[0] if pdu else 0) & 0x7F


def test_a_value_that_fits_no_register_is_a_mistake_of_the_test() -> None:
    unit = Unit(1)
    with pytest.raises(ValueError, match="70000"):
        unit.holding[0] = 70000
    with pytest.raises(ValueError, match="outside"):
        unit.coils[0] = 2
