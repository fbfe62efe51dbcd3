"""G4: any minute of 90 days on the screen, in a real browser, of an index of as many cameras.

The index is whole (a segment a minute); the files of the minutes that are asked for are one real
recording under many names, so that what is seen was read, sent and decoded. Nobody looked at a
minute before it is asked for; each is opened as from an incident, with bands and happenings.
"""

import asyncio
import os
import random
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from bench.browser import at, browse, signed_on
from bench.machine import BenchError
from bench.rig import Gateway, Rig, warm
from bench.rows import Size
from bench.rows.carriers import gateway_mqtt
from bench.rows.flow import Measure
from bench.rows.playback import make_token
from bench.table import Row
from bench.video import history, past
from gateway.store.video import index, names

DAYS: Final = 90
TARGET_MS: Final = 1_000.0
AROUND: Final = 12
"""Minutes of a recording from the one that is asked for on: the page asks for ten."""
FIRST: Final = 3
"""Not counted: the page fetches the screen's code with the first."""

SEEK: Final = """
([hash, atMs]) => new Promise((done, failed) => {
  const began = performance.now();
  const before = document.querySelector(".playback video");
  window.started ??= new Map();
  const look = () => {
    if (performance.now() - began > 30000) return failed(new Error("no picture of " + hash));
    const video = document.querySelector(".playback video");
    if (video === null || video === before) return requestAnimationFrame(look);
    const seen = (_, picture) => {
      const from = window.started.get(video.currentSrc);
      const shownMs = from + picture.mediaTime * 1000;
      if (Math.abs(shownMs - atMs) > 100) return video.requestVideoFrameCallback(seen);
      done(Math.max(performance.now(), picture.expectedDisplayTime) - began);
    };
    video.requestVideoFrameCallback(seen);
  };
  location.hash = hash;
  look();
})
"""
"""Until a picture of the moment that was asked for was presented, ms: the start of what the answer
has is in its own head, of which the page asks first."""
HEADS: Final = """
(() => {
  const real = window.fetch;
  window.started = new Map();
  window.fetch = async (url, ...more) => {
    const answer = await real(url, ...more);
    const from = answer.headers.get("Campus-Start");
    if (from !== null) window.started.set(new URL(url, location.href).href, Date.parse(from));
    return answer;
  };
})();
"""


def minutes(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    whole = history.History(cameras=size.history, days=DAYS, surplus=0, today_ns=history.today_ns())
    dice = random.Random(1)
    asked = [
        (dice.randrange(whole.cameras) + 1, dice.randrange(2 * 1440, (DAYS - 1) * 1440))
        for _ in range(size.minutes + FIRST)
    ]
    with rig.scene():
        carried = gateway_mqtt()(rig)
        gateway = carried.gateway
        assert gateway is not None
        gateway.kill()
        disk = gateway.folder / "disk"
        disk.mkdir()
        history.make(gateway.folder / "store", disk, str(uuid.uuid4()), whole)
        _link(gateway.folder / "store", disk, rig.place("film"), whole, asked)
        with (gateway.folder / "config" / "gateway.toml").open("a") as file:
            file.write(f'[[video.volume]]\npath = "{disk}"\n')
            for number in range(1, whole.cameras + 1):
                file.write(
                    f'[[camera]]\nid = "cam-{number}"\nurl = "rtsp://127.0.0.1:1/{number}"\n'
                )
        token = make_token(gateway)
        gateway.start()
        warm(carried.field_port, carried.receiver)
        took = asyncio.run(_seen(gateway, token, whole, asked))[FIRST:]
    name = f"seek to picture presented, {whole.rows:,} segments"
    group = f"any minute of {DAYS} days on the screen, {whole.cameras} cameras"
    return [
        Row(group=group, name=f"{name}, p50", value=at(took, 0.5), unit="ms"),
        Row(
            group=group,
            name=f"{name}, p95",
            value=at(took, 0.95),
            unit="ms",
            target=TARGET_MS,
            note=f"of {len(took)} minutes, worst {max(took):.0f} ms; 1080p25, 3 Mbit/s",
        ),
    ]


def _link(
    store: Path, disk: Path, film: Path, whole: history.History, asked: list[tuple[int, int]]
) -> None:
    """Give the minutes that will be asked for, and those behind them, files and true rows."""
    past.make(film / "store", film / "disk", 1, real=True)
    [real] = (film / "disk").rglob("*.mp4")
    with closing(sqlite3.connect(store / index.FILE)) as db, db:
        for camera, first in asked:
            for minute in range(first, first + AROUND):
                begin = whole.first_ns + minute * history.MINUTE_NS
                place = disk / names.relative(f"cam-{camera}", begin)
                if not place.exists():
                    os.link(real, place)
                db.execute(
                    "UPDATE segment SET size_bytes = ?, frames = 1500 WHERE start_ns = ?"
                    " AND camera = (SELECT id FROM camera WHERE name = ?)",
                    (real.stat().st_size, begin, f"cam-{camera}"),
                )


async def _seen(
    gateway: Gateway, token: str, whole: history.History, asked: list[tuple[int, int]]
) -> list[float]:
    url = f"http://127.0.0.1:{gateway.console}"
    async with browse() as browser:
        context = await signed_on(browser, url, token)
        await context.add_init_script(HEADS)
        page = await context.new_page()
        await page.goto(f"{url}/console/#/duty")
        await page.wait_for_selector(".frame:not(.stale)")
        return [await _seek(page, whole, *each) for each in asked]


async def _seek(page: Page, whole: history.History, camera: int, minute: int) -> float:
    at_ms = (whole.first_ns + minute * history.MINUTE_NS) // 1_000_000 + 17_000
    said = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    path = f"#/playback/cam-{camera}?at={said}&reason=bench"
    try:
        return float(await page.evaluate(SEEK, [path, at_ms]))
    except Exception as error:
        told = await page.locator("main").inner_text()
        raise BenchError(f"{path}: {' '.join(told.split())[:200]}") from error


ALL: dict[str, Measure] = {"console-minutes": minutes}
