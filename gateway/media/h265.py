"""H.265 (ITU-T H.265): what a recorder must know of a NAL unit without decoding it.

Owns    unit types, the sequence parameter set up to the bit depths, the key picture test, hvcC.
Needs   bits, errors.
Keeps   1. Any bytes are read or are Unreadable; nothing else is raised.
        2. No size above MAX_SIDE_PX is believed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.media.bits import Bits, unescaped
from gateway.media.errors import Unreadable

FIRST_IRAP: Final = 16
LAST_IRAP: Final = 21
"""BLA, IDR and CRA pictures; 22 and 23 are reserved."""
LAST_VCL: Final = 31
VPS: Final = 32
SPS: Final = 33
PPS: Final = 34
MAX_SIDE_PX: Final = 16384
_CROP_UNITS: Final = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """What a sequence parameter set says of the picture.

    width, height     in pixels, after the conformance window: what is seen
    profile           general_profile_space, tier, profile_idc as one byte
    compatibility     32 flags · constraints 48 bits · level 30 times the level (93: 3.1)
    temporal_layers   1 to 7 · nested sps_temporal_id_nesting_flag
    """

    id: int
    profile: int
    compatibility: int
    constraints: int
    level: int
    temporal_layers: int
    nested: bool
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width: int
    height: int

    @property
    def codec(self) -> str:
        """As browsers and ISO/IEC 14496-15 annex E name it: hvc1.1.6.L93.90."""
        space = ("", "A", "B", "C")[self.profile >> 6]
        mirrored = int(f"{self.compatibility:032b}"[::-1], 2)
        tier = "H" if self.profile & 0x20 else "L"
        flags = self.constraints.to_bytes(6, "big").rstrip(b"\0")
        tail = "".join(f".{byte:x}" for byte in flags)
        return f"hvc1.{space}{self.profile & 0x1F}.{mirrored:x}.{tier}{self.level}{tail}"


def kind(nal: bytes) -> int:
    """nal_unit_type; raises Unreadable for a unit without header or with the forbidden bit."""
    if len(nal) < 2 or nal[0] & 0x80:
        raise Unreadable("not a NAL unit of H.265")
    return nal[0] >> 1 & 0x3F


def is_key(units: Iterable[bytes]) -> bool:
    """Say whether a decoder can begin with this access unit: a BLA, IDR or CRA picture."""
    for nal in units:
        number = kind(nal)
        if number <= LAST_VCL:
            return FIRST_IRAP <= number <= LAST_IRAP
    return False


def parse_sps(nal: bytes) -> Sps:
    """Read a sequence parameter set; raises Unreadable."""
    if kind(nal) != SPS:
        raise Unreadable(f"NAL unit of type {kind(nal)}, a sequence parameter set is {SPS}")
    bits = Bits(unescaped(nal[2:]))
    bits.skip(4)
    below_top = bits.take(3)
    nested = bits.flag()
    profile, compatibility, constraints = bits.take(8), bits.take(32), bits.take(48)
    level = bits.take(8)
    _skip_sub_layers(bits, below_top)
    number = bits.below(16, "sps_seq_parameter_set_id")
    chroma_format = bits.below(4, "chroma_format_idc")
    bits.skip(1 if chroma_format == 3 else 0)
    width, height = bits.unsigned(), bits.unsigned()
    if bits.flag():
        across, down = _CROP_UNITS[chroma_format]
        width -= across * (bits.unsigned() + bits.unsigned())
        height -= down * (bits.unsigned() + bits.unsigned())
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise Unreadable(f"a picture of {width} x {height} pixels")
    return Sps(
        id=number,
        profile=profile,
        compatibility=compatibility,
        constraints=constraints,
        level=level,
        temporal_layers=below_top + 1,
        nested=nested,
        chroma_format=chroma_format,
        luma_bits=8 + bits.below(9, "bit_depth_luma_minus8"),
        chroma_bits=8 + bits.below(9, "bit_depth_chroma_minus8"),
        width=width,
        height=height,
    )


def set_id(nal: bytes) -> int:
    """The number of a parameter set, which a later one of that kind and number replaces."""
    number = kind(nal)
    if number == SPS:
        return parse_sps(nal).id
    bits = Bits(unescaped(nal[2:64]))
    return bits.take(4) if number == VPS else bits.below(64, "pps_pic_parameter_set_id")


def hvcc(parameter_sets: Sequence[bytes]) -> bytes:
    """The decoder's configuration record (ISO/IEC 14496-15, 8.3.3.1), four-byte lengths.

    raises  Unreadable without a readable sequence parameter set, and one of the two other kinds
    """
    arrays = [[nal for nal in parameter_sets if kind(nal) == wanted] for wanted in (VPS, SPS, PPS)]
    if not all(arrays):
        raise Unreadable("H.265 needs a video, a sequence and a picture parameter set")
    sps = parse_sps(arrays[1][0])
    parts = [
        bytes((1, sps.profile)),
        sps.compatibility.to_bytes(4, "big"),
        sps.constraints.to_bytes(6, "big"),
        # No claim about slices (0), parallel decoding (0) or frame rate (0): none is needed.
        bytes((sps.level, 0xF0, 0, 0xFC, 0xFC | sps.chroma_format)),
        bytes((0xF8 | (sps.luma_bits - 8) & 7, 0xF8 | (sps.chroma_bits - 8) & 7, 0, 0)),
        bytes((sps.temporal_layers << 3 | sps.nested << 2 | 3, len(arrays))),
    ]
    for wanted, array in zip((VPS, SPS, PPS), arrays, strict=True):
        parts.append(bytes((0x80 | wanted,)) + len(array).to_bytes(2, "big"))
        for nal in array:
            if len(nal) > 0xFFFF:
                raise Unreadable(f"a parameter set of {len(nal)} bytes")
            parts.append(len(nal).to_bytes(2, "big") + nal)
    return b"".join(parts)


def _skip_sub_layers(bits: Bits, count: int) -> None:
    present = [(bits.flag(), bits.flag()) for _ in range(count)]
    if count:
        bits.skip(2 * (8 - count))
    for has_profile, has_level in present:
        bits.skip(88 * has_profile + 8 * has_level)
