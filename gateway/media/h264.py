"""H.264 (ITU-T H.264): what a recorder must know of a NAL unit without decoding it.

Owns    unit types, the sequence parameter set up to the picture's size, the key picture test, avcC.
Needs   bits, errors.
Keeps   1. Any bytes are read or are Unreadable; nothing else is raised.
        2. No size above MAX_SIDE_PX is believed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.media.bits import Bits, unescaped
from gateway.media.errors import Unreadable

NON_IDR: Final = 1
IDR: Final = 5
SEI: Final = 6
SPS: Final = 7
PPS: Final = 8
MAX_SIDE_PX: Final = 16384
MAX_SETS: Final = 31
"""Sequence parameter sets that avcC can hold; 255 picture parameter sets."""
_RECOVERY_POINT: Final = 6
_WITH_CHROMA: Final = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
"""profile_idc whose parameter sets say chroma format and bit depth (7.3.2.1.1)."""
_WITH_CHROMA_IN_BOX: Final = frozenset({100, 110, 122, 144})
_CROP_UNITS: Final = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """What a sequence parameter set says of the picture.

    width, height  in pixels, after cropping: what is seen
    profile        profile_idc · constraints its byte of flags · level level_idc (31: 3.1)
    """

    id: int
    profile: int
    constraints: int
    level: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width: int
    height: int

    @property
    def codec(self) -> str:
        """As browsers and RFC 6381 name it: avc1.64001f."""
        return f"avc1.{self.profile:02x}{self.constraints:02x}{self.level:02x}"


def kind(nal: bytes) -> int:
    """nal_unit_type; raises Unreadable for an empty unit or one with the forbidden bit."""
    if not nal or nal[0] & 0x80:
        raise Unreadable("not a NAL unit of H.264")
    return nal[0] & 0x1F


def is_key(units: Iterable[bytes]) -> bool:
    """Say whether a decoder can begin with this access unit.

    It can with an IDR picture, and with one whose recovery point message says that everything is
    right from here on: some cameras send IDR pictures only once an hour.
    """
    for nal in units:
        number = kind(nal)
        if number == IDR:
            return True
        if number == SEI and _recovers_at_once(nal):
            return True
        if number == NON_IDR:
            return False
    return False


def _recovers_at_once(nal: bytes) -> bool:
    """Say whether an SEI unit holds a recovery point (type 6) with recovery_frame_cnt 0."""
    raw = unescaped(nal[1:512])
    at = 0
    while at + 2 < len(raw):
        number = size = 0
        while at < len(raw) and raw[at] == 0xFF:
            number, at = number + 255, at + 1
        if at >= len(raw):
            return False
        number, at = number + raw[at], at + 1
        while at < len(raw) and raw[at] == 0xFF:
            size, at = size + 255, at + 1
        if at >= len(raw):
            return False
        size, at = size + raw[at], at + 1
        if number == _RECOVERY_POINT:
            return at < len(raw) and raw[at] & 0x80 != 0  # ue(v) that begins with 1 is 0
        at += size
    return False


def parse_sps(nal: bytes) -> Sps:
    """Read a sequence parameter set; raises Unreadable."""
    if kind(nal) != SPS:
        raise Unreadable(f"NAL unit of type {kind(nal)}, a sequence parameter set is {SPS}")
    bits = Bits(unescaped(nal[1:]))
    profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
    number = bits.below(32, "seq_parameter_set_id")
    chroma_format, luma_bits, chroma_bits = 1, 8, 8
    if profile in _WITH_CHROMA:
        chroma_format = bits.below(4, "chroma_format_idc")
        bits.skip(1 if chroma_format == 3 else 0)
        luma_bits += bits.below(7, "bit_depth_luma_minus8")
        chroma_bits += bits.below(7, "bit_depth_chroma_minus8")
        bits.skip(1)
        if bits.flag():
            _skip_scaling(bits, 12 if chroma_format == 3 else 8)
    bits.below(13, "log2_max_frame_num_minus4")
    _skip_picture_order(bits)
    bits.below(64, "max_num_ref_frames")
    bits.skip(1)
    width, height = 16 * (bits.unsigned() + 1), 16 * (bits.unsigned() + 1)
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.skip(1)
    bits.skip(1)
    if bits.flag():
        across, down = _CROP_UNITS[chroma_format]
        down *= 1 if frames_only else 2
        width -= across * (bits.unsigned() + bits.unsigned())
        height -= down * (bits.unsigned() + bits.unsigned())
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise Unreadable(f"a picture of {width} x {height} pixels")
    return Sps(
        id=number,
        profile=profile,
        constraints=constraints,
        level=level,
        chroma_format=chroma_format,
        luma_bits=luma_bits,
        chroma_bits=chroma_bits,
        width=width,
        height=height,
    )


def set_id(nal: bytes) -> int:
    """The number of a parameter set, which a later one of that kind and number replaces."""
    if kind(nal) == SPS:
        return parse_sps(nal).id
    return Bits(unescaped(nal[1:64])).below(256, "pic_parameter_set_id")


def avcc(parameter_sets: Sequence[bytes]) -> bytes:
    """The decoder's configuration record (ISO/IEC 14496-15, 5.3.3.1), four-byte lengths.

    raises  Unreadable without a readable sequence parameter set and a picture parameter set
    """
    of_sequence = [nal for nal in parameter_sets if kind(nal) == SPS]
    of_picture = [nal for nal in parameter_sets if kind(nal) == PPS]
    if not 0 < len(of_sequence) <= MAX_SETS or not 0 < len(of_picture) <= 255:
        raise Unreadable("H.264 needs a sequence and a picture parameter set")
    sps = parse_sps(of_sequence[0])
    parts = [bytes((1, sps.profile, sps.constraints, sps.level, 0xFF, 0xE0 | len(of_sequence)))]
    parts += [len(nal).to_bytes(2, "big") + nal for nal in of_sequence]
    parts.append(bytes((len(of_picture),)))
    for nal in of_picture:
        if len(nal) > 0xFFFF:
            raise Unreadable(f"a picture parameter set of {len(nal)} bytes")
        parts.append(len(nal).to_bytes(2, "big") + nal)
    if sps.profile in _WITH_CHROMA_IN_BOX:
        depths = (0xF8 | (sps.luma_bits - 8), 0xF8 | (sps.chroma_bits - 8))
        parts.append(bytes((0xFC | sps.chroma_format, *depths, 0)))
    return b"".join(parts)


def _skip_scaling(bits: Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _skip_picture_order(bits: Bits) -> None:
    form = bits.below(3, "pic_order_cnt_type")
    if form == 0:
        bits.below(13, "log2_max_pic_order_cnt_lsb_minus4")
    elif form == 1:
        bits.skip(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.below(256, "num_ref_frames_in_pic_order_cnt_cycle")):
            bits.signed()
