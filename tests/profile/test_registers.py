"""Words into values: every form against encoders that are not ours, and any words at all."""

import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.events import MAX_ATTRIBUTE_CHARS, Scalar
from gateway.profile.payload import Garble
from gateway.profile.registers import compile_bands, compile_reader, decimal_scale, words_of
from gateway.profile.schema_modbus import Modbus, ValueForm
from simulators.modbus import encode as other
from tests.examples import examples
from tests.profile.modbus_files import Bench, gauge, point, profile_of, rule, value

WORD = st.integers(0, 0xFFFF)
ORDER = st.sampled_from(["big", "little"])
ORDERS = st.fixed_dictionaries({}, optional={"word_order": ORDER, "byte_order": ORDER})
LINE: dict[str, Any] = {"transports": ["tcp"]}


def read(table: dict[str, Any], words: list[int], modbus: dict[str, Any] | None = None) -> Any:
    form = ValueForm.model_validate(table)
    line = Modbus.model_validate({**LINE, **(modbus or {})})
    # Strange words before and behind it: what is not its own must not matter.
    return compile_reader(form, 2, line)([0xDEAD, 0xBEEF, *words, 0xFFFF])


def on_the_line(data: bytes, orders: dict[str, str]) -> list[int]:
    """Bytes, highest first, as a device with these habits sends them."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    if orders.get("word_order") == "little":
        words.reverse()
    return [
        int.from_bytes(w, "little" if orders.get("byte_order") == "little" else "big")
        for w in words
    ]


# --- whole numbers ---


@pytest.mark.parametrize(
    ("word_order", "byte_order", "words"),
    [
        ("big", "big", [0x0A0B, 0x0C0D]),  # ABCD
        ("little", "big", [0x0C0D, 0x0A0B]),  # CDAB
        ("big", "little", [0x0B0A, 0x0D0C]),  # BADC
        ("little", "little", [0x0D0C, 0x0B0A]),  # DCBA
    ],
)
def test_the_four_orders_of_a_32_bit_number_say_the_same(
    word_order: str, byte_order: str, words: list[int]
) -> None:  # modbus-quirks row 3
    orders = {"word_order": word_order, "byte_order": byte_order}
    assert read({"form": "u32", **orders}, words) == 0x0A0B0C0D
    assert read({"form": "u32"}, words, orders) == 0x0A0B0C0D


@pytest.mark.parametrize("size", [2, 4, 8])
@settings(max_examples=60)
@given(data=st.data(), orders=ORDERS)
def test_unsigned_and_signed_numbers_of_every_width(
    size: int, data: st.DataObject, orders: dict[str, str]
) -> None:  # modbus-quirks row 28
    bits = 8 * size
    number = data.draw(st.integers(-(1 << (bits - 1)), (1 << bits) - 1))
    if number >= 0:
        words = on_the_line(number.to_bytes(size, "big"), orders)
        assert read({"form": f"u{bits}", **orders}, words) == number
    if number < 1 << (bits - 1):
        words = on_the_line(number.to_bytes(size, "big", signed=True), orders)
        assert read({"form": f"s{bits}", **orders}, words) == number


@pytest.mark.parametrize("size", [2, 4])
@given(data=st.data(), orders=ORDERS)
def test_sign_and_magnitude_is_not_twos_complement(
    size: int, data: st.DataObject, orders: dict[str, str]
) -> None:  # modbus-quirks row 28: the top bit is the minus
    bits = 8 * size
    number = data.draw(st.integers(-(1 << (bits - 1)) + 1, (1 << (bits - 1)) - 1))
    raw = abs(number) | (number < 0) << (bits - 1)
    assert (
        read({"form": f"m{bits}", **orders}, on_the_line(raw.to_bytes(size, "big"), orders))
        == number
    )


def test_a_minus_before_zero_is_zero() -> None:
    assert read({"form": "m16"}, [0x8000]) == 0


@pytest.mark.parametrize("size", [2, 4])
@given(data=st.data(), orders=ORDERS)
def test_bcd_reads_its_digits_and_nothing_else(
    size: int, data: st.DataObject, orders: dict[str, str]
) -> None:
    nibbles = data.draw(st.text("0123456789abcdef", min_size=2 * size, max_size=2 * size))
    words = on_the_line(bytes.fromhex(nibbles), orders)
    table = {"form": f"bcd{8 * size}", **orders}
    if nibbles.isdecimal():
        assert read(table, words) == int(nibbles)
    else:
        with pytest.raises(Garble):
            read(table, words)


# --- floats ---


@settings(max_examples=examples(300))
@given(number=st.floats(width=32), orders=ORDERS)
def test_a_32_bit_float_is_itself_or_no_measurement(number: float, orders: dict[str, str]) -> None:
    words = on_the_line(struct.pack(">f", number), orders)
    found = read({"form": "f32", **orders}, words)
    if math.isfinite(number):
        assert struct.pack(">f", found) == struct.pack(">f", number)
    else:
        assert found is None


@given(number=st.floats(), orders=ORDERS)
def test_a_64_bit_float_is_itself_or_no_measurement(number: float, orders: dict[str, str]) -> None:
    found = read({"form": "f64", **orders}, on_the_line(struct.pack(">d", number), orders))
    if math.isfinite(number):
        assert struct.pack(">d", found) == struct.pack(">d", number)
    else:
        assert found is None


@given(st.integers(-9_999_999, 9_999_999), st.integers(0, 6))
def test_a_decimal_of_seven_digits_comes_out_of_a_float_as_it_was_shown(
    digits: int, places: int
) -> None:
    shown = float(Decimal(digits).scaleb(-places))
    assert read({"form": "f32"}, on_the_line(struct.pack(">f", shown), {})) == shown


def test_a_float_level_that_reaches_its_limit_has_reached_it() -> None:
    bench = Bench(profile_of(gauge("level", 0, "alarm_above = 0.7", 'form = "f32"')))
    nearest = on_the_line(struct.pack(">f", 0.7), {})  # 0.699999988 in a 64-bit float
    assert bench.put(*nearest) == {"level": 0.7}


# --- parts of a register ---


@given(word=WORD, ends=st.lists(st.integers(0, 15), min_size=2, max_size=2), signed=st.booleans())
def test_bits_are_taken_out_of_a_word(word: int, ends: list[int], signed: bool) -> None:
    low, high = sorted(ends)
    text = f"{word:016b}"[15 - high : 16 - low]
    number = int(text, 2)
    if signed and text[0] == "1":
        number -= 1 << len(text)
    assert read({"bits": [low, high], "signed": signed}, [word]) == number


@given(word=WORD, at=st.integers(0, 15), swap=ORDER)
def test_one_bit_is_a_truth_and_bit_0_is_the_lowest(word: int, at: int, swap: str) -> None:
    words = [word] if swap == "big" else [int.from_bytes(word.to_bytes(2, "big"), "little")]
    found = read({"bit": at, "byte_order": swap}, words)  # modbus-quirks row 4
    assert found is (f"{word:016b}"[::-1][at] == "1")


@given(high=st.integers(-128, 127), low=st.integers(0, 255))
def test_two_bytes_in_a_register_are_two_numbers(high: int, low: int) -> None:
    word = int.from_bytes(struct.pack(">bB", high, low), "big")
    assert read({"byte": "high", "signed": True}, [word]) == high
    assert read({"byte": "low"}, [word]) == low


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), ORDERS)
def test_a_bit_of_two_registers_is_counted_over_both(
    number: int, at: int, orders: dict[str, str]
) -> None:
    words = on_the_line(number.to_bytes(4, "big"), orders)
    assert read({"form": "u32", "bit": at, **orders}, words) is bool(number >> at & 1)


# --- texts ---

HANZI = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=20)


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8", "utf-16-be"])
@given(text=HANZI, room=st.integers(1, 20))
def test_a_text_cut_within_a_character_loses_that_character_only(
    encoding: str, text: str, room: int
) -> None:
    data = text.encode(encoding)[: 2 * room].ljust(2 * room, b"\0")
    found = read({"form": "text", "words": room, "encoding": encoding}, on_the_line(data, {}))
    whole = text
    while len(whole.encode(encoding)) > 2 * room:
        whole = whole[:-1]
    assert found == (whole or None)


def test_a_text_keeps_its_order_where_numbers_have_their_low_word_first() -> None:
    words = [0xB3F8, 0xB7BF]  # 厨房 in GBK
    table = {"form": "text", "words": 2, "encoding": "gbk"}
    assert read(table, words, {"word_order": "little"}) == "厨房"
    assert read({**table, "word_order": "little"}, words[::-1]) == "厨房"


@pytest.mark.parametrize("words", [[0, 0], [0x2020, 0x2020], [0xFFFF, 0xFFFF]])
def test_an_empty_or_unwritten_text_is_none(words: list[int]) -> None:
    assert read({"form": "text", "words": 2}, words) is None


@given(st.decimals(-999_999, 999_999, allow_nan=False, places=2), st.sampled_from(" \0"))
def test_a_number_written_as_ascii(number: Decimal, pad: str) -> None:
    data = str(number).encode().ljust(12, pad.encode())
    assert read({"form": "digits", "words": 6}, on_the_line(data, {})) == float(number)


def test_an_empty_number_as_ascii_is_no_measurement() -> None:
    assert read({"form": "digits", "words": 2}, [0x2020, 0]) is None


# --- scale, sentinels, names ---

TENTHS = st.sampled_from([0.1, 0.01, 0.001, 0.5, 10, 0.02, 1.8])


@given(
    raw=st.integers(-(2**31), 2**31 - 1),
    subtract=st.none() | st.integers(-1000, 200_000),
    scale=st.none() | TENTHS,
    divide=st.none() | st.sampled_from([10, 4095, 9800, 1000]),
    offset=st.none() | st.sampled_from([-40, 0.5, -273.15]),
)
def test_a_scaled_number_is_the_exact_one_rounded_once(
    raw: int, subtract: int | None, scale: float | None, divide: int | None, offset: float | None
) -> None:
    words = on_the_line(raw.to_bytes(4, "big", signed=True), {})
    given_words = {"subtract": subtract, "scale": scale, "divide": divide, "offset": offset}
    table = {key: float(each) for key, each in given_words.items() if each is not None}
    found = read({"form": "s32", **table}, words)
    exact = (Fraction(raw) - (subtract or 0)) * Fraction(str(scale or 1)) / (divide or 1)
    exact += Fraction(str(offset or 0))
    assert abs(Fraction(found) - exact) <= Fraction(1, 10**9) + abs(exact) / 2**52


@given(st.integers(0, 65_535))
def test_a_tenth_is_a_tenth(raw: int) -> None:
    assert read({"scale": 0.1}, [raw]) == float(Decimal(raw) / 10)


def test_a_scale_of_a_billionth_does_not_round_everything_to_zero() -> None:
    assert read({"scale": 1e-12}, [7]) == 7e-12


def test_what_a_scale_makes_too_large_for_a_number_is_garbled() -> None:
    for table in ({"form": "f64", "scale": 1e300}, {"form": "u64", "scale": 1e300}):
        with pytest.raises(Garble):
            read(table, [0x7FE0, 0, 0, 1])


def test_a_sentinel_is_no_measurement_whatever_the_scale() -> None:
    assert read({"invalid": [0xFFFF, 0x7FFF], "scale": 0.1}, [0x7FFF]) is None
    assert read({"form": "s16", "invalid": [-32768]}, [0x8000]) is None
    assert (
        read({"form": "f32", "invalid": [-9999]}, on_the_line(struct.pack(">f", -9999), {})) is None
    )


def test_a_name_stands_for_its_number_however_the_number_is_written() -> None:
    table = {"names": {"1": "ppm", "0x10": "mA", "-1": "none"}, "form": "s16"}
    assert [read(table, [word]) for word in (1, 16, 0xFFFF, 7)] == ["ppm", "mA", "none", 7]


def test_a_name_stands_for_the_whole_number_only() -> None:
    table = {"form": "f32", "names": {"1": "run"}}
    words = [on_the_line(struct.pack(">f", number), {}) for number in (1.0, 1.5)]
    assert [read(table, each) for each in words] == ["run", 1.5]


@given(st.integers(-(2**31), 2**31), st.integers(-9, 9))
def test_decimals_from_another_register_move_the_point(number: int, places: int) -> None:
    found = decimal_scale(number, None, places)
    assert found == float(Fraction(number) / Fraction(10) ** places)


@pytest.mark.parametrize("decimals", ["ppm", True, 10, -10, 0.5])
def test_decimals_that_are_none_make_the_number_unknown(decimals: Scalar) -> None:
    assert decimal_scale(5, None, decimals) is None


def test_scale_and_decimals_are_those_of_the_device_and_unknown_until_they_are_read() -> None:
    body = (
        value("level", 0, 'scale_from = "range"\ndivide = 1000')
        + value("range", 100, "invalid = [0xFFFF]\nperiod_s = 9")
        + point("level", "measurement")
        + rule("level", "level")
    )
    bench = Bench(profile_of(body))
    level, scale = (
        next(i for i, part in enumerate(bench.plan.parts) if part.address == at) for at in (0, 100)
    )
    assert bench.put(250, part=level) == {}
    assert bench.put(200, part=scale) == {"level": 50.0}
    assert bench.put(100, part=scale, after_ns=2 * 10**9) == {"level": 25.0}
    assert bench.put(0xFFFF, part=scale) == {"level": None}, "it is not 25 any more"


# --- bands ---

LOOP: dict[str, Any] = {
    "bands": [
        {"name": "short", "from": 0, "to": 800},
        {"name": "idle", "from": 1600, "to": 2389},
        {"name": "alarm", "from": 2390, "to": 3300},
        {"name": "open", "from": 3800, "to": 4095},
    ],
    "else_band": "line_resistance",
    "hysteresis": 60,
}


def walk(numbers: list[int]) -> list[str | None]:
    band_of = compile_bands(ValueForm.model_validate(LOOP))
    seen: list[str | None] = []
    for number in numbers:
        seen.append(band_of(number, seen[-1] if seen else None))
    return seen


def test_the_four_bands_of_a_supervised_loop() -> None:
    assert walk([2048, 2730, 2048, 0, 2048, 4095]) == [
        "idle", "alarm", "idle", "short", "idle", "open",
    ]  # fmt: skip


def test_a_loop_that_drifts_through_bad_joints_ends_as_cut_or_shorted() -> None:
    assert walk([2048, 3500, 3799, 3800, 4095])[-1] == "open"
    assert walk([2048, 1200, 801, 800, 0])[-1] == "short"


def test_noise_at_an_edge_within_the_hysteresis_does_not_chatter() -> None:
    seen = walk([2380, 2395, 2386, 2440, 2389, 2449])
    assert set(seen) == {"idle"}
    assert set(walk([2460, 2389, 2400, 2331, 2390])) == {"alarm"}


@given(st.lists(st.integers(0, 4095), min_size=1, max_size=40))
def test_beyond_the_hysteresis_the_band_is_the_one_the_number_is_in(numbers: list[int]) -> None:
    edges = {each["name"]: (each["from"], each["to"]) for each in LOOP["bands"]}
    before = None
    for number, band in zip(numbers, walk(numbers), strict=True):
        inside = next(
            (n for n, (low, high) in edges.items() if low <= number <= high), LOOP["else_band"]
        )
        if band != inside:
            low, high = edges[str(band)]
            assert band == before
            assert low - 60 <= number <= high + 60
        before = band


# --- any words at all ---

FORMS = st.sampled_from(
    ["u16", "s16", "m16", "u32", "s32", "m32", "u64", "s64", "f32", "f64", "bcd16", "bcd32",
     "digits", "text"]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    form = draw(FORMS)
    table: dict[str, Any] = {"form": form, **draw(ORDERS)}
    if form in {"digits", "text"}:
        table["words"] = draw(st.integers(1, 12))
        if form == "text":
            codings = ["ascii", "gbk", "gb18030", "utf-8", "utf-16-be"]
            return {**table, "encoding": draw(st.sampled_from(codings))}
    number = st.floats(allow_nan=False, allow_infinity=False)
    table |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "subtract": number,
                "scale": number,
                "divide": number.filter(bool),
                "offset": number,
                "invalid": st.lists(st.integers(-(2**31), 2**32), max_size=3),
            },
        )
    )
    return table


@settings(max_examples=examples(400))
@given(table=tables(), data=st.data())
def test_any_words_are_a_value_or_garble(table: dict[str, Any], data: st.DataObject) -> None:
    count = words_of(ValueForm.model_validate(table))
    words = data.draw(st.lists(WORD, min_size=count, max_size=count))
    try:
        found = read(table, words)
    except Garble:
        return
    assert found is None or isinstance(found, (int, float, str))
    if isinstance(found, float):
        assert math.isfinite(found)
    if isinstance(found, str):
        assert 0 < len(found) <= MAX_ATTRIBUTE_CHARS
    orjson.dumps(found)  # no lone surrogate, nothing beyond 64 bits


# --- the simulator's encoder ---


@st.composite
def wishes(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """A table and what it should say, within what it can hold."""
    form = draw(
        st.sampled_from(["u16", "s16", "m16", "u32", "s32", "m32", "u64", "s64", "bcd16", "bcd32"])
    )
    bits = 16 * words_of(ValueForm.model_validate({"form": form}))
    top = {"u": 2**bits - 1, "s": 2 ** (bits - 1) - 1, "m": 2 ** (bits - 1) - 1}.get(
        form[0], 10 ** (bits // 4) - 1
    )
    low = {"s": -(2 ** (bits - 1)), "m": -top}.get(form[0], 0)
    raw = draw(st.integers(low, top))
    scale = draw(st.none() | TENTHS)
    table: dict[str, Any] = {"form": form, **draw(ORDERS)}
    if scale is None:
        return table, raw
    return {**table, "scale": float(scale)}, float(raw * Fraction(str(scale)))


@settings(max_examples=examples(300))
@given(wishes())
def test_what_the_simulator_encodes_is_what_we_decode(wish: tuple[dict[str, Any], Any]) -> None:
    table, wanted = wish
    words = other.encode(table, wanted)
    assert read(table, words) == pytest.approx(wanted, rel=1e-12, abs=1e-9)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), ORDERS)
def test_the_simulators_floats_too(number: float, orders: dict[str, str]) -> None:
    table = {"form": "f32", **orders}
    assert read(table, other.encode(table, number)) == pytest.approx(number, rel=1e-6)


@given(HANZI, ORDERS, st.sampled_from(["gbk", "gb18030", "utf-8", "utf-16-be"]))
def test_the_simulators_texts_too(text: str, orders: dict[str, str], encoding: str) -> None:
    table = {"form": "text", "words": 40, "encoding": encoding, **orders}
    assert read(table, other.encode(table, text)) == text
