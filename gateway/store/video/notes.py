"""notes.json: what no segment's file can tell, kept beside the index and outside it.

Owns    the file notes.json: which volume was mounted where, the holds, and which were released.
Keeps   1. A hold is in it before hold() returns, so that a lost index frees nothing (V6).
        2. A file that is missing or damaged reads as None, not as no holds.
Bound   150 bytes for each hold, 60 for each of the newest RELEASED_MOST releases; it is written
        anew for each change, in the index's thread.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.store.disk import write_file

FILE: Final = "notes.json"
RELEASED_MOST: Final = 2000
"""A release that is forgotten keeps video too long, never too short."""

HoldKey = tuple[str, str]
"""alarm_id, camera"""


@dataclass(slots=True)
class Notes:
    """What is noted.

    volumes   path → uuid
    holds     (alarm_id, camera) → (from_ns, to_ns)
    released  alarm_id → when a person ended its hold
    """

    volumes: dict[str, str] = field(default_factory=dict)
    holds: dict[HoldKey, tuple[int, int]] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)


def read(folder: Path) -> Notes | None:
    """What was noted last; None when the file is missing or is not one of ours."""
    try:
        said: Any = orjson.loads((folder / FILE).read_bytes())
        return Notes(
            {str(path): str(uuid) for path, uuid in said["volumes"].items()},
            {(str(a), str(c)): (int(f), int(t)) for a, c, f, t in said["holds"]},
            {str(alarm): int(at_ns) for alarm, at_ns in said.get("released", ())},
        )
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def write(folder: Path, notes: Notes) -> None:
    """Replace the file, whole and synced. Raises OSError."""
    holds = [[*key, *span] for key, span in sorted(notes.holds.items())]
    newest = sorted(notes.released.items(), key=lambda pair: pair[1])[-RELEASED_MOST:]
    content = {
        "volumes": dict(sorted(notes.volumes.items())),
        "holds": holds,
        "released": newest,
    }
    write_file(folder / FILE, orjson.dumps(content))
