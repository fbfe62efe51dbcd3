"""A school with cameras: the house of house.py, simulated cameras, the video process and its child.

Owns    five cameras without accounts, one volume, one video process.
Needs   house.py; simulators.cameras, whose pictures carry their number; tests.recorder's process.
Keeps   1. It is open when every camera's pictures lie on the disk and a still can be made of one.
        2. What a test does to a camera it undoes: they are shared.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from simulators.cameras import (
    SMALL,
    Camera,
    Cameras,
    LiveCamera,
    StripUnreadable,
    read_luma,
)
from simulators.cameras.auth import Scheme
from tests.console.web.house import House, Spot, button, house
from tests.recorder.school import Recorder

LOOK_S: Final = 0.05
PATIENCE_S: Final = 120.0
MODERN: Final = replace(SMALL, codec="h265")
"""What no Chromium of a Linux plays: it has to fall back, and to say so."""
ROWS: Final = {
    "gate": ("西门摄像机", "西门门卫室"),
    "hall": ("大厅摄像机", "教学楼大厅"),
    "yard": ("操场摄像机", "操场"),
    "road": ("校门外摄像机", "校门外"),
    "shed": ("车棚摄像机", "车棚"),
}
SUBS: Final = frozenset({"gate"})
H265: Final = frozenset({"shed"})
AHEAD_S: Final = {"hall": 7.0}
"""Whose clock goes ahead, and by how much."""


@dataclass
class Studio:
    """The house and its cameras."""

    house: House
    cameras: Cameras
    recorder: Recorder
    spots: dict[str, Spot]

    def camera(self, name: str) -> LiveCamera:
        """One of them."""
        return self.cameras[name]

    def taken_s(self, name: str, number: int, stream: str = "main") -> float:
        """When a picture was taken, by the one clock that all of them are made with."""
        return self.cameras[name].taken_wall_s(number, stream) - AHEAD_S.get(name, 0.0)


def _camera(name: str) -> Camera:
    return Camera(
        name=name,
        label="studio",
        main=MODERN if name in H265 else SMALL,
        sub=SMALL if name in SUBS else None,
        scheme=Scheme.NONE,
        clock_ahead_s=AHEAD_S.get(name, 0.0),
    )


def _toml(disk: Path, cameras: Cameras) -> str:
    rows = [f'[[video.volume]]\npath = "{disk}"\n']
    for name, (title, place) in ROWS.items():
        sub = f'sub_url = "{cameras[name].sub_url}"\n' if name in SUBS else ""
        rows.append(
            f'[[camera]]\nid = "{name}"\nname = "{title}"\nplace = "{place}"\n'
            f'url = "{cameras[name].url}"\n{sub}'
        )
    return "".join(rows)


@asynccontextmanager
async def studio(folder: Path) -> AsyncIterator[Studio]:
    """Open all of it."""
    spots = {
        "gate": button(1, cameras=("gate",)),
        "shed": button(2, cameras=("shed",)),
        "yard": button(3, cameras=("yard", "hall")),
    }
    (folder / "disk").mkdir()
    async with (
        Cameras([_camera(name) for name in ROWS]) as cameras,
        house(folder, list(spots.values()), _toml(folder / "disk", cameras)) as found,
    ):
        recorder = Recorder(folder)
        await recorder.start()
        try:
            await _filmed(found, recorder)
            yield Studio(found, cameras, recorder, spots)
        finally:
            await recorder.end()


NUMBERS: Final = """
selector => [...document.querySelectorAll(selector)].map(seen => {
  const wide = seen.videoWidth || seen.naturalWidth;
  if (!wide) return '';
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 16];
  const pen = canvas.getContext('2d');
  pen.drawImage(seen, 0, 0, wide, 16, 0, 0, 640, 16);
  const { data } = pen.getImageData(0, 0, 640, 16);
  let grey = '';
  for (let at = 1; at < data.length; at += 4) grey += String.fromCharCode(data[at]);
  return btoa(grey);
})
"""
"""The strips of what is on the screen, all at one moment."""


async def numbers(page: Page, selector: str) -> list[int | None]:
    """The numbers of the pictures that are seen; None for one that shows none."""
    found = []
    for strip in await page.evaluate(NUMBERS, selector):
        try:
            found.append(read_luma(base64.b64decode(strip), 640))
        except StripUnreadable:
            found.append(None)
    return found


async def number(page: Page, selector: str) -> int:
    """The number of one picture, as soon as it shows one."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await numbers(page, selector)
            if found and found[0] is not None:
                return found[0]
            await asyncio.sleep(LOOK_S)


async def _filmed(found: House, recorder: Recorder) -> None:
    """Until there is a still of every camera: then everything behind it runs."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for name in ROWS:
                path = f"/api/v1/cameras/{name}/snapshot.jpg?width=64"
                while (await found.gateway.picture(path))[0] != 200:  # noqa: ASYNC110 it tells nobody
                    await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"no pictures\n{recorder.log_text()[-4000:]}") from None
