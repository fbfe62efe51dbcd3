"""How pictures travel from a camera: an RTSP client that shows loss and silence.

Read session.py first, then wire.py (bytes) and video.py (pictures).
"""

from gateway.links.rtsp.errors import NotPlayable, Refused
from gateway.links.rtsp.session import RtspSession
from gateway.links.rtsp.settings import RtspSettings
from gateway.links.rtsp.unit import AccessUnit, Counters, SenderReport

__all__ = [
    "AccessUnit",
    "Counters",
    "NotPlayable",
    "Refused",
    "RtspSession",
    "RtspSettings",
    "SenderReport",
]
