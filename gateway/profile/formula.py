"""Formulas for addresses: whole numbers, names, + - * // % and brackets. Pure.

Owns    the grammar, and what an address in a document's numbering means on the wire.
Needs   nothing of ours. Python's own parser reads the text; only the nodes named here are taken.
Keeps   A formula is data: it can name nothing but whole numbers it is given, and its size is bound.
"""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Final

MAX_CHARS: Final = 120
MAX_WIRE: Final = 0xFFFF

Formula = Callable[[Mapping[str, int]], int]


class BadFormula(ValueError):
    """Not a formula, or its result is no address; the text is for an installer."""


_OPERATORS: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}


_ALLOWED: Final = (
    "只能用整数、名字、+ - * // % 和括号 / only whole numbers, names, + - * // % and brackets"
)


def names_in(text: str) -> set[str]:
    """Return the names a formula uses; raises BadFormula."""
    return {node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)}


def evaluate(text: int | str, names: Mapping[str, int]) -> int:
    """Work a formula out; raises BadFormula for a name it is not given, or a division by zero."""
    if isinstance(text, int):
        return text
    try:
        return _value(_parse(text), names)
    except ZeroDivisionError as error:
        raise BadFormula(f"{text}: 除以零 / a division by zero") from error


_LETTERS: Final = re.compile(r"[A-Za-z0-9_+\-*/%() ]+")
_LEADING_ZEROS: Final = re.compile(r"(?<![A-Za-z0-9_])0+(?=[0-9])")
"""00017 is how coils are numbered; Python would refuse it."""


def _parse(text: str) -> ast.expr:
    if len(text) > MAX_CHARS:
        raise BadFormula(f"公式过长 / more than {MAX_CHARS} characters")
    if _LETTERS.fullmatch(text) is None:
        raise BadFormula(f"{text!r}: {_ALLOWED}")
    try:
        return ast.parse(_LEADING_ZEROS.sub("", text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadFormula(f"{text!r}: 不是公式 / not a formula") from error


def _value(node: ast.expr, names: Mapping[str, int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) < 2**32:
        return node.value
    if isinstance(node, ast.Name):
        if node.id not in names:
            known = ", ".join(names) or "(无 / none)"
            raise BadFormula(f"{node.id}: 不认识 / unknown; 有 / there are {known}")
        return names[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        apply = _OPERATORS[type(node.op)]
        return apply(_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    raise BadFormula(f"{ast.unparse(node)!r}: {_ALLOWED}")


_REFERENCES: Final = (
    # first and last reference, function: the five-digit ranges, then the six-digit ones
    (1, 9_999, 1),
    (10_001, 19_999, 2),
    (30_001, 39_999, 4),
    (40_001, 49_999, 3),
    (100_001, 165_536, 2),
    (300_001, 365_536, 4),
    (400_001, 465_536, 3),
)


def on_the_wire(number: int, numbering: str, function: int | None) -> tuple[int | None, int]:
    """Turn a document's number into (function, address from 0); raises BadFormula.

    numbering  wire, one or reference, see schema_modbus.Modbus; a reference says its function
    source     Modicon reference numbers (PI-MBUS-300); Modbus Application Protocol V1.1b3, 4.4
    """
    if numbering == "reference":
        for first, last, meant in _REFERENCES:
            if first <= number <= last:
                return meant, number - first
        raise BadFormula(f"{number}: 不是编号 / no reference number (40001, 400001, 30001, 10001)")
    address = number - 1 if numbering == "one" else number
    if not 0 <= address <= MAX_WIRE:
        raise BadFormula(f"{number}: 超出 / outside 0–65535")
    return function, address
