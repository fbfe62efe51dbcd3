"""How to reach one stream of one camera, and how patient to be with it.

Owns    RtspSettings and what it refuses.
Needs   nothing of ours. Pure.
Keeps   1. No credentials in the URL: they would be logged with it. repr shows neither user nor
           password.
        2. Only rtsp://, and only to addresses that are allowed.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network
DEFAULT_PORT: Final = 554
MAX_URL_CHARS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspSettings:
    """One stream.

    url                rtsp://host[:port]/path, as the camera wants to hear it
    username, password  of the camera; None for one that asks nobody
    allow_basic        answer a camera that only knows Basic, which shows the password to the wire
    allowed            networks the camera may be in; () allows any. Checked after the name was
                       resolved, and the connection goes to the address that was checked
    audio              take a sound track too, if there is one that MP4 can hold
    open_timeout_s     from the first packet to the answer to PLAY
    silence_s          without a whole picture for so long the session is given up
    gather_s           up to so much of the stream is read at once, which halves the cost of a
                       camera; 0.0 reads at once, for who watches live
    """

    url: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    allow_basic: bool = True
    allowed: tuple[Network, ...] = ()
    audio: bool = True
    open_timeout_s: float = 10.0
    silence_s: float = 10.0
    gather_s: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what must not be opened; ValueError, for the check of the configuration."""
        if len(self.url) > MAX_URL_CHARS or not self.url.isascii() or not self.url.isprintable():
            raise ValueError("url: at most 1024 printable ASCII characters, others as %XX")
        if " " in self.url:
            raise ValueError("url: a space must be written as %20")
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            raise ValueError("url: user and password belong into their own keys, not the address")
        if parts.scheme != "rtsp":
            raise ValueError("url: must begin with rtsp://")
        if not parts.hostname or parts.fragment:
            raise ValueError("url: rtsp://host[:port]/path")
        if parts.port == 0:
            raise ValueError("url: a port is 1 to 65535")
        for text in (self.username, self.password):
            if text is not None and any(ord(char) < 32 for char in text):
                raise ValueError("username, password: no control characters")
        if self.open_timeout_s <= 0 or self.silence_s <= 0 or not 0 <= self.gather_s <= 1:
            raise ValueError("open_timeout_s, silence_s: above 0; gather_s: 0 to 1")

    @property
    def host(self) -> str:
        """The name or address to connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port to connect to."""
        return urlsplit(self.url).port or DEFAULT_PORT

    @property
    def where(self) -> str:
        """The camera in one word, for messages; without the path, which may hold a token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}:{self.port}"

    def allows(self, address: str) -> bool:
        """Whether the camera may be at this address."""
        if not self.allowed:
            return True
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.allowed)
