"""The [[camera]] and [[video.volume]] tables: which streams are recorded, and where.

Owns    the check of what the recorder needs: addresses, accounts, folders.
Needs   inspection, tables, files, gateway.links.rtsp for what an address must look like.
Keeps   Credentials are never in an address, where they would be logged with it.
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.config.files import secret
from gateway.config.inspection import Inspection, Spot, both
from gateway.config.settings import Camera
from gateway.config.tables import CameraTable
from gateway.links.rtsp import RtspSettings


def check_camera(table: CameraTable, spot: Spot, inspection: Inspection) -> Camera | None:
    """Return a camera, None when it does not hold or has no address to be recorded from."""
    if table.url is None:
        return None
    password = secret(table.password_file, table.password_env, spot, "password", inspection)
    if password is not None and table.username is None:
        inspection.fault(
            spot.child("username"),
            both("没有写，只有密码", "missing, there is only a password"),
            both("摄像机的用户名", "the camera's user name"),
        )
    try:
        stream = RtspSettings(
            url=table.url, username=table.username, password=password, audio=table.audio
        )
    except ValueError as error:
        inspection.fault(
            spot.child("url"),
            both(f"不能用：{error}", str(error)),
            "rtsp://192.0.2.30:554/stream1",
        )
        return None
    return Camera(
        id=table.id,
        name=table.name or table.id,
        place=table.place or "",
        stream=stream,
        retention_days=table.retention_days,
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
