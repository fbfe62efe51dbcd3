"""Clips from real encoders, and what a real decoder sees in them: frames told apart by digest."""

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

import av
import numpy as np

from gateway.media import Run, Sample, fragment, in_decode_order, init_segment
from gateway.media.h264 import is_key as is_key_h264
from gateway.media.h265 import is_key as is_key_h265
from gateway.media.nal import join_lengths, split_annexb
from gateway.media.tracks import Track, video

CLOCK = 90_000
FRAME = CLOCK // 25
Encoding = Literal["h264", "h265"]
IS_KEY: dict[str, Callable[[Iterable[bytes]], bool]] = {"h264": is_key_h264, "h265": is_key_h265}
_SETS = {"h264": ({7, 8}, lambda n: n[0] & 31), "h265": ({32, 33, 34}, lambda n: n[0] >> 1 & 63)}
_ENCODERS = {"h264": "libx264", "h265": "libx265"}


@dataclass(frozen=True)
class Clip:
    """Access units in decoding order, with presentation times in ticks of CLOCK."""

    codec: Encoding
    width: int
    height: int
    units: tuple[tuple[bytes, ...], ...]
    presented: tuple[int, ...]

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        wanted, kind = _SETS[self.codec]
        return tuple(dict.fromkeys(n for unit in self.units for n in unit if kind(n) in wanted))

    @property
    def track(self) -> Track:
        return video(self.codec, CLOCK, self.parameter_sets)

    @property
    def keys(self) -> list[int]:
        """Where the groups of pictures begin."""
        return [at for at, unit in enumerate(self.units) if IS_KEY[self.codec](unit)]

    def groups(self) -> list[slice]:
        starts = self.keys
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(self.units)], strict=True)]


def picture(number: int, width: int, height: int) -> av.VideoFrame:
    """No two are alike: a moving ramp with a bar whose place is the number."""
    ramp = np.add.outer(np.arange(height), np.arange(width)) * 3 + number * 7
    array = np.stack([ramp, ramp // 2, np.full_like(ramp, number * 5)], axis=2).astype(np.uint8)
    array[:, number * 4 % width : number * 4 % width + 4] = 255
    return av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")


@cache
def clip(
    codec: Encoding,
    *,
    frames: int = 50,
    width: int = 160,
    height: int = 96,
    gop: int = 10,
    b_frames: int = 0,
    durations: tuple[int, ...] = (FRAME,),
    extra: str = "",
) -> Clip:
    """Encode; the durations of the pictures go round in a circle."""
    encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, CLOCK), Fraction(25, 1)
    encoder.thread_count = 1
    common = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}{extra}"
    encoder.options = (
        {"preset": "veryfast", "x264-params": common + ":repeat-headers=1:annexb=1"}
        if codec == "h264"
        else {
            "preset": "ultrafast",
            "x265-params": common + ":repeat-headers=1:log-level=none:pools=1:frame-threads=1",
        }
    )
    packets, time = [], 0
    for number in range(frames):
        frame = picture(number, width, height)
        frame.pts, frame.time_base = time, Fraction(1, CLOCK)
        time += durations[number % len(durations)]
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = tuple(tuple(split_annexb(bytes(packet))) for packet in packets)
    return Clip(codec, width, height, units, tuple(int(packet.pts or 0) for packet in packets))


def samples(part: Clip, which: slice, end: int) -> tuple[int, list[Sample]]:
    """Base decode time and samples of one group of pictures."""
    places = in_decode_order(part.presented[which], end)
    units = part.units[which]
    return places[0].decode, [
        Sample(join_lengths(unit), place.duration, place.offset, IS_KEY[part.codec](unit))
        for unit, place in zip(units, places, strict=True)
    ]


def segment(part: Clip, *, first: int = 1, shift: int = 0) -> tuple[bytes, list[bytes]]:
    """Init segment and one fragment for each group of pictures, all as our code writes them."""
    ends = [part.presented[group.start] for group in part.groups()[1:]]
    ends.append(max(part.presented) + FRAME)
    written = []
    for number, (group, end) in enumerate(zip(part.groups(), ends, strict=True), first):
        base, taken = samples(part, group, end)
        written.append(fragment(number, [Run(1, base + shift, taken)]))
    return init_segment([part.track]), written


def digest(frame: av.VideoFrame) -> str:
    return hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()


def reference(part: Clip) -> list[tuple[int, str]]:
    """Presentation time and digest of each picture, decoded without any container of ours."""
    decoder = av.CodecContext.create("h264" if part.codec == "h264" else "hevc", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    seen = []
    for unit, time in zip(part.units, part.presented, strict=True):
        packet = av.Packet(b"".join(b"\0\0\0\1" + nal for nal in unit))
        packet.pts, packet.time_base = time, Fraction(1, CLOCK)
        seen += decoder.decode(packet)
    seen += decoder.decode(None)
    return [(int(frame.pts or 0), digest(frame)) for frame in seen]


def demuxed(data: bytes) -> list[tuple[int, int, int, bool]]:
    """(pts, dts, duration, is key) of each video packet, as ffmpeg's demuxer sees them."""
    with av.open(io.BytesIO(data), format="mp4") as container:
        return [
            (int(p.pts or 0), int(p.dts or 0), int(p.duration or 0), p.is_keyframe)
            for p in container.demux(video=0)
            if p.size
        ]


def decoded(data: bytes) -> list[tuple[int, str]]:
    """As reference(), from a file."""
    with av.open(io.BytesIO(data), format="mp4") as container:
        return [(int(f.pts or 0), digest(f)) for f in container.decode(video=0)]


def whole(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts)
