"""Adopting a disk from the command line: what is on it, and asking the recorder to use it.

Owns    what a person is shown before he decides.
Needs   the marker of a volume, gateway.requests for the recorder's answer.
Keeps   The request says which disk was shown: another one in its place is refused by the recorder.
Bound   CAMERAS_MOST folders are looked into.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway import requests
from gateway.clock import Clock
from gateway.errors import StoreError
from gateway.reports import plain
from gateway.requests import Answer
from gateway.store.video import names
from gateway.store.video.volumes import read_marker

CAMERAS_MOST: Final = 200
PROCESS: Final = "video"


@dataclass(frozen=True, slots=True)
class Found:
    """A disk: where, which, and what a person should know of it."""

    path: Path
    uuid: str | None
    device: int
    lines: tuple[str, ...]


def look(path: Path) -> Found:
    """Look at what is mounted at a path; changes nothing. Raises StoreError when it cannot be."""
    try:
        marker = read_marker(path)
        device = path.stat().st_dev
        room = os.statvfs(path)
        lines = [
            f"{path}: {_gib(room.f_blocks * room.f_frsize)} GiB,"
            f" 空闲 free {_gib(room.f_bavail * room.f_frsize)} GiB"
        ]
        if not os.path.ismount(path):
            lines.append(
                "注意：这里没有挂载磁盘，是上级磁盘的目录"
                " note: no disk is mounted here, this is a folder of the disk above"
            )
        if marker is None:
            lines.append("没有标记：新盘，或从未用过 no marker: a new disk, never used for video")
        else:
            site, made, uuid = plain(marker.site, 64), plain(marker.created, 64), marker.uuid
            lines.append(f"标记 marker {plain(uuid, 64)}, 学校 site {site}, {made}")
        lines += _recordings(path)
    except OSError as error:
        raise StoreError(f"{path}: {error}; 什么也没有改 nothing was changed") from error
    return Found(path, None if marker is None else marker.uuid, device, tuple(lines))


def _recordings(path: Path) -> list[str]:
    """The cameras there is video of, and its days. Raises OSError."""
    lines: list[str] = []
    folders = sorted(
        entry.name
        for entry in os.scandir(path)
        if names.is_camera(entry.name) and entry.is_dir(follow_symlinks=False)
    )
    for name in folders[:CAMERAS_MOST]:
        days = sorted(entry.name for entry in os.scandir(path / name) if names.is_day(entry.name))
        if days:
            lines.append(f"  {name}: {_day(days[0])} – {_day(days[-1])}, {len(days)} 天 days")
    if len(folders) > CAMERAS_MOST:
        lines.append(f"  … {len(folders)}")
    return lines or ["盘上没有录像 there is no video on it"]


async def adopt(store: Path, found: Found, clock: Clock) -> Answer:
    """Ask the recorder to use the disk. Raises RequestError when it does not run."""
    values = {"path": str(found.path), "uuid": found.uuid, "device": found.device}
    return await requests.ask(store, PROCESS, "adopt", values, clock)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f}"


def _day(name: str) -> str:
    try:
        return datetime.strptime(name, "%Y%m%d").date().isoformat()  # noqa: DTZ007 a day's name
    except ValueError:
        return name
