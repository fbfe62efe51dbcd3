"""The bytes of a plan, from any of them to any other, a chunk at a time.

Needs   .files to read, .moof to rewrite. Blocks: runs in the disks' threads.
Keeps   1. The bytes at a place are the same whichever request reads them.
        2. A file that is gone, shorter or another one than was planned ends it: Gone.
        3. Our own boxes are sent as padding (`free`), for what they prove is true of the file only.
           So is a fragment whose head is damaged: its neighbours are shown, and time goes on.
Bound   CHUNK_BYTES and one head in memory; samples are never looked at.
"""

from collections.abc import Iterator
from typing import Final

from gateway.media.boxes import box_head
from gateway.media.errors import Unreadable
from gateway.playback import moof
from gateway.playback.errors import Gone
from gateway.playback.files import File
from gateway.playback.plan import Piece, Plan

CHUNK_BYTES: Final = 128 * 1024
PADDING_MOST: Final = 64 * 1024


def read(plan: Plan, begin: int, end: int) -> Iterator[bytes]:
    """The bytes begin to end of an answer in chunks. Raises Gone."""
    if begin < len(plan.init):
        yield plan.init[begin : min(end, len(plan.init))]
    for piece in plan.pieces:
        if piece.at < end and begin < piece.end:
            yield from _gathered(_piece(piece, begin, end))


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Small parts together: a head and the samples behind it travel in one chunk."""
    kept: list[bytes] = []
    size = 0
    for part in parts:
        if kept and size + len(part) > CHUNK_BYTES:
            yield b"".join(kept)
            kept, size = [], 0
        kept.append(part)
        size += len(part)
    if kept:
        yield b"".join(kept)


def _piece(piece: Piece, begin: int, end: int) -> Iterator[bytes]:
    source = piece.source
    # From here on in bytes of the file.
    shift = source.begin - piece.at
    first, last = max(begin + shift, source.begin), min(end + shift, source.end)
    with File.of(source.path) as file:
        if source.size_bytes is not None and file.size_bytes != source.size_bytes:
            raise Gone(f"{source.path.name}: is not the file that was planned")
        at, is_damaged = source.begin, False
        while at < last:
            head = file.whole(at, 16)
            try:
                kind, _, size = box_head(head, source.end - at)
            except Unreadable as error:
                raise Gone(f"{source.path.name}: {error}") from error
            if kind == b"moof":
                content = _rewritten(file.whole(at, _bounded(size, moof.MOOF_MOST_BYTES)), piece)
                is_damaged = content is None
                yield from _cut(content or _padding(size), at, first, last)
            elif kind == b"mdat":
                begins = head[:4] + b"free" if is_damaged else head[:8]
                yield from _cut(begins, at, first, last)
                yield from samples(file, max(at + 8, first), min(at + size, last))
            else:
                yield from _cut(_padding(_bounded(size, PADDING_MOST)), at, first, last)
            at += size


def _bounded(size: int, most: int) -> int:
    if size > most:
        raise Gone(f"a box of {size} bytes, at most {most}")
    return size


def _rewritten(content: bytes, piece: Piece) -> bytes | None:
    """The head in its place; None when it is damaged."""
    try:
        return moof.rewritten(content, piece.number, piece.shifts)
    except Unreadable:
        return None


def _padding(size: int) -> bytes:
    return size.to_bytes(4, "big") + b"free" + bytes(size - 8)


def _cut(content: bytes, at: int, first: int, last: int) -> Iterator[bytes]:
    """What of a box at a byte of the file lies between two bytes of it."""
    part = content[max(first - at, 0) : max(last - at, 0)]
    if part:
        yield part


def samples(file: File, at: int, end: int) -> Iterator[bytes]:
    """The bytes of a file from one to another, in chunks. Raises Gone."""
    while at < end:
        part = file.read(at, min(CHUNK_BYTES, end - at))
        if not part:
            raise Gone(f"{file.path.name}: ends at byte {at}")
        yield part
        at += len(part)
