"""What a guard sees and hears, from the press on (console.md, section 15)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.console.web.conftest import BUTTONS, SMOKES
from tests.console.web.house import Desk, House, browse, now_ms

pytestmark = pytest.mark.asyncio(loop_scope="session")
SOUNDING = "() => document.documentElement.dataset.sounding"


@pytest_asyncio.fixture(loop_scope="session")
async def desk(school: House) -> AsyncIterator[Desk]:
    """A guard on duty; afterwards nothing is open, nobody was asked, no script failed."""
    async with school.desk() as found:
        await found.begin(school.tokens["张三"])
        yield found
        found.fine()
    await school.quiet()


def line(number: int) -> str:
    """The queue's line of one button."""
    return f".queue button:has-text('{number}号门卫室')"


async def test_a_press_opens_its_incident_sounds_and_is_receipted(
    school: House, desk: Desk
) -> None:
    async with desk.page.expect_response(
        lambda answer: answer.url.endswith("/console/shown") and "alarms\":[\"" in
        (answer.request.post_data or "")
    ) as shown:  # fmt: skip
        await school.press(BUTTONS[0])
        await desk.page.wait_for_selector(".incident.p1")
    answer = await shown.value
    assert answer.ok
    assert (answer.request.post_data_json or {})["sounding"] is True
    assert await desk.until(SOUNDING) == "urgent"
    title = await desk.page.inner_text(".incident h1")
    assert title.index("1号门卫室") < title.index("1号一键报警")
    await desk.page.wait_for_selector(".lamp.received")


async def test_two_presses_at_once_are_both_on_the_screen_and_none_covers_the_other(
    school: House, desk: Desk
) -> None:
    await asyncio.gather(school.press(BUTTONS[1]), school.press(BUTTONS[2]))
    for number in (2, 3):
        place = desk.page.locator(f":is(.top, .queue) button:has-text('{number}号门卫室')").first
        await place.wait_for()
        await place.click(trial=True)  # it can be reached: nothing lies over it


async def test_typing_a_note_loses_no_character_when_an_alarm_comes(
    school: House, desk: Desk
) -> None:
    await school.press(BUTTONS[3])
    await desk.page.wait_for_selector(".incident.p1")
    await desk.page.keyboard.press("F7")
    sentence = "门口有两名男子争吵，保安老王已到场，等待民警 1 2 3 d D"
    for at, char in enumerate(sentence):
        await desk.page.keyboard.type(char)
        if at == 5:
            await school.press(BUTTONS[4])
        if at == 12:
            await desk.page.wait_for_selector(".top button:has-text('5号门卫室')")
    box = desk.page.locator(".notes textarea")
    await expect(box).to_have_value(sentence)
    await expect(desk.page.locator(".incident h1")).to_contain_text("4号门卫室")
    await desk.page.click(".top button:has-text('5号门卫室')")
    await desk.until("() => document.querySelector('.incident h1').innerText.includes('5号门卫室')")
    await expect(box).to_have_value("")
    await desk.page.click(".top button:has-text('4号门卫室')")
    await desk.until("() => document.querySelector('.incident h1').innerText.includes('4号门卫室')")
    await expect(box).to_have_value(sentence)
    await box.press("Enter")
    await desk.page.wait_for_selector(f".notes li:has-text('{sentence}')")
    await expect(box).to_have_value("")


async def test_an_acknowledgement_is_seen_elsewhere_and_in_a_race_the_second_is_told_by_name(
    school: House, desk: Desk
) -> None:
    async with school.desk() as other:
        await other.begin(school.tokens["李四"])
        await school.press(BUTTONS[5])
        for each in (desk, other):
            await each.page.wait_for_selector(".incident.p1")
        # Both decide before either hears of the other: the second one's answer is held up.
        await asyncio.gather(desk.page.keyboard.press("F2"), other.page.keyboard.press("F2"))
        for each in (desk, other):
            await each.page.wait_for_selector(".incident .state-words:has-text('处理中')")
        names = [await each.page.inner_text(".incident .state-words") for each in (desk, other)]
        assert names[0] == names[1]
        winner = "张三" if "张三" in names[0] else "李四"
        loser = other if winner == "张三" else desk
        others = await loser.page.locator(".trouble.news").all_inner_texts()
        assert all(winner in text for text in others)
        other.fine()


async def test_space_silences_what_sounds_for_a_minute_and_nothing_that_comes_later(
    school: House, desk: Desk
) -> None:
    await school.press(BUTTONS[6])
    await desk.page.wait_for_selector(".incident.p1")
    await desk.until(SOUNDING)
    await desk.page.keyboard.press("Space")
    await desk.until("() => !document.documentElement.dataset.sounding")
    await desk.page.wait_for_selector(".silence:has-text('消音中')")
    await school.press(BUTTONS[7])
    await desk.page.wait_for_selector(".top button:has-text('8号门卫室')")
    assert await desk.until(SOUNDING) == "urgent"


async def test_the_keyboard_alone_takes_an_alarm_from_its_press_to_its_end(
    school: House, desk: Desk
) -> None:
    page = desk.page
    await school.press(BUTTONS[8])
    await page.wait_for_selector(".incident.p1")
    await page.keyboard.press("F2")
    await page.wait_for_selector(".incident .state-words:has-text('张三')")
    for number in (1, 2):
        await page.wait_for_selector(f".next-step strong:has-text('下一步 {number}')")
        await page.keyboard.press("F3")
    await page.wait_for_selector(".plan li.done >> nth=1")
    await page.keyboard.press("F9")
    for words in ("示范小学", "9号门卫室", "0513-8012"):
        await expect(page.locator(".card")).to_contain_text(words)
    for key in ("F9", "F8", "2", "3"):  # in one go, as practised fingers do
        await page.keyboard.press(key)
    await page.wait_for_selector(".doing strong:has-text('误触')")
    rows = (await school.gateway.get("/api/v1/alarms", state="all"))["alarms"]
    closed = next(row for row in rows if row["device"]["id"] == BUTTONS[8].device.name)
    assert closed["disposition"] == "accidental"
    assert closed["note"] == "学生好奇"
    await page.keyboard.press("Escape")
    await page.wait_for_selector(".duty")


async def test_a_step_is_left_out_with_a_reason_only(school: House, desk: Desk) -> None:
    await school.press(BUTTONS[9])
    await desk.page.click(".next-step button:has-text('跳过')")
    skip = desk.page.locator(".next-step form button[type=submit]")
    assert await skip.is_disabled()
    await desk.page.fill(".next-step input", "画面故障")
    await skip.click()
    await desk.page.wait_for_selector(".plan li.skipped:has-text('画面故障')")


async def test_a_flood_is_one_line_and_no_emergency_is_folded(school: House, desk: Desk) -> None:
    await desk.go("#/log")
    await asyncio.gather(*map(school.press, SMOKES))
    await asyncio.gather(*map(school.press, BUTTONS[10:16]))
    # Here the first of them opens nothing: somebody reads the log.
    await desk.until("() => document.querySelectorAll('.top [data-alarm]').length === 6")
    await desk.go("#/duty")
    await desk.page.wait_for_selector(f".queue .more:has-text('{len(SMOKES)}')")
    await desk.until("() => document.querySelectorAll('.queue > li .chip.p1').length === 6")
    await expect(desk.page.locator(".queue > li")).to_have_count(7)
    await desk.page.click(".queue > li:has(.more) > button")
    await expect(desk.page.locator(".queue .inside li")).to_have_count(len(SMOKES))


async def test_a_browser_that_may_not_sound_says_so_and_tells_the_gateway(school: House) -> None:
    async with (
        browse("--autoplay-policy=document-user-activation-required") as deaf,
        school.desk(browser=deaf) as desk,
    ):
        async with desk.page.expect_request(
            lambda request: request.url.endswith("/console/shown")
        ) as told:
            await desk.begin(school.tokens["张三"])
        assert ((await told.value).post_data_json or {})["sounding"] is False
        await desk.page.wait_for_selector(".bar.mute")
        async with desk.page.expect_request(
            lambda request: request.url.endswith("/console/shown")
        ) as heard:
            await desk.page.click(".bar.mute")
        assert ((await heard.value).post_data_json or {})["sounding"] is True
        await desk.page.wait_for_selector(".bar.mute", state="detached")
        desk.fine()


async def test_the_plain_page_works_without_scripts(school: House) -> None:
    async with school.desk(java_script_enabled=False) as desk:
        await desk.page.goto(f"{desk.url}/basic")
        await desk.page.fill("input[name=token]", school.tokens["张三"])
        await desk.page.locator("form:has(input[name=token]) button").click()
        await desk.page.wait_for_url("**/basic*")
        await school.press(BUTTONS[18])

        async def listed() -> bool:
            await desk.page.reload()
            return "19号门卫室" in await desk.page.inner_text("body")

        await school.gateway.until(listed, "the plain page shows the alarm")
        desk.fine()
    await school.quiet()


async def test_a_press_is_painted_and_sounding_within_a_second(school: House, desk: Desk) -> None:
    await desk.page.evaluate(
        """() => {
          window.painted = new Map();
          const look = () => {
            for (const row of document.querySelectorAll("[data-alarm]"))
              if (!window.painted.has(row.dataset.alarm))
                requestAnimationFrame(() => requestAnimationFrame(
                  () => window.painted.set(row.dataset.alarm, Date.now())));
          };
          new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
        }"""
    )
    await desk.page.keyboard.press("Escape")
    took: list[int] = []
    for spot in BUTTONS[19:24]:  # as many as the top bar shows
        before = await desk.page.evaluate("window.painted.size")
        began = now_ms()
        await school.press(spot)
        await desk.until("count => window.painted.size > count", before)
        took.append(max(await desk.page.evaluate("[...window.painted.values()]")) - began)
    assert await desk.until(SOUNDING) == "urgent"
    assert sorted(took)[len(took) // 2] < 1_000, took
