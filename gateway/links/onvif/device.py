"""What a camera is and where its services are: the first questions of every conversation.

Owns    the order of the first calls.
Needs   connection.py, settings.py for which addresses are believed.
Keeps   Bounds: MAX_SERVICES services are looked at.

Source  ONVIF Core: GetServices, GetCapabilities, GetDeviceInformation, and their access classes
        (the first two and the time need no user).
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.errors import Fault, printable
from gateway.links.onvif.settings import ours

MAX_SERVICES: Final = 64
_OF_CAPABILITIES: Final = {"Media": names.MEDIA, "Events": names.EVENTS, "Device": names.DEVICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where each service is, by its namespace, and which version of it.

    moved  addresses that the camera gave at another host; ours was kept
    """

    urls: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """What a camera says of itself; each at most 120 printable characters."""

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""


async def services(connection: Connection) -> Services:
    """Ask where the services are, the old way when the camera does not know the new one."""
    url = connection.settings.url
    try:
        answer = await connection.ask(
            url,
            f"{names.DEVICE}/GetServices",
            f'<GetServices xmlns="{names.DEVICE}"><IncludeCapability>false</IncludeCapability>'
            "</GetServices>",
        )
    except Fault:
        return await _capabilities(connection)
    found: list[tuple[str, str]] = []
    versions: dict[str, str] = {}
    for service in list(answer.all("Service"))[:MAX_SERVICES]:
        namespace = service.said("Namespace")
        found.append((namespace, service.said("XAddr")))
        major, minor = service.said("Version", "Major"), service.said("Version", "Minor")
        versions[namespace] = printable(f"{major}.{minor}")
    return _believed(found, versions, url)


async def _capabilities(connection: Connection) -> Services:
    url = connection.settings.url
    answer = await connection.ask(
        url,
        f"{names.DEVICE}/GetCapabilities",
        f'<GetCapabilities xmlns="{names.DEVICE}"><Category>All</Category></GetCapabilities>',
    )
    found = []
    for name, namespace in _OF_CAPABILITIES.items():
        address = answer.said("Capabilities", name, "XAddr")
        if address:
            found.append((namespace, address))
    return _believed(found, {}, url)


def _believed(found: list[tuple[str, str]], versions: dict[str, str], url: str) -> Services:
    urls: dict[str, str] = {}
    moved: list[str] = []
    for namespace, address in found:
        kept, believed = ours(address, url)
        urls.setdefault(namespace, kept)
        if not believed:
            moved.append(printable(address))
    return Services(urls=urls, versions=versions, moved=tuple(moved))


async def information(connection: Connection) -> Information:
    """Ask for maker, model, firmware and serial number."""
    answer = await connection.ask(
        connection.settings.url,
        f"{names.DEVICE}/GetDeviceInformation",
        f'<GetDeviceInformation xmlns="{names.DEVICE}"/>',
    )
    return Information(
        manufacturer=printable(answer.said("Manufacturer")),
        model=printable(answer.said("Model")),
        firmware=printable(answer.said("FirmwareVersion")),
        serial=printable(answer.said("SerialNumber")),
    )
