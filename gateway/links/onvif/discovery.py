"""Who is there: WS-Discovery, read only.

Owns    the probes and the reading of their answers.
Needs   xml.py. No other part of ONVIF.
Keeps   1. Slow and short: PROBES datagrams from each address of ours, PAUSE_S apart, and then
           nothing but listening.
        2. Bounds: MAX_FOUND cameras, MAX_DATAGRAM_BYTES each, MAX_FROM_ONE answers from one sender.
        3. What answers is text of strangers: it is parsed like any other, cut, and made printable.

Source  WS-Discovery (April 2005) 5; ONVIF Core, "Device discovery".
"""

import asyncio
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.onvif import names
from gateway.links.onvif.errors import printable
from gateway.links.onvif.settings import check_url
from gateway.links.onvif.xml import BadXml, Element, parse

GROUP: Final = "239.255.255.250"
PORT: Final = 3702
PAUSE_S: Final = 0.25
ROUNDS: Final = 2
MAX_FOUND: Final = 1024
MAX_FROM_ONE: Final = 16
MAX_DATAGRAM_BYTES: Final = 32 * 1024
MAX_SCOPES: Final = 64
TYPES: Final = (
    f'<d:Types xmlns:n="{names.NETWORK}">n:NetworkVideoTransmitter</d:Types>',
    f'<d:Types xmlns:n="{names.DEVICE}">n:Device</d:Types>',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One camera or recorder that answered.

    key       its own name for itself, urn:uuid:…; the sender's address when it has none
    sender    the address the answer came from
    url       its device service at that address; None when it named none that can be used
    name, hardware, location  from its scopes
    scopes    the rest of what it says of itself
    """

    key: str
    sender: str
    url: str | None
    name: str = ""
    hardware: str = ""
    location: str = ""
    scopes: tuple[str, ...] = ()


def probe(types: str, message_id: str) -> bytes:
    """Return one Probe."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{names.SOAP}"'
        f' xmlns:a="{names.OLD_ADDRESSING}" xmlns:d="{names.DISCOVERY}"><s:Header>'
        f"<a:MessageID>urn:uuid:{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{names.DISCOVERY}/Probe</a:Action></s:Header>"
        f"<s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"
    ).encode()


def read_matches(data: bytes, sender: str) -> list[Found]:
    """Return who a datagram speaks for; empty for what is no answer to a probe."""
    if len(data) > MAX_DATAGRAM_BYTES:
        return []
    try:
        root = parse(data)
    except BadXml:
        return []
    matches = root.all("Body", "ProbeMatches", "ProbeMatch")
    return [_found(match, sender) for match, _ in zip(matches, range(MAX_FROM_ONE), strict=False)]


def _found(match: Element, sender: str) -> Found:
    scopes = [printable(unquote(each)) for each in match.said("Scopes").split()[:MAX_SCOPES]]
    told = {
        word: next((s.rpartition(mark)[2] for s in scopes if mark in s), "")
        for word, mark in (
            ("name", "onvif.org/name/"),
            ("hardware", "onvif.org/hardware/"),
            ("location", "onvif.org/location/"),
        )
    }
    return Found(
        key=printable(match.said("EndpointReference", "Address")) or sender,
        sender=sender,
        url=_device_service(match.said("XAddrs").split(), sender),
        scopes=tuple(s for s in scopes if not any(m in s for m in ("/name/", "/hardware/"))),
        **told,
    )


def _device_service(addresses: Sequence[str], sender: str) -> str | None:
    """Return the address at the sender's own host: the others may not be reachable, or lies."""
    for text in addresses[:MAX_FROM_ONE]:
        try:
            check_url(text)
            if ip_address(urlsplit(text).hostname or "") == ip_address(sender):
                return text
        except ValueError:
            continue
    return None


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, found: dict[str, Found]) -> None:
        self._found = found
        self._counts: dict[str, int] = {}
        self.trouble: OSError | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        sender = addr[0]
        count = self._counts[sender] = self._counts.get(sender, 0) + 1
        if count > MAX_FROM_ONE or len(self._counts) > MAX_FOUND:
            return
        for found in read_matches(data, sender):
            if len(self._found) < MAX_FOUND:
                self._found.setdefault(f"{found.key} {sender}", found)

    def error_received(self, exc: Exception) -> None:
        """A port that is closed at the other end is no trouble: nobody is there."""
        if isinstance(exc, OSError) and not isinstance(exc, ConnectionRefusedError):
            self.trouble = exc


async def discover(
    clock: Clock,
    *,
    seconds: float = 5.0,
    interface: str | None = None,
    target: tuple[str, int] = (GROUP, PORT),
) -> list[Found]:
    """Ask who is there and listen for so long; sorted by address.

    interface  the IPv4 address of ours to ask from; None lets the system choose
    target     the multicast group, or one camera
    raises     LinkDown when nothing can be sent
    """
    found: dict[str, Found] = {}
    listener = _Listener(found)
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: listener, sock=_socket(interface)
        )
    except OSError as error:
        raise _not_sent(interface, error) from error
    try:
        for _ in range(ROUNDS):
            for types in TYPES:
                transport.sendto(probe(types, str(uuid.uuid4())), target)
                await clock.sleep(PAUSE_S)
        await clock.sleep(max(0.0, seconds - ROUNDS * len(TYPES) * PAUSE_S))
    finally:
        transport.close()
    if not found and listener.trouble is not None:
        raise _not_sent(interface, listener.trouble)
    return sorted(found.values(), key=lambda each: (_order(each.sender), each.key))


def _not_sent(interface: str | None, error: OSError) -> LinkDown:
    return LinkDown(
        f"不能从 {interface or '本机'} 发出询问，用 --interface 写本机地址 / cannot ask from "
        f"{interface or 'here'}, name an address of ours with --interface: {error.strerror}"
    )


def _socket(interface: str | None) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)  # noqa: FBT003 the socket's own way
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface is not None:
            own = socket.inet_aton(interface)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        made.bind((interface or "", 0))
    except OSError:
        made.close()
        raise
    return made


def _order(sender: str) -> tuple[int, int]:
    address = ip_address(sender.partition("%")[0])
    return (address.version, int(address))
