"""How to reach one camera's ONVIF services. Pure.

Owns    what an address may look like, and what is believed of the addresses a camera returns.
Needs   nothing of ours.
Keeps   1. No credentials in an address: they would be logged with it. repr shows neither user nor
           password.
        2. A camera that returns an address at another host is not followed there: it may be behind
           NAT, wrongly configured, or hostile. Our own address is kept.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

PATH: Final = "/onvif/device_service"
MAX_URL_CHARS: Final = 1024
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnvifSettings:
    """One camera, or one recorder with many.

    url        of the device service
    ca         https: the camera's own certificate, or its authority's; its name is not compared,
               since cameras are reached by addresses that no certificate holds. None: what the
               machine trusts
    timeout_s  for one question and its whole answer
    """

    url: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what must not be asked; ValueError, for the check of the configuration."""
        check_url(self.url)

    @property
    def host(self) -> str:
        """The name or address to connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def where(self) -> str:
        """The camera in one word, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def check_url(url: str) -> None:
    """Raise ValueError with what is wrong with the address of a device service."""
    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("可打印的 ASCII，至多 1024 字 / printable ASCII, at most 1024 characters")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError(f"http://192.0.2.30{PATH}")
    if parts.port == 0:
        raise ValueError("端口为 1 至 65535 / a port is 1 to 65535")


def device_url(address: str) -> str:
    """Turn what an installer writes into the device service's URL; raises ValueError.

    address  192.0.2.30 · 192.0.2.30:8080 · a name · [2001:db8::1] · a whole http(s) URL
    """
    text = address.strip()
    if "://" not in text:
        if text.count(":") > 1 and not text.startswith("["):
            text = f"[{ip_address(text)}]"
        text = f"http://{text}"
    check_url(text)
    parts = urlsplit(text)
    url = text if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}{PATH}"
    check_url(url)
    return url


def ours(returned: str, url: str) -> tuple[str, bool]:
    """Return where a service that the camera names is asked, and whether it was believed.

    At our host: as it says. Elsewhere: its path at our own host and port. What is no address at
    all: our own URL.
    """
    base = urlsplit(url)
    try:
        check_url(returned)
        parts = urlsplit(returned)
    except ValueError:
        return url, False
    if _same_host(parts, base):
        return returned, True
    query = f"?{parts.query}" if parts.query else ""
    return f"{base.scheme}://{base.netloc}{parts.path or '/'}{query}", False


def stream_of(returned: str, url: str) -> tuple[str, bool]:
    """Return the RTSP address to use, and whether the camera's host was believed.

    Its port and path are kept, credentials in it are dropped; raises ValueError for what is no RTSP
    address.
    """
    if len(returned) > MAX_URL_CHARS or not returned.isascii() or not returned.isprintable():
        raise ValueError("stream address")
    parts = urlsplit(returned.strip())
    if parts.scheme.lower() != "rtsp" or not parts.hostname:
        raise ValueError("stream address")
    base = urlsplit(url)
    host = base.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port else ""
    query = f"?{parts.query}" if parts.query else ""
    path = (parts.path or "/").replace(" ", "%20")
    return f"rtsp://{shown}{port}{path}{query}", _same_host(parts, base)


def _same_host(one: SplitResult, other: SplitResult) -> bool:
    return (one.hostname or "").casefold() == (other.hostname or "").casefold()
