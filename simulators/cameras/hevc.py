"""H.265 with a strip: a row of coding tree blocks written by hand above what x265 has encoded.

Owns    the same for H.265 as avc for H.264.
Needs   bits, cabac, strip.
Keeps   1. The picture below keeps its bits: its slice moves down one row of coding tree blocks, and
           its data, which begin at a byte, are not touched.
        2. The strip is four slices, one for each byte it shows, and one for the rest of the row. A
           slice knows nothing of its neighbours, so there are 256 of them for each geometry, made
           when they are first needed: a picture costs five headers.
        3. What x265 must be told for this is ENCODER; anything else raises Unexpected.

Source  ITU-T H.265: 7.3.2.2 and 7.3.2.3 parameter sets, 7.3.6 slice header, 7.3.8 slice data,
        8.6.4.2 residual of a DC, 9.3 CABAC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from simulators.cameras import strip
from simulators.cameras.avc import Unexpected
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
from simulators.cameras.cabac import Encoder

ENCODER: Final = (
    "ctu=16:min-cu-size=8:bframes=0:ref=1:weightp=0:no-deblock=1:sao=0:no-wpp=1:pmode=0:slices=1:"
    "no-open-gop=1:scenecut=0:aud=0:repeat-headers=1:info=0:aq-mode=0:no-cutree=1:log-level=error"
)
VPS, SPS, PPS = 32, 33, 34
_IDR: Final = frozenset({19, 20})
_IRAP: Final = range(16, 24)
_QP: Final = 42
"""At this quantiser one level of a DC moves a block of 16 x 16 by exactly five."""

_LEVEL_WHITE, _LEVEL_BLACK = 18, -22
_CONTEXTS: Final = {
    "split_cu": 139,
    "prev_intra_luma_pred": 184,
    "intra_chroma_pred_mode": 63,
    "cbf_chroma": 94,
    "cbf_luma": 141,
    "cu_qp_delta_abs": 154,
    "last_x": 125,
    "last_y": 125,
    "greater1": 92,
    "greater2": 138,
}
"""Initial values for I slices, of the one context each syntax element uses here."""


@dataclass(slots=True, kw_only=True)
class _Sets:
    """What a slice header depends on, as far as ENCODER leaves it open."""

    width_ctbs: int = 0
    height_ctbs: int = 0
    poc_bits: int = 0
    temporal_mvp: bool = False
    dependent: bool = False
    extra_bits: int = 0
    output_flag: bool = False
    cabac_init: bool = False
    references: int = 1
    picture_qp: int = 26
    qp_delta: bool = False
    chroma_offsets: bool = False
    deblock_override: bool = False
    deblock_off: bool = False
    lists: bool = False
    extension: bool = False

    def address_bits(self, rows: int) -> int:
        """Bits of a slice's address in a picture of so many rows."""
        return (self.width_ctbs * rows - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Coded:
    """One picture without its strip.

    start    the bits of a strip's slice header before its address, without the first flag
    tail     those after it
    kind     the two bytes its NAL units begin with
    """

    start: str
    tail: str
    kind: bytes
    below: tuple[bytes, ...]


class Hevc:
    """The pictures of one encoded clip, ready to be given numbers."""

    def __init__(self, packets: Iterable[bytes]) -> None:
        self.pictures: list[Coded] = []
        self.sets: tuple[bytes, ...] = ()
        self._known = _Sets()
        found: dict[int, bytes] = {}
        for packet in packets:
            slices = []
            for unit in nal_units(packet):
                kind = unit[0] >> 1 & 0x3F
                if kind in {VPS, SPS, PPS}:
                    found[kind] = unit
                elif kind < VPS:
                    slices.append(unit)
            if not self.sets:
                taller = _sps(found[SPS], self._known)
                _pps(found[PPS], self._known)
                self.sets = (found[VPS], taller, found[PPS])
            if len(slices) != 1:
                raise Unexpected(f"{len(slices)} slices in a picture, expected one")
            self.pictures.append(_lowered(slices[0], self._known))
        if not self.pictures:
            raise Unexpected("no picture")

    def strip(self, index: int, shown: bytes | None) -> list[bytes]:
        """Return the NAL units above picture `index`: four groups, or None for plain black."""
        known, picture = self._known, self.pictures[index]
        bits = known.address_bits(known.height_ctbs + 1)
        units = []
        parts: list[tuple[int, int | None, int]] = [
            (at * strip.GROUP, shown[at] if shown else None, strip.GROUP) for at in range(4)
        ]
        if known.width_ctbs > strip.CELLS:
            parts.append((strip.CELLS, -1, known.width_ctbs - strip.CELLS))
        for address, group, length in parts:
            where = u(address, bits) if address else ""
            head = ("0" if address else "1") + picture.start + where + picture.tail
            blocks = _blocks(group, length, qp_delta=known.qp_delta)
            units.append(picture.kind + escape(with_stop_bit(head) + blocks))
        return units

    def below(self, index: int) -> Sequence[bytes]:
        """Return the NAL units of the picture itself."""
        return self.pictures[index].below


def _sps(unit: bytes, known: _Sets) -> bytes:
    payload = unescape(unit[2:])
    sps = BitReader(payload)
    sps.u(4)
    if sps.u(3):
        raise Unexpected("temporal layers")
    sps.u(1 + 96)  # nesting; profile, tier and level
    sps.u_exp()
    if sps.u_exp() != 1:
        raise Unexpected("not 4:2:0")
    width = sps.u_exp()
    before = sps.position
    height = sps.u_exp()
    taller = spliced(sps.copy(0, before) + u_exp(height + strip.CELL), payload, sps.position)
    if sps.flag():
        raise Unexpected("a conformance window: height must be a multiple of eight")
    if sps.u_exp() or sps.u_exp():
        raise Unexpected("more than eight bits")
    known.poc_bits = sps.u_exp() + 4
    sps.flag()
    sps.u_exp(), sps.u_exp(), sps.u_exp()
    if (sps.u_exp(), sps.u_exp()) != (0, 1):
        raise Unexpected("coding blocks are not 8 to 16")
    sps.u_exp(), sps.u_exp()
    sps.u_exp()
    if sps.u_exp() or sps.flag():
        raise Unexpected("intra transforms are split, or scaling lists")
    sps.flag()
    if sps.flag() or sps.flag() or sps.u_exp():
        raise Unexpected("SAO, PCM, or reference sets in the SPS")
    if sps.flag():
        raise Unexpected("long-term references")
    known.temporal_mvp = sps.flag()
    known.width_ctbs, known.height_ctbs = -(-width // strip.CELL), -(-height // strip.CELL)
    return unit[:2] + escape(taller)


def _pps(unit: bytes, known: _Sets) -> None:
    pps = BitReader(unescape(unit[2:]))
    pps.u_exp(), pps.u_exp()
    known.dependent, known.output_flag = pps.flag(), pps.flag()
    known.extra_bits = pps.u(3)
    pps.flag()
    known.cabac_init = pps.flag()
    known.references = pps.u_exp() + 1
    pps.u_exp()
    known.picture_qp = 26 + pps.s_exp()
    pps.flag(), pps.flag()
    known.qp_delta = pps.flag()
    if known.qp_delta:
        pps.u_exp()
    pps.s_exp(), pps.s_exp()
    known.chroma_offsets = pps.flag()
    if pps.flag() or pps.flag() or pps.flag() or pps.flag() or pps.flag():
        raise Unexpected("weights, bypass, tiles or wave fronts")
    pps.flag()  # filters across slices: there are none
    if pps.flag():
        known.deblock_override, known.deblock_off = pps.flag(), pps.flag()
    if not known.deblock_off:
        raise Unexpected("deblocking is not off")
    if pps.flag():
        raise Unexpected("scaling lists")
    known.lists = pps.flag()
    pps.u_exp()
    known.extension = pps.flag()


def _lowered(unit: bytes, known: _Sets) -> Coded:
    """Move a slice down by one row, and prepare the headers of the strip above it."""
    kind = unit[0] >> 1 & 0x3F
    payload = unescape(unit[2:])
    reader = BitReader(payload[:64])
    if not reader.flag():
        raise Unexpected("not the first slice of its picture")
    begin = reader.position
    if kind in _IRAP:
        reader.flag()
    reader.u_exp()
    start = reader.copy(begin, reader.position) + ("0" if known.dependent else "")
    begin = reader.position
    reader.u(known.extra_bits)
    extra = reader.copy(begin, reader.position)
    begin = reader.position
    slice_type = reader.u_exp()
    after_type = reader.position
    _timing(reader, kind, known)
    timing = reader.copy(after_type, reader.position)
    _prediction(reader, slice_type, known)
    after_qp = _quantiser(reader, known)
    end = reader.position
    address = u(known.width_ctbs, known.address_bits(known.height_ctbs + 1))
    head = "0" + start + address + reader.copy(begin - len(extra), end)
    aligned = -(-(end + 1) // 8)
    below = unit[:2] + escape(with_stop_bit(head) + payload[aligned:])
    tail = extra + u_exp(2) + timing + s_exp(_QP - known.picture_qp) + after_qp
    return Coded(start, tail, unit[:2], (below,))


def _timing(reader: BitReader, kind: int, known: _Sets) -> None:
    """Pass over what all slices of a picture share: output, order, references."""
    if known.output_flag:
        reader.flag()
    if kind in _IDR:
        return
    reader.u(known.poc_bits)
    if reader.flag():
        raise Unexpected("a reference set of the SPS, which has none")
    for _ in range(reader.u_exp() + reader.u_exp()):
        reader.u_exp(), reader.flag()
    if known.temporal_mvp:
        reader.flag()


def _prediction(reader: BitReader, slice_type: int, known: _Sets) -> None:
    """Pass over what only a P slice has."""
    if slice_type == 2:
        return
    if slice_type != 1:
        raise Unexpected("a B slice")
    references = known.references
    if reader.flag():
        references = reader.u_exp() + 1
    if references > 1 or known.lists:
        raise Unexpected("more than one reference picture")
    if known.cabac_init:
        reader.flag()
    reader.u_exp()  # merge candidates; collocated_ref_idx is not there with one reference


def _quantiser(reader: BitReader, known: _Sets) -> str:
    """Pass over the quantiser; return the bits that come after it."""
    reader.s_exp()
    begin = reader.position
    if known.chroma_offsets:
        reader.s_exp(), reader.s_exp()
    if known.deblock_override and reader.flag():
        raise Unexpected("a slice with a deblocking of its own")
    if known.extension and reader.u_exp():
        raise Unexpected("an extension of the slice header")
    return reader.copy(begin, reader.position)


@lru_cache(maxsize=1024)
def _blocks(group: int | None, length: int, *, qp_delta: bool) -> bytes:
    """Return the data of a slice of the strip: a byte's cells, None for black, -1 for grey."""
    levels = [0] * length
    if group is None:
        levels[0] = _LEVEL_BLACK
    elif group >= 0:
        before = 0
        for at, white in enumerate(strip.cells(group)):
            wanted = _LEVEL_WHITE if white else _LEVEL_BLACK
            levels[at], before = wanted - before, wanted
    coder = Encoder(_CONTEXTS, _QP)
    for at, level in enumerate(levels):
        coder.bin("split_cu", 0)
        coder.bin("prev_intra_luma_pred", 1)
        coder.bypass("10")  # the second most probable mode, which is DC
        coder.bin("intra_chroma_pred_mode", 0)
        coder.bin("cbf_chroma", 0)
        coder.bin("cbf_chroma", 0)
        coder.bin("cbf_luma", int(level != 0))
        if level:
            _residual(coder, level, qp_delta=qp_delta)
        coder.terminate(int(at == length - 1))
    return with_stop_bit(coder.ended())


def _residual(coder: Encoder, level: int, *, qp_delta: bool) -> None:
    """Write a transform block with nothing but a DC."""
    if qp_delta:
        coder.bin("cu_qp_delta_abs", 0)
    coder.bin("last_x", 0)
    coder.bin("last_y", 0)
    coder.bin("greater1", 1)
    coder.bin("greater2", 1)
    coder.bypass("1" if level < 0 else "0")
    rest = abs(level) - 3
    if rest < 4:
        coder.bypass("1" * rest + "0")
        return
    coder.bypass("1111")
    rest, power = rest - 4, 1
    while rest >= 1 << power:
        coder.bypass("1")
        rest, power = rest - (1 << power), power + 1
    coder.bypass("0" + u(rest, power))
