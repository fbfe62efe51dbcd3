"""RTP and RTCP: how pictures and sound are cut into packets.

Owns    payload formats (RFC 6184 H.264, RFC 7798 H.265, RFC 3640 AAC), packets and sender reports
        (RFC 3550), and the frame around a packet in an RTSP connection (RFC 2326 10.12).
Keeps   1. Pure.
        2. A Burst is all packets of one picture in one piece of bytes, cut once and sent to many: a
           session fills in its own numbers with one struct call for each packet.
        3. Bounds: a payload has at most PAYLOAD_BYTES.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

PAYLOAD_BYTES: Final = 1400
FRAME_BYTES: Final = 4
"""What interleaving puts before a packet: a dollar sign, the channel, two bytes of length."""

_HEADER_BYTES: Final = 12
_NUMBERS: Final = struct.Struct(">HII")
_NTP_EPOCH_S: Final = 2_208_988_800
_PADDED: Final = 4


@dataclass(frozen=True, slots=True)
class Burst:
    """Interleaved packets whose channel, sequence number, timestamp and source are still empty.

    starts  where each packet's frame begins
    """

    data: bytes
    starts: tuple[int, ...]

    @classmethod
    def of(cls, payloads: Sequence[bytes], payload_type: int, *, ends: bool) -> Self:
        """Put headers before payloads; `ends` sets the marker of the last: the picture is whole."""
        parts, starts, at = [], [], 0
        for number, payload in enumerate(payloads, start=1):
            marked = 0x80 if ends and number == len(payloads) else 0
            length = _HEADER_BYTES + len(payload)
            parts.append(
                struct.pack(">BBHBBHII", 0x24, 0, length, 0x80, marked | payload_type, 0, 0, 0)
            )
            parts.append(payload)
            starts.append(at)
            at += FRAME_BYTES + length
        return cls(b"".join(parts), tuple(starts))

    def __add__(self, after: "Burst") -> "Burst":
        """Join two bursts."""
        base = len(self.data)
        return Burst(self.data + after.data, self.starts + tuple(base + at for at in after.starts))

    def filled(self, channel: int, sequence: int, timestamp: int, source: int) -> bytearray:
        """Return the bytes for one session; sequence numbers go on from `sequence`."""
        data = bytearray(self.data)
        pack = _NUMBERS.pack_into
        for count, at in enumerate(self.starts, start=sequence):
            pack(data, at + 6, count & 0xFFFF, timestamp, source)
        if channel:
            for at in self.starts:
                data[at + 1] = channel
        return data


def apart(data: bytes | bytearray) -> list[bytes]:
    """Cut interleaved bytes into the packets they hold, each with its frame."""
    packets, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at + 2)
        packets.append(bytes(data[at : at + FRAME_BYTES + length]))
        at += FRAME_BYTES + length
    return packets


def h264_payloads(units: Iterable[bytes]) -> list[bytes]:
    """Cut NAL units into single packets and fragments (FU-A, RFC 6184 5.8)."""
    payloads = []
    for unit in units:
        if len(unit) <= PAYLOAD_BYTES:
            payloads.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        for at, begins, ends in _pieces(len(unit), 1, PAYLOAD_BYTES - 2):
            header = bytes([indicator, begins << 7 | ends << 6 | kind])
            payloads.append(header + unit[at : at + PAYLOAD_BYTES - 2])
    return payloads


def h265_payloads(units: Iterable[bytes]) -> list[bytes]:
    """Cut NAL units into single packets and fragments (FU, RFC 7798 4.4.3)."""
    payloads = []
    for unit in units:
        if len(unit) <= PAYLOAD_BYTES:
            payloads.append(unit)
            continue
        kind = unit[0] >> 1 & 0x3F
        start = bytes([unit[0] & 0x81 | 49 << 1, unit[1]])
        for at, begins, ends in _pieces(len(unit), 2, PAYLOAD_BYTES - 3):
            header = start + bytes([begins << 7 | ends << 6 | kind])
            payloads.append(header + unit[at : at + PAYLOAD_BYTES - 3])
    return payloads


def gathered(units: Sequence[bytes], codec: str) -> list[bytes]:
    """Put small NAL units of one picture together (STAP-A, RFC 6184 5.7.1; AP, RFC 7798 4.4.2).

    What comes back goes through h264_payloads or h265_payloads like any unit; one that stands alone
    or is too large stays as it is.
    """
    out: list[bytes] = []
    batch: list[bytes] = []
    for unit in [*units, b""]:
        size = 2 + sum(2 + len(one) for one in batch) + 2 + len(unit)
        if batch and (not unit or size > PAYLOAD_BYTES):
            out.append(_together(batch, codec) if len(batch) > 1 else batch[0])
            batch = []
        if len(unit) + 4 > PAYLOAD_BYTES:
            out.append(unit)
        elif unit:
            batch.append(unit)
    return out


def _together(batch: Sequence[bytes], codec: str) -> bytes:
    if codec == "h264":
        head = bytes([max(unit[0] & 0x60 for unit in batch) | 24])
    else:
        head = bytes([48 << 1, 1])
    return head + b"".join(len(unit).to_bytes(2, "big") + unit for unit in batch)


def aac_payload(unit: bytes) -> bytes:
    """Put the two headers of AAC-hbr before one access unit (RFC 3640 3.3.6)."""
    return struct.pack(">HH", 16, len(unit) << 3) + unit


def _pieces(size: int, begin: int, step: int) -> list[tuple[int, bool, bool]]:
    starts = range(begin, size, step)
    return [(at, at == begin, at == starts[-1]) for at in starts]


def sender_report(
    channel: int, source: int, *, wall_s: float, timestamp: int, packets: int, octets: int
) -> bytes:
    """Return an interleaved sender report with the name of its source (RFC 3550 6.4.1, 6.5)."""
    seconds, fraction = divmod(wall_s + _NTP_EPOCH_S, 1)
    report = struct.pack(
        ">BBHIIIIII", 0x80, 200, 6, source, int(seconds) & 0xFFFFFFFF, int(fraction * 2**32),
        timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF,
    )  # fmt: skip
    name = f"{source:08x}@camera".encode()
    chunk = struct.pack(">IBB", source, 1, len(name)) + name + b"\0"
    chunk += bytes(-len(chunk) % _PADDED)
    named = struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk
    return struct.pack(">BBH", 0x24, channel, len(report) + len(named)) + report + named


def goodbye(channel: int, source: int) -> bytes:
    """Return an interleaved BYE after an empty receiver report (RFC 3550 6.6)."""
    both = struct.pack(">BBHI", 0x80, 201, 1, source) + struct.pack(">BBHI", 0x81, 203, 1, source)
    return struct.pack(">BBH", 0x24, channel, len(both)) + both
