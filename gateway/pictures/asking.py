"""Where scenes lie, and how the pictures process is asked to forget one: a file beside it.

Keeps   Whoever asks changes nothing else: the process takes the file away and forgets.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = "scenes"


def scene_path(store: Path, camera: str) -> Path:
    """Where a camera's scene lies; the camera's id was checked with the configuration."""
    return store / FOLDER / f"{camera}.npz"


def relearn_path(store: Path, camera: str) -> Path:
    """A file that asks the pictures process to forget a camera's scene; it takes the file away."""
    return store / FOLDER / f"{camera}.relearn"


def ask_to_relearn(store: Path, camera: str) -> None:
    """Leave the file; blocks. Raises OSError, and nothing was asked then."""
    path = relearn_path(store, camera)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    path.touch(mode=0o640)
