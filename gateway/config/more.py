"""gateway.d: tables of gateway.toml that the console adds, in files of their own.

Owns    reading gateway.d/*.toml and putting them beside what gateway.toml says.
Needs   inspection, files, shapes, tables.
Keeps   1. Only what shapes.py lists may stand there: links, cameras, contacts, the siren and the
           player. The service may be let in to write there and must not reach anything else so.
        2. A fault names the file it is in. What is said in two files is a fault, never a surprise.
Bound   MORE_FILES files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from gateway.config.files import read_toml
from gateway.config.inspection import Inspection, Pieces, Spot, both
from gateway.config.shapes import IN_MORE, MORE, SHAPES
from gateway.config.tables import ConsoleTable, SirenTable, Table

MORE_FILES: Final = 100
CONSOLE_KEYS: Final = SHAPES["console"].only


class OwnConsole(Table):
    """[console] of a file of gateway.d: what sounds in the guard room, and nothing else of it."""

    siren: Annotated[
        SirenTable | None, Field(description=ConsoleTable.model_fields["siren"].description)
    ] = None
    player: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]] | None,
        Field(max_length=16, description=ConsoleTable.model_fields["player"].description),
    ] = None


def more_files(folder: Path, inspection: Inspection) -> list[Path]:
    """Return the files of gateway.d in the order in which they are read."""
    many = folder / MORE
    found = set(many.glob("*.toml")) if many.is_dir() else set()
    found |= {path for path in inspection.instead if path.parent == many and path.suffix == ".toml"}
    if len(found) > MORE_FILES:
        inspection.fault(
            Spot(str(many)),
            both(f"有 {len(found)} 个文件", f"there are {len(found)} files"),
            both(f"最多 {MORE_FILES} 个", f"at most {MORE_FILES}"),
        )
    return sorted(found)[:MORE_FILES]


def with_more(
    folder: Path, main: Mapping[str, Any], inspection: Inspection
) -> tuple[dict[str, Any], dict[str, Spot]]:
    """Return gateway.toml's tables with those of gateway.d, and where [console]'s keys stand."""
    whole, spot = dict(main), Spot(str(folder / "gateway.toml"))
    places = {key: spot.child("console").child(key) for key in CONSOLE_KEYS}
    for path in more_files(folder, inspection):
        raw = read_toml(path, inspection)
        here = Spot(str(path))
        for key, value in (raw or {}).items():
            if key in IN_MORE:
                whole[key] = _joined(whole.get(key), value, key, (spot, here), inspection)
            elif key == "console":
                _console(whole, value, here.child(key), places, inspection)
            else:
                inspection.unknown_key(here, key, [*IN_MORE, "console"])
    return whole, places


def _joined(
    before: object, more: object, key: str, spots: tuple[Spot, Spot], inspection: Inspection
) -> object:
    """Return both lists as one whose entries know their files; a broken one stays as it is."""
    spot, here = spots
    entries = inspection.tables(more, here.child(key))
    if before is not None and not isinstance(before, list):
        return before  # its own fault
    known = list(before or [])
    where = before.spots if isinstance(before, Pieces) else _numbered(spot.child(key), known)
    return Pieces([*known, *(entry for entry, _ in entries)], [*where, *(at for _, at in entries)])


def _numbered(spot: Spot, entries: list[Any]) -> list[Spot]:
    return [spot.item(index) for index in range(len(entries))]


def _console(
    whole: dict[str, Any],
    raw: object,
    here: Spot,
    places: dict[str, Spot],
    inspection: Inspection,
) -> None:
    """Take siren and player of one file, unless another one says them."""
    if inspection.table(OwnConsole, raw, here) is None or not isinstance(raw, Mapping):
        return
    before = whole.get("console", {})
    if not isinstance(before, Mapping):
        return
    for key in raw:
        if key in before:
            file = Path(places[key].file).name
            inspection.fault(
                here.child(key),
                both(f"{file} 也写了", f"{file} says it, too"),
                both("只写在一处", "it in one place"),
            )
        places[key] = here.child(key)
    whole["console"] = {**before, **raw}
