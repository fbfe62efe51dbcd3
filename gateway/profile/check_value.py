"""What one value of a Modbus profile has to agree on: its place, its form, what it is made of.

Owns    the cross checks of [[value]] and [[log.value]], and what kind of thing a value is.
Needs   schema.py, formula.py, meaning.py, registers.py.
Keeps   What cannot be read as it is written is refused: never read as something else.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.profile.check_rule import Problem
from gateway.profile.formula import MAX_WIRE, BadFormula, evaluate, names_in, on_the_wire
from gateway.profile.meaning import needs_of
from gateway.profile.registers import names_of, words_of
from gateway.profile.rules import typed
from gateway.profile.schema import ProfileFile
from gateway.profile.schema_modbus import Value, ValueForm
from gateway.profile.schema_rule import Match

LEAVE_OUT: Final = "去掉 / leave it out"

Kinds = frozenset[str]
"""What a value can be: boolean, number, text; empty when that is not known before it is read."""


def kinds_of(value: ValueForm, body: ProfileFile) -> Kinds:
    """Return what a value can be when it is known."""
    if isinstance(value, Value) and value.at is None:
        return frozenset({"boolean"}) if value.compare else _kinds_of_key(value, body)
    if value.form == "bit" or value.bit is not None:
        return frozenset({"boolean"})
    if value.form == "text" or value.bands:
        return frozenset({"text"})
    return frozenset({"number", "text"} if value.names else {"number"})


def _kinds_of_key(value: Value, body: ProfileFile) -> Kinds:
    model = body.address.get(value.key or "")
    known = {"integer": "number", "number": "number", "boolean": "boolean", "text": "text"}
    if model is None or model.type not in known:
        return frozenset()
    return frozenset({known[model.type]})


def check_kinds(word: str, name: str, wanted: object, kinds: Kinds) -> Iterator[Problem]:
    """Yield each content that a value can never have, whatever the device says."""
    if isinstance(wanted, Match):
        wanted = [*wanted.in_, *wanted.ignore]
    for each in wanted if isinstance(wanted, list) else [wanted]:
        if kinds and typed(each)[0] not in kinds:
            yield (
                word,
                f"{name} 从不是 / is never {each!r} ({typed(each)[0]})",
                " / ".join(sorted(kinds)),
            )


def prefixed(key: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Put the table's key before each word."""
    for word, problem, expected in problems:
        yield (f"{key}.{word}" if word else key, problem, expected)


def example_numbers(body: ProfileFile) -> dict[str, int]:
    """Return the numbers of an example device, for trying formulas."""
    numbers: dict[str, int] = {}
    for name, key in body.address.items():
        value = key.default if key.example is None else key.example
        if isinstance(value, int) and not isinstance(value, bool):
            numbers[name] = value
    return numbers


def check_at(
    at: int | str,
    function: int | None,
    body: ProfileFile,
    *,
    size: int = 1,
    write: bool = False,
    n: int | None = None,
) -> Iterator[Problem]:
    """Yield what is wrong with an address or formula, tried with the address's examples.

    size  registers from there on · n  the number of a log's entry
    """
    modbus = body.modbus
    assert modbus is not None  # noqa: S101 check_modbus has looked
    numbers = {**example_numbers(body), **({} if n is None else {"n": n})}
    try:
        if isinstance(at, str):
            for name in sorted(names_in(at) - numbers.keys()):
                others = ", ".join(numbers) or "(无 / none)"
                yield ("at", f"不认识 / unknown: {name}", f"整数键 / whole-number keys: {others}")
                return
        meant, address = on_the_wire(
            evaluate(at, numbers), modbus.numbering, function or modbus.function
        )
    except BadFormula as error:
        told = str(error) if n is None else f"n = {n}: {error}"
        yield ("at", told, "地址或公式 / an address or a formula")
        return
    if address + size - 1 > MAX_WIRE:
        yield (
            "at",
            f"{at}: 超出 / ends beyond {MAX_WIRE}",
            f"{size} 个寄存器 / registers from there",
        )
    if meant is None and not write:
        yield ("function", "缺少 / missing", "1–4, 或 / or modbus.function")
    if modbus.numbering == "reference" and function is not None:
        if not write:
            yield ("function", "编号已说明 / the reference number says it", LEAVE_OUT)
        elif meant != _READ_BY[function]:
            right = "线圈 / a coil: 00001" if function in {5, 15} else "保持寄存器 / 40001"
            yield ("at", f"{at}, 功能码 / function {function}", right)


_READ_BY: Final = {5: 1, 15: 1, 6: 3, 16: 3}
"""By what function one reads what another writes."""


def _function_of(value: Value, body: ProfileFile) -> int | None:
    assert body.modbus is not None  # noqa: S101
    try:
        number = evaluate(value.at or 0, example_numbers(body))
        return on_the_wire(number, body.modbus.numbering, value.function or body.modbus.function)[0]
    except BadFormula:
        return None


# --- values ------------------------------------------------------------------------------------


def check_value(value: Value, body: ProfileFile, names: Mapping[str, Kinds]) -> Iterator[Problem]:
    """Yield what is wrong with one value; names: all values and what they can be."""
    if sum(way is not None for way in (value.at, value.compare, value.key)) != 1:
        yield ("at", "at、compare、key / at, compare and key", "正好一个 / exactly one of them")
    if value.key is not None:
        yield from _key(value, body)
    if value.at is not None:
        yield from check_at(value.at, value.function, body, size=words_of(value))
        yield from check_form(value)
        yield from _fits_function(value, body)
    if value.compare is not None:
        compare = value.compare
        if (compare.at_least is None) == (compare.at_most is None):
            yield ("compare", "at_least, at_most", "正好一个 / exactly one of them")
    for name in sorted(needs_of(value) | ({value.unit_from} if value.unit_from else set())):
        if name not in names:
            yield ("", f"没有这个值 / no such value: {name}", known(names))
    yield from _helpers(value, names)
    if value.heartbeat_s is not None and value.at is None:
        yield ("heartbeat_s", "没有寄存器 / without a register", "at")


def _helpers(value: Value, names: Mapping[str, Kinds]) -> Iterator[Problem]:
    """What other values lend has to be of the kind that is asked of them."""
    asked = [("scale_from", value.scale_from, "number"), ("unit_from", value.unit_from, "text"),
             ("decimals_from", value.decimals_from, "number")]  # fmt: skip
    if value.compare is not None:
        compare = value.compare
        asked += [("compare", each, "number")
                  for each in (compare.value, compare.at_least, compare.at_most)]  # fmt: skip
    for word, name, kind in asked:
        kinds = names.get(name or "", frozenset())
        if kinds and kind not in kinds:
            yield (word, f"{name} 不是 / is no {kind}", " / ".join(sorted(kinds)))
    for name, wanted in value.valid_when.items():
        yield from check_kinds("valid_when", name, wanted, names.get(name, frozenset()))


_KEY_TYPES = ("integer", "number", "boolean", "choice", "text")


def _key(value: Value, body: ProfileFile) -> Iterator[Problem]:
    model = body.address.get(str(value.key))
    if model is None or model.type not in _KEY_TYPES:
        kinds = ", ".join(_KEY_TYPES)
        yield ("key", f"没有这样的键 / no such key: {value.key}", f"[address.*] type: {kinds}")
    for word in sorted(value.model_fields_set - {"name", "repeat", "key"}):
        yield (word, "与 key 并用 / together with key", LEAVE_OUT)


def known(names: Iterable[str]) -> str:
    """Say what there is, at most 20 of it."""
    return "其中之一 / one of " + ", ".join(sorted(names)[:20])


def _fits_function(value: Value, body: ProfileFile) -> Iterator[Problem]:
    function = _function_of(value, body)
    if function is None or body.modbus is None:
        return
    if (function in {1, 2}) != (value.form == "bit"):
        yield ("form", f"{value.form}, 功能码 / function {function}", "bit: 1, 2; others: 3, 4")
    limit = body.modbus.max_bits if function in {1, 2} else body.modbus.max_registers
    if words_of(value) > limit:
        yield ("words", f"{words_of(value)} > {limit}", "max_registers 以内 / within it")


def check_form(form: ValueForm) -> Iterator[Problem]:
    """Yield what is wrong with how words become a value."""
    width = 16 * words_of(form)
    whole = form.form[0] in "usm" and form.form != "bit"
    ways = [form.bit is not None, form.bits is not None, form.byte is not None]
    if sum(ways) > 1 or (any(ways) and not whole):
        yield ("bit", "bit, bits, byte", "最多一个，只用于整数 / at most one, of whole numbers")
    if form.bit is not None and form.bit >= width:
        yield ("bit", f"{form.bit}", f"0–{width - 1}")
    if form.bits is not None and not 0 <= form.bits[0] <= form.bits[1] < width:
        yield ("bits", f"{form.bits}", f"[低 low, 高 high], 0–{width - 1}")
    if form.byte is not None and width > 16:
        yield ("byte", f"{form.form}", "一个寄存器 / one register; bits for more")
    if any(ways) and whole and form.form[0] != "u":
        right = f"u{width}, signed = true"
        yield ("form", f"{form.form} 与 bit、bits、byte 并用 / with bit, bits or byte", right)
    if (form.words is not None) != (form.form in {"digits", "text"}):
        yield ("words", f"{form.form}", "用于且必须用于 digits、text / for these, and needed there")
    if form.signed and not (form.bits or form.byte):
        yield ("signed", "没有 bits 或 byte / without bits or byte", "s16, s32 …")
    yield from _number(form)
    yield from _bands(form)


def _number(form: ValueForm) -> Iterator[Problem]:
    """What is left to do with a number."""
    numeric = form.form not in {"text", "bit"} and form.bit is None
    numeric_words = ("subtract", "scale", "divide", "offset", "scale_from", "decimals_from",
                     "invalid", "names", "bands")  # fmt: skip
    for word in numeric_words:
        if getattr(form, word) not in (None, [], {}) and not numeric:
            yield (word, f"对 {form.form} 无意义 / has no meaning here", LEAVE_OUT)
    if form.divide == 0:
        yield ("divide", "0", "非零 / not zero")
    scaled = (form.scale, form.subtract, form.divide, form.offset, form.scale_from,
              form.decimals_from)  # fmt: skip
    if form.names and (form.bands or any(word is not None for word in scaled)):
        yield ("names", "与换算并用 / together with a scale", "二选一 / one of the two")
    try:
        names_of(form)
    except ValueError:
        numbers = '整数 / whole numbers: "3", "0x1F"'
        yield ("names", f"不是数字 / no number: {', '.join(form.names)}", numbers)


def _bands(form: ValueForm) -> Iterator[Problem]:
    edges = sorted((band.from_, band.to, band.name) for band in form.bands)
    for low, high, name in edges:
        if low > high:
            yield ("bands", f"{name}: {low} > {high}", "from ≤ to")
    for (_, high, one), (low, _, other) in itertools.pairwise(edges):
        if low <= high:
            yield ("bands", f"重叠 / overlap: {one}, {other}", "互不相交 / apart from each other")
    if (form.else_band or form.hysteresis) and not form.bands:
        yield ("bands", "缺少 / missing", "[[value.bands]]")


def check_circles(body: ProfileFile) -> Iterator[Problem]:
    """Yield the values that are made of each other."""
    needs = {value.name: needs_of(value) - {value.name} for value in body.value}
    while True:
        free = [name for name, others in needs.items() if not others & needs.keys()]
        if not free:
            break
        for name in free:
            del needs[name]
    if needs:
        names = ", ".join(sorted(needs))
        yield ("value", f"互相依赖 / depend on each other: {names}", "没有环 / no circle")
