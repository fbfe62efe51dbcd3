"""Cameras as an installer meets them: whether one is open to all, and what one would say.

Owns    the one question that shows an open camera; the trial of a camera that is not saved yet.
Needs   gateway.links.onvif. Talks ONVIF only: pictures are the recorder's.
Keeps   1. No password is guessed: a search asks without an account, a trial with the one that was
           typed, once.
        2. Nothing is written to a camera, nothing of a trial is kept.
Bound   AT_ONCE cameras are asked at the same time, each for ASK_S.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from gateway.clock import Clock
from gateway.commission.cameras import CameraFound
from gateway.config import Camera
from gateway.config.inspection import both
from gateway.errors import GatewayError
from gateway.links.onvif.__main__ import ask
from gateway.links.onvif.connection import Connection
from gateway.links.onvif.device import information
from gateway.links.onvif.settings import OnvifSettings

AT_ONCE: Final = 4
ASK_S: Final = 5.0


async def open_to_all(found: Sequence[CameraFound], clock: Clock) -> list[bool]:
    """Say of each camera whether it tells its serial number to somebody without an account.

    By ONVIF's access classes it must not (READ_SYSTEM): one that does has no password set.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def is_open(each: CameraFound) -> bool:
        if each.found.url is None or each.why:
            return False
        async with gate:
            try:
                settings = OnvifSettings(url=each.found.url, timeout_s=ASK_S)
                async with Connection(settings, clock) as connection:
                    said = await information(connection)
            except GatewayError:  # it is guarded, or gone again
                return False
        return bool(said.serial)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(is_open(each)) for each in found]
    return [task.result() for task in tasks]


async def tried(camera: Camera, secret: str | None) -> dict[str, Any]:
    """Ask a camera what it is and where its streams are, with the account that was typed.

    secret  as it was typed; None: the one that is kept
    """
    if camera.onvif is None:
        why = both(
            "写了 url 的摄像机在这里不试：保存后看“设备”页它录不录",
            "one with a url is not tried here: save it, then see under Devices whether it records",
        )
        return {"why": why}
    settings = camera.onvif.settings
    if secret is not None:
        settings = replace(settings, password=secret)
    said: Mapping[str, Any] = await ask(
        {
            "url": settings.url,
            "username": settings.username,
            "password": settings.password,
            "ca": settings.ca,
            "channel": camera.onvif.channel,
        }
    )
    if "error" in said:
        step = _STEPS.get(str(said["error"]), _STEPS["link"])
        return {"why": f"{said.get('why', '')}"[:400], "next": step}
    offset_ms = said["offset_ms"]
    return {
        "camera": {
            "model": said["model"],
            "main": said["main"],
            "main_size": said["main_size"],
            "sub": said["sub"],
            "sub_size": said["sub_size"],
            "clock_offset_s": None if offset_ms is None else round(offset_ms / 1000, 1),
        }
    }


_STEPS: Final = {
    "link": both(
        "下一步：查地址和网线，在摄像机网页里打开 ONVIF，再试",
        "next: check address and cable, switch ONVIF on at the camera's own page, try again",
    ),
    "refused": both(
        "下一步：查用户名和密码；多数摄像机的 ONVIF 账号要另建；别连着试错，有的会锁",
        "next: check user and password; most cameras want an ONVIF account of its own; do not try "
        "many, some lock",
    ),
    "nothing": both(
        "下一步：在摄像机里建一路 H.264 或 H.265 码流",
        "next: make an H.264 or H.265 stream in the camera",
    ),
}
