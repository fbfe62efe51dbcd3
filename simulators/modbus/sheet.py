"""A profile file as a device's data sheet: which value stands where.

Owns    reading the TOML, writing out what is repeated, working addresses out for one device.
Needs   encode of this package. Written from config/profiles/README.md, not from the gateway's code.
Keeps   What a sheet does not say is not made up: LookupError names what is missing.
"""

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulators.modbus.encode import Shape, shape_of

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where one named value stands; `table` is what the profile says about it."""

    name: str
    function: int
    address: int
    shape: Shape
    table: Table

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.shape.words


class Sheet:
    """A profile and the address of one device.

    address  keys of the device's address table; what is left out is the profile's default, its
             example, its least value, or 1
    """

    def __init__(self, profile: Table, address: Mapping[str, Any] | None = None) -> None:
        header = profile.get("profile", {})
        if header.get("driver") != "modbus" or "modbus" not in profile:
            raise LookupError("不是 Modbus 规格 / no profile of a Modbus device")
        self.profile = profile
        self.modbus: Table = profile["modbus"]
        self.address = _complete(profile.get("address", {}), address or {})
        self.numbers = {key: value for key, value in self.address.items() if type(value) is int}
        self.points: dict[str, Table] = {
            each["name"]: each for each in _written_out(profile.get("point", ()))
        }
        rules = _written_out(profile.get("set", ()))
        self.rules: list[Table] = [_filled(dict(rule), self.address) for rule in rules]
        tables = list(_written_out(profile.get("value", ())))
        self.given = {
            each["name"]: self.address.get(each["key"]) for each in tables if "key" in each
        }
        self.derived = {each["name"]: each for each in tables if "compare" in each}
        self.spots = {each["name"]: self._spot(each) for each in tables if "at" in each}
        self.commands = {each["name"]: each for each in profile.get("command", ())}
        self.queries = {each["name"]: each for each in profile.get("query", ())}
        self.logs = {each["name"]: each for each in profile.get("log", ())}
        self.samples: Sequence[Table] = profile.get("sample", ())

    @property
    def unit(self) -> int:
        """The number on the line."""
        return int(self.address.get("unit", 1))

    def locate(self, at: int | str, function: int | None, **counters: int) -> tuple[int, int]:
        """Return function and address on the wire of an address as the profile numbers it.

        function  what stands beside it; None takes the reference's digit or the profile's default
        """
        number = work_out(at, {**self.numbers, **counters})
        numbering = self.modbus.get("numbering", "wire")
        wanted = function or self.modbus.get("function")
        if numbering == "wire":
            return int(wanted or 3), number
        if numbering == "one":
            return int(wanted or 3), number - 1
        span = 10_000 if number < 100_000 else 100_000
        # The first digit of a reference: 0 coils, 1 inputs, 3 input registers, 4 holding registers.
        said = {0: 1, 1: 2, 3: 4, 4: 3}.get(number // span)
        if said is None:
            raise LookupError(f"{at}: {number} 不是引用编号 / is no reference number")
        return int(function or said), number % span - 1

    def step_place(self, step: Table) -> tuple[str, int]:
        """Return the table and address that a step of a command writes."""
        coil = step["function"] in {5, 15}
        _, address = self.locate(step["at"], 1 if coil else 3)
        return ("coils" if coil else "holding"), address

    def sample_words(self, sample: Table) -> dict[tuple[int, int], int]:
        """Return (function, wire address) → word of one [[sample]]."""
        held: dict[tuple[int, int], int] = {}
        for key, words in sample.get("words", {}).items():
            function, _, at = key.rpartition(":")
            known, address = self.locate(at, int(function) if function else None)
            for place, word in enumerate(words, address):
                held[known, place] = word
        return held

    def for_sample(self, sample: Table) -> "Sheet":
        """Return the sheet of the device the sample was taken from."""
        examples = {
            key: table["example"]
            for key, table in self.profile.get("address", {}).items()
            if "example" in table
        }
        return Sheet(self.profile, {**examples, **sample.get("address", {})})

    def _spot(self, table: Table) -> Spot:
        function = table.get("function")
        if function is None and table.get("form") == "bit" and "function" not in self.modbus:
            function = 2 if self.modbus.get("numbering", "wire") != "reference" else None
        known, address = self.locate(table["at"], function)
        return Spot(
            name=table["name"],
            function=known,
            address=address,
            shape=shape_of(table, self.modbus),
            table=table,
        )


def read_sheet(path: Path, address: Mapping[str, Any] | None = None) -> Sheet:
    """Read a profile file; raises LookupError when it is none of a Modbus device."""
    with path.open("rb") as file:
        return Sheet(tomllib.load(file), address)


_SIGNS: Final = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)


def work_out(formula: int | str, names: Mapping[str, int]) -> int:
    """Work an address formula out: whole numbers, names, + - * // % and brackets."""
    if isinstance(formula, int):
        return formula
    text = re.sub(r"\b0+(?=[1-9]\d*\b)", "", formula)  # "00017" is how a coil is written
    try:
        return _branch(ast.parse(text.strip(), mode="eval").body, names)
    except (SyntaxError, KeyError, ZeroDivisionError) as error:
        raise LookupError(f"{formula}: 算不出 / cannot be worked out: {error}") from error


def _branch(node: ast.expr, names: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_branch(inner, names)
        case ast.BinOp(left=left, op=sign, right=right) if isinstance(sign, _SIGNS):
            return _reckon(sign, _branch(left, names), _branch(right, names))
    raise LookupError(f"{ast.unparse(node)}: 不是地址公式 / no address formula")


def _reckon(sign: ast.operator, left: int, right: int) -> int:
    match sign:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            return left // right
    return left % right


def _complete(asked: Table, given: Mapping[str, Any]) -> dict[str, Any]:
    complete = dict(given)
    for key, table in asked.items():
        fallback = int(table.get("min", 1)) if table.get("type") == "integer" else None
        for value in (table.get("default"), table.get("example"), fallback):
            if key not in complete and value is not None:
                complete[key] = value
    return complete


def _written_out(tables: Sequence[Table]) -> Iterator[Table]:
    """Write each table with `repeat` out: {n} in texts and names, n in formulas."""
    for table in tables:
        counters = table.get("repeat", {})
        ranges = [range(first, last + 1) for first, last in counters.values()]
        for numbers in itertools.product(*ranges):
            named = dict(zip(counters, numbers, strict=True))
            yield {
                key: _in_formula(value, named) if key == "at" else _filled(value, named)
                for key, value in table.items()
                if key != "repeat"
            }


def _in_formula(at: int | str, named: Mapping[str, int]) -> int | str:
    if isinstance(at, int):
        return at
    for name, number in named.items():
        at = re.sub(rf"\b{name}\b", str(number), at)
    return at


def _filled(value: Any, named: Mapping[str, Any]) -> Any:  # noqa: ANN401  TOML holds anything
    if isinstance(value, str):
        for name, number in named.items():
            value = value.replace(f"{{{name}}}", str(number))
        return value
    if isinstance(value, list):
        return [_filled(each, named) for each in value]
    if isinstance(value, dict):
        return {_filled(key, named): _filled(each, named) for key, each in value.items()}
    return value
