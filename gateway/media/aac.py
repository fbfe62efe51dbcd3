"""AAC: the AudioSpecificConfig of ISO/IEC 14496-3 that an SDP carries and MP4 repeats.

Owns    object type, sample rate, channels, samples in a frame; the esds box's descriptors.
Needs   bits, errors.
Keeps   Any bytes are read or are Unreadable.
"""

from dataclasses import dataclass
from typing import Final

from gateway.media.bits import Bits
from gateway.media.errors import Unreadable

MAX_CONFIG_BYTES: Final = 64
_RATES: Final = (
    96000,
    88200,
    64000,
    48000,
    44100,
    32000,
    24000,
    22050,
    16000,
    12000,
    11025,
    8000,
    7350,
)
_CHANNELS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8}
_LOW_COMPLEXITY: Final = 2
_SPECTRAL_BANDS: Final = (5, 29)
"""Object types that wrap another: SBR and parametric stereo (HE-AAC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AacConfig:
    """What an AudioSpecificConfig says; rate in Hz of the core, frame in samples of the core."""

    object_type: int
    rate_hz: int
    channels: int
    frame_samples: int


def parse_config(config: bytes) -> AacConfig:
    """Read an AudioSpecificConfig; raises Unreadable."""
    if not 2 <= len(config) <= MAX_CONFIG_BYTES:
        raise Unreadable(f"an AudioSpecificConfig of {len(config)} bytes")
    bits = Bits(config)
    object_type = _object_type(bits)
    rate_hz = _rate(bits)
    channels = _CHANNELS.get(bits.take(4))
    if channels is None:
        raise Unreadable("an AudioSpecificConfig that does not say how many channels")
    if object_type in _SPECTRAL_BANDS:
        _rate(bits)
        object_type = _object_type(bits)
    if object_type != _LOW_COMPLEXITY:
        raise Unreadable(f"AAC of object type {object_type}, only low complexity (2) is known")
    return AacConfig(
        object_type=object_type,
        rate_hz=rate_hz,
        channels=channels,
        frame_samples=960 if bits.flag() else 1024,
    )


def descriptors(config: bytes) -> bytes:
    """The elementary stream descriptor of an esds box (ISO/IEC 14496-1, 7.2.6.5)."""
    specific = _descriptor(5, config)
    # 0x40 is AAC, 0x15 an audio stream; buffer size and bit rates are not known and 0 says so.
    decoder = _descriptor(4, b"\x40\x15" + bytes(11) + specific)
    return _descriptor(3, b"\0\0\0" + decoder + _descriptor(6, b"\2"))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body  # bodies here are shorter than 128 bytes


def _object_type(bits: Bits) -> int:
    number = bits.take(5)
    return 32 + bits.take(6) if number == 31 else number


def _rate(bits: Bits) -> int:
    index = bits.take(4)
    if index == 15:
        return bits.take(24) or _unknown_rate()
    return _RATES[index] if index < len(_RATES) else _unknown_rate()


def _unknown_rate() -> int:
    raise Unreadable("an AudioSpecificConfig with a sample rate that does not exist")
