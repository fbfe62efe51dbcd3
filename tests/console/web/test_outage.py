"""The gateway falls silent, dies and comes back: what the guard sees meanwhile, and afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.wire import Wire
from tests.console.browser import chromium
from tests.console.web.conftest import BUTTONS
from tests.console.web.house import FLAGS, HEARD, PATIENCE_MS, House

pytestmark = pytest.mark.asyncio(loop_scope="session")
SLOW_S = 15
"""The page knows within 5 s (link.test.ts, by the clock); this machine may be slower than that."""
PIN = "2580"
SOUNDING = "() => document.documentElement.dataset.sounding"
SEQS = "() => [...window.seqs]"
WATCH = """
window.seqs = [];
const Told = window.EventSource;
delete window.SharedWorker;
window.EventSource = class extends Told {
  constructor(...all) {
    super(...all);
    this.addEventListener("record", (event) => window.seqs.push(Number(event.lastEventId)));
  }
};
"""


async def test_a_silent_gateway_is_told_of_and_nothing_is_missing_when_it_is_back(
    school: House,
) -> None:
    async with school.desk() as desk:
        await desk.page.add_init_script(WATCH)
        await desk.begin(school.tokens["张三"])
        await school.press(BUTTONS[0])
        await desk.page.wait_for_selector(".incident.p1")
        await desk.until("() => window.seqs.length > 0")
        before = max(await desk.page.evaluate(SEQS))
        os.kill(school.gateway.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            await desk.page.wait_for_selector(".bar.lost")
            assert time.monotonic() - began < SLOW_S
            await expect(desk.page.locator(".bar.lost")).to_contain_text("0513-8012")
            await expect(desk.page.locator(".doing button:has-text('确认')")).to_be_disabled()
            await desk.page.wait_for_selector(".lamp.unknown")
            await asyncio.gather(*map(school.press, BUTTONS[1:4]))
        finally:
            os.kill(school.gateway.pid, signal.SIGCONT)
        await desk.page.wait_for_selector(".bar.lost", state="detached")
        await desk.go("#/duty")
        await desk.until("() => document.querySelectorAll('.queue .chip.p1').length === 4")
        head = (await school.gateway.records())[-1]["seq"]
        await desk.until("head => window.seqs.includes(head)", head)
        seen = set(await desk.page.evaluate(SEQS))
        assert set(range(before, head + 1)) <= seen
        desk.fine()
    await school.quiet()


async def test_a_guard_is_still_on_duty_when_the_gateway_that_died_is_back(
    school: House,
) -> None:
    tokens = TokenBook(school.gateway.store_folder / "tokens.json", SystemClock())
    async with (
        school.person("陈七", Role.GUARD, PIN),
        school.desk() as desk,
        school.desk() as other,
    ):
        await desk.sign_on("陈七", PIN)
        await expect(desk.page.locator("header .who")).to_contain_text("陈七 值班至")
        await other.begin(tokens.create(Role.GUARD, "赵八"))
        await school.press(BUTTONS[5])
        await desk.page.wait_for_selector(".incident.p1")
        await other.page.wait_for_selector(".incident.p1")
        await school.gateway.kill()
        (leaver,) = (each for each in tokens.list() if each.name == "赵八")
        tokens.revoke(leaver.id)
        await desk.page.wait_for_selector(".bar.lost")
        assert await desk.until(SOUNDING) == "urgent"
        await school.gateway.start()
        # Nobody touches anything: the page is back, signed on, and the alarm still sounds.
        await desk.page.wait_for_selector(".frame:not(.stale) .incident.p1")
        await expect(desk.page.locator(".incident h1")).to_contain_text("6号门卫室")
        assert await desk.until(SOUNDING) == "urgent"
        # Whose token ended meanwhile is signed off, and sees what waits all the same.
        await other.page.wait_for_selector(".sign-on")
        await other.page.wait_for_selector(".before .queue button:has-text('6号门卫室')")
        plate = other.page.locator(".sign-on .on-duty", has_text="陈七 值班至")
        await expect(plate).to_have_count(1)
        await desk.page.keyboard.press("F2")
        await desk.page.wait_for_selector(".incident .state-words:has-text('陈七')")
        await expect(desk.page.locator(".bar.pin")).to_have_count(0)  # seconds count: not asked
        # How it ended is his word: the gateway asks who says so, since it has begun anew.
        for key in ("F8", "2", "3"):
            await desk.page.keyboard.press(key)
        box = desk.page.locator(".bar.pin input")
        await expect(box).to_be_focused()
        await desk.page.keyboard.type("9999")
        await desk.page.keyboard.press("Enter")
        await expect(desk.page.locator(".bar.pin [role=alert]")).to_contain_text("PIN 不对")
        await school.press(BUTTONS[6])  # nothing that is asked stands before an alarm
        await desk.page.wait_for_selector(".top button:has-text('7号门卫室')")
        await expect(box).to_be_focused()
        await desk.page.keyboard.type(PIN)
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_selector(".bar.pin", state="detached")
        await desk.until("() => !document.querySelector('.disposing')")
        rows = (await school.gateway.get("/api/v1/alarms?state=all"))["alarms"]
        closed = next(row for row in rows if row["device"]["place"] == "6号门卫室")
        assert (closed["closed_by"], closed["disposition"]) == ("陈七", "accidental")
        # Another one signs on where the leaver was: with the proof of a new session.
        await other.page.fill("input[autocomplete=username]", "")
        await other.page.fill("input[type=password]", school.tokens["张三"])
        await other.page.click("button[type=submit]")
        await other.page.wait_for_selector(".frame:not(.stale)")
        desk.fine()
        other.fine()
    await school.quiet()


async def test_a_wire_that_swallows_everything_is_told_of_though_no_socket_broke(
    school: House,
) -> None:
    async with (
        Wire(school.gateway.api_port) as wire,
        school.desk(url=f"http://127.0.0.1:{wire.port}") as desk,
    ):
        await desk.page.add_init_script(WATCH)
        await desk.begin(school.tokens["张三"])
        await school.press(BUTTONS[11])  # a fresh house has no record yet
        await desk.until("() => window.seqs.length > 0")
        before = max(await desk.page.evaluate(SEQS))
        wire.half_open()
        began = time.monotonic()
        await desk.page.wait_for_selector(".bar.lost")
        assert time.monotonic() - began < SLOW_S
        await desk.page.locator(".bar.lost .phones a").first.click(trial=True)
        await asyncio.gather(*map(school.press, BUTTONS[6:9]))
        await school.open_alarm(BUTTONS[8])
        wire.heal()
        await desk.page.wait_for_selector(".bar.lost", state="detached")
        await desk.go("#/duty")
        await desk.until("() => document.querySelectorAll('.queue .chip.p1').length === 4")
        head = (await school.gateway.records())[-1]["seq"]
        await desk.until("head => window.seqs.includes(head)", head)
        assert set(range(before, head + 1)) <= set(await desk.page.evaluate(SEQS))
        desk.fine()
    await school.quiet()


async def test_a_browser_that_is_started_again_is_on_the_alarm_without_a_question(
    school: House, tmp_path: Path
) -> None:
    async with browse_again(tmp_path) as page:
        await page.goto(f"{school.gateway.url}/console/#token={school.tokens['张三']}")
        await page.wait_for_selector(".frame:not(.stale) .duty")
    await school.press(BUTTONS[10])
    await school.open_alarm(BUTTONS[10])
    async with browse_again(tmp_path) as page:
        await page.goto(f"{school.gateway.url}/console/")
        # On its screen, or in the queue if one of before was not yet known to be closed.
        await page.wait_for_selector(":is(.incident.p1 h1, [data-alarm]):has-text('11号门卫室')")
        await page.wait_for_function(SOUNDING)
    await school.quiet()


@asynccontextmanager
async def browse_again(folder: Path) -> AsyncIterator[Page]:
    """A browser that has what it had when it ended."""
    async with async_playwright() as driver:
        context = await driver.chromium.launch_persistent_context(
            str(folder), executable_path=chromium(), args=[*FLAGS, HEARD]
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context.pages[0]
        finally:
            await context.close()
