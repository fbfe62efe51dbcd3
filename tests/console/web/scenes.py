"""The scenes that the guides show, played in a real school, in the order of a day.

Needs   primary.py (the school), shutter.py (the pictures).
Keeps   A scene waits for what its picture is about: a picture without it is never taken.
"""

import os
import signal

from playwright.async_api import Page, expect

from simulators.mqtt import Message
from tests.console.web import primary
from tests.console.web.house import Desk
from tests.console.web.primary import ADMIN, GUARD, INSTALLER, LEADER, PASSWORD, PIN, Guided
from tests.console.web.shutter import LANGUAGES, Shutter

PHONE = {"width": 360, "height": 740}
NEW_TOPIC = "campus/btn-kitchen"


async def first_hour(school: Guided, camera: Shutter) -> None:
    """A gateway at which nobody is known yet, and then everybody is."""
    async with school.open() as desk:
        page = desk.page
        await page.goto(f"{desk.url}/console/")
        await page.fill("input[autocomplete=one-time-code]", school.code)
        await page.fill("input[autocomplete=username]", ADMIN)
        await page.fill("input[type=password]", PASSWORD)
        await camera.take(page, "first-code")
        await page.click("button[type=submit]")
        await page.click(".sign-on button.main:has-text('1')")
        await page.wait_for_selector(".frame:not(.stale)")
        await school.hire()
        await desk.go("#/account")
        await page.wait_for_selector(f".personnel li:has-text('{INSTALLER}')")
        await page.locator(".personnel").scroll_into_view_if_needed()
        await camera.take(page, "people")


async def coming_on_duty(school: Guided, camera: Shutter) -> None:
    """Signing on and the sound check, which has no button for the language."""
    for language in LANGUAGES:
        async with school.open() as desk:
            page = desk.page
            await page.add_init_script(f"localStorage.setItem('campus.language', '{language}')")
            await page.goto(f"{desk.url}/console/")
            await page.fill("input[autocomplete=username]", GUARD)
            await page.fill("input[type=password]", PIN)
            await camera.once(page, "sign-on", language)
            await page.click("button[type=submit]")
            await page.wait_for_selector(".sign-on button.main:has-text('1')")
            await camera.once(page, "sound-check", language)


async def a_quiet_duty(school: Guided, camera: Shutter, desk: Desk) -> None:
    """Nothing waits; what is on the plan; every device."""
    page = desk.page
    await page.wait_for_selector(".duty .quiet")
    await _pictures(page, len(primary.CAMERAS))
    await camera.take(page, "duty-quiet")
    await page.keyboard.press("F4")
    await page.wait_for_selector(".leaflet-image-layer")
    await page.wait_for_selector("[data-place='btn-gate-west']")
    await camera.take(page, "map")
    await page.keyboard.press("F4")
    await desk.go("#/health")
    await page.wait_for_selector(".tile:has-text('锅炉房')")
    await camera.take(page, "health")
    await desk.go("#/duty")


async def an_alarm(school: Guided, camera: Shutter, desk: Desk) -> None:
    """From the press to how it ended, one picture for each thing to do."""
    page = desk.page
    await school.press(primary.GATE)
    await page.wait_for_selector(".incident.p1")
    await page.wait_for_selector(".lamp.dispatched")
    await page.wait_for_selector(".lamp.received")
    await page.wait_for_selector(".excerpt .leaflet-image-layer")
    await desk.until(
        "() => [...document.querySelectorAll('.scene .camera')].slice(0, 2).every("
        "each => each.querySelector('img')?.naturalWidth > 0"
        " || each.querySelector('video')?.readyState >= 2)"
    )
    # The neighbour, and the picture that was kept of the moment.
    await _pictures(page, 2)
    await camera.take(page, "incident")
    await page.keyboard.press("F2")
    await page.wait_for_selector(f".incident .state-words:has-text('{GUARD}')")
    await page.keyboard.press("F9")
    await page.wait_for_selector(".card")
    await camera.take(page, "card")
    await page.keyboard.press("F9")
    await page.keyboard.press("F8")
    await page.keyboard.press("2")
    await expect(page.locator(".disposing button.big")).to_have_count(5)
    await camera.take(page, "dispose")
    await page.keyboard.press("Escape")


async def several_at_once(school: Guided, camera: Shutter, desk: Desk) -> None:
    """The queue, by day and by night; a line to the police that fails; the gateway gone."""
    page = desk.page
    await desk.go("#/log")  # whoever reads the log is not led away from it
    for spot in (primary.KITCHEN, primary.SMOKE):
        await school.press(spot)
        await page.wait_for_selector(f".log .raised:has-text('{spot.name}')")
    await school.police.down()
    await school.press(primary.OFFICE)
    await page.wait_for_selector(f".top button:has-text('{primary.OFFICE.name}')")
    await desk.go("#/duty")
    await _pictures(page, len(primary.CAMERAS))
    await camera.take(page, "duty-alarms")
    await page.get_by_role("button", name="夜间", exact=True).click()
    await camera.take(page, "night")
    await page.get_by_role("button", name="日间", exact=True).click()
    await page.click(f".queue button:has-text('{primary.OFFICE.name}')")
    await page.wait_for_selector(".lamp.failed")
    await camera.take(page, "lamp-failed")
    os.kill(school.gateway.pid, signal.SIGSTOP)
    try:
        await page.wait_for_selector(".bar.lost")
        await camera.take(page, "lost")
    finally:
        os.kill(school.gateway.pid, signal.SIGCONT)
    await page.wait_for_selector(".bar.lost", state="detached")
    await school.police.up()
    await desk.go("#/log")
    await page.wait_for_selector(".log .raised")
    await camera.take(page, "log")


async def elsewhere(school: Guided, camera: Shutter) -> None:
    """The leader's playback and phone, and the page without scripts."""
    async with school.at(LEADER, height=900) as desk:
        page = desk.page
        alarms = await school.gateway.alarms()
        raised = alarms["btn-gate-west/button"]["raised_at"]
        await desk.go(
            f"#/playback/cam-gate-west?at={raised}&reason=%E8%AD%A6%E6%83%85%E6%A0%B8%E6%9F%A5"
        )
        await desk.until("() => document.querySelector('.playback video')?.readyState >= 2")
        await page.keyboard.press("3")
        await desk.until(
            "() => (document.querySelector('.band canvas')?.getAttribute('aria-valuetext') ?? '')"
            ".length > 0"
        )
        await camera.take(page, "playback")
        for language in LANGUAGES:
            await page.evaluate(
                "language => localStorage.setItem('campus.language', language)", language
            )
            await page.set_viewport_size(PHONE)
            await desk.go("#/phone")
            await page.reload()
            await page.wait_for_selector(".phone .one")
            await _pictures(page, 1)
            await camera.once(page, "phone", language)
    async with school.open(java_script_enabled=False, width=1024) as desk:
        page = desk.page
        await page.goto(f"{desk.url}/basic")
        await page.fill("input[name=name]", GUARD)
        await page.fill("input[name=secret]", PIN)
        await page.locator("form:has(input[name=secret]) button").click()
        await page.wait_for_url("**/basic*")
        await page.wait_for_selector("text=行政楼三楼")
        for language in LANGUAGES:  # it says everything in both
            await camera.once(page, "basic", language, has_scripts=False)


async def installing(school: Guided, camera: Shutter) -> None:
    """A device that was heard is found, tried, added, looked at, and undone; the plan."""
    # Kept by the broker: it is there whenever the search begins to listen.
    await school.publisher.post(
        Message(topic=NEW_TOPIC, payload=b'{"action": "pressed"}', retain=True)
    )
    async with school.at(INSTALLER) as desk:
        page = desk.page
        await desk.go("#/setup/find")
        await page.locator(".find select").select_option("field")
        await page.locator(".find input[type=number]").fill("2")
        await page.locator(".find button[type=submit]").click()
        await page.wait_for_selector(f".topics li:has-text('{NEW_TOPIC}')")
        await camera.take(page, "find")
        await page.click(f".topics li:has-text('{NEW_TOPIC}') :is(a, button)")
        await page.locator(".models input").fill("json button")
        await page.locator(".models button", has_text="generic/json_button").first.click()
        await _fill(page, "编号", "btn-kitchen")
        await _fill(page, "名称", "后厨一键报警")
        await _fill(page, "位置", "食堂后厨")
        await page.locator(".add form").first.locator("button[type=submit]").click()
        await page.wait_for_selector(".diff .more")
        await page.locator(".diff").scroll_into_view_if_needed()
        await camera.take(page, "add")
        await page.locator(".add form.doing input").fill("加装后厨按钮")
        await page.locator(".add form.doing button[type=submit]").click()
        await page.wait_for_selector(".came:has-text('btn-kitchen')")
        await desk.go("#/setup/live/gas-boiler")
        await page.wait_for_selector(".live .moved")
        await camera.take(page, "live")
        await desk.go("#/setup/files")
        await page.locator(".files li button").first.click()
        await page.wait_for_selector(".files .diff .less")
        await camera.take(page, "changes")
        await desk.go("#/duty")
        await page.keyboard.press("F4")
        await page.get_by_role("button", name="布点").click()
        await page.wait_for_selector(".planning")
        await page.wait_for_selector(".leaflet-image-layer")
        await camera.take(page, "plan")


async def _fill(page: Page, label: str, text: str) -> None:
    await page.locator(".add form").first.get_by_label(label).fill(text)


async def _pictures(page: Page, count: int) -> None:
    """Until so many stills are drawn."""
    await page.wait_for_function(
        "count => [...document.querySelectorAll('.camera:not(.none) img')]"
        ".filter(each => each.naturalWidth > 0).length >= count",
        arg=count,
    )


async def play(school: Guided, camera: Shutter) -> None:
    """Play all of them."""
    await first_hour(school, camera)
    await school.filmed()
    await coming_on_duty(school, camera)
    async with school.at(GUARD) as desk:
        await a_quiet_duty(school, camera, desk)
        await an_alarm(school, camera, desk)
        await several_at_once(school, camera, desk)
    await elsewhere(school, camera)
    await installing(school, camera)
