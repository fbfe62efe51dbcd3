"""How a camera behaves: well, or in the ways cameras misbehave, each switched by itself.

Keeps   1. A Conduct may be changed while clients look; it holds from the next request, packet or
           picture on. Conduct() is a good camera.
        2. Chances follow from the camera's seed.
        3. What was lost on purpose is written down (Run.lost), so that a test can tell it from what
           the client lost.
"""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Conduct:
    """What is wrong now.

    At the door
    answers            status instead of an answer, by method: {"DESCRIBE": 503}, {"PLAY": 454}
    mute               requests are read and never answered
    storm_401          every request is refused with a new nonce, whoever asks
    nonce_requests     a nonce is stale after so many requests (new connections only)
    redirect_to        DESCRIBE is answered with 302 and this address
    sdp_padding_bytes  so much nonsense in the description
    wrong_length       added to the Content-Length of descriptions
    drip_s             pause before each byte of an answer
    start_mid_group    PLAY begins with a picture in the middle of a group, without parameter sets

    In the stream
    gather             parameter sets and strip share a packet (STAP-A, AP): legal, and not rare
    stall              PLAY is accepted, and no packet comes; also stops one that runs
    mute_reports       no sender reports
    die_after          the connection is reset after so many pictures: with clients that come again
                       at once, a reconnect storm
    bytes_per_s        a slow drip: pictures that do not fit any more are left out whole
    garbage_rate       chance before each picture that garbage_bytes of nonsense come first
    truncate_rate      chance of a packet to say it is longer than it is: the framing is lost
    lost_rate          chance of a packet not to be sent, though it was counted
    swapped_rate       chance of a packet to come after the next one
    doubled_rate       chance of a packet to come twice
    absurd_rate        chance of a picture to have any timestamp at all
    frozen_timestamps  every picture has the timestamp of the one before
    drift_ppm          the camera's clock runs so much too fast
    """

    answers: dict[str, int] = field(default_factory=dict)
    mute: bool = False
    storm_401: bool = False
    nonce_requests: int | None = None
    redirect_to: str | None = None
    sdp_padding_bytes: int = 0
    wrong_length: int = 0
    drip_s: float = 0.0
    start_mid_group: bool = False
    gather: bool = False
    stall: bool = False
    mute_reports: bool = False
    die_after: int | None = None
    bytes_per_s: float | None = None
    garbage_rate: float = 0.0
    garbage_bytes: int = 64
    truncate_rate: float = 0.0
    lost_rate: float = 0.0
    swapped_rate: float = 0.0
    doubled_rate: float = 0.0
    absurd_rate: float = 0.0
    frozen_timestamps: bool = False
    drift_ppm: float = 0.0

    @property
    def spoils_packets(self) -> bool:
        """Whether a picture's packets have to be looked at one by one."""
        return bool(self.truncate_rate or self.lost_rate or self.swapped_rate or self.doubled_rate)


@dataclass(slots=True, kw_only=True)
class Run:
    """What one PLAY sent, for a test to compare with what arrived.

    stream   "main" or "sub"
    first    number of the first picture; None while there was none
    last     number of the last picture so far
    lost     numbers of pictures that were not sent whole, on purpose
    ended    why it is over: "teardown", "hung up", "died", "too slow", "timed out", "powered off"
    """

    stream: str
    first: int | None = None
    last: int | None = None
    lost: set[int] = field(default_factory=set)
    ended: str | None = None

    def numbers(self) -> list[int]:
        """Return the numbers of all pictures that were sent whole, in order."""
        if self.first is None or self.last is None:
            return []
        return [number for number in range(self.first, self.last + 1) if number not in self.lost]
