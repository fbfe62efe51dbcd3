"""What a page needs to ask an installer for a device: models to choose from, and their form. Pure.

Owns    rows of profiles, and the fields a profile's address section asks for.
Needs   gateway.profile.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.errors import ConfigError
from gateway.profile import Profile, Shelf

PROFILES_MOST: Final = 200


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


def _said(source: Mapping[str, Any]) -> str:
    """Where the maker's facts come from, one line."""
    parts: Iterable[object] = (value for value in source.values() if isinstance(value, str))
    return " · ".join(str(part) for part in parts)[:300]
