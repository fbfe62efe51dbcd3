"""What a page needs to ask an installer: models to choose from, and the form of each table. Pure.

Owns    rows of profiles, the fields a profile's address section asks for, and those of a link, a
        camera, a contact and what sounds in the guard room.
Needs   gateway.profile, gateway.config's tables: a field is described where `check` describes it.
"""

import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from gateway.config.guarding import PLAYERS
from gateway.config.links import driver_names
from gateway.config.shapes import Shape
from gateway.config.tables import CameraTable, ContactTable, LinkTable, SirenTable, Table
from gateway.errors import ConfigError
from gateway.profile import Profile, Shelf

PROFILES_MOST: Final = 200
_ASKED: Final[Mapping[str, tuple[type[Table], tuple[str, ...]]]] = {
    "link": (LinkTable, ("name", "kind", "url", "username")),
    "camera": (
        CameraTable,
        (
            "id", "name", "place", "address", "url", "sub_url", "username", "channel", "audio",
            "sub_stream", "retention_days", "sub_retention_days",
        ),
    ),
    "contact": (ContactTable, ("name", "number", "role")),
}  # fmt: skip
"""What a form asks for; other keys of a table stay as they are written."""
_EXAMPLES: Final = {
    "link": {"name": "canteen", "url": "tcp://192.0.2.20:502"},
    "camera": {"id": "cam-gate-west", "address": "192.0.2.30", "url": "rtsp://192.0.2.30:554/1"},
    "contact": {"name": "城关派出所", "number": "110", "role": "police"},
}
SECRET: Final = frozenset({"link", "camera"})
"""Tables that a password goes with."""


def found(shelf: Shelf, words: str, driver: str | None) -> list[dict[str, Any]]:
    """Return profiles whose id, title, brand or model hold every word; at most PROFILES_MOST."""
    wanted = words.casefold().split()[:8]
    rows: list[dict[str, Any]] = []
    for name in shelf.ids():
        try:
            profile = shelf.get(name)
        except ConfigError:
            continue  # a shipped file that does not hold: check says so, nothing here depends on it
        if profile is None or (driver is not None and profile.driver != driver):
            continue
        row = row_of(profile)
        text = " ".join(str(row[key]) for key in ("id", "title", "title_en", "family")).casefold()
        if all(word in text for word in wanted):
            rows.append(row)
            if len(rows) == PROFILES_MOST:
                break
    return rows


def row_of(profile: Profile) -> dict[str, Any]:
    """Return one profile as a list shows it."""
    return {
        "id": profile.id,
        "title": profile.title,
        "title_en": profile.title_en,
        "family": profile.family,
        "driver": profile.driver,
        "verified": profile.verified,
        "confidence": profile.source.confidence,
    }


def form_of(profile: Profile) -> dict[str, Any]:
    """Return a profile with the fields to ask for, its points and its commands."""
    return {
        **row_of(profile),
        "fields": [
            {
                "name": key.name,
                "type": key.type,
                "required": key.required,
                "default": key.default,
                "choices": list(key.choices),
                "pattern": key.pattern,
                "min": key.min,
                "max": key.max,
                "example": key.example,
                "help": key.help,
                "help_en": key.help_en,
            }
            for key in profile.address.values()
        ],
        "points": [
            {"name": point.name, "text": point.text, "text_en": point.text_en}
            for point in profile.body.point
        ],
        "commands": [
            {"name": command.name, "text": command.text, "text_en": command.text_en}
            for command in profile.body.command
        ],
        "source": {"document": _said(profile.source.model_dump())},
    }


def table_form(shape: Shape) -> dict[str, Any]:
    """Return the fields of a table of gateway.toml as a page asks for them.

    A field "siren.on" is the key `on` of the table `siren`; a field of type "words" is a list.
    """
    if shape.is_alone:
        siren = _fields(SirenTable, tuple(SirenTable.model_fields), {}, "siren.")
        for field in siren:
            field["required"] = False  # a site may have no siren
        player = _row("player", "words", help_="播放 WAV 的程序和参数 / a program that plays WAV")
        player["example"] = f"{next(iter(PLAYERS))} -q"
        return {"kind": shape.table, "key": "", "secret": False, "fields": [*siren, player]}
    table, names = _ASKED[shape.table]
    fields = _fields(table, names, _EXAMPLES[shape.table], "")
    for field in fields:
        if shape.table == "link" and field["name"] == "kind":
            field["type"] = "choice"
            field["choices"] = sorted(driver_names())
    secret = shape.table in SECRET
    return {"kind": shape.table, "key": shape.key, "secret": secret, "fields": fields}


def _fields(
    table: type[Table], names: Iterable[str], examples: Mapping[str, str], lead: str
) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        info = table.model_fields[name]
        row = _row(f"{lead}{name}", _type(info.annotation), help_=info.description or name)
        default = None if info.is_required() else info.default
        row["required"] = info.is_required()
        row["default"] = default if isinstance(default, (bool, int, str)) else None
        row["min"], row["max"] = _bound(info, "ge"), _bound(info, "le")
        row["example"] = examples.get(name)
        rows.append(row)
    return rows


def _row(name: str, type_: str, *, help_: str) -> dict[str, Any]:
    zh, _, en = help_.partition(" / ")
    return {
        "name": name, "type": type_, "required": False, "default": None, "choices": [],
        "pattern": None, "min": None, "max": None, "example": None, "help": zh, "help_en": en or zh,
    }  # fmt: skip


def _type(said: Any) -> str:  # noqa: ANN401 an annotation
    """Return what a page shows for a key: boolean, integer, choice or text."""
    inner = [each for each in get_args(said) if each is not type(None)]
    if get_origin(said) in {Union, types.UnionType} and inner:
        return _type(inner[0])
    if get_origin(said) is Literal:
        return "choice"
    plain = get_args(said)[0] if hasattr(said, "__metadata__") else said
    return {bool: "boolean", int: "integer"}.get(plain, "text")


def _bound(info: FieldInfo, key: str) -> int | None:
    return next((getattr(each, key) for each in info.metadata if hasattr(each, key)), None)


def _said(source: Mapping[str, Any]) -> str:
    """Where the maker's facts come from, one line."""
    parts: Iterable[object] = (value for value in source.values() if isinstance(value, str))
    return " · ".join(str(part) for part in parts)[:300]
