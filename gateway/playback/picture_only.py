"""The picture without the sound: what a browser's media source is given, and what it is called.

A media source refuses a whole file for one track that it cannot play, and the sound of most cameras
(G.711) is one. A live picture is muted anyway.

Owns    leaving tracks out of a file's beginning and of a fragment; RFC 6381's names. Pure.
Needs   gateway.media.boxes.
Keeps   No sample is changed; what cannot be understood is Unreadable.
Bound   MAX_BOXES of gateway.media.boxes for what is walked through.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.media.boxes import Box, box, read_boxes
from gateway.media.errors import Unreadable

_ENTRY: Final = (b"mdia", b"minf", b"stbl", b"stsd")
_PICTURE_FIELDS: Final = 78
"""Of a sample entry of pictures, before its own boxes (14496-12, 12.1.3)."""
_NAMES: Final = {b"mp4a": "mp4a.40.2"}
"""Sound that is not named as its sample entry is: gateway.media takes low complexity AAC only."""


class Lone(NamedTuple):
    """One track's part of a fragment.

    head    its `moof`, and the head of the `mdat` that follows
    at      where its samples lie, counted from the first byte of the fragment as it was
    size    how many bytes they have
    """

    head: bytes
    at: int
    size: int


def beginning(init: bytes, track: int) -> bytes:
    """`ftyp moov` with one track only."""
    made: list[bytes] = []
    for top in read_boxes(init):
        if top.kind != b"moov":
            made.append(init[top.start : top.end])
            continue
        parts: list[bytes] = []
        for part in read_boxes(init, top.body, top.end):
            if part.kind == b"trak" and _number(init, part) != track:
                continue
            if part.kind == b"mvex":
                parts.append(box(b"mvex", *_mvex(init, part, track)))
            else:
                parts.append(init[part.start : part.end])
        made.append(box(b"moov", *parts))
    return b"".join(made)


def lone(head: bytes, track: int) -> Lone | None:
    """One track's part of a fragment whose `moof` this is; None when it has none."""
    outer = next(read_boxes(head), None)
    if outer is None or outer.kind != b"moof":
        raise Unreadable("not a fragment's head")
    kept: list[bytes] = []
    found: tuple[int, int] | None = None
    offset_at = 0
    for part in read_boxes(head, outer.body, outer.end):
        if part.kind == b"mfhd":
            kept.append(head[part.start : part.end])
        elif part.kind == b"traf":
            inside = {each.kind: each for each in read_boxes(head, part.body, part.end)}
            if not inside.keys() >= {b"tfhd", b"trun"}:
                raise Unreadable("a track's part of a fragment without tfhd or trun")
            if _word(head, inside[b"tfhd"], 4) != track:
                continue
            found = _samples(head, inside[b"trun"])
            offset_at = 8 + sum(map(len, kept)) + inside[b"trun"].body + 8 - part.start
            kept.append(head[part.start : part.end])
    if found is None:
        return None
    at, size = found
    made = bytearray(box(b"moof", *kept))
    struct.pack_into(">i", made, offset_at, len(made) + 8)
    return Lone(bytes(made) + (size + 8).to_bytes(4, "big") + b"mdat", at, size)


def codecs(init: bytes) -> str:
    """What is in a file, as a browser is asked whether it can play it: `avc1.64001f,alaw`."""
    names: list[str] = []
    for top in read_boxes(init):
        if top.kind == b"moov":
            parts = read_boxes(init, top.body, top.end)
            names += [_name(init, _entry(init, part)) for part in parts if part.kind == b"trak"]
    return ",".join(names)


def _mvex(init: bytes, mvex: Box, track: int) -> Iterator[bytes]:
    for part in read_boxes(init, mvex.body, mvex.end):
        if part.kind != b"trex" or _word(init, part, 4) == track:
            yield init[part.start : part.end]


def _number(init: bytes, trak: Box) -> int:
    for part in read_boxes(init, trak.body, trak.end):
        if part.kind == b"tkhd":
            return _word(init, part, 20 if init[part.body] == 1 else 12)
    raise Unreadable("a track without a number")


def _samples(head: bytes, trun: Box) -> tuple[int, int]:
    """Where a run's samples begin, and how many bytes they have, in the form of gateway.media."""
    flags, count = _word(head, trun, 0) & 0xFFFFFF, _word(head, trun, 4)
    if flags & 0xF05 != 0xF01 or trun.body + 12 + 16 * count > trun.end:
        raise Unreadable("a run that does not say where it lies and all of each sample")
    rows = struct.unpack_from(f">{4 * count}I", head, trun.body + 12)
    at = _word(head, trun, 8)
    if at >= 1 << 31:
        raise Unreadable("a run before its fragment")
    return at, sum(rows[1::4])


def _entry(init: bytes, trak: Box) -> Box:
    found = trak
    for kind in _ENTRY:
        inner = read_boxes(init, found.body, found.end)
        found = next((each for each in inner if each.kind == kind), Box(b"", 0, 0, 0))
        if not found.kind:
            raise Unreadable(f"a track without {kind!r}")
    # Version, flags and how many entries there are stand before the first of them.
    entry = next(read_boxes(init, found.body + 8, found.end), None)
    if entry is None:
        raise Unreadable("a track that does not say how it is coded")
    return entry


def _name(init: bytes, entry: Box) -> str:
    inside = {}
    if entry.kind in {b"avc1", b"hvc1"}:
        inside = {
            each.kind: init[each.body : each.end]
            for each in read_boxes(init, entry.body + _PICTURE_FIELDS, entry.end)
        }
    if entry.kind == b"avc1":
        setup = inside.get(b"avcC", b"")
        if len(setup) < 4:
            raise Unreadable("pictures of H.264 without their profile")
        return f"avc1.{setup[1:4].hex()}"
    if entry.kind == b"hvc1":
        return _hevc(inside.get(b"hvcC", b""))
    plain = "".join(chr(byte) for byte in entry.kind if chr(byte).isascii() and chr(byte).isalnum())
    return _NAMES.get(entry.kind, plain)


def _hevc(setup: bytes) -> str:
    """14496-15, annex E: profile, compatibility with its bits turned round, tier, level, rest."""
    if len(setup) < 13:
        raise Unreadable("pictures of H.265 without their profile")
    space = ("", "A", "B", "C")[setup[1] >> 6]
    tier = "H" if setup[1] & 0x20 else "L"
    fits = int(f"{int.from_bytes(setup[2:6], 'big'):032b}"[::-1], 2)
    rest = setup[6:12].rstrip(b"\0")
    return f"hvc1.{space}{setup[1] & 31}.{fits:X}.{tier}{setup[12]}" + "".join(
        f".{byte:X}" for byte in rest
    )


def _word(data: bytes, inside: Box, offset: int) -> int:
    at = inside.body + offset
    if at + 4 > inside.end:
        raise Unreadable(f"box {inside.kind!r} is too short")
    return int.from_bytes(data[at : at + 4], "big")
