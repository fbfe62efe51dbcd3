"""Heads of files and of fragments: what they say, and the same head with other times.

Owns    the rewriting of a `moof` for a place in another stream. Pure.
Needs   gateway.media.boxes.
Keeps   1. No size changes, so that where everything lies is known before anything is rewritten.
        2. Decode times of a track only grow, whatever a camera said: what would reach beyond the
           beginning of what follows is pressed together before it, nothing is left out.
        3. What cannot be understood is Unreadable, never passed on with times of its own.
Bound   MOOF_MOST_BYTES for a head, TRACKS_MOST tracks.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.media.boxes import Box, read_boxes
from gateway.media.errors import Unreadable

MOOF_MOST_BYTES: Final = 4 << 20
TRACKS_MOST: Final = 8
SECOND_NS: Final = 1_000_000_000
_FIELDS: Final = (0x100, 0x200, 0x400, 0x800)
"""trun: duration, size, flags and composition offset of each sample (14496-12, 8.8.8)."""
_NOT_A_KEY: Final = 0x10000
_NUMBERS: Final = 1 << 32
_TICKS_MOST: Final = 1 << 44
"""Years at any rate: a segment lasts ten minutes."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A track as far as times go: its id, its ticks in a second, whether it is the picture."""

    track: int
    rate_hz: int
    is_video: bool

    def ticks(self, span_ns: int) -> int:
        """A span of time in ticks, to the nearest."""
        return (span_ns * self.rate_hz + SECOND_NS // 2) // SECOND_NS

    def span_ns(self, ticks: int) -> int:
        """Ticks as a span of time, never more than it is."""
        return ticks * SECOND_NS // self.rate_hz


@dataclass(frozen=True, slots=True)
class RunTimes:
    """A track's part of a fragment: decode time of the first sample, length of all, in ticks."""

    base: int
    duration: int
    samples: int
    begins_with_key: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """What happens to a track's times.

    by     is added
    limit  where the next file begins; None when nothing follows
    """

    by: int
    limit: int | None = None


@lru_cache(maxsize=64)
def lanes(init: bytes) -> tuple[Lane, ...]:
    """The tracks of a file from its `ftyp moov`; raises Unreadable without a picture among them."""
    found: list[Lane] = []
    for top in read_boxes(init):
        if top.kind == b"moov":
            found += [_lane(init, each) for each in _inside(init, top) if each.kind == b"trak"]
    if not any(lane.is_video for lane in found) or len(found) > TRACKS_MOST:
        raise Unreadable(f"{len(found)} tracks, expected a picture and at most {TRACKS_MOST}")
    if len({lane.track for lane in found}) != len(found):
        raise Unreadable("two tracks of one number")
    return tuple(found)


def _lane(data: bytes, trak: Box) -> Lane:
    track = rate_hz = 0
    is_video = False
    for part in _inside(data, trak):
        if part.kind == b"tkhd":
            track = _word(data, part, _behind_times(data, part))
        elif part.kind == b"mdia":
            for inner in _inside(data, part):
                if inner.kind == b"mdhd":
                    rate_hz = _word(data, inner, _behind_times(data, inner))
                elif inner.kind == b"hdlr":
                    is_video = data[inner.body + 8 : inner.body + 12] == b"vide"
    if not track or not rate_hz:
        raise Unreadable("a track without number or time scale")
    return Lane(track, rate_hz, is_video)


def _behind_times(data: bytes, part: Box) -> int:
    """Where what follows the two times of a tkhd or mdhd stands: they are longer in version 1."""
    return 20 if data[part.body : part.body + 1] == b"\1" else 12


def times(moof: bytes) -> dict[int, RunTimes]:
    """What a fragment says of each of its tracks. Raises Unreadable."""
    found: dict[int, RunTimes] = {}
    for run in _runs(moof):
        rows = struct.unpack_from(f">{run.words * run.count}I", moof, run.rows_at)
        found[run.track] = RunTimes(
            run.base, sum(rows[0 :: run.words]), run.count, not rows[2] & _NOT_A_KEY
        )
    return found


def rewritten(moof: bytes, number: int, shifts: Mapping[int, Shift]) -> bytes:
    """The same head at another time.

    number  added to its own sequence number
    shifts  by track; a track that is not named is Unreadable
    """
    made = bytearray(moof)
    for part in _parts(moof):
        if part.kind == b"mfhd":
            at = part.body + 4
            struct.pack_into(">I", made, at, (_word(moof, part, 4) + number) % _NUMBERS)
    for run in _runs(moof):
        shift = shifts.get(run.track)
        if shift is None:
            raise Unreadable(f"a fragment of track {run.track}, which the file does not have")
        base = max(run.base + shift.by, 0)
        if shift.limit is not None:
            base = _press(made, run, base, shift.limit)
        struct.pack_into(">Q", made, run.base_at, base)
    return bytes(made)


def _press(made: bytearray, run: "_Run", base: int, limit: int) -> int:
    """Have a run end at the limit at the latest; returns where it begins."""
    rows = struct.unpack_from(f">{run.words * run.count}I", made, run.rows_at)
    durations = rows[0 :: run.words]
    if base + sum(durations) <= limit:
        return base
    first = at = max(min(base, limit - run.count), 0)
    natural = base
    for index, duration in enumerate(durations):
        natural += duration
        until = max(min(natural, limit - (run.count - 1 - index)), at + 1)
        struct.pack_into(">I", made, run.rows_at + 4 * run.words * index, until - at)
        at = until
    return first


@dataclass(frozen=True, slots=True)
class _Run:
    """One `traf`: where its decode time and the rows of its samples stand."""

    track: int
    base: int
    base_at: int
    rows_at: int
    words: int
    count: int


def _runs(moof: bytes) -> Iterator[_Run]:
    for traf in _parts(moof):
        if traf.kind == b"traf":
            yield _run(moof, {part.kind: part for part in _inside(moof, traf)})


def _run(moof: bytes, parts: Mapping[bytes, Box]) -> _Run:
    """Only the form that gateway.media writes: 64-bit times, and all of each sample said."""
    if not parts.keys() >= {b"tfhd", b"tfdt", b"trun"}:
        raise Unreadable("a track's part of a fragment without tfhd, tfdt or trun")
    tfdt, trun = parts[b"tfdt"], parts[b"trun"]
    if tfdt.end - tfdt.body != 12 or moof[tfdt.body] != 1:
        raise Unreadable("a fragment whose decode times have 32 bits")
    flags, count = _word(moof, trun, 0) & 0xFFFFFF, _word(moof, trun, 4)
    words = sum(1 for field in _FIELDS if flags & field)
    rows_at = trun.body + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    base = _word(moof, tfdt, 4) << 32 | _word(moof, tfdt, 8)
    if base > _TICKS_MOST:
        raise Unreadable(f"a decode time of {base} ticks")
    if flags & 0x700 != 0x700 or not count or rows_at + 4 * words * count > trun.end:
        raise Unreadable("a run that does not say duration, size and flags of each sample")
    return _Run(
        track=_word(moof, parts[b"tfhd"], 4),
        base=base,
        base_at=tfdt.body + 4,
        rows_at=rows_at,
        words=words,
        count=count,
    )


def _parts(moof: bytes) -> Iterator[Box]:
    outer = next(read_boxes(moof), None)
    if outer is None or outer.kind != b"moof" or outer.end != len(moof):
        raise Unreadable("not a fragment's head")
    return _inside(moof, outer)


def _inside(data: bytes, outer: Box) -> Iterator[Box]:
    return read_boxes(data, outer.body, outer.end)


def _word(data: bytes, inside: Box, offset: int) -> int:
    at = inside.body + offset
    if at + 4 > inside.end:
        raise Unreadable(f"box {inside.kind!r} is too short")
    return int.from_bytes(data[at : at + 4], "big")
