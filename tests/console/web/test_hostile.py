"""What nobody means well: a page that is frozen, a renderer that stands, somebody who looks on.

The gateway goes by what a console does, not by whether it is connected.
"""

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from tests.console.web.conftest import BUTTONS
from tests.console.web.house import HEARD, Desk, House, browse
from tests.console.web.test_guard import SLOW_S, SOUNDING, lines_of, signed_on
from tests.console.web.test_outage import SEQS, WATCH
from tests.sirens import is_running

HUNG_MOST_S: Final = 20.0
"""12 s in which its worker asks it six times, 5 s of grace, 3 s for consoles."""
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def frozen(desk: Desk, _browser: Browser) -> Callable[[], Awaitable[None]]:
    """No script of the page goes on, while the worker beside it reads the stream as ever.

    So it is in a tab that was frozen; a browser without a screen freezes none by itself
    (Page.setWebLifecycleState does nothing there), so its debugger holds it. Returns what thaws it.
    """
    session = await desk.context.new_cdp_session(desk.page)
    held = asyncio.Event()
    session.on("Debugger.paused", lambda _: held.set())
    await session.send("Debugger.enable")
    await session.send("Debugger.pause")
    await held.wait()

    async def thaw() -> None:
        await session.send("Debugger.resume")
        await session.detach()

    return thaw


async def stopped(_desk: Desk, browser: Browser) -> Callable[[], Awaitable[None]]:
    """The browser's process that draws it stands still: no event, no script, no worker."""
    session = await browser.new_browser_cdp_session()
    found = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    pids = [one["id"] for one in found if one["type"] == "renderer"]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    async def thaw() -> None:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    return thaw


async def test_a_page_that_comes_back_by_the_browsers_back_hears_the_gateway_again(
    school: House,
) -> None:
    async with school.desk() as desk:
        await desk.begin(school.tokens["张三"])
        # A browser that is steered by a test keeps no page: what it would say when it did.
        shown = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
        await desk.page.evaluate(f"() => {{ window.isKept = true; setTimeout(() => {shown}); }}")
        await desk.until("() => window.isKept === undefined")
        await desk.page.wait_for_selector(".frame:not(.stale)")
        desk.fine()


async def begin_and_hear(school: House, desk: Desk) -> None:
    """An alarm sounds here, and the gateway knows."""
    await desk.begin(school.tokens["张三"])
    await school.press(BUTTONS[4])
    await desk.page.wait_for_selector(".incident.p1")
    assert await desk.until(SOUNDING) == "urgent"
    heard = await school.open_alarm(BUTTONS[4])

    async def in_trail() -> bool:
        return bool(await school.trail("alarm.shown", heard["alarm_id"]))

    await school.gateway.until(in_trail, "its receipt is in the trail")


async def test_a_page_that_hangs_after_it_said_that_it_sounds_is_not_believed_for_long(
    school: House,
) -> None:
    async with (
        browse(HEARD, school.strangers.flag) as browser,
        school.desk(browser=browser) as desk,
    ):
        await begin_and_hear(school, desk)
        before = lines_of(school.played)
        assert not is_running(school.program)
        began = time.monotonic()
        thaw = await frozen(desk, browser)

        async def plays() -> bool:
            return lines_of(school.played) > before and is_running(school.program)

        await school.gateway.until(plays, "the gateway's own player plays")
        assert time.monotonic() - began < HUNG_MOST_S + SLOW_S
        await thaw()
        await desk.page.wait_for_selector(".frame:not(.stale)")
        await desk.until(
            "() => document.querySelectorAll('.queue .chip.p1, .incident.p1').length > 0"
        )

        async def silent() -> bool:
            return not is_running(school.program)

        await school.gateway.until(silent, "the player has ended: the browser sounds it now")
        desk.fine()
    await school.quiet()


@pytest.mark.parametrize("still", [frozen, stopped])
async def test_a_page_that_stands_still_is_sounded_for_and_has_everything_when_it_goes_on(
    school: House, still: Callable[[Desk, Browser], Awaitable[Callable[[], Awaitable[None]]]]
) -> None:
    flags = (HEARD, school.strangers.flag)
    async with browse(*flags) as browser, school.desk(browser=browser) as desk:
        if still is stopped:
            await desk.page.add_init_script(WATCH)
        await begin_and_hear(school, desk)
        before = lines_of(school.played)
        first = (await school.gateway.records())[-1]["seq"]
        thaw = await still(desk, browser)
        try:
            await asyncio.gather(*map(school.press, BUTTONS[5:8]))
            rows = [await school.open_alarm(spot) for spot in BUTTONS[5:8]]

            async def plays() -> bool:
                return lines_of(school.played) > before and is_running(school.program)

            await school.gateway.until(plays, "the gateway's own player plays")
            raised = min(datetime.fromisoformat(row["raised_at"]).timestamp() for row in rows)
            took_s = school.played.stat().st_mtime - raised
            assert took_s < 3 + SLOW_S, took_s
            for row in rows:
                assert await school.trail("alarm.shown", row["alarm_id"]) == [], "nobody saw it"
        finally:
            await thaw()
        await desk.page.wait_for_selector(".frame:not(.stale)")
        await desk.go("#/duty")
        await desk.until("() => document.querySelectorAll('.queue .chip.p1').length === 4")
        await expect(desk.page.locator(".bar.lost")).to_have_count(0)
        head = (await school.gateway.records())[-1]["seq"]
        if still is stopped:
            await desk.until("head => window.seqs.includes(head)", head)
            seen = set(await desk.page.evaluate(SEQS))
            assert set(range(first, head + 1)) <= seen

        async def silent() -> bool:
            return not is_running(school.program)

        await school.gateway.until(silent, "the player has ended: the browser sounds it now")
        desk.fine()
    await school.quiet()


async def test_who_forces_a_guard_sees_nothing_of_it_wait_while_police_are_away(
    school: House, zhao: str
) -> None:
    school.police.behave("silence")
    leader = await school.stack.enter_async_context(school.desk())
    await leader.begin(school.tokens["王主任"])
    guard = await signed_on(school, zhao, "2769")
    try:

        async def told() -> bool:
            faults = (await leader.ask("/api/v1/faults"))["faults"]
            return any(row["point"] == "uplink.police.duress" for row in faults)

        await school.gateway.until(told, "those who may know have its fault")
        (whole,) = (await leader.ask("/api/v1/receivers"))["receivers"]
        assert (whole["state"], whole["queue_depth"] > 0) == ("down", True)
        (shown,) = (await guard.ask("/api/v1/receivers"))["receivers"]
        assert shown["queue_depth"] == sum(
            row["kind"] != "duress" and row["state"] == "pending"
            for row in (await leader.ask("/api/v1/deliveries?state=pending"))["deliveries"]
        )
        faults = (await guard.ask("/api/v1/faults?state=all"))["faults"]
        assert [row for row in faults if "duress" in row["point"] or row["kind"] == "duress"] == []
        for screen in ("#/health", "#/duty", "#/log"):
            await guard.go(screen)
            await guard.page.wait_for_selector("main h1, main h2")
            assert "胁迫" not in await guard.page.inner_text("body"), screen
        numbers = await guard.page.evaluate("async () => (await fetch('/metrics')).text()")
        depth = re.search(r'campus_outbox_depth\{receiver="police"\} (\S+)', numbers)
        assert depth is not None
        assert float(depth[1]) < whole["queue_depth"]
        # Whatever else is not delivered is told as ever.
        await school.press(BUTTONS[8])
        panic = await school.open_alarm(BUTTONS[8])

        async def owed() -> bool:
            faults = (await guard.ask("/api/v1/faults"))["faults"]
            return any(row["point"] == "uplink.police" for row in faults)

        await school.gateway.until(owed, "a guard is told that a panic is not delivered")
        assert panic["deliveries"][0]["state"] == "pending"
        await guard.page.goto(f"{guard.url}/basic")
        assert "胁迫" not in await guard.page.inner_text("body")
    finally:
        school.police.behave("good")
    (row,) = [
        one for one in (await leader.ask("/api/v1/alarms"))["alarms"] if one["kind"] == "duress"
    ]
    await leader.ask(f"/api/v1/alarms/{row['alarm_id']}/close", {"disposition": "test"})

    async def mended() -> bool:
        return not (await leader.ask("/api/v1/faults"))["faults"]

    await school.gateway.until(mended, "police are back, and no fault is open")
    for each in (guard, leader):
        await each.context.close()
    await school.quiet()
