"""From the bytes of a group to its key picture, and to a JPEG. Plain functions; run in .bench.

Owns    every call of PyAV in the gateway that decodes.
Needs   PyAV. The bytes came from a camera, by way of a disk: both may lie.
Keeps   1. Whatever the bytes are, the answer is a picture or NoPicture. What hangs or takes the
           process down is the bench's and the supervisor's to end.
        2. Nothing is decoded but the first key picture, by one thread.
Bound   pictures of SIDE_MOST each way; JPEGs of JPEG_MOST bytes.
"""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from gateway.pictures.errors import NoPicture
from gateway.pictures.wire import JPEG_MOST

SIDE_MOST: Final = 8192
QUALITY: Final = 3
"""The encoder's scale, 2 to 31; fine writing stays readable."""
PACKETS_MOST: Final = 64
"""Looked at for the first key picture: sound may stand before it."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A still's bytes and its size in samples."""

    data: bytes
    width: int
    height: int


def key_picture(init: bytes, fragment: bytes) -> VideoFrame:
    """The group's first picture. Raises NoPicture for whatever does not decode to one."""
    av.logging.set_level(av.logging.PANIC)
    try:
        # mp4 alone: nothing is guessed from content that is not ours.
        with av.open(io.BytesIO(init + fragment), format="mp4", mode="r") as container:
            frame = _first(container)
    except (av.error.FFmpegError, ValueError, ArithmeticError, MemoryError, EOFError) as error:
        raise NoPicture(f"it does not decode: {error or type(error).__name__}") from error
    if frame is None or not frame.key_frame:
        # Where no sample claims to be one, libav calls every packet a key.
        raise NoPicture("there is no key picture in it")
    if not (0 < frame.width <= SIDE_MOST and 0 < frame.height <= SIDE_MOST):
        raise NoPicture(f"a picture of {frame.width} x {frame.height}")
    return frame


def _first(container: InputContainer) -> VideoFrame | None:
    if not container.streams.video:
        return None
    stream: VideoStream = container.streams.video[0]
    context: VideoCodecContext | None = stream.codec_context
    if context is None:  # no decoder for what the track says it is, whatever PyAV's types say
        return None
    if context.width > SIDE_MOST or context.height > SIDE_MOST:
        raise NoPicture(f"a picture of {context.width} x {context.height}")
    context.thread_count = 1
    # What the stream itself says later is held to the same, before memory is asked for.
    context.options = {"max_pixels": str(SIDE_MOST * SIDE_MOST)}
    for number, packet in enumerate(container.demux(stream)):
        if number >= PACKETS_MOST:
            break
        if packet.is_keyframe and packet.size:
            for frame in (*stream.decode(packet), *stream.decode(None)):
                return frame
            return None
    return None


def fitted(frame: VideoFrame, width: int | None) -> tuple[int, int]:
    """The size for a width: never larger than the picture, both sides even, shape kept."""
    wide = frame.width if width is None else min(width, frame.width)
    high = frame.height * wide // frame.width
    return max(wide // 2 * 2, 2), max(high // 2 * 2, 2)


def jpeg(frame: VideoFrame, width: int | None = None) -> Jpeg:
    """As a JPEG. Raises NoPicture when that fails."""
    try:
        wide, high = fitted(frame, width)
        ready = frame.reformat(
            width=wide, height=high, format="yuvj420p", dst_color_range=ColorRange.JPEG
        )
        context = av.CodecContext.create("mjpeg", "w")
        context.width, context.height, context.pix_fmt = wide, high, "yuvj420p"
        context.color_range = ColorRange.JPEG
        context.time_base = Fraction(1, 1)
        context.qmin = context.qmax = QUALITY
        ready.pts = 0
        data = b"".join(bytes(packet) for packet in (*context.encode(ready), *context.encode(None)))
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise NoPicture(f"no JPEG came of it: {error}") from error
    if not 0 < len(data) <= JPEG_MOST:
        raise NoPicture(f"a JPEG of {len(data)} bytes")
    return Jpeg(data, wide, high)
