"""The schema files: as fresh as the models they come from, and of one mind with the check."""

import tomllib
from pathlib import Path

import pytest

from gateway.config.tables import DevicesFile, GatewayFile
from gateway.schemas import FOLDER, rendered, schemas, write

EXAMPLES = FOLDER.parent


def test_the_schema_files_are_not_stale() -> None:
    stale = [
        name
        for name, text in rendered().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: python -m gateway.schemas"


def test_no_other_file_pretends_to_be_a_schema() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(rendered())


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert {path.name for path in write(tmp_path)} == set(rendered())
    assert write(tmp_path) == []


def test_every_key_of_the_configuration_says_what_is_expected() -> None:
    silent = [
        f"{table}.{key}"
        for name in ("gateway.schema.json", "devices.schema.json")
        for table, body in schemas()[name]["$defs"].items()
        for key, rule in body.get("properties", {}).items()
        if "description" not in rule and (table, key) != ("VideoTable", "volume")
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("example", "model"),
    [("gateway.example.toml", GatewayFile), ("devices.example.toml", DevicesFile)],
)
def test_the_example_uses_only_keys_the_schema_knows_and_shows_nearly_all(
    example: str, model: type[GatewayFile | DevicesFile]
) -> None:
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    model.model_validate(tomllib.loads(text))
    # Commented-out keys count: the example teaches them too.
    unsaid = [
        key
        for table, body in model.model_json_schema()["$defs"].items()
        for key in body["properties"]
        if f"{key} =" not in text and (table, key) not in TAUGHT_LATER
    ]
    assert unsaid == []


TAUGHT_LATER = {
    ("VideoTable", "volume"),
    ("VolumeTable", "path"),
    ("CameraTable", "id"),
}
"""Tables of the recorder, whose own documents teach them."""
