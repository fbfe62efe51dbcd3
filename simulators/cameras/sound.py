"""Sound: a tune that repeats, as AAC or G.711.

Keeps   1. Sound goes round by itself: it has a length of its own, and its timestamps go on.
        2. Encoded when first asked for, in less than a second; FRAMES frames are kept.
"""

import array
import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Final

import av

from simulators.cameras.packets import Burst, aac_payload

FRAMES: Final = 100
AUDIO_PAYLOAD_TYPE: Final = 97
_TUNE_HZ: Final = (440, 550, 660, 880)


class Sound(StrEnum):
    """What a camera's microphone is encoded as."""

    AAC = "aac"
    PCMA = "pcma"
    PCMU = "pcmu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A ring of sound frames.

    rate_hz   samples a second, which is also the RTP clock
    samples   in each frame
    config    AAC's AudioSpecificConfig, empty for G.711
    """

    sound: Sound
    rate_hz: int
    samples: int
    payload_type: int
    config: bytes
    bursts: tuple[Burst, ...]


@cache
def track(sound: Sound) -> Track:
    """Return the tune; blocks for a moment the first time."""
    if sound is Sound.AAC:
        config, frames = _coded("aac", 16_000, 1024)
        payloads = [aac_payload(frame) for frame in frames]
        rate_hz, samples, payload_type = 16_000, 1024, AUDIO_PAYLOAD_TYPE
    else:
        name = "pcm_alaw" if sound is Sound.PCMA else "pcm_mulaw"
        config, payloads = _coded(name, 8_000, 320)
        rate_hz, samples, payload_type = 8_000, 320, 8 if sound is Sound.PCMA else 0
    bursts = tuple(Burst.of([payload], payload_type, ends=True) for payload in payloads)
    return Track(
        sound=sound,
        rate_hz=rate_hz,
        samples=samples,
        payload_type=payload_type,
        config=config,
        bursts=bursts,
    )


def _coded(name: str, rate_hz: int, samples: int) -> tuple[bytes, list[bytes]]:
    coder = av.CodecContext.create(name, "w")
    if not isinstance(coder, av.AudioCodecContext):
        raise TypeError(f"{name} encodes no sound")
    coder.sample_rate, coder.layout = rate_hz, "mono"
    coder.format = "fltp" if name == "aac" else "s16"
    coder.time_base = Fraction(1, rate_hz)
    if name == "aac":
        coder.flags |= av.codec.context.Flags.global_header
    frames: list[bytes] = []
    for number in range(FRAMES + 4):  # AAC begins with a frame of nothing, and keeps some back
        frame = av.AudioFrame(coder.format.name, "mono", samples)
        frame.sample_rate, frame.pts = rate_hz, number * samples
        frame.planes[0].update(_samples(number * samples, samples, rate_hz, coder.format.name))
        frames += [bytes(packet) for packet in coder.encode(frame)]
    return bytes(coder.extradata or b""), frames[1 : FRAMES + 1]


def _samples(begin: int, count: int, rate_hz: int, form: str) -> bytes:
    waves = []
    for at in range(begin, begin + count):
        pitch = _TUNE_HZ[at // rate_hz % len(_TUNE_HZ)]
        waves.append(0.3 * math.sin(2 * math.pi * pitch * at / rate_hz))
    if form == "fltp":
        return array.array("f", waves).tobytes()
    return array.array("h", [int(wave * 32_000) for wave in waves]).tobytes()
