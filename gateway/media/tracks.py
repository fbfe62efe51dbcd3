"""A track: one kind of picture or sound, described well enough to begin a file with it.

Owns    Track, and what changes in it when a camera sends new parameter sets.
Needs   h264, h265, aac, errors.
Keeps   1. A track's width and height are those of its parameter sets, its channels and clock rate
           those of its configuration; (0, 0) until the first parameter sets are known.
        2. Parameter sets stand in the order VPS, SPS, PPS and by their number, so that the same
           sets are the same tuple, in whatever order a camera repeats them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Final, Literal

from gateway.media import g711, h264, h265
from gateway.media.aac import parse_config
from gateway.media.errors import Unreadable

Codec = Literal["h264", "h265", "aac", "pcma", "pcmu"]
MAX_PARAMETER_SETS: Final = 64
"""Kept of one track; a camera has three."""
_SETS: Final[dict[str, tuple[ModuleType, tuple[int, ...]]]] = {
    "h264": (h264, (h264.SPS, h264.PPS)),
    "h265": (h265, (h265.VPS, h265.SPS, h265.PPS)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track of a camera or of a file.

    clock_rate      ticks in a second: of a camera's RTP clock, and of the file's timescale
    parameter_sets  video: NAL units without start code or length; () while none is known
    config          AAC: the AudioSpecificConfig; else b""
    width, height   video: pixels as seen, 0 while unknown
    channels        audio: how many; video: 0
    """

    kind: Literal["video", "audio"]
    codec: Codec
    clock_rate: int
    parameter_sets: tuple[bytes, ...] = ()
    config: bytes = b""
    width: int = 0
    height: int = 0
    channels: int = 0

    def with_parameter_sets(self, sets: Iterable[bytes]) -> "Track":
        """The same track with those sets, and the size they say; raises Unreadable."""
        ordered = merged(self.codec, (), sets)
        width, height = _size(self.codec, ordered)
        return replace(self, parameter_sets=ordered, width=width, height=height)

    @property
    def complete(self) -> bool:
        """Whether enough is known to begin a file with it."""
        module, kinds = _SETS.get(self.codec, (None, ()))
        if module is None:
            return self.codec != "aac" or bool(self.config)
        return {module.kind(nal) for nal in self.parameter_sets} >= set(kinds)

    @property
    def codec_string(self) -> str:
        """RFC 6381's name, which a browser is asked about: avc1.64001f, mp4a.40.2, alaw."""
        if self.codec == "aac":
            return f"mp4a.40.{parse_config(self.config).object_type}"
        if self.kind == "audio":
            return g711.BOXES[self.codec].decode()
        module, _ = _SETS[self.codec]
        for nal in self.parameter_sets:
            if module.kind(nal) == module.SPS:
                name: str = module.parse_sps(nal).codec
                return name
        raise Unreadable("no sequence parameter set is known yet")


def video(codec: Literal["h264", "h265"], clock_rate: int, sets: Iterable[bytes] = ()) -> Track:
    """A video track; raises Unreadable for sets that are none."""
    track = Track(kind="video", codec=codec, clock_rate=clock_rate)
    return track.with_parameter_sets(sets)


def aac(config: bytes, clock_rate: int | None = None) -> Track:
    """An AAC track; its clock is the config's sample rate unless SDP says otherwise."""
    said = parse_config(config)
    return Track(
        kind="audio",
        codec="aac",
        clock_rate=clock_rate or said.rate_hz,
        config=config,
        channels=said.channels,
    )


def g711_track(codec: Literal["pcma", "pcmu"], channels: int = 1) -> Track:
    """A G.711 track."""
    return Track(kind="audio", codec=codec, clock_rate=g711.RATE_HZ, channels=channels)


def merged(codec: Codec, known: Iterable[bytes], new: Iterable[bytes]) -> tuple[bytes, ...]:
    """`known` with each set of `new` in place of the one of its kind and number.

    raises  Unreadable when one of `new` is no parameter set, or there are too many
    """
    module, kinds = _SETS[codec]
    kept: dict[tuple[int, int], bytes] = {}
    for nal in (*known, *new):
        number = module.kind(nal)
        if number not in kinds:
            raise Unreadable(f"NAL unit of type {number} is no parameter set")
        kept[kinds.index(number), module.set_id(nal)] = nal
    if len(kept) > MAX_PARAMETER_SETS:
        raise Unreadable(f"more than {MAX_PARAMETER_SETS} parameter sets")
    return tuple(kept[key] for key in sorted(kept))


def _size(codec: Codec, sets: Iterable[bytes]) -> tuple[int, int]:
    module, _ = _SETS[codec]
    for nal in sets:
        if module.kind(nal) == module.SPS:
            sps = module.parse_sps(nal)
            return sps.width, sps.height
    return 0, 0
