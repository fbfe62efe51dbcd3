"""Making the connection: resolve once, check the address, connect to what was checked.

Owns    open_connection.
Needs   settings, errors.
Keeps   A name that resolves to several addresses is tried in the resolver's order, each once; those
        outside `allowed` never. Bounded by the caller's time-out.
"""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

from gateway.links.rtsp.errors import NotPlayable, link_down
from gateway.links.rtsp.settings import RtspSettings


async def open_connection(
    settings: RtspSettings, protocol: Callable[[], asyncio.BaseProtocol]
) -> None:
    """Connect; raises LinkDown, or NotPlayable for an address that is not allowed."""
    loop = asyncio.get_running_loop()
    where = settings.where
    addresses = await _addresses(settings)
    allowed = [address for address in addresses if settings.allows(address)]
    if not allowed:
        raise NotPlayable(
            where, "地址不在允许的网段内", "its address is not in a network that is allowed"
        )
    trouble = ""
    for address in allowed:
        try:
            await loop.create_connection(protocol, address, settings.port)
        except OSError as error:
            trouble = error.strerror or str(error)
        else:
            return
    raise link_down(where, f"连接不上：{trouble}", f"cannot connect: {trouble}")


async def _addresses(settings: RtspSettings) -> list[str]:
    try:
        ip_address(settings.host)
    except ValueError:
        pass
    else:
        return [settings.host]  # no thread for what needs no look-up
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise link_down(
            settings.where, f"主机名查不到：{error}", f"the name cannot be looked up: {error}"
        ) from error
    return list(dict.fromkeys(str(row[4][0]) for row in found))
