"""Who of ONVIF is on the network: cameras found, and what each says of itself. Read only.

Owns    the order of the questions and what is made of the answers.
Needs   gateway.links.onvif.
Keeps   1. Nothing is asked that needs an account, unless one is given: the time and the services
           are open to all (access class PRE_AUTH), so no camera counts a wrong password.
        2. Bounds: AT_ONCE cameras are asked at the same time, each for ASK_S; what they say is cut.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from gateway.clock import Clock
from gateway.errors import LinkDown
from gateway.links.onvif import names
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import services
from gateway.links.onvif.discovery import GROUP, PORT, Found, discover
from gateway.links.onvif.errors import Refused
from gateway.links.onvif.settings import OnvifSettings, device_url

AT_ONCE: Final = 4
ASK_S: Final = 5.0
CLOCK_OFF_S: Final = 10.0
_SHORT: Final = {
    names.DEVICE: "device",
    names.MEDIA: "media",
    names.MEDIA2: "media2",
    names.EVENTS: "events",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFound:
    """One camera, as it answered.

    versions  of its services, by short names: {"media2": "21.6"}
    offset_s  its clock minus ours
    why       why it could not be asked, "" when it could
    """

    found: Found
    versions: dict[str, str]
    offset_s: float | None = None
    why: str = ""


async def scan(
    clock: Clock,
    *,
    seconds: float,
    interface: str | None = None,
    address: str | None = None,
    told: Callable[[str], None],
) -> list[CameraFound]:
    """Find cameras and ask each what anybody may ask.

    address  one camera instead of the network: it is asked even when it answers no probe
    raises   LinkDown when no probe can be sent, ValueError when `address` is none
    """
    target = (GROUP, PORT)
    named: str | None = None
    if address is not None:
        settings = OnvifSettings(url=device_url(address))
        named, target = settings.url, (settings.host, PORT)
    told(f"寻找摄像机，{seconds:.0f} 秒 / looking for cameras, {seconds:.0f} s")
    found = await discover(clock, seconds=seconds, interface=interface, target=target)
    if named is not None and all(each.url != named for each in found):
        found = [*found, Found(key=target[0], sender=target[0], url=named)]
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(each, gate, clock)) for each in found]
    return [task.result() for task in tasks]


async def _ask(found: Found, gate: asyncio.Semaphore, clock: Clock) -> CameraFound:
    if found.url is None:
        why = "没有给出可用的地址 / it gives no address that can be used"
        return CameraFound(found=found, versions={}, why=why)
    async with gate:
        settings = OnvifSettings(url=found.url, timeout_s=ASK_S)
        try:
            async with Connection(settings, clock) as connection:
                with suppress(Refused):  # it guards even its clock
                    await connection.measure()
                there = await services(connection)
        except (LinkDown, Refused) as error:
            return CameraFound(found=found, versions={}, why=str(error))
    versions = {
        short: there.versions.get(namespace, "")
        for namespace, short in _SHORT.items()
        if namespace in there.urls
    }
    offset_s = None if connection.offset_ns is None else round(connection.offset_ns / 1e9, 1)
    return CameraFound(found=found, versions=versions, offset_s=offset_s)


def document_of(cameras: Sequence[CameraFound]) -> list[dict[str, Any]]:
    """Return what --json prints."""
    return [
        {
            "address": each.found.sender,
            "url": each.found.url,
            "key": each.found.key,
            "name": each.found.name,
            "hardware": each.found.hardware,
            "location": each.found.location,
            "scopes": list(each.found.scopes),
            "services": each.versions,
            "clock_offset_s": each.offset_s,
            "why": each.why or None,
        }
        for each in cameras
    ]


def lines_of(cameras: Sequence[CameraFound]) -> list[str]:
    """Return what a person reads: each camera, and the tables to paste."""
    lines: list[str] = []
    for each in cameras:
        found = each.found
        title = " ".join(filter(None, (found.name, found.hardware, found.location)))
        lines.append(f"{found.sender}  {title or '(没有名字 / no name)'}")
        lines.append(f"  {found.key}")
        if each.versions:
            shown = ", ".join(
                f"{name} {version}".strip() for name, version in each.versions.items()
            )
            lines.append(f"  ONVIF: {shown}")
        if found.scopes:
            lines.append(f"  {' '.join(found.scopes[:8])}")
        if each.offset_s is not None and abs(each.offset_s) > CLOCK_OFF_S:
            lines.append(
                f"  时钟偏差 {each.offset_s:+.0f} 秒，请设 NTP / its clock is off by "
                f"{each.offset_s:+.0f} s: set NTP"
            )
        if each.why:
            lines.append(f"  {each.why}")
    if any(each.found.url for each in cameras):
        lines += ["", "# 粘贴到 gateway.toml，改名字和密码 / paste into gateway.toml, edit"]
    for number, each in enumerate((c for c in cameras if c.found.url is not None), start=1):
        lines += _tables(number, each)
    return lines


def _tables(number: int, each: CameraFound) -> list[str]:
    """Return the tables of one camera. What it says of itself is quoted, and never a key."""
    url = each.found.url or ""
    plain = OnvifSettings(url=url)
    address = plain.where.partition("://")[2]
    address = address if device_url(address) == url else url
    lines = [
        "",
        "[[camera]]",
        f'id = "cam-{number}"',
        f"name = {_quoted(each.found.name or f'cam-{number}')}",
        f"address = {_quoted(address)}",
        'username = "onvif"',
        f'password_file = "secrets/cam-{number}"',
    ]
    if "media2" not in each.versions and "media" not in each.versions and each.versions:
        lines.append("# 没有媒体服务：改写 url / no media service: write `url` instead")
    if "events" in each.versions:
        lines += [
            "[[link]]                        # 它的报警输入、遮挡 / its inputs, tampering",
            f'name = "cam-{number}"',
            'kind = "onvif"',
            f"url = {_quoted(url)}",
            'username = "onvif"',
            f'password_file = "secrets/cam-{number}"',
        ]
    return lines


def _quoted(text: str) -> str:
    """Write a TOML string; what was found is printable already."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain[:64] if "://" not in text else plain}"'
