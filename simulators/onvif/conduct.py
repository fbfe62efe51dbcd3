"""What a simulated camera is made like, and what it can be told to do wrong."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """Who may ask."""

    user: str = "onvif"
    password: str = "look-only"  # noqa: S105  a simulator's


@dataclass(frozen=True, slots=True)
class Stream:
    """One media profile; `name` is its token."""

    name: str
    codec: str = "H264"
    width: int = 1920
    height: int = 1080
    uri: str = "rtsp://127.0.0.1:554/main"
    source: str = "VideoSource_1"


@dataclass(slots=True)
class Conduct:
    """Faults; all off is an honest camera.

    clock_ahead_s      how far its clock is from ours
    tolerance_s        a token's time may be so far from its clock
    auth               token · digest (HTTP) · both · none
    guarded_clock      it wants to know who asks even for the time
    get_services       it knows GetServices; without it only GetCapabilities
    media2             it has the Media2 service
    said_host          the host it names in its addresses; None: its own
    references         its subscriptions are told apart by reference parameters, not by address
    subscriptions      how many it can hold
    synchronizes       it knows SetSynchronizationPoint
    odd_spans          it takes a span of time as seconds since 1970, that is: over at once
    nonce_uses         a nonce is good for so often, and then refused without a word of staleness
    waits              its PullMessages waits for news; without it answers at once
    ignores_limit      it sends everything at once, however little was asked for
    slow_s             it waits before each answer
    garbage            it answers these bytes to everything
    garbage_pulls      it answers these bytes to so many PullMessages, and takes the events with it
    cut_pulls          it breaks the connection in the middle of so many answers to PullMessages
    """

    clock_ahead_s: float = 0.0
    tolerance_s: float = 30.0
    auth: str = "token"
    guarded_clock: bool = False
    get_services: bool = True
    media2: bool = True
    said_host: str | None = None
    references: bool = False
    subscriptions: int = 4
    synchronizes: bool = True
    odd_spans: bool = False
    nonce_uses: int | None = None
    waits: bool = True
    ignores_limit: bool = False
    slow_s: float = 0.0
    garbage: bytes | None = None
    garbage_pulls: list[bytes] = field(default_factory=list)
    cut_pulls: int = 0
