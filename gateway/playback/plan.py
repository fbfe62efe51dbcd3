"""A plan: every byte of an answer known by arithmetic before the first one is read.

Owns    how pieces of segments follow each other in one fragmented MP4. Pure.
Needs   .moof for what is done to times.
Keeps   1. The same range of sealed video gives the same bytes and the same ETag at any time.
        2. A picture's time in the answer is its time on the wall clock since `origin_ns`: where
           nothing was recorded there is a hole in time, never a jump over it.
        3. A piece is a run of whole boxes of one file, its marks and seal included: what is ours in
           it becomes padding of the same length (.reading), so that no size has to be looked up.
Bound   PIECES_MOST pieces; numbers of fragments grow by NUMBERS for each.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.media.boxes import full_box, read_boxes
from gateway.playback.moof import Lane, Shift
from gateway.playback.segment_index import Fragment, references, segment_index

VERSION: Final = 2
"""Part of every ETag: goes up when the bytes of an answer are made in another way."""
PIECES_MOST: Final = 2000
NUMBERS: Final = 1 << 17
"""More fragments than a segment of ten minutes can have at 200 pictures a second."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whole boxes of one segment.

    begun_ns        when the segment began: its times count from there
    begin, end      bytes of the file
    from_ns, to_ns  when its pictures begin and end
    size_bytes      of the whole file when it is sealed; None while it is written
    """

    path: Path
    begun_ns: int
    begin: int
    end: int
    from_ns: int
    to_ns: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A source in its place: at, where its first byte is in the answer."""

    source: Source
    at: int
    number: int
    shifts: Mapping[int, Shift]

    @property
    def end(self) -> int:
        """Where the answer goes on behind it."""
        return self.at + self.source.end - self.source.begin


@dataclass(frozen=True, slots=True)
class Missing:
    """No video, and why."""

    from_ns: int
    to_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer.

    camera      as the store calls it
    from_ns     asked for; origin_ns, the time that is 0 in the answer, is not later
    end_ns      when its last picture ends
    init        what it begins with
    etag        strong: the same for the same bytes only
    gaps        all that is missing in it, oldest first
    next_ns     None, or the time from which to ask on, because the answer ends before `to`
    next_why    then: "form" (the picture's form changes there) or "length" (too many pieces)
    is_settled  all of it is sealed: it will be the same for ever
    """

    camera: str
    from_ns: int
    to_ns: int
    origin_ns: int
    end_ns: int
    init: bytes
    pieces: tuple[Piece, ...]
    etag: str
    gaps: tuple[Missing, ...] = ()
    next_ns: int | None = None
    next_why: str = ""

    @property
    def size_bytes(self) -> int:
        """Of the whole answer."""
        return self.pieces[-1].end

    @property
    def is_settled(self) -> bool:
        """Whether all of it is sealed."""
        return all(piece.source.size_bytes is not None for piece in self.pieces)


def tag(init: bytes, origin_ns: int, pieces: Sequence[Piece]) -> str:
    """A strong ETag: another one as soon as a single byte of the answer differs."""
    digest = hashlib.sha256(b"%d %d " % (VERSION, origin_ns) + init)
    for piece in pieces:
        source = piece.source
        name = str(source.path).removesuffix(".open")
        limits = sorted((track, shift.by, shift.limit) for track, shift in piece.shifts.items())
        digest.update(repr((name, source.begin, source.end, piece.number, limits)).encode())
    return f'"{digest.hexdigest()[:40]}"'


def lay_out(
    init: bytes,
    lanes: Sequence[Lane],
    origin_ns: int,
    sources: Sequence[Source],
    fragments: Sequence[Sequence[Fragment]] = (),
) -> tuple[bytes, tuple[Piece, ...]]:
    """Put sources one behind the other; returns what the answer begins with, and its pieces.

    sources    at least one, in the order of their times; none begins before the one before it ends
    fragments  of each source where its pictures begin: then the answer says so as well
    """
    begins = with_length(init, (sources[-1].to_ns - origin_ns) // 1_000_000)
    begins += _index(lanes, origin_ns, sources, fragments)
    at = len(begins)
    pieces: list[Piece] = []
    for index, source in enumerate(sources):
        follows = sources[index + 1] if index + 1 < len(sources) else None
        shifts = {
            lane.track: Shift(
                lane.ticks(source.begun_ns - origin_ns),
                None if follows is None else lane.ticks(follows.begun_ns - origin_ns),
            )
            for lane in lanes
        }
        pieces.append(Piece(source, at, index * NUMBERS + 1, shifts))
        at = pieces[-1].end
    return begins, tuple(pieces)


def _index(
    lanes: Sequence[Lane],
    origin_ns: int,
    sources: Sequence[Source],
    fragments: Sequence[Sequence[Fragment]],
) -> bytes:
    """Where every fragment lies; empty unless that is known of all of them."""
    if len(fragments) != len(sources) or not all(fragments):
        return b""
    lane = next(lane for lane in lanes if lane.is_video)
    found = [
        reference
        for source, inside in zip(sources, fragments, strict=True)
        for reference in references(
            inside, source.begin, source.end, lane.ticks(source.begun_ns - origin_ns)
        )
    ]
    end = lane.ticks(sources[-1].to_ns - origin_ns)
    return segment_index(lane.track, lane.rate_hz, found, end) or b""


def with_length(init: bytes, length_ms: int) -> bytes:
    """The same beginning, saying how long all is (`mehd`): players show it and can seek."""
    mehd = full_box(b"mehd", 1, 0, struct.pack(">Q", max(length_ms, 0)))
    made = bytearray(init)
    for top in read_boxes(init):
        if top.kind != b"moov":
            continue
        scale = 1000
        for part in read_boxes(init, top.body, top.end):
            if part.kind == b"mvhd" and part.end - part.body >= 32:
                at = part.body + (20 if init[part.body] == 1 else 12)
                scale = int.from_bytes(init[at : at + 4], "big")
            elif part.kind == b"mvex" and scale == 1000:
                made[part.body : part.body] = mehd
                for outer in (part, top):
                    size = outer.end - outer.start + len(mehd)
                    struct.pack_into(">I", made, outer.start, size)
    return bytes(made)
