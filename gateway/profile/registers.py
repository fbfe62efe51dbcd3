"""Words in, one value out: every form a maker has thought of, compiled once. Pure.

Owns    what [[value]] and [[log.value]] say about bits, numbers and texts.
Needs   gateway.events, payload.py (Garble), schema_modbus.py.
Keeps   1. A reader raises Garble and nothing else, whatever the words are.
        2. What says "no measurement" (a sentinel, NaN) is None: never a number, never normal.
"""

import math
import struct
from collections.abc import Callable, Sequence
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
        return _finish(form, lambda words: read_number_text(_ascii(bytes_of(words))))
    if form.form in {"f32", "f64"}:
        unpack = struct.Struct(">f" if form.form == "f32" else ">d").unpack
        return _finish(form, lambda words: unpack(bytes_of(words))[0])
    return _finish(form, _extract(form, _integer(form, at, modbus, bytes_of)))


def _bytes(form: ValueForm, at: int, modbus: Modbus) -> Callable[[Words], bytes]:
    """The value's bytes, most significant first."""
    count = words_of(form)
    end = at + count
    backwards = (form.word_order or modbus.word_order) == "little"
    swap = (form.byte_order or modbus.byte_order) == "little"
    pack = struct.Struct(f"{'<' if swap else '>'}{count}H").pack
    if backwards:
        return lambda words: pack(*words[at:end][::-1])
    return lambda words: pack(*words[at:end])


def _integer(
    form: ValueForm, at: int, modbus: Modbus, bytes_of: Callable[[Words], bytes]
) -> Callable[[Words], int]:
    straight = (form.byte_order or modbus.byte_order) == "big"
    count = words_of(form)
    width = 16 * count
    if form.form.startswith("bcd"):
        return lambda words: _bcd(bytes_of(words))
    if count == 1 and straight:

        def unsigned(words: Words) -> int:
            return words[at]

    elif count == 2 and straight and (form.word_order or modbus.word_order) == "big":

        def unsigned(words: Words) -> int:
            return words[at] << 16 | words[at + 1]

    else:

        def unsigned(words: Words) -> int:
            return int.from_bytes(bytes_of(words), "big")

    if form.form[0] == "s":
        return lambda words: _twos(unsigned(words), width)
    if form.form[0] == "m":
        top = 1 << width - 1
        return lambda words: -(number & top - 1) if (number := unsigned(words)) & top else number
    return unsigned


def _twos(number: int, width: int) -> int:
    return number - (1 << width) if number >> (width - 1) else number


def _bcd(data: bytes) -> int:
    text = data.hex()
    if not text.isdecimal():
        raise Garble("不是 BCD 码 / not binary-coded decimal")
    return int(text)


def _ascii(data: bytes) -> str:
    return data.decode("ascii", "replace").strip("\0 ")


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
        text = bytes_of(words).decode(encoding, "replace").split("\0", 1)[0].strip()
        return text[:MAX_ATTRIBUTE_CHARS] or None

    return read


def _finish(form: ValueForm, number_of: Callable[[Words], Scalar]) -> Reader:
    """Sentinels, names, scale: what is left to do with a number."""
    invalid, names = frozenset(form.invalid), dict(form.names)
    scale = scaling(form)
    floating = form.form in {"f32", "f64"}
    if not invalid and not names and scale is None and not floating:
        return number_of

    def read(words: Words) -> Scalar | None:
        number = number_of(words)
        if isinstance(number, str) or (number in invalid and not isinstance(number, bool)):
            return None
        if floating and not math.isfinite(number):
            return None
        if names:
            return names.get(str(int(number)), number)
        return number if scale is None else scale(number)

    return read


def scaling(form: ValueForm) -> Callable[[float], float] | None:
    """Return (raw - subtract) × scale ÷ divide + offset as a function; None when it is raw."""
    if form.subtract is form.scale is form.divide is form.offset is None:
        return None
    subtract, offset = form.subtract or 0.0, form.offset or 0.0
    scale = 1.0 if form.scale is None else form.scale
    divide = 1.0 if form.divide is None else form.divide
    return lambda raw: round((raw - subtract) * scale / divide + offset, 9)


def compile_bands(form: ValueForm) -> Callable[[float, Scalar | None], str | None]:
    """Return which band a number is in, given the band it was in before.

    It stays in its band until it is `hysteresis` beyond the edge, so that drift and noise at an
    edge do not chatter. Between the bands it is `else_band`, None without one.
    """
    edges = [(band.name, band.from_, band.to) for band in form.bands]
    slack, otherwise = form.hysteresis, form.else_band

    def band_of(number: float, before: Scalar | None) -> str | None:
        inside = otherwise
        for name, low, high in edges:
            if low <= number <= high:
                inside = name
            if name == before and low - slack <= number <= high + slack:
                return name
        if before is not None and before == otherwise and inside != otherwise:
            return _settled(edges, number, slack) or otherwise
        return inside

    return band_of


def _settled(edges: Sequence[tuple[str, float, float]], number: float, slack: float) -> str | None:
    """Coming from between the bands, the number has to be `hysteresis` inside one, if it can."""
    for name, low, high in edges:
        inner = min(slack, (high - low) / 2)
        if low + inner <= number <= high - inner:
            return name
    return None


def decimal_scale(number: float, scale: Scalar | None, decimals: Scalar | None) -> float | None:
    """Apply a scale and a number of decimals that other registers hold; None when they are none."""
    for factor in (scale, decimals):
        if isinstance(factor, (bool, str)):
            return None
    if scale is not None:
        number *= float(scale)
    if decimals is not None:
        if not -12 <= float(decimals) <= 12:
            return None
        number /= 10.0 ** float(decimals)
    return round(number, 9)


def unpacker(count: int, *, bits: bool) -> Callable[[bytes], Words]:
    """Return what turns the data of a reply into words; bits come eight to a byte, lowest first."""
    if not bits:
        return struct.Struct(f">{count}H").unpack

    def unpack(data: bytes) -> Words:
        number = int.from_bytes(data, "little")
        return [number >> at & 1 for at in range(count)]

    return unpack
