"""The [[camera]] tables and [video]: which streams are recorded, and where.

Owns    the check of what the recorder needs: addresses, accounts, folders; what two cameras must
        not share.
Needs   inspection, tables, files, gateway.links.rtsp for what an address must look like.
Keeps   Credentials are never in an address, where they would be logged with it.
"""

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config.files import secret
from gateway.config.inspection import Inspection, Spot, both
from gateway.config.settings import PICTURE_CHECKS, Camera, VideoSettings
from gateway.config.tables import CameraTable, VideoTable
from gateway.links.onvif.settings import OnvifSettings, device_url
from gateway.links.onvif.streams import OnvifSource
from gateway.links.rtsp import RtspSettings


def check_camera(table: CameraTable, spot: Spot, inspection: Inspection) -> Camera | None:
    """Return a camera, None when it does not hold or has no address to be recorded from."""
    if table.address is not None:
        return _by_address(table, table.address, spot, inspection)
    if table.url is None:
        if table.sub_url is not None:
            inspection.fault(
                spot.child("url"),
                both("没有写，只有子码流", "missing, there is only a sub_url"),
                both("主码流地址", "the address of the main stream"),
            )
        return None
    password = _password(table, spot, inspection)
    stream = _stream(table.url, table, password, spot.child("url"), inspection)
    sub = None
    if table.sub_url is not None:
        sub = _stream(table.sub_url, table, password, spot.child("sub_url"), inspection)
    if stream is None:
        return None
    return Camera(
        id=table.id,
        name=table.name or table.id,
        place=table.place or "",
        stream=stream,
        retention_days=table.retention_days,
        sub=sub,
        sub_retention_days=table.sub_retention_days,
        picture_checks=_picture_checks(table.picture_checks),
    )


def _password(table: CameraTable, spot: Spot, inspection: Inspection) -> str | None:
    password = secret(table.password_file, table.password_env, spot, "password", inspection)
    if password is not None and table.username is None:
        inspection.fault(
            spot.child("username"),
            both("没有写，只有密码", "missing, there is only a password"),
            both("摄像机的用户名", "the camera's user name"),
        )
    return password


def _by_address(
    table: CameraTable, address: str, spot: Spot, inspection: Inspection
) -> Camera | None:
    """Return a camera whose streams are asked for; nothing of the network is needed to check it."""
    for key in ("url", "sub_url"):
        if getattr(table, key) is not None:
            inspection.fault(
                spot.child(key),
                both("与 address 并用", "together with address"),
                both("二选一", "one of the two"),
            )
    password = _password(table, spot, inspection)
    try:
        onvif = OnvifSettings(url=device_url(address), username=table.username, password=password)
    except ValueError as error:
        expected = "192.0.2.30, 192.0.2.30:8080, http://192.0.2.30/onvif/device_service"
        inspection.fault(spot.child("address"), both(f"不能用：{error}", str(error)), expected)
        return None
    host = f"[{onvif.host}]" if ":" in onvif.host else onvif.host
    place = f"rtsp://{host}:{urlsplit(onvif.url).port or 554}/onvif-{table.channel}"
    stream = _stream(f"{place}-main", table, password, spot.child("address"), inspection)
    if stream is None:
        return None
    return Camera(
        id=table.id,
        name=table.name or table.id,
        place=table.place or "",
        stream=stream,
        retention_days=table.retention_days,
        sub=dataclasses.replace(stream, url=f"{place}-sub") if table.sub_stream else None,
        sub_retention_days=table.sub_retention_days,
        picture_checks=_picture_checks(table.picture_checks),
        onvif=OnvifSource(settings=onvif, channel=table.channel),
    )


def _stream(
    url: str, table: CameraTable, password: str | None, spot: Spot, inspection: Inspection
) -> RtspSettings | None:
    try:
        return RtspSettings(url=url, username=table.username, password=password, audio=table.audio)
    except ValueError as error:
        inspection.fault(
            spot,
            both(f"不能用：{error}", str(error)),
            "rtsp://192.0.2.30:554/stream1",
        )
        return None


def _picture_checks(said: bool | Sequence[str]) -> frozenset[str]:  # noqa: FBT001 as in the file
    if isinstance(said, bool):
        return PICTURE_CHECKS if said else frozenset()
    return frozenset(said)


def check_together(cameras: Sequence[tuple[Camera, Spot]], inspection: Inspection) -> None:
    """Find what each camera may have and two may not: an address, a name to be recorded under.

    A stream written twice is recorded twice, and one of the two is not the camera it says it is.
    """
    streams: dict[tuple[str, int, str], str] = {}
    ids = {camera.id: spot for camera, spot in cameras}
    for camera, spot in cameras:
        for key, stream in (("url", camera.stream), ("sub_url", camera.sub)):
            if stream is None:
                continue
            path = stream.url.partition("://")[2].partition("/")[2]
            first = streams.setdefault(
                (stream.host.lower(), stream.port, path), spot.child(key).key
            )
            if first != spot.child(key).key:
                inspection.fault(
                    spot.child(key),
                    both(f"与 {first} 相同", f"the same as {first}"),
                    both("每路码流只写一次", "each stream once"),
                )
        if camera.sub is not None and camera.sub_id in ids:
            inspection.fault(
                ids[camera.sub_id].child("id"),
                both(
                    f"`{camera.sub_id}` 是 `{camera.id}` 子码流的名字",
                    f"`{camera.sub_id}` is what the sub stream of `{camera.id}` is called",
                ),
                both("别的 id", "another id"),
            )


def check_video(table: VideoTable, spot: Spot, inspection: Inspection) -> VideoSettings:
    """Return what is told about recordings."""
    days = table.warn_days
    if any(late >= early for early, late in pairwise(days)):
        inspection.fault(
            spot.child("warn_days"),
            both(f"写成了 {days}", f"is {days}"),
            both("递减的天数", "days that fall"),
        )
    return VideoSettings(
        warn_days=tuple(days),
        gap_minutes=table.gap_minutes,
        camera_clock_s=table.camera_clock_seconds,
        hold_before_s=table.hold_before_s,
        hold_after_s=table.hold_after_s,
        hold_most_h=table.hold_most_h,
    )


def check_volumes(paths: Sequence[str], spot: Spot, inspection: Inspection) -> tuple[Path, ...]:
    """Return the folders of the volumes; one that is not mounted now is no fault: it may come."""
    found: list[Path] = []
    for index, text in enumerate(paths):
        path = inspection.path(text)
        if path in found:
            inspection.fault(
                spot.item(index).child("path"),
                both(f"{path} 写了两次", f"{path} is named twice"),
                both("各不相同的目录", "folders that differ"),
            )
        else:
            found.append(path)
    return tuple(found)
