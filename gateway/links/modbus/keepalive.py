"""The socket options of a bus over TCP.

Keeps   A peer that is gone is noticed after IDLE_S + PROBES * INTERVAL_S = 25 s of silence, or when
        UNACKNOWLEDGED_MS have passed since it took something. Requests leave at once (no Nagle).
"""

import asyncio
import socket
from typing import Final

IDLE_S: Final = 10
INTERVAL_S: Final = 5
PROBES: Final = 3
UNACKNOWLEDGED_MS: Final = 20_000


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Set them on a TCP transport."""
    wire = transport.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
