"""The two clocks of a session: what the camera reports of its own, what we report of the loss.

Owns    the newest sender report of each track, the camera's offset, numbers between two reports.
Needs   rtcp, rtp, unit, the Clock.
Keeps   1. A camera without a wall clock, or whose pictures have not begun, has no offset.
        2. The last report's middle 32 bits are repeated to the camera even so: it may measure the
           way there and back by them.
"""

import secrets
from typing import Final

from gateway.clock import Clock
from gateway.links.rtsp import rtcp
from gateway.links.rtsp.rtp import Receiver
from gateway.links.rtsp.unit import SenderReport

_NAME: Final = b"campus-gateway"
_MAX_U32: Final = 0xFFFFFFFF


class Reports:
    """See the module.

    newest     of each track, by its index
    offset_ns  the camera's clock minus ours at the newest of all; None while unknown
    """

    def __init__(self, clock: Clock) -> None:
        self.newest: dict[int, SenderReport] = {}
        self.offset_ns: int | None = None
        self._clock = clock
        self._ours = secrets.randbits(32)
        self._heard: dict[int, tuple[int, int]] = {}
        self._told: dict[int, tuple[int, int]] = {}

    def hear(self, receiver: Receiver, data: bytes, now_ns: int) -> bool:
        """Take a compound packet of the track's control channel; True for a goodbye."""
        heard = rtcp.parse(data)
        for report in heard.reports:
            self._heard[receiver.track] = (report.ntp >> 16 & _MAX_U32, now_ns)
            utc_ns = report.utc_ns
            if utc_ns is None or receiver.ssrc is None:
                continue
            ticks = receiver.ticks_of(report.stamp)
            self.newest[receiver.track] = SenderReport(receiver.track, utc_ns, ticks, now_ns)
            self.offset_ns = utc_ns - self._clock.utc_ns()
        return heard.goodbye

    def tell(self, receiver: Receiver, now_ns: int) -> bytes | None:
        """A receiver report of the time since the last one; None before the first packet."""
        if receiver.ssrc is None:
            return None
        received, lost = self._told.get(receiver.track, (0, 0))
        received, lost = receiver.received - received, receiver.lost - lost
        self._told[receiver.track] = (receiver.received, receiver.lost)
        last, at_ns = self._heard.get(receiver.track, (0, now_ns))
        source = rtcp.Reception(
            receiver.ssrc,
            # Both numbers begin again at 0 when the camera begins anew: then nothing is said.
            min(256 * lost // (received + lost), 255) if lost > 0 and received >= 0 else 0,
            receiver.lost,
            receiver.highest,
            min(int(receiver.jitter), _MAX_U32),
            last,
            min((now_ns - at_ns) * 65536 // 1_000_000_000, _MAX_U32),
        )
        return rtcp.receiver_report(self._ours, source, _NAME)
