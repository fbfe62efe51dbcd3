"""Our three boxes in a segment, and the walk over a file that may end anywhere.

Owns    the form of the `uuid` boxes HEAD, MARK and SEAL (FORMAT.md, "A segment's bytes"). Pure, but
        for walk() and read_seal(), which read a file they are given.
Keeps   1. No codec is looked at: a fragment is any run of whole boxes.
        2. What walk() calls whole has been compared with its check sum.
        3. Players pass over all three: ISO/IEC 14496-12, 4.2 has unknown boxes ignored.
Bound   a fragment has at most FRAGMENT_MOST bytes, a seal SEAL_MOST; a walk reads PIECE at a time.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import orjson

FRAGMENT_MOST: Final = 32 * 1024 * 1024
INIT_MOST: Final = 64 * 1024
SEAL_MOST: Final = 4096
PIECE: Final = 256 * 1024
HEAD: Final = bytes.fromhex("c5d86c1e4a3f4b0e9d0263616d707573")
MARK: Final = bytes.fromhex("c5d86c1e4a3f4b0e9d0363616d707573")
SEAL: Final = bytes.fromhex("c5d86c1e4a3f4b0e9d0463616d707573")
VERSION: Final = 1

_LONG: Final = 1 << 32
_MARK: Final = struct.Struct(">I4s16sqII")
_DIGEST_BYTES: Final = 32
_LEAST_SEAL: Final = 24 + _DIGEST_BYTES + 4


@dataclass(frozen=True, slots=True)
class Fragment:
    """One group of pictures in a file.

    offset, size_bytes  where its boxes lie, without our mark behind them
    end_ns              our time when it ended, UTC nanoseconds
    """

    offset: int
    size_bytes: int
    end_ns: int
    frames: int


@dataclass(slots=True)
class Walk:
    """What a file holds, up to the last fragment that is whole.

    head         facts written when the segment was begun; empty when they cannot be read
    init_bytes   how long the part before our head is: `ftyp moov`
    whole_bytes  where the last whole fragment's mark ends; what lies behind is no video
    digest       SHA-256 of the first whole_bytes; empty when it was not asked for
    """

    head: dict[str, Any] = field(default_factory=dict)
    init_bytes: int = 0
    whole_bytes: int = 0
    fragments: list[Fragment] = field(default_factory=list)
    digest: bytes = b""


class NotBoxes(ValueError):
    """Bytes that should have been whole boxes and are not."""


def check_boxes(content: bytes, *, first: bytes = b"", most: int = FRAGMENT_MOST) -> None:
    """Raise NotBoxes unless content is one or more whole boxes; first: what the first must be."""
    if not 8 <= len(content) <= most:
        raise NotBoxes(f"{len(content)} bytes, expected 8 to {most}")
    if first and content[4:8] != first:
        raise NotBoxes(f"begins with {content[4:8]!r}, expected {first!r}")
    at = 0
    while at < len(content):
        size = _size(content[at : at + 16])
        if size is None or at + size > len(content):
            raise NotBoxes(f"the box at byte {at} of {len(content)} is not whole")
        at += size


def head_box(facts: dict[str, Any]) -> bytes:
    """What is known when a segment is begun; facts become JSON."""
    content = orjson.dumps({"v": VERSION, **facts}, option=orjson.OPT_SORT_KEYS)
    return struct.pack(">I4s16s", 24 + len(content), b"uuid", HEAD) + content


def mark_box(fragment: bytes, end_ns: int, frames: int) -> bytes:
    """What closes a fragment: without it, or with another check sum, the fragment is not whole."""
    return _MARK.pack(_MARK.size, b"uuid", MARK, end_ns, frames, zlib.crc32(fragment))


def seal_box(facts: dict[str, Any], digest: bytes) -> bytes:
    """What closes a file: the facts, the digest of all before it, and a digest over both.

    Its last four bytes are its length, so that it is found from the end of the file.
    """
    content = orjson.dumps(
        {"v": VERSION, **facts, "sha256": digest.hex()}, option=orjson.OPT_SORT_KEYS
    )
    size = _LEAST_SEAL + len(content)
    if size > SEAL_MOST:
        raise NotBoxes(f"a seal of {size} bytes, expected at most {SEAL_MOST}")
    box = struct.pack(">I4s16s", size, b"uuid", SEAL) + content
    return box + hashlib.sha256(box).digest() + struct.pack(">I", size)


def read_seal(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The facts in a sealed file and the length of the part they are about; reads SEAL_MOST bytes.

    raises NotBoxes when there is no seal, or it does not hold
    """
    length = file.seek(0, 2)
    tail_bytes = min(length, SEAL_MOST)
    file.seek(length - tail_bytes)
    tail = file.read(tail_bytes)
    size = int.from_bytes(tail[-4:], "big")
    box = tail[-size:] if _LEAST_SEAL <= size <= len(tail) else b""
    if box[:24] != struct.pack(">I4s16s", size, b"uuid", SEAL):
        raise NotBoxes("no seal at the end of the file")
    covered, digest = box[: -4 - _DIGEST_BYTES], box[-4 - _DIGEST_BYTES : -4]
    if hashlib.sha256(covered).digest() != digest:
        raise NotBoxes("the seal does not match its own digest")
    facts = orjson.loads(covered[24:])
    if not isinstance(facts, dict) or facts.get("v") != VERSION:
        raise NotBoxes("a seal of a form that is not ours")
    return facts, length - size


def walk(file: BinaryIO, *, hashed: bool = True) -> Walk:  # noqa: C901 - one loop, one state
    """Go over a file from its beginning to the last fragment that is whole.

    hashed  False reads headers and marks only (a few hundred bytes for each fragment): for a sealed
            file, whose bytes another check has proved
    """
    found = Walk()
    digest = hashlib.sha256()
    start = at = 0  # where the fragment we are in began, and the box we look at
    check = 0
    pending = hashlib.sha256()
    for size, kind, content in _boxes(file, hashed=hashed):
        if not found.whole_bytes:
            if kind == HEAD:
                found.head = _facts(b"".join(content))
                found.init_bytes, found.whole_bytes = at, at + size
                start, check = at + size, 0
                digest = _hash_of(file, start) if hashed else digest
                pending = digest.copy()
        elif kind == MARK:
            mark = b"".join(content)
            end_ns, frames, crc = struct.unpack(">qII", mark)
            if at == start:
                break
            sound = not hashed or crc == check
            if sound:
                found.fragments.append(Fragment(start, at - start, end_ns, frames))
            pending.update(struct.pack(">I4s16s", size, b"uuid", MARK) + mark)
            start, check = at + size, 0
            if sound:  # a damaged one before it stays: cutting there would lose what is sound
                digest, pending = pending, pending.copy()
                found.whole_bytes = start
        elif kind in {HEAD, SEAL}:
            break
        elif hashed:
            for piece in content:
                check = zlib.crc32(piece, check)
                pending.update(piece)
        at += size
    found.digest = digest.digest() if hashed and found.whole_bytes else b""
    return found


def _boxes(file: BinaryIO, *, hashed: bool) -> Iterator[tuple[int, bytes, Iterator[bytes]]]:
    """Whole top-level boxes: size, type (our own: the uuid), the content.

    The content of a foreign box is all of it with its header; of one of ours, what follows the
    uuid. What is not read is passed over.
    """
    length = file.seek(0, 2)
    at = 0
    while at + 8 <= length:
        file.seek(at)
        header = file.read(24)
        size = _size(header[:16])
        if size is None or at + size > length:
            return
        ours = header[4:8] == b"uuid" and header[8:24] in {HEAD, MARK, SEAL}
        if ours and (size > SEAL_MOST or (header[8:24] == MARK and size != _MARK.size)):
            return
        begin = at + 24 if ours else at
        wanted = ours or hashed
        yield (
            size,
            header[8:24] if ours else header[4:8],
            _pieces(file, begin, at + size if wanted else begin),
        )
        at += size


def _pieces(file: BinaryIO, at: int, end: int) -> Iterator[bytes]:
    file.seek(at)
    while at < end:
        piece = file.read(min(PIECE, end - at))
        if not piece:
            return
        at += len(piece)
        yield piece


def _hash_of(file: BinaryIO, size_bytes: int) -> "hashlib._Hash":
    digest = hashlib.sha256()
    for piece in _pieces(file, 0, size_bytes):
        digest.update(piece)
    return digest


def marks_after(file: BinaryIO, at: int) -> int:
    """How many marks there seem to be from a byte on: one is a fragment that was cut off."""
    count = 0
    rest = b""
    for piece in _pieces(file, at, file.seek(0, 2)):
        rest += piece
        count += rest.count(MARK)
        rest = rest[-len(MARK) + 1 :]
    return count


def digest_of(file: BinaryIO, size_bytes: int) -> bytes:
    """SHA-256 of the first size_bytes of a file."""
    return _hash_of(file, size_bytes).digest()


def _facts(content: bytes) -> dict[str, Any]:
    try:
        facts = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _size(header: bytes) -> int | None:
    """How long the box with this header is; None when no length can be read from it."""
    if len(header) < 8:
        return None
    size = int.from_bytes(header[:4], "big")
    if size == 1 and len(header) >= 16:
        size = int.from_bytes(header[8:16], "big")
        return size if 16 <= size < _LONG else None
    return size if size >= 8 else None
