"""The tables of one shape in one file as text: put, changed, taken out, comments left alone. Pure.

Owns    where each table begins and ends, and how a new one is written.
Needs   shapes.py (which tables); tomlkit for the one table that is changed, tomllib to prove the
        outcome.
Keeps   1. Only the lines of the table concerned change; a comment right above it belongs to it.
        2. What comes out is read again and must hold exactly what was meant, and nothing else may
           have changed: otherwise CannotEdit, and a person edits the file by hand.
Bound   Linear in the size of the file; only one table goes through the slow, exact parser.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from gateway.config.inspection import both
from gateway.config.shapes import DEVICE, Shape
from gateway.errors import GatewayError

_HEADER: Final = re.compile(r"^[ \t]*(\[\[?)[ \t]*([A-Za-z0-9_.\"' -]+?)[ \t]*\]\]?[ \t]*(#.*)?$")
_COMMENT: Final = re.compile(r"^[ \t]*#")


class CannotEdit(GatewayError):
    """A file is written in a way that cannot be changed here; a person edits it by hand."""


def find(text: str, name: str, shape: Shape = DEVICE) -> int | None:
    """Return which table of the file, from 0, has this name; None when none has.

    name  what its key says; "" for the table that stands alone
    """
    for index, table in enumerate(_tables(text, shape)):
        if shape.is_alone or table.get(shape.key) == name:
            return index
    return None


def table_of(text: str, name: str, shape: Shape = DEVICE) -> dict[str, Any] | None:
    """Return a table as it is written."""
    index = find(text, name, shape)
    return None if index is None else dict(_tables(text, shape)[index])


def tables_of(text: str, shape: Shape) -> list[dict[str, Any]]:
    """Return every table of a shape as it is written. Raises CannotEdit."""
    return [dict(table) for table in _tables(text, shape)]


def added(text: str, table: Mapping[str, Any], shape: Shape = DEVICE) -> str:
    """Return the file with one more table at its end. Raises CannotEdit."""
    _refuse_odd(table)
    before = _tables(text, shape)
    _spans(text, len(before), shape)
    fresh = tomlkit.table()
    ordered = [key for key in shape.order if key in table]
    for key in [*ordered, *(key for key in table if key not in ordered)]:
        fresh.append(key, _item(table[key]))
    tables = tomlkit.aot()
    tables.append(fresh)
    block = tomlkit.dumps({shape.table: fresh if shape.is_alone else tables}).strip("\n") + "\n"
    lead = text if not text or text.endswith("\n") else text + "\n"
    newline = "\r\n" if "\r\n" in text else "\n"
    whole = lead + (newline if lead.strip() else "") + block.replace("\n", newline)
    return _proved(whole, text, [*before, dict(table)], shape)


def changed(text: str, name: str, table: Mapping[str, Any], shape: Shape = DEVICE) -> str:
    """Return the file with a table as given; keys that are gone go. Raises CannotEdit."""
    _refuse_odd(table)
    before, index = _tables(text, shape), _index(text, name, shape)
    start, end = _spans(text, len(before), shape)[index]
    try:
        document = tomlkit.parse(text[start:end])
        now = document[shape.table]
        _fit(now if shape.is_alone else now[0], table)
        block = tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError, KeyError) as error:
        raise _by_hand(str(error)[:200]) from error
    after = [*before[:index], dict(table), *before[index + 1 :]]
    return _proved(text[:start] + block + text[end:], text, after, shape)


def removed(text: str, name: str, shape: Shape = DEVICE) -> str:
    """Return the file without a table and the comment above it. Raises CannotEdit."""
    before, index = _tables(text, shape), _index(text, name, shape)
    start, end = _spans(text, len(before), shape)[index]
    lines = text[:start].splitlines(keepends=True)
    # The file's own heading is no table's: a comment goes along only when a blank line is above.
    own = len(lines)
    while own and _COMMENT.match(lines[own - 1]):
        own -= 1
    kept = lines[:own] if own and (index or _has_header(lines)) else lines
    rest = text[end:]
    if not rest.strip() and kept:
        while kept and not kept[-1].strip():
            kept.pop()
    return _proved("".join(kept) + rest, text, [*before[:index], *before[index + 1 :]], shape)


def _has_header(lines: list[str]) -> bool:
    return any(_header(line) is not None for line in lines)


def _tables(text: str, shape: Shape) -> list[dict[str, Any]]:
    try:
        found = tomllib.loads(text).get(shape.table, [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _by_hand(str(error)[:200]) from error
    if shape.is_alone and isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _by_hand(f"{shape.table} is no array of tables")
    return found


def _index(text: str, name: str, shape: Shape) -> int:
    index = find(text, name, shape)
    if index is None:
        what = f"{shape.table} {name[:64]}"
        raise CannotEdit(both(f"没有 {what}", f"there is no {what}"))
    if not shape.is_alone and sum(t.get(shape.key) == name for t in _tables(text, shape)) > 1:
        raise _by_hand(f"{shape.table} {name[:64]} × 2")
    return index


def _spans(text: str, tables: int, shape: Shape) -> list[tuple[int, int]]:
    """Return where each table begins and ends, its trailing blank lines and comments left out."""
    lines = text.splitlines(keepends=True)
    offsets, at = [], 0
    for line in lines:
        offsets.append(at)
        at += len(line)
    opening = "[" if shape.is_alone else "[["
    headers = {number: found for number, line in enumerate(lines) if (found := _header(line))}
    heads = [number for number, found in headers.items() if found == (opening, shape.table)]
    if len(heads) != tables:
        # A list written inline, a quoted header, or one inside a text of several lines.
        raise _by_hand(f"{tables} × {shape.table}, {len(heads)} headers")
    spans = []
    for head in heads:
        below = f"{shape.table}."
        others = (n for n, (_, name) in headers.items() if n > head and not name.startswith(below))
        stop = next(others, len(lines))
        if stop < len(lines):
            while stop > head + 1 and _COMMENT.match(lines[stop - 1]):
                stop -= 1
        spans.append((offsets[head], offsets[stop] if stop < len(lines) else len(text)))
    return spans


def _header(line: str) -> tuple[str, str] | None:
    """Return the brackets and the name of a table's header; None for any other line."""
    found = _HEADER.match(line.rstrip("\r\n"))
    return None if found is None else (found[1], re.sub(r"[ \t]*\.[ \t]*", ".", found[2]))


def _fit(now: Any, wanted: Mapping[str, Any]) -> None:  # noqa: ANN401 a table of tomlkit
    """Make a table hold what is wanted, touching only what differs."""
    for key in [key for key in now if key not in wanted]:
        del now[key]
    for key, value in wanted.items():
        held = now.get(key)
        if isinstance(held, (Table, InlineTable)) and isinstance(value, Mapping):
            _fit(held, value)
        elif key not in now or _plain(held) != value or type(_plain(held)) is not type(value):
            item = _item(value)
            if key in now and hasattr(held, "trivia") and hasattr(item, "trivia"):
                item.trivia.comment_ws = held.trivia.comment_ws
                item.trivia.comment = held.trivia.comment
            now[key] = item


def _plain(item: Any) -> Any:  # noqa: ANN401
    return item.unwrap() if hasattr(item, "unwrap") else item


def _item(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, inner in value.items():
            table.append(key, _item(inner))
        return table
    return tomlkit.item(value)


def _refuse_odd(table: Mapping[str, Any]) -> None:
    """Only what JSON and TOML share can be written: no null, nothing nested deeper than a table."""
    for key, value in table.items():
        inside = list(value.values()) if isinstance(value, Mapping) else value
        every = inside if isinstance(inside, list) else [inside]
        if not all(isinstance(each, (str, int, float, bool)) for each in every):
            raise CannotEdit(
                both(
                    f"{str(key)[:64]} 只能是文字、数字、true/false、它们的列表或一层表",
                    f"{str(key)[:64]}: text, numbers, true/false, a list or one table of them only",
                )
            )


def _proved(whole: str, before: str, tables: list[dict[str, Any]], shape: Shape) -> str:
    """Return the new text once it was read again and holds what was meant (keep 2)."""
    try:
        was, now = tomllib.loads(before), tomllib.loads(whole)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _by_hand(str(error)[:200]) from error
    was[shape.table] = tables[0] if shape.is_alone and tables else tables
    if not tables:
        was.pop(shape.table)
    if repr(_sorted(now)) != repr(_sorted(was)):  # repr tells true from 1, and nan from itself
        raise _by_hand("the outcome is not what was meant")
    return whole


def _sorted(value: Any) -> Any:  # noqa: ANN401 any value of TOML
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _by_hand(why: str) -> CannotEdit:
    return CannotEdit(
        both(
            f"这个文件的写法不能在这里改({why}),请用编辑器改，改完运行 check",
            f"this file cannot be changed here ({why}); use an editor, then run check",
        )
    )
