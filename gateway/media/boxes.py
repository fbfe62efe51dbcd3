"""Boxes of ISO/IEC 14496-12: a size, four letters, what is in it. Also our own box at the end.

Owns    writing and reading boxes; the uuid boxes that are ours.
Needs   errors.
Keeps   1. What is read lies wholly inside what was given; a box that does not is Unreadable.
        2. A campus box can be found from the end of a file: its last four bytes are its size.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID

from gateway.media.errors import Unreadable

CAMPUS_UUID: Final = UUID("6f1d2f0c-6e4b-4f6e-9d53-63616d707573").bytes
"""Of the box that a sealed segment ends with."""
CHECK_UUID: Final = UUID("6f1d2f0c-6e4b-4f6e-9d53-636865636b31").bytes
"""Of the box in a fragment's head that holds the CRC-32 of the fragment's samples."""
MAX_CAMPUS_BYTES: Final = 1 << 20
MAX_BOXES: Final = 65536
"""Read at one level of one buffer."""
_UUID_HEAD_BYTES: Final = 24


class Box(NamedTuple):
    """Where a box lies: offset of its first byte, of its content, and of what follows it."""

    kind: bytes
    start: int
    body: int
    end: int


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box around some parts; below 4 GiB."""
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)


def box_head(head: bytes, room: int) -> tuple[bytes, int, int]:
    """Letters, size of the head and size of the whole of a box from its first 8 to 16 bytes.

    room    bytes from the box's first to the end of what holds it; size 0 means all of them
    raises  Unreadable when the box does not fit into its room
    """
    if len(head) < 8:
        raise Unreadable(f"a box's head of {len(head)} bytes")
    size, kind, head_size = int.from_bytes(head[:4], "big"), head[4:8], 8
    if size == 1:
        size, head_size = int.from_bytes(head[8:16], "big"), 16
    elif size == 0:
        size = room
    if not head_size <= size <= room:
        raise Unreadable(f"box {kind!r} of {size} bytes where {room} are left")
    return kind, head_size, size


def read_boxes(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that stand in data[start:end], one after the other; raises Unreadable."""
    at, end = start, len(data) if end is None else end
    for _ in range(MAX_BOXES):
        if at >= end:
            return
        kind, head_size, size = box_head(bytes(data[at : min(at + 16, end)]), end - at)
        yield Box(kind, at, at + head_size, at + size)
        at += size
    raise Unreadable(f"more than {MAX_BOXES} boxes")


def campus_box(content: dict[str, Any]) -> bytes:
    """The box at the end of a sealed segment, with what the index knows, as JSON.

    raises  ValueError when it would be larger than MAX_CAMPUS_BYTES: a segment holds less
    """
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    size = _UUID_HEAD_BYTES + len(text) + 4
    if size > MAX_CAMPUS_BYTES:
        raise ValueError(f"{size} bytes about one segment, at most {MAX_CAMPUS_BYTES}")
    return box(b"uuid", CAMPUS_UUID, text, size.to_bytes(4, "big"))


def read_campus_box(data: bytes) -> dict[str, Any]:
    """What a whole campus box says; raises Unreadable for anything else."""
    size = len(data)
    marks = (data[:4], data[4:8], data[8:_UUID_HEAD_BYTES], data[-4:])
    length = size.to_bytes(4, "big") if size < 1 << 32 else b""
    if size < _UUID_HEAD_BYTES + 4 or marks != (length, b"uuid", CAMPUS_UUID, length):
        raise Unreadable("no campus box")
    try:
        content = json.loads(data[_UUID_HEAD_BYTES:-4])
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"a campus box whose content is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise Unreadable("a campus box whose content is no object")
    return content
