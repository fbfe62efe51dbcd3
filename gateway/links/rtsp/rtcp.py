"""RTCP (RFC 3550, section 6): the camera's clock in its sender reports, our receiver reports.

Owns    reading compound packets for sender reports; writing a receiver report with our name.
Needs   nothing of ours. Pure.
Keeps   Any bytes are read; what is no report is left out.
"""

import struct
from typing import Final, NamedTuple

NTP_EPOCH_S: Final = 2_208_988_800
"""1900 to 1970."""
_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_DESCRIPTION: Final = 202
_GOODBYE: Final = 203
MAX_PARTS: Final = 32


class Report(NamedTuple):
    """A sender report: NTP time as 64 bits, and the RTP time stamp of the same moment."""

    ssrc: int
    ntp: int
    stamp: int

    @property
    def utc_ns(self) -> int | None:
        """Nanoseconds since 1970; None when the camera has no wall clock and says 0 or 1970."""
        seconds = (self.ntp >> 32) - NTP_EPOCH_S
        if seconds < 0:
            seconds += 1 << 32  # the era of 32 bits that begins in 2036
        if seconds < 86_400 * 365 or self.ntp >> 32 == 0:
            return None
        return seconds * 1_000_000_000 + ((self.ntp & 0xFFFFFFFF) * 1_000_000_000 >> 32)


class Heard(NamedTuple):
    """What one compound packet said."""

    reports: tuple[Report, ...]
    goodbye: bool


def parse(data: bytes | memoryview) -> Heard:
    """Sender reports of a compound packet, at most MAX_PARTS parts of it."""
    reports: list[Report] = []
    goodbye = False
    at = 0
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            break
        flags, kind, words = struct.unpack_from(">BBH", data, at)
        end = at + 4 + 4 * words
        if flags & 0xC0 != 0x80 or end > len(data):
            break
        if kind == _SENDER_REPORT and end - at >= 28:
            ssrc, ntp, stamp = struct.unpack_from(">IQI", data, at + 4)
            reports.append(Report(ssrc, ntp, stamp))
        goodbye = goodbye or kind == _GOODBYE
        at = end
    return Heard(tuple(reports), goodbye)


class Reception(NamedTuple):
    """What a receiver report says of one source (6.4.1); jitter in ticks, delays in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


def receiver_report(ours: int, source: Reception, name: bytes) -> bytes:
    """A compound packet: receiver report and, as the standard demands, our canonical name."""
    report = struct.pack(
        ">BBHIIIIIII",
        0x81,
        _RECEIVER_REPORT,
        7,
        ours,
        source.ssrc,
        source.fraction_lost << 24 | min(source.lost, 0x7FFFFF),
        source.highest,
        source.jitter,
        source.last_report,
        source.delay,
    )
    item = bytes((1, len(name))) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list
    words = 1 + len(item) // 4
    return report + struct.pack(">BBHI", 0x81, _DESCRIPTION, words, ours) + item
