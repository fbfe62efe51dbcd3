"""Video shown again: any range as one file, and what a camera sees now. README.md says how."""

from gateway.playback.address import Addresses, BadSignature, Expired
from gateway.playback.bins import BINS_MOST
from gateway.playback.errors import (
    Busy,
    Gone,
    NothingThere,
    NotNow,
    PlaybackError,
    TooMany,
    TooMuch,
)
from gateway.playback.plan import Missing, Plan
from gateway.playback.service import LiveStream, Place, Playback, Stream

__all__ = [
    "BINS_MOST",
    "Addresses",
    "BadSignature",
    "Busy",
    "Expired",
    "Gone",
    "LiveStream",
    "Missing",
    "NotNow",
    "NothingThere",
    "Place",
    "Plan",
    "Playback",
    "PlaybackError",
    "Stream",
    "TooMany",
    "TooMuch",
]
