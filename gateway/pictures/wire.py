"""What is said over the pictures socket: one JSON line each way, and the JPEG behind the answer.

Owns    the form of request and answer, and where the socket lies. Pure but for socket_path.
Keeps   1. Nothing that was read is believed: types, ranges and lengths are checked.
        2. A store in a deep folder works too: a socket's address has 107 bytes at most, so it is
           named through the folder's descriptor.
Bound   LINE_MOST bytes for a line, JPEG_MOST for a picture.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.store.video.names import LAST_NS, is_camera

SOCKET: Final = "pictures.sock"
LINE_MOST: Final = 4096
JPEG_MOST: Final = 32 * 1024 * 1024
WIDTH_LEAST: Final = 16
WIDTH_MOST: Final = 8192


class NotAsAgreed(ValueError):
    """A line that is not what this page says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request.

    at_ns  the key picture at or before it; None is the newest
    width  None is as recorded
    """

    camera: str
    at_ns: int | None
    width: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands before the JPEG, or why there is none (size_bytes 0).

    until_ns  up to here it is the newest key picture; later ones are not on the disk, or not asked
    """

    at_ns: int
    until_ns: int
    size_bytes: int
    why: str


def request_line(wanted: Wanted) -> bytes:
    """As it goes over the wire."""
    said = {"camera": wanted.camera, "at_ns": wanted.at_ns, "width": wanted.width}
    return orjson.dumps(said) + b"\n"


def read_request(line: bytes) -> Wanted:
    """Raises NotAsAgreed."""
    said = _object(line)
    camera, at_ns, width = said.get("camera"), said.get("at_ns"), said.get("width")
    if not isinstance(camera, str) or not is_camera(camera):
        raise NotAsAgreed("camera: expected a camera's id")
    if at_ns is not None and (type(at_ns) is not int or not 0 <= at_ns <= LAST_NS):
        raise NotAsAgreed("at_ns: expected UTC nanoseconds or null")
    if width is not None and (type(width) is not int or not WIDTH_LEAST <= width <= WIDTH_MOST):
        raise NotAsAgreed(f"width: expected {WIDTH_LEAST} to {WIDTH_MOST} or null")
    return Wanted(camera, at_ns, width)


def picture_line(at_ns: int, until_ns: int, size_bytes: int) -> bytes:
    """The line before a JPEG."""
    said = {"ok": True, "at_ns": at_ns, "until_ns": until_ns, "size_bytes": size_bytes}
    return orjson.dumps(said) + b"\n"


def refusal_line(why: str) -> bytes:
    """The line that says why there is no JPEG."""
    return orjson.dumps({"ok": False, "why": why[:500]}) + b"\n"


def read_answer(line: bytes) -> Answer:
    """Raises NotAsAgreed."""
    said = _object(line)
    if said.get("ok") is False:
        return Answer(0, 0, 0, str(said.get("why", ""))[:500] or "no reason was given")
    if said.get("ok") is not True:
        raise NotAsAgreed("an answer that is neither yes nor no")
    at_ns, size = _number(said.get("at_ns")), _number(said.get("size_bytes"))
    until_ns = _number(said.get("until_ns", at_ns))
    if not 0 <= at_ns <= until_ns <= LAST_NS or not 0 < size <= JPEG_MOST:
        raise NotAsAgreed(f"an answer of {size} bytes at {at_ns} ns")
    return Answer(at_ns, until_ns, size, "")


@contextlib.contextmanager
def socket_path(folder: Path, name: str = SOCKET) -> Iterator[str]:
    """The socket's address, for as long as it takes to bind or connect. Raises OSError."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotAsAgreed("an answer without a number where one is due")
    return value


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotAsAgreed(f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise NotAsAgreed("no JSON object")
    return said
