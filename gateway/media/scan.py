"""Reading a segment back: which fragments are whole, where the last one ends, what the seal says.

Owns    scan, read_seal.
Needs   boxes, errors. The file is whoever calls's; nothing is written.
Keeps   1. Reads heads, not samples, unless `check` asks for them: 8 million files are many.
        2. A fragment counts as whole only when its moof is readable, its mdat is as long as its
           samples together, and, with check=True, their CRC-32 is the one it says.
        3. At most MAX_FRAGMENTS and MAX_HEAD_BYTES for each head: more is damage.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from gateway.media.boxes import (
    CHECK_UUID,
    MAX_CAMPUS_BYTES,
    Box,
    box_head,
    read_boxes,
    read_campus_box,
)
from gateway.media.errors import Unreadable
from gateway.media.fmp4 import MAX_SAMPLES

MAX_FRAGMENTS: Final = 100_000
MAX_HEAD_BYTES: Final = 4 << 20
"""Of a moov or moof: MAX_SAMPLES samples and some room."""
_CHUNK_BYTES: Final = 1 << 20
_OPTIONAL: Final = (0x100, 0x200, 0x400, 0x800)
"""trun: duration, size, flags, composition offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """A track's part of a fragment: decode time, duration in ticks, how many, does a key begin."""

    base_decode_time: int
    duration: int
    samples: int
    begins_with_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FragmentHead:
    """One whole fragment: where it lies and what it says, by track id."""

    offset: int
    size: int
    sequence: int
    runs: Mapping[int, RunHead]


@dataclass(slots=True, kw_only=True)
class Scan:
    """What is in a file.

    init_size  of `ftyp moov`; 0 when even that is not whole: there is nothing to repair
    end        where the last whole fragment ends: a torn file is cut here
    seal       what the campus box behind the last fragment says; None when it was not sealed
    torn       why reading stopped before the end of the file; None when all of it was whole
    """

    size: int
    init_size: int = 0
    fragments: list[FragmentHead] = field(default_factory=list)
    end: int = 0
    seal: dict[str, Any] | None = None
    torn: str | None = None


def scan(file: BinaryIO, *, check: bool = False) -> Scan:
    """Read a segment from its beginning; never raises for what is in it, `torn` says it.

    check  read every sample and compare the CRC-32 (for repair after a power cut, where a file may
           be as long as it should and hold zeros)
    """
    result = Scan(size=file.seek(0, 2))
    try:
        _Reader(file, result, check=check).read()
    except Unreadable as error:
        result.torn = str(error)
    return result


def read_seal(file: BinaryIO) -> dict[str, Any] | None:
    """What the campus box at the end says, by two reads; None when the file has none."""
    size = file.seek(0, 2)
    file.seek(max(size - 4, 0))
    length = int.from_bytes(file.read(4), "big")
    if not 28 <= length <= min(size, MAX_CAMPUS_BYTES):
        return None
    file.seek(size - length)
    try:
        return read_campus_box(file.read(length))
    except Unreadable:
        return None


class _Reader:
    """Goes from box to box and writes down what is whole."""

    def __init__(self, file: BinaryIO, result: Scan, *, check: bool) -> None:
        self._file = file
        self._result = result
        self._check = check
        self._moof = b""

    def read(self) -> None:
        result, at = self._result, 0
        while at < result.size:
            if result.seal is not None:
                raise Unreadable("something follows the seal")
            self._file.seek(at)
            kind, _, size = box_head(self._file.read(16), result.size - at)
            self._take(kind, at, size)
            at += size
        if self._moof or not result.init_size:
            raise Unreadable("the file ends behind a head")

    def _take(self, kind: bytes, at: int, size: int) -> None:
        """One box, in the only order there is: ftyp moov (moof mdat)* campus."""
        result = self._result
        begun = result.init_size > 0
        if kind == b"ftyp" and at == 0:
            return
        if kind == b"moov" and not begun:
            list(read_boxes(self._head(at, size), 8))
            result.init_size = result.end = at + size
        elif kind == b"moof" and begun and not self._moof:
            self._moof = self._head(at, size)
        elif kind == b"mdat" and self._moof:
            if len(result.fragments) == MAX_FRAGMENTS:
                raise Unreadable(f"more than {MAX_FRAGMENTS} fragments")
            file = self._file if self._check else None
            result.fragments.append(_fragment(self._moof, at - len(self._moof), size, file))
            result.end, self._moof = at + size, b""
        elif kind == b"uuid" and begun and not self._moof:
            result.seal = read_campus_box(self._head(at, size))
        else:
            raise Unreadable(f"box {kind!r} has no place at byte {at}")

    def _head(self, at: int, size: int) -> bytes:
        if size > MAX_HEAD_BYTES:
            raise Unreadable(f"a head of {size} bytes at byte {at}, at most {MAX_HEAD_BYTES}")
        self._file.seek(at)
        return self._file.read(size)


def _fragment(moof: bytes, offset: int, mdat_size: int, file: BinaryIO | None) -> FragmentHead:
    """Read a moof against the mdat that follows it; with a file also the samples."""
    sequence, check, expected = 0, None, 0
    runs: dict[int, RunHead] = {}
    for inner in read_boxes(moof, 8):
        if inner.kind == b"mfhd":
            sequence = _word(moof, inner.body + 4, inner)
        elif inner.kind == b"uuid" and moof[inner.body : inner.body + 16] == CHECK_UUID:
            check = _word(moof, inner.body + 16, inner)
        elif inner.kind == b"traf":
            track_id, run, size = _traf(moof, inner)
            runs[track_id] = run
            expected += size
    if not runs or expected != mdat_size - 8:
        raise Unreadable(f"a fragment at byte {offset} whose samples do not fill its mdat")
    if (
        file is not None
        and check is not None
        and _crc(file, offset + len(moof) + 8, expected) != check
    ):
        raise Unreadable(f"a fragment at byte {offset} whose samples are not those written")
    return FragmentHead(offset=offset, size=len(moof) + mdat_size, sequence=sequence, runs=runs)


def _traf(moof: bytes, traf: Box) -> tuple[int, RunHead, int]:
    """Track id, what the run says, bytes of its samples."""
    parts = {inner.kind: inner for inner in read_boxes(moof, traf.body, traf.end)}
    if not parts.keys() >= {b"tfhd", b"tfdt", b"trun"}:
        raise Unreadable("a track's part of a fragment without tfhd, tfdt or trun")
    track_id = _word(moof, parts[b"tfhd"].body + 4, parts[b"tfhd"])
    tfdt = parts[b"tfdt"]
    decode_time = _word(moof, tfdt.body + 4, tfdt)
    if moof[tfdt.body] == 1:
        decode_time = decode_time << 32 | _word(moof, tfdt.body + 8, tfdt)
    trun = parts[b"trun"]
    flags, count = _word(moof, trun.body, trun) & 0xFFFFFF, _word(moof, trun.body + 4, trun)
    if not flags & 0x200 or not flags & 0x100 or not flags & 0x400 or count > MAX_SAMPLES:
        raise Unreadable("a run that does not say size, duration and flags of each sample")
    row_words = sum(1 for bit in _OPTIONAL if flags & bit)
    at = trun.body + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    if not count or at + 4 * row_words * count > trun.end:
        raise Unreadable("a run shorter than it says")
    words = struct.unpack_from(f">{row_words * count}I", moof, at)
    run = RunHead(
        base_decode_time=decode_time,
        duration=sum(words[0::row_words]),
        samples=count,
        begins_with_key=not words[2] & 0x10000,
    )
    return track_id, run, sum(words[1::row_words])


def _word(data: bytes, at: int, inside: Box) -> int:
    if at + 4 > inside.end:
        raise Unreadable(f"box {inside.kind!r} is too short")
    return int.from_bytes(data[at : at + 4], "big")


def _crc(file: BinaryIO, at: int, size: int) -> int:
    check = 0
    file.seek(at)
    while size:
        chunk = file.read(min(size, _CHUNK_BYTES))
        if not chunk:
            return -1
        check = zlib.crc32(chunk, check)
        size -= len(chunk)
    return check
