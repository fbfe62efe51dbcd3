"""Words in, one value out: every form a maker has thought of, compiled once. Pure.

Owns    what [[value]] and [[log.value]] say about bits, numbers and texts.
Needs   gateway.events, payload.py (Garble), schema_modbus.py.
Keeps   1. A reader raises Garble and nothing else, whatever the words are.
        2. What says "no measurement" (a sentinel, NaN, an empty field) is None: never a number,
           never normal.
        3. A decimal that the device means comes out as that decimal: 7 × 0.1 is 0.7, and so is the
           32-bit float nearest to it. Otherwise a level that has reached its limit could lie below.
"""

import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from operator import itemgetter
from typing import Final

from gateway.events import MAX_ATTRIBUTE_CHARS, Scalar
from gateway.profile.payload import Garble, read_number_text
from gateway.profile.schema_modbus import Modbus, ValueForm

Words = Sequence[int]
"""The registers of one part, each 0 to 65535 as function 03 returns them; for bits 0 and 1."""
Reader = Callable[[Words], Scalar | None]
"""The words of a part → the value; None is no measurement; raises Garble."""

_WORDS: Final = {
    "u16": 1, "s16": 1, "m16": 1, "bcd16": 1, "bit": 1,
    "u32": 2, "s32": 2, "m32": 2, "f32": 2, "bcd32": 2,
    "u64": 4, "s64": 4, "f64": 4,
}  # fmt: skip


def words_of(form: ValueForm) -> int:
    """How many registers (or bits) a value takes."""
    return form.words or 1 if form.form in {"digits", "text"} else _WORDS[form.form]


def compile_reader(form: ValueForm, at: int, modbus: Modbus) -> Reader:
    """Compile one value whose first word is words[at]; check.py has found nothing wrong with it."""
    if form.form == "bit":
        return lambda words: bool(words[at])
    bytes_of = _bytes(form, at, modbus)
    if form.form == "text":
        return _text(form, bytes_of)
    if form.form == "digits":
        return _finish(form, lambda words: _number_text(bytes_of(words)))
    if form.form == "f32":
        return _finish(form, lambda words: _short_f32(bytes_of(words)))
    if form.form == "f64":
        unpack = struct.Struct(">d").unpack
        return _finish(form, lambda words: _finite(unpack(bytes_of(words))[0]))
    return _finish(form, _extract(form, _integer(form, at, modbus, bytes_of)))


def _bytes(form: ValueForm, at: int, modbus: Modbus) -> Callable[[Words], bytes]:
    """The value's bytes, most significant first; a text's in the order in which it is read."""
    count = words_of(form)
    end = at + count
    swap = (form.byte_order or modbus.byte_order) == "little"
    pack = struct.Struct(f"{'<' if swap else '>'}{count}H").pack
    if turns_words(form, modbus):
        return lambda words: pack(*words[at:end][::-1])
    return lambda words: pack(*words[at:end])


def turns_words(form: ValueForm, modbus: Modbus) -> bool:
    """Whether the low word comes first: the device's habit for numbers, said itself for texts."""
    if form.form in {"text", "digits"}:
        return form.word_order == "little"
    return (form.word_order or modbus.word_order) == "little"


def _integer(
    form: ValueForm, at: int, modbus: Modbus, bytes_of: Callable[[Words], bytes]
) -> Callable[[Words], int]:
    width = 16 * words_of(form)
    if form.form.startswith("bcd"):
        return lambda words: _bcd(bytes_of(words))
    unsigned = _unsigned(form, at, modbus, bytes_of)
    if form.bit is not None or form.bits is not None or form.byte is not None:
        return unsigned  # bits are counted as they stand there, whatever the whole is
    if form.form[0] == "s":
        return lambda words: _twos(unsigned(words), width)
    if form.form[0] == "m":
        top = 1 << width - 1
        return lambda words: -(number & top - 1) if (number := unsigned(words)) & top else number
    return unsigned


def _unsigned(
    form: ValueForm, at: int, modbus: Modbus, bytes_of: Callable[[Words], bytes]
) -> Callable[[Words], int]:
    straight = (form.byte_order or modbus.byte_order) == "big"
    count = words_of(form)
    if count == 1 and straight:
        return itemgetter(at)
    if count == 2 and straight and not turns_words(form, modbus):
        return lambda words: words[at] << 16 | words[at + 1]
    return lambda words: int.from_bytes(bytes_of(words), "big")


def _twos(number: int, width: int) -> int:
    return number - (1 << width) if number >> (width - 1) else number


def _bcd(data: bytes) -> int:
    text = data.hex()
    if not text.isdecimal():
        raise Garble("不是 BCD 码 / not binary-coded decimal")
    return int(text)


def _number_text(data: bytes) -> float | None:
    """A number as ASCII; an empty field is no measurement."""
    text = data.decode("ascii", "replace").strip("\0 ")
    return read_number_text(text) if text else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


_F32: Final = struct.Struct(">f")


def _short_f32(data: bytes) -> float | None:
    """Return the shortest decimal that is this 32-bit float: 0.7, not 0.699999988079071."""
    number: float = _F32.unpack(data)[0]
    if not math.isfinite(number):
        return None
    short = float(f"{number:.7g}")
    try:
        return short if _F32.pack(short) == data else number
    except OverflowError:  # rounded up beyond the largest one
        return number


def _extract(form: ValueForm, integer: Callable[[Words], int]) -> Callable[[Words], Scalar]:
    """Take a bit, some bits or a byte out of it."""
    if form.bit is not None:
        mask = 1 << form.bit
        return lambda words: bool(integer(words) & mask)
    if form.byte is not None:
        low, high = (8, 15) if form.byte == "high" else (0, 7)
    elif form.bits is not None:
        low, high = form.bits
    else:
        return integer
    width = high - low + 1
    mask = (1 << width) - 1
    if form.signed:
        return lambda words: _twos(integer(words) >> low & mask, width)
    return lambda words: integer(words) >> low & mask


def _text(form: ValueForm, bytes_of: Callable[[Words], bytes]) -> Reader:
    encoding = form.encoding

    def read(words: Words) -> str | None:
        text = bytes_of(words).decode(encoding, "replace").split("\0", 1)[0]
        # A field that ends within a character leaves half of it: the half says nothing.
        text = text.strip().rstrip("\ufffd").rstrip()
        return text[:MAX_ATTRIBUTE_CHARS] or None

    return read


def _finish(form: ValueForm, number_of: Callable[[Words], Scalar | None]) -> Reader:
    """Sentinels, names, scale: what is left to do with a number."""
    invalid, names = frozenset(form.invalid), names_of(form)
    scale = scaling(form)
    if not invalid and not names and scale is None:
        return number_of

    def read(words: Words) -> Scalar | None:
        number = number_of(words)
        if number is None or isinstance(number, (bool, str)):
            return number
        if number in invalid:
            return None
        if names:
            return names.get(number, number)
        return number if scale is None else scale(number)

    def scaled(words: Words) -> Scalar | None:
        number = number_of(words)
        return scale(number) if scale is not None and isinstance(number, int) else None

    simple = not invalid and not names and form.form[0] in "usmb"
    return scaled if simple else read


def names_of(form: ValueForm) -> dict[float, str]:
    """Return number → text; raises ValueError for a key that is no whole number ("3", "0x1F")."""
    return {int(key, 0): text[:MAX_ATTRIBUTE_CHARS] for key, text in form.names.items()}


def scaling(form: ValueForm) -> Callable[[float], float | None] | None:
    """Return (raw - subtract) × scale ÷ divide + offset as a function; None when it is raw.

    Whole numbers are worked out exactly and rounded once, so 0.1 means one tenth. The function
    raises Garble when the result is beyond all numbers.
    """
    if form.subtract is form.scale is form.divide is form.offset is None:
        return None
    subtract, offset = _exact(form.subtract, 0), _exact(form.offset, 0)
    ratio = _exact(form.scale, 1) / (_exact(form.divide, 1) or 1)
    shift = offset - subtract * ratio
    below = ratio.denominator * shift.denominator
    times, plus = ratio.numerator * shift.denominator, shift.numerator * ratio.denominator

    decimal = 10**9 % below == 0  # a division that comes out even needs no rounding
    magnitude = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    places = max(9, 3 - int(magnitude * math.log10(2)))
    slope, lift = _near(ratio), _near(shift)

    def scale(raw: float) -> float | None:
        try:
            if isinstance(raw, int):
                number = (raw * times + plus) / below
                return number if decimal else round(number, places)
            return tidy(raw * slope + lift)
        except OverflowError as error:
            raise Garble("数值溢出 / the number overflows") from error

    return scale


def tidy(number: float) -> float:
    """Take off what binary arithmetic left behind the 13th digit; raises Garble for no number."""
    if not math.isfinite(number):
        raise Garble("数值溢出 / the number overflows")
    return float(f"{number:.13g}")


def _near(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf  # what is multiplied with it is garbled


def _exact(number: float | None, otherwise: int) -> Fraction:
    """Take 0.1 for one tenth, as whoever wrote it meant."""
    return Fraction(otherwise) if number is None else Fraction(str(number))


def compile_bands(form: ValueForm) -> Callable[[float, Scalar | None], str | None]:
    """Return which band a number is in, given the band it was in before.

    It stays in its band until it is `hysteresis` beyond the edge, so that drift and noise at an
    edge do not chatter; into a band it comes at the edge itself, because a short and a cut wire
    read the very end of the range. Between the bands it is `else_band`, None without one.
    """
    edges = [(band.name, band.from_, band.to) for band in form.bands]
    slack, otherwise = form.hysteresis, form.else_band

    def band_of(number: float, before: Scalar | None) -> str | None:
        inside = otherwise
        for name, low, high in edges:
            if name == before and low - slack <= number <= high + slack:
                return name
            if low <= number <= high:
                inside = name
        return inside

    return band_of


MAX_DECIMALS: Final = 9
"""More decimals than that no device means: its register holds something else."""


def decimal_scale(number: float, scale: Scalar | None, decimals: Scalar | None) -> float | None:
    """Apply a scale and a number of decimals that other registers hold; None when they are none."""
    for factor in (scale, decimals):
        if isinstance(factor, (bool, str)):
            return None
    places = 0
    if decimals is not None:
        if not -MAX_DECIMALS <= float(decimals) <= MAX_DECIMALS or float(decimals) % 1:
            return None
        places = int(decimals)
    if scale is not None:
        number *= scale if isinstance(scale, int) else float(scale)
    if isinstance(number, int):
        return number / 10**places if places >= 0 else float(number * 10**-places)
    return tidy(number / 10.0**places)


def unpacker(count: int, *, bits: bool) -> Callable[[bytes], Words]:
    """Return what turns the data of a reply into words; bits come eight to a byte, lowest first."""
    if not bits:
        return struct.Struct(f">{count}H").unpack

    def unpack(data: bytes) -> Words:
        number = int.from_bytes(data, "little")
        return [number >> at & 1 for at in range(count)]

    return unpack
