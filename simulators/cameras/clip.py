"""Clips: a few seconds of a scene, encoded once, that play in a ring and count for hours.

Owns    the encoding, the folder where encoded clips are kept, and what of a clip goes on the wire.
Needs   av with libx264 and libx265; scene, avc, hevc, packets.
Keeps   1. A clip has frames = group x groups pictures, each group begins with an IDR, and no
           picture refers across that border: the ring has no seam.
        2. The strip is not part of the encoded picture: it is written for each frame number when
           it is sent (avc, hevc), so it is right for days and costs microseconds. Encoding live
           would cost a core for each camera; a number that is loop x length + index would need
           the loop from elsewhere, which a recording does not have.
        3. A clip is kept under a key of everything that made it, this package's source included;
           written aside and renamed, so that processes can share the folder.
        4. Bounds: KEPT_CLIPS files in the folder; READY pictures ready for the wire in memory.
"""

import hashlib
import os
import struct
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final, Literal

import av
import av.filter

from simulators.cameras import avc, hevc, strip
from simulators.cameras.packets import Burst, gathered, h264_payloads, h265_payloads
from simulators.cameras.scene import BANNER, NUMBERLESS, Picture, Scene

KEPT_CLIPS: Final = 64
READY: Final = 128
VIDEO_PAYLOAD_TYPE: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a stream is encoded.

    width, height  at least 640; width in steps of 16, height in steps of 8
    group          pictures from key frame to key frame
    groups         groups until the ring begins again; even, so that neighbouring IDRs differ
    kbit_per_s     what the encoder aims at, strip and packets not counted
    """

    codec: Literal["h264", "h265"] = "h264"
    width: int = 1920
    height: int = 1080
    fps: int = 25
    group: int = 50
    groups: int = 4
    kbit_per_s: int = 3000

    def __post_init__(self) -> None:
        if self.width % 16 or self.height % 8 or self.width < strip.CELLS * strip.CELL:
            raise ValueError(f"{self.width} x {self.height}: width in 16s from 640, height in 8s")
        if self.groups % 2 or self.group < 1:
            raise ValueError("groups must be even, group at least 1")

    @property
    def frames(self) -> int:
        """Pictures until the ring begins again."""
        return self.group * self.groups


MAIN: Final = Shape()
SUB: Final = Shape(width=640, height=360, kbit_per_s=400)
SMALL: Final = Shape(width=640, height=360, kbit_per_s=200, group=10, groups=2)
"""For tests: key frames 0.4 s apart, encoded in a moment."""


class Clip:
    """One encoded ring of pictures."""

    def __init__(self, shape: Shape, picture: Picture, packets: Iterable[bytes]) -> None:
        self.shape = shape
        self.picture = picture
        self._coded = avc.Avc(packets) if shape.codec == "h264" else hevc.Hevc(packets)
        self._payloads = h264_payloads if shape.codec == "h264" else h265_payloads
        self._below: dict[int, Burst] = {}
        self._ready: dict[tuple[int, int, bool], Burst] = {}

    @property
    def sets(self) -> tuple[bytes, ...]:
        """SPS and PPS, with the VPS before them in H.265."""
        return self._coded.sets

    def units(self, number: int, shown: int | None = None) -> list[bytes]:
        """Return the NAL units of the picture with this number; its strip shows `shown` instead."""
        index = number % self.shape.frames
        return [*self._head(index, number if shown is None else shown), *self._coded.below(index)]

    def burst(self, number: int, shown: int | None = None, *, gather: bool = False) -> Burst:
        """Return the same as RTP packets whose headers are still to be filled in.

        gather  parameter sets and strip travel in one packet
        """
        index, shown = number % self.shape.frames, number if shown is None else shown
        ready = self._ready.get((index, shown, gather))
        if ready is None:
            below = self._below.get(index)
            if below is None:
                payloads = self._payloads(self._coded.below(index))
                below = self._below[index] = Burst.of(payloads, VIDEO_PAYLOAD_TYPE, ends=True)
            head = self._head(index, shown)
            head = self._payloads(gathered(head, self.shape.codec) if gather else head)
            ready = Burst.of(head, VIDEO_PAYLOAD_TYPE, ends=False) + below
            if len(self._ready) >= READY:
                del self._ready[next(iter(self._ready))]
            self._ready[index, shown, gather] = ready
        return ready

    def _head(self, index: int, shown: int) -> list[bytes]:
        groups = None if self.picture in NUMBERLESS else strip.groups(shown)
        sets = self.sets if index % self.shape.group == 0 else ()
        return [*sets, *self._coded.strip(index, groups)]


_making = threading.Lock()
_alive: "weakref.WeakValueDictionary[tuple[str, Shape, Picture], Clip]" = (
    weakref.WeakValueDictionary()
)
"""Clips somebody plays: a hundred cameras of one label have one."""


def load(name: str, shape: Shape, picture: Picture = Picture.NORMAL) -> Clip:
    """Return a clip, encoding it if nobody has; blocks for seconds then, so call it in a thread."""
    key = (name, shape, picture)
    with _making:  # two at once would only take the processor from each other
        clip = _alive.get(key)
        if clip is None:
            clip = _alive[key] = Clip(shape, picture, encoded(name, shape, picture))
        return clip


def encoded(name: str, shape: Shape, picture: Picture) -> list[bytes]:
    """Return what the encoder wrote, without strips, one piece for each picture."""
    key = repr((name, asdict(shape), picture, _source())).encode()
    path = _folder() / f"{hashlib.sha256(key).hexdigest()[:32]}.clip"
    if not path.exists():
        _keep(path, _encode(name, shape, picture))
    return list(_kept(path))


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"campus-simulators-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _source() -> str:
    """Name what the code that makes clips looks like now: an edit makes every kept clip stale."""
    here = Path(__file__).parent
    parts = b"".join(
        (here / f"{name}.py").read_bytes() for name in ("scene", "clip", "avc", "hevc")
    )
    return hashlib.sha256(parts + av.__version__.encode()).hexdigest()


def _keep(path: Path, packets: list[bytes]) -> None:
    old = sorted(path.parent.glob("*.clip"), key=lambda one: one.stat().st_mtime)
    for one in old[: max(0, len(old) - KEPT_CLIPS + 1)]:
        one.unlink(missing_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    with aside.open("wb") as file:
        for packet in packets:
            file.write(struct.pack(">I", len(packet)) + packet)
    aside.replace(path)


def _kept(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _encode(name: str, shape: Shape, picture: Picture) -> list[bytes]:
    """Draw and encode; the picture is a strip's height lower than the stream says later."""
    coder = av.CodecContext.create("libx264" if shape.codec == "h264" else "libx265", "w")
    if not isinstance(coder, av.VideoCodecContext):
        raise TypeError(f"{coder.name} encodes no video")
    coder.width, coder.height = shape.width, shape.height - strip.CELL
    coder.pix_fmt = "yuv420p"
    coder.framerate, coder.time_base = Fraction(shape.fps), Fraction(1, shape.fps)
    coder.bit_rate = shape.kbit_per_s * 1000
    rate = f"vbv-maxrate={shape.kbit_per_s}:vbv-bufsize={shape.kbit_per_s * 2}"
    groups = f"keyint={shape.group}:min-keyint={shape.group}"
    if shape.codec == "h264":
        coder.options = {"preset": "veryfast", "x264-params": f"{avc.ENCODER}:{groups}:{rate}"}
    else:
        coder.options = {"preset": "ultrafast", "x265-params": f"{hevc.ENCODER}:{groups}:{rate}"}
    scene = Scene(
        name=name,
        picture=picture,
        width=coder.width,
        height=coder.height,
        frames=shape.frames,
        fps=shape.fps,
    )
    packets: list[bytes] = []
    for frame in _frames(scene):
        packets += [bytes(packet) for packet in coder.encode(frame)]
    packets += [bytes(packet) for packet in coder.encode(None)]
    if len(packets) != shape.frames:
        raise avc.Unexpected(f"{len(packets)} pictures encoded, {shape.frames} drawn")
    return packets


def _frames(scene: Scene) -> Iterator[av.VideoFrame]:
    graph = _out_of_focus(scene) if scene.picture is Picture.BLURRED else None
    for index, planes in enumerate(scene.pictures()):
        frame = av.VideoFrame(scene.width, scene.height, "yuv420p")
        _lay_over(frame, planes)
        frame.pts, frame.time_base = index, Fraction(1, scene.fps)
        if graph is not None:
            graph.push(frame)
            blurred = graph.pull()
            if not isinstance(blurred, av.VideoFrame):
                raise TypeError("the filter returned no picture")
            frame = blurred
            # A camera writes its name behind the lens: it stays sharp, and as still as it must be.
            rows = (BANNER * scene.width, *[BANNER * scene.width // 4] * 2)
            _lay_over(frame, [whole[:size] for whole, size in zip(planes, rows, strict=True)])
        yield frame


def _lay_over(frame: av.VideoFrame, planes: Sequence[bytes]) -> None:
    """Put samples in place of a frame's, from above; a frame's rows may be longer than wide."""
    for plane, samples in zip(frame.planes, planes, strict=True):
        width, stride = plane.width, plane.line_size
        gap = bytes(stride - width)
        rows = (samples[at : at + width] + gap for at in range(0, len(samples), width))
        above = b"".join(rows)
        plane.update(above + bytes(plane)[len(above) :])


def _out_of_focus(scene: Scene) -> "av.filter.Graph":
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=scene.width,
        height=scene.height,
        format=av.VideoFormat("yuv420p"),
        time_base=Fraction(1, scene.fps),
    )
    blur = graph.add("gblur", f"sigma={scene.width // 60}")
    sink = graph.add("buffersink")
    source.link_to(blur)
    blur.link_to(sink)
    graph.configure()
    return graph
