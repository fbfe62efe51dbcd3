"""The gateway falls silent, dies and comes back: what the guard sees meanwhile, and afterwards."""

import asyncio
import os
import signal
import time

import pytest
from playwright.async_api import expect

from tests.console.web.conftest import BUTTONS
from tests.console.web.house import House

pytestmark = pytest.mark.asyncio(loop_scope="session")
SLOW_S = 15
"""The page knows within 5 s (link.test.ts, by the clock); this machine may be slower than that."""
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


async def test_an_alarm_that_was_open_when_the_gateway_died_is_on_the_screen_after_its_start(
    school: House,
) -> None:
    async with school.desk() as desk:
        await desk.begin(school.tokens["张三"])
        await school.press(BUTTONS[5])
        await desk.page.wait_for_selector(".incident.p1")
        await school.gateway.kill()
        await desk.page.wait_for_selector(".bar.lost")
        assert await desk.until("() => document.documentElement.dataset.sounding") == "urgent"
        await school.gateway.start()
        # Sessions end with the gateway's life: the guard signs on again, and sees what waits.
        await desk.page.wait_for_selector(".sign-on")
        await desk.page.wait_for_selector(".before .queue button:has-text('6号门卫室')")
        await desk.page.fill("input[autocomplete=username]", "")
        await desk.page.fill("input[type=password]", school.tokens["张三"])
        await desk.page.click("button[type=submit]")
        await desk.page.wait_for_selector(".frame:not(.stale) .incident.p1")
        await expect(desk.page.locator(".incident h1")).to_contain_text("6号门卫室")
        assert await desk.until("() => document.documentElement.dataset.sounding") == "urgent"
        await desk.page.keyboard.press("F2")  # with the proof of the new session, not of the old
        await desk.page.wait_for_selector(".incident .state-words:has-text('张三')")
        desk.fine()
    await school.quiet()
