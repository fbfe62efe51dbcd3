"""What a session hands over: access units, and what it counts.

Owns    AccessUnit, SenderReport, Counters, and the bounds of all of them.
Needs   nothing of ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_UNIT_BYTES: Final = 8 << 20
"""Of one access unit; a camera that sends more is given up: LinkDown."""
MAX_UNIT_NALS: Final = 4096


class AccessUnit(NamedTuple):
    """One picture, or one piece of sound.

    track           index into RtspSession.tracks
    data            video: NAL units, each behind its length in four bytes, as the camera sent them,
                    parameter sets among them; audio: one AAC frame, or G.711 bytes
    ticks           RTP time, unwrapped: grows beyond 32 bits, in the track's clock rate
    is_key          a decoder can begin here; always True for sound
    parameter_sets  all that are in force from here on, if this unit changed one; else None
    lost            packets that were lost since the last unit of this track, each counted once
    damaged         video: lost packets may have been part of it; what is there splits all the same
    arrival_ns      monotonic, when the first packet of it was read: up to RtspSettings.gather_s,
                    rarely half a second, after it came
    restarted       the camera began its stream anew (SSRC): ticks go on from any number
    """

    track: int
    data: bytes
    ticks: int
    is_key: bool
    parameter_sets: tuple[bytes, ...] | None
    lost: int
    damaged: bool
    arrival_ns: int
    restarted: bool


Emit = Callable[[AccessUnit], None]


class Moment:
    """When the bytes being looked at were read, monotonic nanoseconds; one for each session."""

    __slots__ = ("ns",)

    def __init__(self) -> None:
        self.ns = 0


class SenderReport(NamedTuple):
    """The camera's own clock: at this moment of the stream it was this time, it says.

    utc_ns  nanoseconds since 1970, by the camera · ticks of the track, unwrapped
    """

    track: int
    utc_ns: int
    ticks: int
    arrival_ns: int


@dataclass(slots=True)
class Counters:
    """Since the session was opened.

    foreign_packets   of a payload type or version that was not agreed on; thrown away
    damaged_packets   RTP packets that do not decode; thrown away
    garbage_bytes     skipped between packets
    unsent_reports    receiver reports left out because the camera does not read
    """

    bytes: int = 0
    packets: int = 0
    lost_packets: int = 0
    foreign_packets: int = 0
    damaged_packets: int = 0
    garbage_bytes: int = 0
    unsent_reports: int = 0
