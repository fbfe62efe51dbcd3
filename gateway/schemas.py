"""JSON Schemas of the files people write, for editors that complete and check while one types.

    python -m gateway.schemas [FOLDER]      writes them, default config/schema

Owns    config/schema/*.schema.json. A test says when they are stale.
Needs   gateway.config.tables and gateway.profile, whose models are the one source of the rules.
Keeps   The same models always give the same bytes.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from gateway.config.tables import DevicesFile, GatewayFile
from gateway.profile import profile_schema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = Path(__file__).parent.parent / "config" / "schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by the name of its file."""
    return {
        "gateway.schema.json": _titled(GatewayFile.model_json_schema(), "gateway.toml"),
        "devices.schema.json": _titled(
            DevicesFile.model_json_schema(), "devices.toml, devices.d/*.toml"
        ),
        "profile.schema.json": _titled(profile_schema(), "profiles/<family>/<maker>_<model>.toml"),
    }


def rendered() -> dict[str, str]:
    """Return the text of every schema file: sorted keys, so that a diff shows what changed."""
    return {
        name: json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        for name, schema in schemas().items()
    }


def write(folder: Path) -> list[Path]:
    """Write all schemas into a folder; returns the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in rendered().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def _titled(schema: dict[str, Any], title: str) -> dict[str, Any]:
    return {**schema, "$schema": DIALECT, "title": title}


if __name__ == "__main__":
    for path in write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        sys.stdout.write(f"{path}\n")
