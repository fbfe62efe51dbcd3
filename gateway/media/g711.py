"""G.711: one byte is one sample, 8000 in a second; what RTP and MP4 call its two laws."""

from typing import Final

RATE_HZ: Final = 8000
STATIC_PAYLOADS: Final = {0: "pcmu", 8: "pcma"}
"""RTP payload types that mean G.711 even where an SDP does not say so (RFC 3551, table 4)."""
BOXES: Final = {"pcmu": b"ulaw", "pcma": b"alaw"}
"""Sample entries; a browser plays neither, ffmpeg and VLC both."""


def samples(data: bytes, channels: int) -> int:
    """How long `data` lasts, in samples."""
    return len(data) // max(channels, 1)
