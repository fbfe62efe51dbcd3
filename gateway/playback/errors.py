"""What can be wrong when somebody wants to see video, and what becomes of it.

PlaybackError
├── NothingThere   no picture lies in that range, or nothing is recorded now   404, 503 for live
├── TooMuch        the range is longer than one answer may be                  422: ask for less
├── Busy           as many viewers as the gateway bears                        503 + Retry-After
├── TooMany        as many as one viewer may watch at once                     429 + Retry-After
├── NotNow         the index or the disk does not answer                       503 + Retry-After
└── Gone           a file went away or is not what it was while it was read    the answer ends short
"""

from gateway.errors import GatewayError


class PlaybackError(GatewayError):
    """Video cannot be shown; the alarm path does not hear of it."""


class NothingThere(PlaybackError):
    """There is no picture."""


class TooMuch(PlaybackError):
    """More than one request may ask for."""


class Busy(PlaybackError):
    """Every place is taken; one is free when somebody stops looking."""


class TooMany(PlaybackError):
    """All the places of this viewer are taken; one is free when he ends a stream."""


class NotNow(PlaybackError):
    """Asking again in a while may help."""


class Gone(PlaybackError):
    """What was promised cannot be read any more: no byte is invented in its place."""
