"""What cameras show in an alarm and afterwards: real cameras, and pictures that are read."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Download, expect

from tests.console.web.house import Desk
from tests.console.web.studio import Studio, number, numbers, studio

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
LIVE: Final = "[data-picture=live] figure"
CLIP: Final = "[data-picture=clip] figure"
NOW: Final = (
    "() => Number(document.querySelector('.band canvas').getAttribute('aria-valuenow')) / 1000"
)
ALL_SEEN: Final = "() => document.querySelectorAll('.playback .seen-picture video').length === 4"
HELD: Final = "[v.buffered.end(v.buffered.length - 1) - v.buffered.start(0), v.currentTime]"
ALL_RUN: Final = "() => [...document.querySelectorAll('.playback video')].every(v => !v.paused)"
AHEAD: Final = re.compile(r"快 [67]\.\d 秒")
"""Seven seconds, less what its pictures were on their way."""
APART_MOST_S: Final = 0.15
TURNS: Final = 6
LOOKS: Final = 12
THUMB: Final = "() => document.querySelector('.thumb img')?.naturalWidth === 240"
RATE: Final = "() => document.querySelector('.playback video').playbackRate"
WIDE: Final = """
() => {
  const canvas = document.querySelector('.band canvas');
  return canvas.getAttribute('aria-valuemax') - canvas.getAttribute('aria-valuemin');
}
"""
CLIP_RUNS: Final = f"() => (document.querySelector('{CLIP} video')?.currentTime ?? 0) > 0"
FRAME_S: Final = 1 / 25
WINDOWS: Final = 4
"""And one more: four cameras are played back in one of them, the others show the alarm."""
DECIDED_MOST_S: Final = 3.0
HIDE: Final = """
() => {
  Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}
"""
"""As a browser does with a window that is minimised or behind another; a headless one never is."""
LATE_MOST_S: Final = 6.0
"""One group of pictures is 0.4 s; the rest is for a machine that does other things as well."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def film(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    async with studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def desk(film: Studio) -> AsyncIterator[Desk]:
    """A shift leader, who may take evidence away; afterwards nothing is open."""
    async with film.house.desk(accept_downloads=True) as found:
        await found.begin(film.house.tokens["王主任"])
        yield found
        found.fine()
    await film.house.quiet()


async def press(film: Studio, desk: Desk, spot: str) -> dict[str, Any]:
    """The alarm's row once its screen is open."""
    await film.house.press(film.spots[spot])
    await desk.page.wait_for_selector(".incident.p1")
    [row] = (await film.house.gateway.get("/api/v1/alarms"))["alarms"]
    return dict(row)


def at_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def views_of(desk: Desk, reason: str) -> list[tuple[str, str | None]]:
    """What was looked at for a reason, as the audit trail has it: which medium of which stream."""
    ask = "() => fetch('/api/v1/audit?limit=1000').then(answer => answer.json())"
    entries = [entry["data"] for entry in (await desk.page.evaluate(ask))["entries"]]
    return [
        (entry["details"]["medium"], entry["details"].get("stream"))
        for entry in entries
        if entry["action"] == "video.view" and entry["reason"] == reason
    ]


async def verified(package: Path) -> tuple[int, str]:
    """What a package says of itself where nothing of ours is installed."""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-I", str(package)], capture_output=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


async def kept(download: Download, folder: Path) -> Path:
    path = folder / download.suggested_filename
    await download.save_as(path)
    return path


async def test_an_alarm_shows_what_is_was_and_was_seen_then_and_a_camera_that_goes_is_told(
    film: Studio, desk: Desk, tmp_path: Path
) -> None:
    page, gate = desk.page, film.camera("gate")
    row = await press(film, desk, "gate")
    raised_s = at_s(row["raised_at"])
    # Live: the newest group of the small stream, and it goes on.
    await page.wait_for_selector(f"{LIVE}[data-shows=video]")
    first = await number(page, f"{LIVE} video")
    late_s = gate.media_s() - first * FRAME_S
    assert 0 <= late_s < LATE_MOST_S
    await desk.until(f"() => document.querySelector('{LIVE} video').currentTime > 1")
    later = await number(page, f"{LIVE} video")
    assert later > first
    assert gate.media_s() - later * FRAME_S < LATE_MOST_S
    # The clip: from ten seconds before, as far as anything was recorded then.
    await desk.until(CLIP_RUNS)
    shown = await page.evaluate(f"() => document.querySelector('{CLIP} video').currentTime")
    seen_s = film.taken_s("gate", await number(page, f"{CLIP} video"))
    told = await film.house.gateway.get(
        "/api/v1/cameras/gate/timeline", **{"from": "2026-01-01T00:00:00Z", "to": row["raised_at"]}
    )
    begun_s = max(raised_s - 10, at_s(told["spans"][0]["from"]))
    assert begun_s - 1.5 < seen_s < begun_s + shown + 3
    # The picture of the moment, and that all of it is kept.
    moment = film.taken_s("gate", await number(page, "[data-picture=moment] img"))
    assert -2 < moment - raised_s < 0.2
    await page.wait_for_selector(".hold[data-held=yes]")
    views = await views_of(desk, f"alarm {row['alarm_id']}")
    assert ("live.mp4", "sub") in views
    assert ("live.mp4", "main") not in views
    assert {"video.mp4", "still.jpg"} <= {medium for medium, _ in views}
    # Unplugged: its last picture is hatched and says how old it is, and another camera is offered.
    await gate.power_off()
    try:
        await page.wait_for_selector(f"{LIVE}[data-shows=lost].none img")
        await expect(page.locator(f"{LIVE} .age")).to_contain_text("之前")
        await page.locator(".neighbours [data-camera=road]").click()
        await page.wait_for_selector(f"{LIVE}[data-shows=video]")
        road = await number(page, f"{LIVE} video")
        assert film.camera("road").media_s() - road * FRAME_S < LATE_MOST_S
        await taken_away(desk, tmp_path)
    finally:
        await gate.power_on()
    # From here to all that was recorded, at the alarm's moment.
    await page.get_by_role("button", name="在回放中查看").click()
    await page.wait_for_selector(".playback")
    await desk.until("() => location.hash.startsWith('#/playback')")
    at = await page.evaluate("() => new URLSearchParams(location.hash.split('?')[1]).get('at')")
    assert abs(at_s(at) - (raised_s - 10)) < 0.01


async def taken_away(desk: Desk, folder: Path) -> None:
    """The package of the alarm is made and saved, proves itself, and names a changed byte."""
    page = desk.page
    await page.get_by_role("button", name="证据包").click()
    await page.get_by_label("为什么导出").fill("派出所调取")
    async with page.expect_download() as coming:
        await page.keyboard.press("Enter")
        await expect(page.locator(".evidence progress")).to_be_visible()
    package = await kept(await coming.value, folder)
    await expect(page.get_by_text(f"已保存 {package.name}")).to_be_visible()
    code, said = await verified(package)
    assert code == 0, said
    whole = bytearray(package.read_bytes())
    at = whole.index(b"mdat", len(whole) // 4)
    whole[at + 20] ^= 1
    broken = folder / "broken.zip"
    broken.write_bytes(whole)
    code, said = await verified(broken)
    assert code != 0
    assert "gate" in said, "the member that was changed is named"


async def test_what_the_browser_cannot_play_is_shown_as_stills_and_said(
    film: Studio, desk: Desk
) -> None:
    page, shed = desk.page, film.camera("shed")
    await press(film, desk, "shed")
    await page.wait_for_selector(f"{LIVE}[data-shows=stills] img")
    await expect(page.locator(f"{LIVE} figcaption")).to_contain_text("此浏览器放不了这种视频")
    first = await number(page, f"{LIVE} img")
    assert shed.media_s() - first * FRAME_S < LATE_MOST_S
    await page.wait_for_selector(f"{CLIP}[data-shows=stills] img")
    before = await number(page, f"{CLIP} img")
    async with asyncio.timeout(60):
        while await number(page, f"{LIVE} img") <= first:  # noqa: ASYNC110 pictures set no event
            await asyncio.sleep(0.1)
        while await number(page, f"{CLIP} img") <= before:  # noqa: ASYNC110 as above
            await asyncio.sleep(0.1)
    assert await number(page, f"{CLIP} img") < await number(page, f"{LIVE} img")


async def test_however_many_windows_show_pictures_what_a_guard_decides_finds_a_connection(
    film: Studio, desk: Desk
) -> None:
    player, *others = [await desk.context.new_page() for _ in range(WINDOWS)]
    start = await begun(film, ["gate", "hall", "yard", "road"])
    await player.goto(
        f"{desk.url}/console/#/playback?cameras=gate,hall,yard,road&reason=x&at={start}"
    )
    await player.wait_for_function(ALL_SEEN)
    # Four cameras play in one window: what an alarm shows in another comes before them.
    row = await press(film, desk, "gate")
    await desk.page.wait_for_selector(f"{LIVE}[data-shows=video]")
    await desk.page.wait_for_selector(f"{CLIP}[data-shows=video]")
    without = player.locator("figcaption:has-text('其他窗口占用了视频连接')")
    await expect(without.first).to_be_visible()
    # All the others show the alarm as well: as stills of now, where no connection is left.
    for window in others:
        await window.goto(f"{desk.url}/console/#/incident/{row['alarm_id']}")
        await window.wait_for_selector(f"{LIVE}[data-shows=video], {LIVE}[data-shows=stills]")
    last = others[-1]
    await last.wait_for_selector(f"{LIVE}[data-shows=stills]")
    await expect(last.locator(f"{LIVE} figcaption")).to_contain_text("其他窗口占用了视频连接")
    before = await number(last, f"{LIVE} img")
    async with asyncio.timeout(60):
        while await number(last, f"{LIVE} img") <= before:  # noqa: ASYNC110 pictures set no event
            await asyncio.sleep(0.1)
    began = time.monotonic()
    await last.keyboard.press("F2")
    await last.wait_for_selector(".incident .state-words:has-text('王主任')")
    assert time.monotonic() - began < DECIDED_MOST_S
    # Windows that nobody sees any more give theirs to those that are seen.
    for window in (desk.page, *others[:-1]):
        await window.evaluate(HIDE)
    await last.wait_for_selector(f"{LIVE}[data-shows=video]")
    await last.close()
    await player.wait_for_function(ALL_SEEN)
    await expect(without).to_have_count(0)


async def spread_of(film: Studio, desk: Desk, names: list[str]) -> float | None:
    """How far the pictures of some cameras are from each other, all looked at in one moment."""
    seen = await numbers(desk.page, ".playback .screens video")
    taken = [
        film.taken_s(name, each) for name, each in zip(names, seen, strict=True) if each is not None
    ]
    return max(taken) - min(taken) if len(taken) == len(names) else None


async def in_step(film: Studio, desk: Desk, names: list[str], path: str) -> None:
    """Play until they are in step: a machine with much to do draws one of them late at times."""
    spreads: list[float | None] = []
    for turn in range(TURNS):
        if turn > 0:
            await desk.go(f"{path}&turn={turn}")
            await desk.until(ALL_SEEN)
        await desk.page.keyboard.press("l")
        await desk.until(ALL_RUN)
        for _ in range(LOOKS):
            spreads.append(await spread_of(film, desk, names))
            await desk.page.evaluate("() => new Promise(requestAnimationFrame)")
        await desk.page.keyboard.press("k")
        seen = sorted(each for each in spreads[-LOOKS:] if each is not None)
        if len(seen) > LOOKS // 2 and seen[LOOKS // 2] < APART_MOST_S:
            return
    raise AssertionError(f"out of step: {spreads}")


async def recorded(film: Studio, name: str) -> dict[str, Any]:
    """All that there is of a camera."""
    path = f"/api/v1/cameras/{name}/timeline"
    ever = {"from": "2026-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
    return dict(await film.house.gateway.get(path, **ever))


async def reached_s(film: Studio, name: str) -> float:
    """How far it is recorded."""
    return at_s((await recorded(film, name))["spans"][-1]["to"])


def in_address(seconds: float) -> str:
    """A time as the page's address has it."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat().replace("+", "%2B")


async def begun(film: Studio, names: list[str]) -> str:
    """When all of them had pictures, for an address."""
    first = [at_s((await recorded(film, name))["spans"][0]["from"]) for name in names]
    return in_address(max(first) + 1.0)


async def unplugged_s(film: Studio) -> float:
    """The middle of a time in which the gate's camera was away; it is unplugged if it never was."""
    gate = film.camera("gate")
    if not any(run.ended == "powered off" for run in gate.runs):
        await gate.power_off()
        await gate.power_on()
    async with asyncio.timeout(120):
        while True:
            told = await recorded(film, "gate")
            gaps = [gap for gap in told["gaps"] if gap["reason"] == "camera"]
            if gaps and at_s(told["spans"][-1]["to"]) > at_s(gaps[0]["to"]):
                return (at_s(gaps[0]["from"]) + at_s(gaps[0]["to"])) / 2
            await asyncio.sleep(0.2)


async def now_of(desk: Desk) -> float:
    """Where the clock of the bands is, seconds."""
    return float(await desk.page.evaluate(NOW))


async def test_four_cameras_are_played_in_step_and_a_gap_is_never_black(
    film: Studio, desk: Desk, tmp_path: Path
) -> None:
    page, names = desk.page, ["gate", "hall", "yard", "road"]
    gap_s = await unplugged_s(film)
    start = await begun(film, names)
    query = f"cameras={','.join(names)}&reason=x&at={start}"
    await desk.go(f"#/playback?{query}")
    await desk.until(ALL_SEEN)
    await expect(page.locator("figure[data-camera=hall] figcaption")).to_contain_text(AHEAD)
    # Standing, all four show one moment; running, they stay within it.
    still = await spread_of(film, desk, names)
    assert still is not None
    assert still < 0.1
    await in_step(film, desk, names, f"#/playback?{query}")
    await desk.go(f"#/playback?{query}&again=1")
    await desk.until(ALL_SEEN)
    # One picture on, and one back.
    before = await number(page, ".playback video")
    await page.keyboard.press(".")
    await until_number(desk, before + 1)
    await page.keyboard.press(",")
    await until_number(desk, before)
    # In the gap it is said what is missing and why, whatever was on the screen before.
    await desk.go(f"#/playback?cameras=gate&reason=x&at={in_address(gap_s)}")
    await expect(page.locator("figure[data-camera=gate] .covered")).to_contain_text("缺录")
    await expect(page.locator("figure[data-camera=gate] .covered")).to_contain_text("摄像机无画面")
    # The pointer over a band shows what was seen there; a range with its purpose is taken away.
    await desk.go(f"#/playback?cameras=gate&reason=寻找失物&at={start}")
    await page.wait_for_selector(".playback .seen-picture video")
    await page.keyboard.press("4")
    await expect(page.locator(".band output")).to_contain_text("有录像")
    async with asyncio.timeout(60):
        while not await page.evaluate(THUMB):  # what comes late may move the band away from below
            await page.locator(".band canvas").hover()
            await asyncio.sleep(0.5)
    await page.keyboard.press("i")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("o")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="导出证据包").click()
    package = await kept(await coming.value, tmp_path)
    code, said = await verified(package)
    assert code == 0, said
    assert ("snapshot.jpg", "main") in await views_of(desk, "寻找失物")


async def spread(desk: Desk) -> None:
    """Two fingers on the band, which go apart."""
    box = await desk.page.locator(".band canvas").first.bounding_box()
    assert box is not None
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tool = await desk.context.new_cdp_session(desk.page)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 160)):
        points = [{"x": middle + way * apart, "y": y, "id": n} for n, way in enumerate((-1, 1))]
        await tool.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await tool.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await tool.detach()


async def until_number(desk: Desk, wanted: int) -> None:
    async with asyncio.timeout(60):
        while await number(desk.page, ".playback video") != wanted:  # noqa: ASYNC110 as above
            await asyncio.sleep(0.05)


@pytest.mark.long
async def test_pictures_go_back_slowly_and_fast_and_bands_answer_wheel_fingers_and_keys(
    film: Studio, desk: Desk
) -> None:
    page, names = desk.page, ["hall", "yard"]
    start = await begun(film, names)
    query = f"cameras={','.join(names)}&reason=x&at={start}"
    row = await press(film, desk, "yard")
    async with asyncio.timeout(60):  # what is played must lie behind: playing ends near to now
        while await reached_s(film, "yard") < at_s(row["raised_at"]) + 10:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await desk.go(f"#/playback?{query}")
    await desk.until(ALL_SEEN.replace("4", "2"))
    await page.keyboard.press("l")
    await desk.until(f"at => ({NOW})() > at + 2", await now_of(desk))
    await page.keyboard.press("k")
    # Back: the clock and the pictures go that way.
    reached, at = await number(page, ".playback video"), await now_of(desk)
    await page.keyboard.press("j")
    await desk.until(f"at => ({NOW})() < at - 1", at)
    await page.keyboard.press("k")
    await desk.until(ALL_SEEN.replace("4", "2"))
    assert await number(page, ".playback video") < reached
    # As slow as an eighth and as fast as sixteen times.
    for key, least, most in (("放慢", 0.09, 0.16), ("加快", 12.0, 16.0)):
        await page.keyboard.press("l")
        for _ in range(3 if key == "放慢" else 4):
            await page.get_by_role("button", name=key).click()
        await desk.until(f"() => ({RATE})() >= {least} && ({RATE})() <= {most}")
        await page.keyboard.press("k")
    await page.keyboard.press("4")
    await page.locator(".band canvas").first.hover()
    # The wheel and two fingers show less of time; a key goes to what happened next.
    minute = await page.evaluate(WIDE)
    await page.mouse.wheel(0, -100)
    await desk.until(f"wide => ({WIDE})() < wide", minute)
    await spread(desk)
    await desk.until(f"wide => ({WIDE})() < wide / 2", minute)
    raised_s = at_s(row["raised_at"])
    await page.keyboard.press("]" if await now_of(desk) < raised_s else "[")
    await desk.until(f"at => Math.abs(({NOW})() - at) < 0.1", raised_s)


@pytest.mark.long
async def test_a_live_picture_that_stays_open_holds_seconds_and_stays_near_to_now(
    film: Studio, desk: Desk
) -> None:
    await press(film, desk, "yard")
    await desk.page.wait_for_selector(f"{LIVE}[data-shows=video]")
    held = f"() => {{ const v = document.querySelector('{LIVE} video'); return {HELD}; }}"
    most = 0.0
    while (at := (await desk.page.evaluate(held))[1]) < 90:
        length, _ = await desk.page.evaluate(held)
        most = max(most, length)
        await asyncio.sleep(0.5)
    assert at >= 90
    assert most < 40, "what was shown is let go"
    seen = await number(desk.page, f"{LIVE} video")
    assert film.camera("yard").media_s() - seen * FRAME_S < 3 * LATE_MOST_S
