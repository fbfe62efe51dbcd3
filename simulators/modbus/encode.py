"""A wished value into registers: every form that makers use, written from their documents.

    words = encode({"form": "s16", "scale": 0.1}, -12.5)         [0xFF83]
    words = encode({"bits": [4, 5]}, 2, before=[0xC1])           [0xE1]

Owns    the way from a number, a truth or a text to words, and back for numbers (a simulated device
        has to know what its own decimals register says).
Needs   nothing. Pure.
Keeps   A value that a form cannot hold is refused with ValueError, never wrapped round.

A table is a [[value]] or [[log.value]] of a profile as TOML gives it; config/profiles/README.md
says what its words mean. Word and byte order: "big" is as the Modbus documents send numbers, high
word first and high byte first. A text has no word order: its words follow each other.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Literal

Wish = bool | int | float | str

WORD_COUNT: Final = {
    "bit": 1, "u16": 1, "s16": 1, "m16": 1, "bcd16": 1,
    "u32": 2, "s32": 2, "m32": 2, "f32": 2, "bcd32": 2,
    "u64": 4, "s64": 4, "f64": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one value lies in its words.

    first, last  the bits that are its own; None when all are
    """

    form: str
    words: int
    swap_words: bool
    swap_bytes: bool
    first: int | None = None
    last: int | None = None
    signed: bool = False
    truth: bool = False
    encoding: str = "ascii"
    subtract: Fraction = Fraction(0)
    ratio: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    names: Mapping[str, int] = field(default_factory=dict)
    bands: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    else_band: str | None = None

    @property
    def is_text(self) -> bool:
        """Holds no number."""
        return self.form == "text"

    @property
    def is_float(self) -> bool:
        """Holds a fraction by itself."""
        return self.form in {"f32", "f64"}


def shape_of(table: Mapping[str, Any], modbus: Mapping[str, Any] | None = None) -> Shape:
    """Read a [[value]] table; `modbus` is the profile's [modbus], for the orders it leaves out."""
    form = str(table.get("form", "u16"))
    common = modbus or {}
    first, last = _own_bits(table)
    # A device that sends floats low word first still spells its texts from the beginning.
    word_order = None if form in {"text", "digits"} else common.get("word_order")
    return Shape(
        form=form,
        words=int(table.get("words") or WORD_COUNT[form]),
        swap_words=(table.get("word_order") or word_order) == "little",
        swap_bytes=(table.get("byte_order") or common.get("byte_order")) == "little",
        first=first,
        last=last,
        signed=bool(table.get("signed", False)),
        truth=form == "bit" or table.get("bit") is not None,
        encoding=str(table.get("encoding", "ascii")),
        subtract=exact(table.get("subtract") or 0),
        ratio=_or_one(table.get("scale")) / _or_one(table.get("divide")),
        offset=exact(table.get("offset") or 0),
        names={str(text): int(key, 0) for key, text in (table.get("names") or {}).items()},
        bands={
            band["name"]: (exact(band["from"]), exact(band["to"]))
            for band in table.get("bands") or ()
        },
        else_band=table.get("else_band"),
    )


def encode(
    table: Mapping[str, Any] | Shape,
    wish: Wish,
    *,
    modbus: Mapping[str, Any] | None = None,
    before: Sequence[int] | None = None,
    factor: Fraction = Fraction(1),
) -> list[int]:
    """Return the words that say `wish`.

    wish     what the value should be once scaled and named; for texts the text
    before   the words as they are now, for a value that owns only some bits of them; zeros unsaid
    factor   what scale_from and decimals_from multiply with
    raises   ValueError when the form cannot hold it
    """
    shape = table if isinstance(table, Shape) else shape_of(table, modbus)
    return put(shape, raw_of(shape, wish, factor), before)


def raw_of(shape: Shape, wish: Wish, factor: Fraction = Fraction(1)) -> int | float | str:
    """Undo names, bands and scale: return the number as it stands in the register."""
    if shape.is_text:
        return str(wish)
    if isinstance(wish, str):
        if wish in shape.names:
            return shape.names[wish]
        return _raw_of_band(shape, wish, factor)
    if shape.truth or isinstance(wish, bool):
        return int(wish)
    if shape.is_float and not math.isfinite(wish):
        return float(wish)
    return _unscale(shape, exact(wish), factor)


def put(shape: Shape, raw: int | float | str, before: Sequence[int] | None = None) -> list[int]:
    """Return words in which `raw` stands, the bits of others as they were."""
    if shape.form == "bit":
        return [_fitting(int(raw), 0, 1, shape)]
    if shape.is_text:
        data = str(raw).encode(shape.encoding)
        if len(data) > 2 * shape.words:
            raise ValueError(f"{raw!r}: {len(data)} bytes, {shape.words} words hold fewer")
        return _arrange(data.ljust(2 * shape.words, b"\0"), shape)
    if shape.first is not None and shape.last is not None:
        return _put_bits(shape, int(raw), before or [0] * shape.words)
    return _arrange(_bytes_of(shape, raw), shape)


def number_in(shape: Shape, words: Sequence[int], factor: Fraction = Fraction(1)) -> float | int:
    """Return the scaled number these words say; for texts and digits see text_in."""
    raw = raw_in(shape, words)
    if isinstance(raw, float) and not math.isfinite(raw):
        return raw
    value = ((exact(raw) - shape.subtract) * shape.ratio + shape.offset) * factor
    return int(value) if value.denominator == 1 else float(value)


def raw_in(shape: Shape, words: Sequence[int]) -> int | float:
    """Return the number as it stands there."""
    if shape.form == "bit":
        return words[0]
    data = _line_up(words, shape)
    if shape.first is not None and shape.last is not None:
        width = shape.last - shape.first + 1
        part = int.from_bytes(data) >> shape.first & ((1 << width) - 1)
        return part - (1 << width) if shape.signed and part >> (width - 1) else part
    return _number_of(shape, data)


def text_in(shape: Shape, words: Sequence[int]) -> str:
    """Return the text these words say, up to the first zero; half characters are left out."""
    data = _line_up(words, shape)
    return data.split(b"\0")[0].decode(shape.encoding, "ignore")


def cut_text(shape: Shape, text: str) -> list[int]:
    """Return words for a text that is too long, cut in the middle of a character as panels do."""
    return _arrange(
        text.encode(shape.encoding)[: 2 * shape.words].ljust(2 * shape.words, b"\0"), shape
    )


def exact(number: float) -> Fraction:
    """Take 0.1 for one tenth, as whoever wrote it meant."""
    return Fraction(str(number)) if isinstance(number, float) else Fraction(number)


def _unscale(shape: Shape, value: Fraction, factor: Fraction) -> int | float:
    if not shape.ratio or not factor:
        raise ValueError("a value that is always multiplied with zero cannot be wished")
    raw = (value / factor - shape.offset) / shape.ratio + shape.subtract
    if shape.is_float or (shape.form == "digits" and raw.denominator != 1):
        return float(raw)
    return round(raw)


def _raw_of_band(shape: Shape, wish: str, factor: Fraction) -> int | float:
    """Take the middle of a band, or for the else-band the first number in none that fits."""
    if wish in shape.bands:
        low, high = shape.bands[wish]
        return _unscale(shape, (low + high) / 2, factor)
    if wish != shape.else_band:
        raise ValueError(f"{wish!r}: 没有这个名字 / no such name; {_known(shape)}")
    edges = sorted(shape.bands.values())
    between = [(one[1] + other[0]) / 2 for one, other in pairwise(edges)]
    beyond = [edges[-1][1] + 1, edges[0][0] - 1]
    for number in (*between, *beyond):
        if any(low <= number <= high for low, high in edges):
            continue
        raw = _unscale(shape, number, factor)
        with suppress(ValueError):
            put(shape, raw)
            return raw
    raise ValueError(f"{wish!r}: 没有不在各段之内的数 / the bands leave no number")


def _own_bits(table: Mapping[str, Any]) -> tuple[int | None, int | None]:
    if table.get("bit") is not None:
        return int(table["bit"]), int(table["bit"])
    if table.get("bits") is not None:
        first, last = table["bits"]
        return int(first), int(last)
    if table.get("byte") is not None:
        return (8, 15) if table["byte"] == "high" else (0, 7)
    return None, None


def _put_bits(shape: Shape, raw: int, before: Sequence[int]) -> list[int]:
    first, last = shape.first or 0, shape.last or 0
    width = last - first + 1
    low = -(1 << (width - 1)) if shape.signed else 0
    _fitting(raw, low, low + (1 << width) - 1, shape)
    mask = ((1 << width) - 1) << first
    number = int.from_bytes(_line_up(before, shape)) & ~mask | raw << first & mask
    return _arrange(number.to_bytes(2 * shape.words), shape)


def _bytes_of(shape: Shape, raw: int | float | str) -> bytes:
    size = 2 * shape.words
    kind, bits = shape.form[:1], 8 * size
    if shape.is_float:
        return struct.pack(">f" if size == 4 else ">d", float(raw))
    if shape.form == "digits":
        text = str(raw).zfill(size).encode("ascii")
        if len(text) > size:
            raise ValueError(f"{raw}: more than {size} digits")
        return text
    number = int(raw)
    if shape.form.startswith("bcd"):
        _fitting(number, 0, 10 ** (2 * size) - 1, shape)
        return bytes.fromhex(str(number).zfill(2 * size))
    if kind == "m":
        _fitting(abs(number), 0, (1 << (bits - 1)) - 1, shape)
        return (abs(number) | (number < 0) << (bits - 1)).to_bytes(size)
    low = -(1 << (bits - 1)) if kind == "s" else 0
    return _fitting(number, low, low + (1 << bits) - 1, shape).to_bytes(size, signed=kind == "s")


def _number_of(shape: Shape, data: bytes) -> int | float:
    kind, bits = shape.form[:1], 8 * len(data)
    if shape.is_float:
        found: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
        return found
    if shape.form == "digits" or shape.form.startswith("bcd"):
        text = data.decode("ascii", "replace") if shape.form == "digits" else data.hex()
        return _spelled(text.strip(" \0"))
    if kind == "m":
        sign = int.from_bytes(data) >> (bits - 1)
        size = int.from_bytes(data) & ((1 << (bits - 1)) - 1)
        return -size if sign else size
    return int.from_bytes(data, signed=kind == "s")


def _spelled(text: str) -> int | float:
    """Read a number that is spelled out; NaN for what a panel shows as dashes."""
    try:
        return float(text) if "." in text else int(text or "0")
    except ValueError:
        return math.nan


def _arrange(data: bytes, shape: Shape) -> list[int]:
    """Bytes, highest first, into words as this device sends them."""
    order: Literal["little", "big"] = "little" if shape.swap_bytes else "big"
    words = [int.from_bytes(data[at : at + 2], order) for at in range(0, len(data), 2)]
    return words[::-1] if shape.swap_words else words


def _line_up(words: Sequence[int], shape: Shape) -> bytes:
    """Words as they came into bytes, highest first."""
    turned = list(words)[::-1] if shape.swap_words else words
    return b"".join(word.to_bytes(2, "little" if shape.swap_bytes else "big") for word in turned)


def _fitting(number: int, low: int, high: int, shape: Shape) -> int:
    if not low <= number <= high:
        raise ValueError(f"{number}: {shape.form} holds {low} to {high} here")
    return number


def _or_one(number: float | None) -> Fraction:
    return Fraction(1) if number is None else exact(number)


def _known(shape: Shape) -> str:
    return f"有 / there are: {', '.join([*shape.names, *shape.bands])}"
