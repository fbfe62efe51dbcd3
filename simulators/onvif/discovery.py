"""Answering probes: the target service's part of WS-Discovery.

Keeps   It answers unicast, from the port it listens on, and only to probes for its types.

Source  WS-Discovery (April 2005), 5.3; ONVIF Core, "Device discovery".
"""

import asyncio
import re
import socket
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self, cast

from simulators.ports import free_port

_TYPES: Final = re.compile(rb"<[^>]*:?Types[^>]*>([^<]*)<")
_ID: Final = re.compile(rb"MessageID[^>]*>([^<]*)<")
SCOPES: Final = (
    "onvif://www.onvif.org/type/video_encoder",
    "onvif://www.onvif.org/Profile/Streaming",
    "onvif://www.onvif.org/name/East%20Gate",
    "onvif://www.onvif.org/hardware/SIM-1",
    "onvif://www.onvif.org/location/east",
)


class DiscoveryResponder:
    """Answers on `port`; with `group` it also joins the multicast group.

    answers  sent to who probes; None: one honest ProbeMatches
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        key: str | None = None,
        port: int | None = None,
        group: str | None = None,
        scopes: Sequence[str] = SCOPES,
        answers: Sequence[bytes] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.key = key or f"urn:uuid:{uuid.uuid4()}"
        self.probes = 0
        self._addresses = addresses
        self._group = group
        self._scopes = scopes
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)  # noqa: FBT003 the socket's own way
        made.bind(("", self.port) if self._group else ("127.0.0.1", self.port))
        if self._group:
            member = socket.inet_aton(self._group) + socket.inet_aton("127.0.0.1")
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answering(self), sock=made
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        if self._transport is not None:
            self._transport.close()

    def answers_to(self, probe: bytes) -> Sequence[bytes]:
        """Return what is sent back to a datagram."""
        asked, number = _TYPES.search(probe), _ID.search(probe)
        if number is None or b"Probe" not in probe:
            return ()
        wanted = asked[1].split() if asked else []
        if any(
            each.rpartition(b":")[2] not in {b"NetworkVideoTransmitter", b"Device"}
            for each in wanted
        ):
            return ()
        self.probes += 1
        return self._answers if self._answers is not None else (self._match(number[1].decode()),)

    def _match(self, related: str) -> bytes:
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"'
            ' xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
            ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
            ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><SOAP-ENV:Header>'
            f"<wsa:MessageID>uuid:{uuid.uuid4()}</wsa:MessageID>"
            f"<wsa:RelatesTo>{related}</wsa:RelatesTo><wsa:Action>"
            "http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action>"
            "</SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference>"
            f"<wsa:Address>{self.key}</wsa:Address></wsa:EndpointReference>"
            "<d:Types>dn:NetworkVideoTransmitter</d:Types>"
            f"<d:Scopes>{' '.join(self._scopes)}</d:Scopes>"
            f"<d:XAddrs>{' '.join(self._addresses)}</d:XAddrs>"
            "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches>"
            "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
        ).encode()


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, responder: DiscoveryResponder) -> None:
        self._responder = responder
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None  # noqa: S101 it was made before anything arrived
        for answer in self._responder.answers_to(data):
            self._transport.sendto(answer, addr)
