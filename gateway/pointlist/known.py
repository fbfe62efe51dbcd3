"""What an installation already has, so that a list does not bring it a second time.

Owns    the ids in devices.toml and devices.d/. Reads, never writes.
Needs   nothing of ours: a file with faults is `campus-gateway check`'s matter, not the import's.
Keeps   At most MAX_FILES files of at most MAX_BYTES are read.
"""

import tomllib
from pathlib import Path
from typing import Final

MAX_FILES: Final = 1000
MAX_BYTES: Final = 32 * 1024 * 1024


def known_devices(folder: Path, without: str | None = None) -> dict[str, str]:
    """Return id → the file it is in, for every device of a configuration folder.

    without  the name of the file in devices.d/ that is about to be replaced; its ids are free
    """
    many = folder / "devices.d"
    files = [folder / "devices.toml", *sorted(many.glob("*.toml"))[:MAX_FILES]]
    replaced = None if without is None else many / f"{without}.toml"
    known: dict[str, str] = {}
    for file in files:
        if file == replaced or not file.is_file() or file.stat().st_size > MAX_BYTES:
            continue
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("device")
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
            continue
        for table in tables if isinstance(tables, list) else ():
            if isinstance(table, dict) and isinstance(table.get("id"), str):
                known.setdefault(table["id"], file.relative_to(folder).as_posix())
    return known
