"""H.264 with a strip: a row of macroblocks written by hand above a picture x264 has encoded.

Owns    how a clip's pictures become pictures that carry their number, without encoding again.
Needs   bits, strip.
Keeps   1. The picture below keeps its bits: its slice moves down one row of macroblocks, its
           header says so, and the sequence parameter set is one row higher.
        2. The strip is an I slice of its own (Intra 16x16, DC, CAVLC), so neither part predicts
           from the other within a picture. Between pictures the one below could look up into the
           strip: its uppermost rows never move (scene), so it does not, and a test compares every
           sample.
        3. What x264 must be told for this is ENCODER; anything else raises Unexpected.

Source  ITU-T H.264: 7.3.2.1 sequence parameter set, 7.3.3 slice header, 8.5.10 DC of Intra 16x16,
        9.2 CAVLC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from simulators.cameras import strip
from simulators.cameras.bits import (
    BitReader,
    escape,
    nal_units,
    s_exp,
    spliced,
    u,
    u_exp,
    unescape,
    with_stop_bit,
)

ENCODER: Final = (
    "cabac=0:bframes=0:ref=1:weightp=0:no-deblock=1:8x8dct=0:scenecut=0:open-gop=0:"
    "sliced-threads=0:slices=1:aud=0:interlaced=0:mvrange=64"
)
SLICE, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
_HIGH: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_QP: Final = 42
"""At this quantiser one level of a DC moves a macroblock by exactly five."""

_LEVEL_WHITE, _LEVEL_BLACK = 18, -22
"""Levels that lead from 128, which is predicted where there is no neighbour, to 218 and to 18."""


class Unexpected(Exception):
    """The encoder wrote what this module was not made for: compare ENCODER with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sets:
    """What a slice header depends on."""

    width_mbs: int
    frame_num_bits: int
    picture_qp: int


@dataclass(frozen=True, slots=True)
class Coded:
    """One picture without its strip.

    head     the bits of the strip's slice header, which differ from picture to picture
    kind     the first byte of its NAL units
    below    NAL units of the picture below the strip
    """

    head: str
    kind: int
    below: tuple[bytes, ...]


class Avc:
    """The pictures of one encoded clip, ready to be given numbers."""

    def __init__(self, packets: Iterable[bytes]) -> None:
        self.pictures: list[Coded] = []
        self.sets: tuple[bytes, ...] = ()
        found: dict[int, bytes] = {}
        known: _Sets | None = None
        for packet in packets:
            slices = []
            for unit in nal_units(packet):
                kind = unit[0] & 0x1F
                if kind in {SPS, PPS}:
                    found[kind] = unit
                elif kind in {SLICE, IDR}:
                    slices.append(unit)
            if known is None:
                known, taller = _sets(found[SPS], found[PPS])
                self.sets = (taller, found[PPS])
            if len(slices) != 1:
                raise Unexpected(f"{len(slices)} slices in a picture, expected one")
            self.pictures.append(_lowered(slices[0], known))
        if known is None:
            raise Unexpected("no picture")
        self._width_mbs = known.width_mbs

    def strip(self, index: int, shown: bytes | None) -> list[bytes]:
        """Return the NAL units above picture `index`: four groups, or None for plain black."""
        picture = self.pictures[index]
        payload = with_stop_bit(picture.head + _row(shown, self._width_mbs))
        return [bytes([picture.kind]) + escape(payload)]

    def below(self, index: int) -> Sequence[bytes]:
        """Return the NAL units of the picture itself."""
        return self.pictures[index].below


def _sets(sps_unit: bytes, pps_unit: bytes) -> tuple[_Sets, bytes]:
    payload = unescape(sps_unit[1:])
    sps = BitReader(payload)
    profile = sps.u(8)
    sps.u(16)
    sps.u_exp()
    if profile in _HIGH:
        raise Unexpected(f"profile {profile}, expected baseline or main")
    frame_num_bits = sps.u_exp() + 4
    if sps.u_exp() != 2:
        raise Unexpected("picture order count is not of type 2")
    sps.u_exp()
    sps.u(1)
    width_mbs = sps.u_exp() + 1
    before = sps.position
    height_mbs = sps.u_exp() + 1
    taller = spliced(sps.copy(0, before) + u_exp(height_mbs), payload, sps.position)
    pps = BitReader(unescape(pps_unit[1:]))
    if pps.u_exp() or pps.u_exp() or pps.flag() or pps.flag():
        raise Unexpected("CABAC, or picture order in slices")
    if pps.u_exp():
        raise Unexpected("slice groups")
    pps.u_exp(), pps.u_exp(), pps.u(3)
    picture_qp = 26 + pps.s_exp()
    pps.s_exp(), pps.s_exp()
    if not pps.flag():
        raise Unexpected("deblocking cannot be switched off in a slice")
    known = _Sets(width_mbs=width_mbs, frame_num_bits=frame_num_bits, picture_qp=picture_qp)
    return known, sps_unit[:1] + escape(taller)


def _lowered(unit: bytes, known: _Sets) -> Coded:
    """Move a slice down by one row, and prepare the header of the strip above it."""
    kind = unit[0]
    payload = unescape(unit[1:])
    reader = BitReader(payload[:64])
    if reader.u_exp():
        raise Unexpected("the slice does not begin at the first macroblock")
    slice_type = reader.u_exp() % 5
    after_type = reader.position
    reader.u_exp()
    reader.u(known.frame_num_bits)
    if kind & 0x1F == IDR:
        reader.u_exp()
    kept_from = reader.position
    named = reader.copy(after_type, kept_from)
    # Types above 4 promise that all slices of the picture are alike: the strip's are not.
    body = u_exp(known.width_mbs) + u_exp(slice_type) + named
    head = u_exp(0) + u_exp(2) + named + _marking(reader, kind, slice_type)
    below = bytes([kind]) + escape(spliced(body, payload, kept_from))
    head += s_exp(_QP - known.picture_qp) + u_exp(1)
    return Coded(head, kind, (below,))


def _marking(reader: BitReader, kind: int, slice_type: int) -> str:
    """Return the bits of dec_ref_pic_marking, which all slices of a picture share."""
    if slice_type == 0 and (reader.flag() or reader.flag()):
        raise Unexpected("reference lists of its own")
    if kind & 0x60 == 0:
        return ""
    if kind & 0x1F == IDR:
        return u(reader.u(2), 2)
    if reader.flag():
        raise Unexpected("memory management in a slice")
    return "0"


@lru_cache(maxsize=4096)
def _row(shown: bytes | None, width_mbs: int) -> str:
    """Return the macroblocks of a strip."""
    if shown is None:
        return _block(_LEVEL_BLACK) + _block(0) * (width_mbs - 1)
    bits, level = [], 0
    for group in shown:
        for white in strip.cells(group):
            wanted = _LEVEL_WHITE if white else _LEVEL_BLACK
            bits.append(_block(wanted - level))
            level = wanted
    if width_mbs > strip.CELLS:
        bits.append(_block(-level) + _block(0) * (width_mbs - strip.CELLS - 1))
    return "".join(bits)


@lru_cache(maxsize=64)
def _block(level: int) -> str:
    """Return one macroblock that differs from its left neighbour by a level; zero is one byte."""
    # mb_type 3 (Intra 16x16, DC, nothing but DC), chroma DC, no change of the quantiser
    start = u_exp(3) + u_exp(0) + s_exp(0)
    if level == 0:
        return start + "1"  # coeff_token: no coefficient
    code = 2 * abs(level) - (2 if level > 0 else 1) - 2  # the first level is never +1 or -1 here
    if code < 14:
        coded = "0" * code + "1"
    elif code < 30:
        coded = "0" * 14 + "1" + u(code - 14, 4)
    else:
        coded = "0" * 15 + "1" + u(code - 30, 12)
    return start + "000101" + coded + "1"  # coeff_token: one coefficient; no zeros before it
