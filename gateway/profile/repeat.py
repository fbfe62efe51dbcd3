"""Tables with `repeat`: written once, meant many times. Pure.

    [[point]]                          [[point]] name = "channel_1" …
    name = "channel_{n}"          →    [[point]] name = "channel_2" …
    repeat = { n = [1, 64] }

Owns    the expansion of [[point]], [[value]] and [[set]].
Needs   schema.py.
Keeps   What comes out is an ordinary file: nobody after this knows that a table was repeated.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from gateway.profile.check_rule import Problem
from gateway.profile.schema import PointModel, ProfileFile
from gateway.profile.schema_modbus import ModbusSet, Value

MAX_REPEATS: Final = 256
"""Copies of one table."""
MAX_TABLES: Final = 2048
"""Tables of one kind after the expansion."""

Table = TypeVar("Table", PointModel, Value, ModbusSet)
Origins = dict[str, list[int]]
"""For each key whose tables were repeated: which table of the file each of them came from."""


def expand(body: ProfileFile) -> tuple[ProfileFile, Origins]:
    """Write out every repeated table; returns the file and where each table came from.

    raises  ValidationError of pydantic if a copy is no table
    """
    changes: dict[str, Any] = {}
    origins: Origins = {}
    groups: dict[str, Sequence[Any]] = {"point": body.point, "value": body.value, "set": body.set}
    for key, tables in groups.items():
        if any(table.repeat for table in tables):
            written = [(copy, at) for at, table in enumerate(tables) for copy in _copies(table)]
            changes[key] = [copy for copy, _ in written]
            origins[key] = [at for _, at in written]
    return (body.model_copy(update=changes) if changes else body), origins


def check_repeats(body: ProfileFile) -> Iterator[Problem]:
    """Yield what is wrong with the counters; expand() is for files without such problems."""
    groups: dict[str, Sequence[Any]] = {"point": body.point, "value": body.value, "set": body.set}
    for key, tables in groups.items():
        total = 0
        for index, table in enumerate(tables):
            count = 1
            for name, (first, last) in table.repeat.items():
                count *= max(last - first + 1, 0)
                if name in body.address:
                    yield (f"{key}[{index}].repeat", f"与 address 同名 / is an address key: {name}",
                           "另一个名字 / another name")  # fmt: skip
            total += count
            if not 1 <= count <= MAX_REPEATS:
                yield (f"{key}[{index}].repeat", f"{count}", f"1–{MAX_REPEATS}")
        if total > MAX_TABLES:
            yield (key, f"{total}", f"最多 / at most {MAX_TABLES}")


def _copies(table: Table) -> list[Table]:
    if not table.repeat:
        return [table]
    written = table.model_dump(by_alias=True, exclude_unset=True, exclude={"repeat"})
    ranges = [range(first, last + 1) for first, last in table.repeat.values()]
    copies: list[Table] = []
    for numbers in itertools.product(*ranges):
        counters = dict(zip(table.repeat, numbers, strict=True))
        put = _putter(counters)
        filled = {
            key: _in_formula(value, counters) if key == "at" else _fill(value, put)
            for key, value in written.items()
        }
        copies.append(type(table).model_validate(filled))
    return copies


def _putter(counters: Mapping[str, int]) -> Callable[[str], str]:
    holes = re.compile("|".join(rf"\{{{name}\}}" for name in counters))
    return lambda text: holes.sub(lambda found: str(counters[found[0][1:-1]]), text)


def _in_formula(at: int | str, counters: Mapping[str, int]) -> int | str:
    """Counters stand bare in a formula, like the keys of an address."""
    if isinstance(at, int):
        return at
    names = re.compile("|".join(rf"\b{name}\b" for name in counters))
    return names.sub(lambda found: str(counters[found[0]]), at)


def _fill(value: Any, put: Callable[[str], str]) -> Any:  # noqa: ANN401 TOML
    if isinstance(value, str):
        return put(value)
    if isinstance(value, list):
        return [_fill(each, put) for each in value]
    if isinstance(value, dict):
        return {put(name): _fill(each, put) for name, each in value.items()}
    return value
