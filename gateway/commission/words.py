"""What registers are called and how they are shown: numbers of documents, word orders, exceptions.

Owns    the words of scan and probe. Pure.
Needs   gateway.profile.schema_modbus for the forms of values.
Keeps   A text from a device is shown with everything unprintable escaped: a terminal obeys nothing
        that a device says.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.config.inspection import both
from gateway.events import Scalar
from gateway.profile.payload import Garble
from gateway.profile.registers import compile_reader, words_of
from gateway.profile.schema_modbus import Modbus, Value

MAX_SHOWN_CHARS: Final = 120

ORDERS: Final[dict[str, tuple[str, str]]] = {
    "ABCD": ("big", "big"),
    "CDAB": ("little", "big"),
    "BADC": ("big", "little"),
    "DCBA": ("little", "little"),
}
"""Name → (word_order, byte_order) as a profile says it (quirk row 3)."""

EXCEPTIONS: Final[dict[int, tuple[str, str]]] = {
    1: ("不支持这个功能码", "it does not know this function: try another of 3, 4, 1, 2"),
    2: (
        "没有这个地址，或读的一段里有空洞",
        "no such address, or a gap inside what was read: check numbering (40001 or 0) and function",
    ),
    3: ("数量不对：一次读得太多", "too many at once: lower max_registers"),
    4: ("设备内部故障", "the device failed inside"),
    5: ("收到了，还在处理", "taken, still at work: ask again later"),
    6: ("忙，稍后再问", "busy: ask again later"),
    8: ("设备的存储校验错", "its memory has a parity error"),
    10: ("网关找不到通往此站的路", "the converter has no way to this unit"),
    11: ("网关问了，从站不应答", "the converter asked, the unit did not answer"),
    0x41: ("网关：从站不应答", "the converter: the unit does not answer"),
    0x42: ("网关：从站不应答", "the converter: the unit does not answer"),
    0x43: ("网关：从站不应答", "the converter: the unit does not answer"),
    0x4B: ("网关：从站不应答", "the converter: the unit does not answer"),
}
"""Modbus Application Protocol V1.1b3, section 7; the last four: quirk row 13."""

SMALLEST: Final = 1e-5
LARGEST: Final = 1e7
"""Between these lies what is measured in a school."""

FIRST_REFERENCE: Final = {1: 1, 2: 10_001, 3: 40_001, 4: 30_001}
FIVE_DIGITS: Final = 9_999
FUNCTION_NAMES: Final = {
    1: ("线圈", "coils"),
    2: ("离散输入", "discrete inputs"),
    3: ("保持寄存器", "holding registers"),
    4: ("输入寄存器", "input registers"),
}


def shown(value: object) -> str:
    """Return a device's text on one line, at most MAX_SHOWN_CHARS characters, controls escaped."""
    text = str(value)
    safe = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text[:MAX_SHOWN_CHARS]
    )
    return safe + ("…" if len(text) > MAX_SHOWN_CHARS else "")


def explained(code: int) -> str:
    """Say what an exception code means, in both languages."""
    known = EXCEPTIONS.get(code)
    if known is None:
        known = ("非标准异常码，查设备说明书", "no standard code: see the device's manual")
    return f"{code}: {both(*known)}"


def exception(code: int) -> tuple[str, str]:
    """Return "(exception 2)" in Chinese and English, to put behind something."""
    return f"（异常 {code}）", f" (exception {code})"


def numbered(function: int, address: int, numbering: str) -> str:
    """Return an address on the wire as a document of that numbering writes it.

    numbering  wire, one or reference, see schema_modbus.Modbus
    """
    if numbering == "one":
        return str(address + 1)
    if numbering == "reference":
        first = FIRST_REFERENCE[function]
        if address < FIVE_DIGITS:
            return f"{first + address:05d}"
        return str((first // 10_000) * 100_000 + 1 + address)  # 400001: beyond the five digits
    return str(address)


def hexadecimal(words: Iterable[int]) -> str:
    """Return words as 0x0001 0x00FF."""
    return " ".join(f"0x{word:04X}" for word in words)


def order_of(value: Value, modbus: Modbus) -> str:
    """Return which of ORDERS a value is read with now."""
    said = (value.word_order or modbus.word_order, value.byte_order or modbus.byte_order)
    return next(name for name, orders in ORDERS.items() if orders == said)


def has_variants(value: Value) -> bool:
    """Whether words of this value could stand in another order: numbers of 32 and 64 bits."""
    return words_of(value) > 1 and value.form not in {"text", "digits"}


def variants(value: Value, words: Sequence[int], modbus: Modbus) -> dict[str, str]:
    """Return what a value would be in each of the four orders, scaled; only one is plausible."""
    found: dict[str, str] = {}
    for name, (word_order, byte_order) in ORDERS.items():
        turned = value.model_copy(update={"word_order": word_order, "byte_order": byte_order})
        try:
            read = compile_reader(turned, 0, modbus)(words)
        except Garble as problem:
            found[name] = shown(problem)
        else:
            found[name] = written(read)
    return found


def sound_orders(value: Value, words: Sequence[int], modbus: Modbus) -> list[str]:
    """Return the orders in which the words are a number that something in a school could be.

    Before scale: a small number in the wrong order is a huge one, a float one beyond all use. Zero
    is sound in every order. It is a hint for a person, never a decision.
    """
    found: list[str] = []
    for name, (word_order, byte_order) in ORDERS.items():
        turned = bare(value).model_copy(
            update={"word_order": word_order, "byte_order": byte_order, "bit": None, "byte": None}
        )
        try:
            read = compile_reader(turned, 0, modbus)(words)
        except Garble:
            continue
        smallest = SMALLEST if value.form[0] == "f" else 0
        if isinstance(read, (int, float)) and (read == 0 or smallest <= abs(read) <= LARGEST):
            found.append(name)
    return found


def bare(value: Value) -> Value:
    """Return the same value before scale, names and sentinels: what the registers say."""
    plain = {"subtract": None, "scale": None, "divide": None, "offset": None}
    return value.model_copy(update={**plain, "names": {}, "invalid": [], "bands": []})


def written(value: Scalar | None) -> str:
    """Return a value as TOML would write it, None as a dash; texts are made safe."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{shown(value)}"'
    return f"{value:.7g}" if isinstance(value, float) else str(value)
