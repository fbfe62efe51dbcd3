"""A camera's scene on disk.

Owns    the form of STORE/scenes/CAMERA.npz.
Needs   scene, judge_look for the sizes. Blocks: used in a thread.
Keeps   1. A file is written aside, synced and renamed.
        2. One that is damaged, or from another version, is no scene: it is learned again, and the
           caller is told. Nothing in it is run.
Bound   a file of FILE_MOST_BYTES.
"""

import io
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np

from gateway.pictures.judge_look import SMALL, floats
from gateway.pictures.scene import COARSE, Reference, Scene

VERSION: Final = 1
FILE_MOST_BYTES: Final = 4 << 20
_DAMAGE: Final = (
    *(ValueError, KeyError, TypeError, OverflowError, EOFError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, OSError),
)
"""What numpy and zipfile make of bytes that are not what was written; all of it is in memory."""


class SceneUnreadable(ValueError):
    """The file is no scene of this version; it is learned again."""


def save(path: Path, scene: Scene) -> None:
    """Replace a scene's file. Blocks; raises OSError, and the old file is still there then."""
    arrays: dict[str, Any] = {
        "version": np.int64(VERSION),
        "still_s": np.float64(scene.still_s),
        "dark": scene.dark,
    }
    for light, each in scene.lights.items():
        arrays[f"{light}.learned"] = np.array(
            [each.looks, each.seconds, each.textured, *each.size], np.float64
        )
        for name in _PLANES:
            arrays[f"{light}.{name}"] = getattr(each, name).astype(np.float16)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.new")
    with aside.open("wb") as file:
        file.write(packed.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load(path: Path) -> Scene | None:
    """Read a scene back; None when there is none. Raises SceneUnreadable and OSError. Blocks."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > FILE_MOST_BYTES:
        raise SceneUnreadable(f"{path.name}: larger than {FILE_MOST_BYTES} bytes")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _read(arrays)
    except _DAMAGE as error:
        raise SceneUnreadable(f"{path.name}: {error}") from error


LIGHTS: Final = ("day", "night")
_PLANES: Final = {
    "fine": (2, SMALL[1], SMALL[0]),
    "coarse": (2, COARSE[1], COARSE[0]),
    "crisp": (SMALL[1], SMALL[0]),
    "contrast": (COARSE[1], COARSE[0]),
}


def _read(arrays: Any) -> Scene:  # noqa: ANN401 numpy's own mapping
    if int(arrays["version"]) != VERSION:
        raise SceneUnreadable("another version")
    still_s = float(arrays["still_s"])
    if not 0 <= still_s < 86_400:
        raise SceneUnreadable("still_s")
    dark = np.asarray(arrays["dark"], dtype=np.int64)
    if dark.shape != (24,):
        raise SceneUnreadable("dark")
    scene = Scene(still_s=still_s, dark=dark.copy())
    for light in LIGHTS:
        if f"{light}.learned" not in arrays:
            continue
        looks, seconds, textured, width, height = (float(n) for n in arrays[f"{light}.learned"])
        reference = Reference(int(looks), seconds, textured, (int(width), int(height)))
        for name, shape in _PLANES.items():
            plane = floats(arrays[f"{light}.{name}"])
            if plane.shape != shape or not np.isfinite(plane).all():
                raise SceneUnreadable(f"{light}.{name}")
            setattr(reference, name, np.ascontiguousarray(plane))
        scene.lights[light] = reference
    return scene
