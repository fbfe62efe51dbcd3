"""Stills that show what was wrong with a picture: one of before, one of then.

Owns    STORE/stills/pictures/CAMERA/: good.jpg, and TIME.KIND.now.jpg, TIME.KIND.before.jpg.
Keeps   1. A still is whole or not there: written aside and renamed. It is not synced: a power cut
           takes the last one, the video itself is evidence.
        2. A disk that takes none is told by the empty answer; nothing waits for it.
Bound   KEPT faults for each camera, the oldest go.
"""

import os
from pathlib import Path
from typing import Final

import structlog

from gateway.store.video import names

FOLDER: Final = Path("stills", "pictures")
GOOD: Final = "good.jpg"
KEPT: Final = 20

log = structlog.get_logger()


class Album:
    """Blocks: used in a thread. Camera ids were checked with the configuration."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def keep_good(self, camera: str, jpeg: bytes) -> None:
        """The picture to be shown as the one before."""
        try:
            _write(self._folder(camera) / GOOD, jpeg)
        except OSError as error:
            log.warning("no still is kept", camera=camera, why=str(error))

    def keep_fault(self, camera: str, kind: str, at_ns: int, jpeg: bytes | None) -> dict[str, str]:
        """Returns attributes: still, still_before, relative to the store; without what failed."""
        folder = self._folder(camera)
        stem = f"{names.file_name(at_ns).removesuffix(names.ENDING)}.{kind}"
        kept: dict[str, str] = {}
        try:
            if jpeg is not None:
                _write(folder / f"{stem}.now.jpg", jpeg)
                kept["still"] = str(FOLDER / camera / f"{stem}.now.jpg")
            good = folder / GOOD
            if good.exists():
                _write(folder / f"{stem}.before.jpg", good.read_bytes())
                kept["still_before"] = str(FOLDER / camera / f"{stem}.before.jpg")
            _thin(folder)
        except OSError as error:
            log.warning("no still is kept", camera=camera, why=str(error))
        return kept

    def _folder(self, camera: str) -> Path:
        return self._store / FOLDER / camera


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _thin(folder: Path) -> None:
    """Names sort as their times do; whatever is not a fault's still stays."""
    stems = sorted({each.name.rsplit(".", 2)[0] for each in folder.glob("*.*.*.jpg")})
    for stem in stems[:-KEPT]:
        for which in ("now", "before"):
            (folder / f"{stem}.{which}.jpg").unlink(missing_ok=True)
