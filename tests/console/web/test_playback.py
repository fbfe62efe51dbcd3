"""G4 in a real browser over real recordings: bands, gaps that are said, pictures that play."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from bench.video import history
from gateway.console.tokens import Role
from gateway.playback.moments import said
from tests.clocks import SECOND
from tests.console.video_rig import Rig, rig, serving
from tests.console.web.house import PATIENCE_MS, browse
from tests.playback.film import CAMERA, GROUP_NS, camera_of

BEGAN_AGO_S = 900
DAYS = 90
SEEN = """
() => {
  const video = document.querySelector('.playback video');
  return {
    at: video?.currentTime ?? -1, ready: video?.readyState ?? 0, paused: video?.paused ?? true,
    covered: document.querySelector('.playback .covered')?.textContent ?? '',
    band: document.querySelector('.band output')?.textContent ?? '',
    value: document.querySelector('.band canvas')?.getAttribute('aria-valuetext') ?? '',
    now: Number(document.querySelector('.band canvas')?.getAttribute('aria-valuenow')),
  };
}
"""


@asynccontextmanager
async def looking(url: str, token: str, path: str) -> AsyncIterator[Page]:
    """A page that somebody signed on at, on one screen."""
    async with browse() as browser:
        context = await browser.new_context(
            viewport={"width": 1600, "height": 1000}, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )
        await page.goto(f"{url}/console/#token={token}")
        await page.wait_for_selector(".frame:not(.stale)")
        await page.evaluate("path => { location.hash = path; }", path)
        yield page
        await context.close()
        assert errors == []


async def until(page: Page, script: str, argument: Any = None) -> Any:
    handle = await page.wait_for_function(script, arg=argument, polling=50)
    return await handle.json_value()


async def recorded(it: Rig) -> tuple[int, int, int]:
    """Three segments, a gap of half a minute because of the camera, three more; in ms."""
    it.film.at_ns = (it.clock.utc_ns() // SECOND - BEGAN_AGO_S) * SECOND
    begin = it.film.at_ns
    await it.film.segments(3)
    gap = it.film.at_ns
    it.film.pause(30, "camera")
    behind = it.film.at_ns
    await it.film.segments(3)
    return begin // 10**6, gap // 10**6, behind // 10**6


def at(ms: int, **more: str) -> str:
    query = "&".join(f"{key}={value}" for key, value in more.items())
    return f"#/playback/{CAMERA}?at={said(ms * 10**6)}&{query}"


@pytest.mark.timeout(300)
async def test_a_minute_is_played_over_the_border_of_a_segment_and_its_gap_is_said(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        begin, gap, behind = await recorded(it)
        start = begin + 4 * GROUP_NS // 10**6
        async with looking(it.url, it.tokens[Role.LEADER], at(start)) as page:
            # Nothing is asked of the camera before somebody has said why.
            await page.get_by_label("为什么看录像").fill("找书包")
            assert it.trail == []
            await page.get_by_role("button", name="确定").click()
            await until(page, f"() => ({SEEN})().ready >= 2")
            await page.keyboard.press("l")
            # Over the border between the first two segments, which is five groups behind the start.
            border = begin + 6 * GROUP_NS // 10**6
            await until(
                page, f"ms => {{ const s = ({SEEN})(); return s.now > ms && !s.paused; }}", border
            )
            # In the gap the clock runs on, and the picture is covered by what is the matter.
            told = await until(page, f"() => ({SEEN})().covered")
            assert "摄像机无画面" in told
            seen = await page.evaluate(SEEN)
            assert gap - 200 <= seen["now"] <= behind
            assert "摄像机无画面" in seen["value"]
            await page.keyboard.press("k")
            # Behind it there are pictures again.
            await page.evaluate("path => { location.hash = path; }", at(behind + 1000, reason="x"))
            [entry] = [each for each in it.trail if each.action == "video.view"][:1]
            assert (entry.reason, entry.subject) == ("找书包", CAMERA)
            assert len({json.dumps(each.details, sort_keys=True) for each in it.trail}) == len(
                it.trail
            )


@pytest.mark.timeout(300)
async def test_ninety_days_are_shown_and_any_minute_of_them_within_a_key(tmp_path: Path) -> None:
    """An index as a recorder leaves it after 90 days, with a second missing in every hour."""
    today = history.today_ns()
    past = history.History(cameras=1, days=DAYS, surplus=0, today_ns=today)
    name = str(uuid.uuid4())
    (tmp_path / "disk").mkdir()
    history.make(tmp_path / "store", tmp_path / "disk", name, past)
    async with serving(tmp_path, tmp_path / "store", [camera_of("cam-1")]) as it:
        hour = today // 10**6 - 5 * 3_600_000
        path = f"#/playback/cam-1?at={said((hour - 500) * 10**6)}"
        async with looking(it.url, it.tokens[Role.LEADER], path) as page:
            await page.keyboard.press("1")
            # Ninety days have about an hour in a column: no column is whole, and each says so.
            told = await until(
                page, f"() => {{ const s = ({SEEN})(); return s.value.includes('缺') && s.value; }}"
            )
            assert "摄像机无画面" in told
            assert await dark(page) > 0.9, "the band is drawn over all of its width"
            # A minute, in which the gap of a second is the hour's last one.
            await page.keyboard.press("4")
            told = await until(
                page,
                f"() => {{ const s = ({SEEN})(); return s.value.includes('缺录') && s.value; }}",
            )
            assert "摄像机无画面" in told
            shares = await page.evaluate(COLUMNS)
            assert 0.005 < shares["hatched"] < 0.05, "one second of sixty is hatched"
            assert shares["solid"] > 0.9


async def dark(page: Page) -> float:
    """How much of the band's width has anything drawn on it."""
    shares = await page.evaluate(COLUMNS)
    return float(shares["solid"] + shares["hatched"])


COLUMNS = """
() => {
  const canvas = document.querySelector('.band canvas');
  const pen = canvas.getContext('2d');
  const high = 30 * canvas.height / 56, top = 16 * canvas.height / 56;
  let solid = 0, hatched = 0;
  for (let x = 0; x < canvas.width; x += 1) {
    const data = pen.getImageData(x, top + 1, 1, high - 2).data;
    const seen = new Set();
    let drawn = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] === 0) continue;
      drawn += 1;
      seen.add(data[at] >> 4);
    }
    if (drawn === 0) continue;
    if (seen.size === 1) solid += 1; else hatched += 1;
  }
  return { solid: solid / canvas.width, hatched: hatched / canvas.width };
}
"""
