"""G3's charts in a real browser: a day of a point, and a camera that has minutes missing."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.audit import Entry
from gateway.clock import SystemClock
from gateway.console.api import Site, build_app
from gateway.console.charts import ChartRoutes
from gateway.console.server import ServerSettings
from gateway.console.tokens import Role, TokenBook
from gateway.console.video import VideoRoutes
from gateway.playback import Addresses, Playback
from tests.clocks import SECOND
from tests.console.conftest import running
from tests.console.memory_desk import MemoryDesk
from tests.console.video_rig import Stills
from tests.console.web.test_playback import looking
from tests.playback.film import CAMERA, camera_of, filming
from tests.store.test_readings import stored

MINUTE = 60 * SECOND


@pytest.mark.timeout(300)
async def test_a_day_of_a_point_is_drawn_and_a_camera_says_what_is_missing(tmp_path: Path) -> None:
    clock = SystemClock()
    store = tmp_path / "store"
    async with filming(tmp_path) as film:
        film.at_ns = (clock.utc_ns() // SECOND - 630) * SECOND
        await film.segments(1)
        film.pause(600, "camera")
        await film.segments(1)
        now_ns = clock.utc_ns()
        stored(store, [(now_ns - at * MINUTE, "gas-1", "level", at % 9) for at in range(600)])
        desk = MemoryDesk(clock)  # type: ignore[arg-type]
        desk.device_rows = [
            {"id": "gas-1", "name": "燃气", "place": "食堂", "profile": "p", "family": "gas",
             "link": "f", "state": "online", "last_seen": None, "commands": [],
             "points": [{"name": "level", "kind": "gas", "active": None, "value": 3,
                         "unit": "%LEL", "quality": "good", "at": None}]}
        ]  # fmt: skip
        playback = Playback([camera_of()], [tmp_path / "disk"], store, clock)
        book = TokenBook(tmp_path / "tokens.json", clock)
        token = book.create(Role.LEADER, "李四")
        seen: list[Entry] = []

        state = {
            "recording": True,
            "newest_ns": film.at_ns,
            "bit_rate_bps": 4_000_000,
            "retention_days": 90,
        }

        async def audit(entry: Entry) -> int:
            seen.append(entry)
            return len(seen)

        async def states() -> dict[str, dict[str, object]]:
            return {CAMERA: state}

        app = build_app(
            desk, book, CollectorRegistry(), site=Site(id="1", name="校", gateway="g"), clock=clock,
            video=VideoRoutes(playback, Addresses(store, clock), audit, Stills(), states, clock),
            shown={"cameras": [{"id": CAMERA, "name": "西门", "place": "西门门卫室"}]},
            more=(ChartRoutes(desk, store),),
        )  # fmt: skip
        try:
            async with (
                running(app, ServerSettings(port=0)) as port,
                looking(f"http://127.0.0.1:{port}", token, "#/health") as page,
            ):
                tile = page.locator(f"[data-camera='{CAMERA}']")
                await page.wait_for_function(
                    "name => document.querySelector(`[data-camera='${name}'] .missing`)"
                    "?.textContent.includes('分钟')",
                    arg=CAMERA,
                )
                words = await tile.inner_text()
                told = re.search(r"90 天内缺 (\d+) 分钟", words)
                assert told is not None
                # Ten are missing; what this machine took since the last picture comes on top.
                assert 10 <= int(told[1]) <= 14, words
                assert "4.0 Mbit/s" in words
                assert "90 天 3888 GB" in words
                await page.get_by_role("button", name="曲线").click()
                await page.wait_for_selector(".spark canvas")
                drawn = await page.evaluate(
                    "() => { const c = document.querySelector('.spark canvas');"
                    " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
                    ".filter((v, at) => at % 4 === 3 && v > 0).length / (c.width * c.height); }"
                )
                assert drawn > 0.02
        finally:
            await playback.end()
