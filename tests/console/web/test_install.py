"""An installer's first hour on a small screen, with a bus, a broker and a camera that are there.

One school for all of it, and one story: what was found is set up, tried, seen as a difference,
saved and undone; what is wrong stands at its field; who came second is told who was first.
"""

from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.onvif import OnvifCamera
from tests.console.web.house import Desk, House, button, house
from tests.test_reload import Installer
from tests.valves import DETECTOR, Kitchen, kitchen

pytestmark = pytest.mark.timeout(300)
PRESSURE = """
[[value]]
name = "pressure"
at = 2
form = "f32"
[[point]]
name = "pressure"
kind = "water"
nature = "measurement"
unit = "kPa"
alarm_above = 1000
text = "压力"
text_en = "pressure"
[[set]]
point = "pressure"
value = "pressure"
"""
HALF = [0x0000, 0x3F00]
"""0.5 with its low word first: as the model has it, it is nothing anybody would measure."""
WIDTHS = (360, 640, 800)
NOTHING_CUT = """() => {
  const wide = document.documentElement.scrollWidth <= window.innerWidth + 1;
  const small = [...document.querySelectorAll(
    '.install :is(button, a.button, select, input:not([type=checkbox]))')]
    .filter(each => each.getClientRects().length > 0 && each.getBoundingClientRect().height < 44)
    .map(each => each.outerHTML.slice(0, 80));
  return wide && small.length === 0 ? null : JSON.stringify({ wide, small });
}"""


async def save(page: Page, why: str) -> Locator:
    """Give the reason for what is shown as a difference, and make it so."""
    await page.wait_for_selector(".diff .more, .diff .less")
    form = page.locator("form.doing:has(button.big)")
    await form.locator("input").fill(why)
    await form.locator("button.big").click()
    came = page.locator(".came")
    await expect(came).to_be_visible()
    return came


def field(page: Page, name: str) -> Locator:
    return page.locator(f'[data-field="{name}"] :is(input, select)')


async def test_an_installers_first_hour(tmp_path: Path) -> None:
    own = tmp_path / "config" / "profiles" / "own"
    own.mkdir(parents=True)
    (own / "detector.toml").write_text(
        DETECTOR.replace("[[sample]]", PRESSURE + "[[sample]]").replace(
            'words = { "0" = [0, 0] }', 'words = { "0" = [0, 0, 0x3F00, 0] }'
        ),
        "utf-8",
    )
    async with (
        kitchen() as made,
        OnvifCamera() as camera,
        house(tmp_path, [button(1)], "") as school,
    ):
        made.detector.set_words(3, 2, HALF)
        book = TokenBook(school.gateway.store_folder / "tokens.json", SystemClock())
        async with school.desk() as desk:
            await desk.begin(school.tokens["张三"])
            await expect(desk.page.locator("header nav button").first).to_be_visible()
            await expect(desk.page.locator("header nav")).not_to_contain_text("安装")
        async with school.desk(width=640, height=900) as desk:
            await desk.begin(book.create(Role.INSTALLER, "李师傅"))
            await a_bus_becomes_a_link(desk, made)
            await a_unit_becomes_a_device(desk, made)
            await its_values_are_seen_to_move(desk, made)
            await a_topic_becomes_a_device_and_is_undone(desk, school)
            await who_comes_second_is_told(desk, school)
            await a_search_is_stopped(desk)
            await nothing_is_cut(desk)
            # Last, because the house begins anew with it.
            await a_camera_is_found_and_added(desk, camera, tmp_path / "config")
            await the_house_begins_anew_and_he_is_still_there(desk, school)
            desk.fine()
        assert made.writes() == []
        devices = {row["id"] for row in (await school.gateway.get("/api/v1/devices"))["devices"]}
        assert devices == {"btn-1", "gas-1", "btn-9"}
        assert "btn-7/button" in await school.gateway.alarms()  # it was pressed: a person closes it


async def a_bus_becomes_a_link(desk: Desk, made: Kitchen) -> None:
    page = desk.page
    await desk.go("#/setup/find")
    await page.get_by_role("button", name="Modbus 总线").click()
    await page.locator(".find select").select_option("?")
    await page.get_by_placeholder("tcp://").fill(made.url)
    # Range and pace are there to be seen, and what a search never does, before it begins.
    units, pace = page.locator(".two input").first, page.locator(".two input").last
    await expect(units).to_have_value("1-32")
    await expect(pace).to_have_value("5")
    await expect(page.locator(".find form")).to_contain_text("只读，从不写")
    await units.fill("1-3")
    await pace.fill("20")
    await page.locator(".find button[type=submit]").click()
    await expect(page.locator(".lines li").first).to_be_visible()
    await expect(page.locator(".find [role=status]")).to_have_text("查找完毕")
    await expect(page.locator(".found > li")).to_have_count(2)
    await expect(page.locator(".next-steps li").first).to_be_visible()
    await page.get_by_role("button", name="建链路").click()
    await expect(field(page, "url")).to_have_value(made.url)
    await expect(field(page, "kind")).to_have_value("modbus")
    await field(page, "name").fill("kitchen")
    await page.locator(".one-table button[type=submit]").click()
    await expect(page.locator(".diff")).to_contain_text("gateway.d/console.toml")
    await expect(await save(page, "厨房总线")).to_contain_text("kitchen")


async def a_unit_becomes_a_device(desk: Desk, made: Kitchen) -> None:
    page = desk.page
    await desk.go("#/setup/find")
    await page.get_by_role("button", name="Modbus 总线").click()
    await page.locator(".find select").select_option("kitchen")
    await page.locator(".two input").first.fill("1")
    await page.locator(".two input").last.fill("20")
    await page.locator(".find button[type=submit]").click()
    await expect(page.locator('[data-unit="1"]')).to_be_visible()
    await page.locator('[data-unit="1"]').get_by_role("button", name="添加设备").click()
    await page.locator(".models input").fill("own detector")
    await page.locator(".models button", has_text="own/detector").click()
    await expect(field(page, "link")).to_have_value("kitchen")
    await expect(field(page, "address.unit")).to_have_value("1")
    await field(page, "id").fill("gas-1")
    await field(page, "name").fill("灶台燃气")
    made.level(12)
    await page.get_by_role("button", name="试一下").click()
    await expect(page.locator('.trial [data-value="level"]')).to_contain_text("12 %LEL")
    await expect(page.locator(".trial .advice")).to_contain_text("word_order")
    await expect(await save(page, "加装")).to_contain_text("gas-1")
    # The same address again is refused where it was typed, and says who has it.
    await field(page, "id").fill("gas-2")
    await page.locator(".add button[type=submit]").first.click()
    await expect(page.locator('[data-field="address.unit"] .at-field')).to_contain_text("gas-1")
    await expect(page.locator(".add form.doing")).to_have_count(0)


async def its_values_are_seen_to_move(desk: Desk, made: Kitchen) -> None:
    page = desk.page
    made.level(4)
    await desk.go("#/setup/live/gas-1")
    level = page.locator('[data-value="level"] td')
    await expect(level.nth(0)).to_contain_text("4 %LEL 有效")
    await expect(level.nth(3)).to_have_text("4")
    await expect(level.nth(4)).to_have_text("0004")
    await expect(level.nth(5)).to_have_text("0000000000000100")
    await page.get_by_role("button", name="从现在起看哪一位动了").click()
    made.level(5)
    await expect(level.nth(1)).to_have_text("0.0")  # the lowest bit of the only word
    await expect(level.nth(0)).to_contain_text("5 %LEL")
    orders = page.locator('[data-value="pressure"] td').nth(7)
    await expect(orders).to_contain_text("CDAB 0.5 ✓")
    await expect(page.locator(".live > p").first).to_contain_text("秒前")


async def a_topic_becomes_a_device_and_is_undone(desk: Desk, school: House) -> None:
    page = desk.page
    await desk.go("#/setup/find")
    await page.locator(".find select").select_option("field")
    await page.locator('.find input[type="number"]').fill("3")
    await page.locator(".find button[type=submit]").click()
    await expect(page.locator(".lines li").first).to_be_visible()  # it listens now
    sample = b'{"battery": 80, "who": "<img src=x onerror=alert(1)>"}'
    row = page.locator(".topics li", has_text="new/btn-7")
    for _ in range(40):
        await school.say("new/btn-7", sample)
        if await page.locator(".find [role=status]", has_text="查找完毕").count():
            break
        await page.wait_for_timeout(100)
    await expect(row.locator("code")).to_contain_text("<img src=x onerror=alert(1)>")
    await row.locator("a.button").click()
    await page.locator(".models input").fill("json button")
    await page.locator(".models button", has_text="generic/json_button").first.click()
    await expect(field(page, "address.topic")).to_have_value("new/btn-7")
    await field(page, "id").fill("btn-7")
    await field(page, "name").fill("<img src=x onerror=alert(1)>")
    await page.get_by_role("button", name="试一下").click()
    await expect(page.locator(".trial .topics li")).to_contain_text("button")
    await expect(page.locator(".diff")).to_contain_text('id = "btn-7"')
    await expect(await save(page, "加装")).to_contain_text("btn-7")
    await school.say("new/btn-7", b"{}")
    await page.wait_for_selector(".top, .incident, .queue", timeout=60_000)
    await desk.go("#/setup/files")
    await page.locator(".files li button").first.click()
    await page.wait_for_selector(".files .diff .less")
    await page.locator(".files > label input").fill("装错了")
    await page.locator(".files button.big").click()
    await expect(page.locator(".files .came")).to_contain_text("btn-7")
    await expect(page.locator(".files ol > li")).to_have_count(4)


async def who_comes_second_is_told(desk: Desk, school: House) -> None:
    page = desk.page
    await desk.go("#/setup/live/gas-1")
    await field(page, "name").fill("后厨燃气")
    await page.get_by_role("button", name="看差别").click()
    await page.wait_for_selector(".diff .more")
    other = Installer(school.gateway)
    address = {"topic": "new/btn-9"}
    await other.put(
        "btn-9", {"profile": "generic/json_button", "link": "field", "address": address}
    )
    form = page.locator("form.doing:has(button.big)")
    await form.locator("input").fill("改名")
    await form.locator("button.big").click()
    await expect(page.locator(".trouble")).to_contain_text("李师傅")
    await expect(page.locator(".since-then h3")).to_contain_text("add btn-9")
    await expect(page.locator(".since-then .diff")).to_contain_text('+id = "btn-9"')


async def a_search_is_stopped(desk: Desk) -> None:
    page = desk.page
    await desk.go("#/setup/find")
    await page.get_by_role("button", name="Modbus 总线").click()
    await page.locator(".find select").select_option("kitchen")
    await page.locator(".two input").first.fill("0-255")
    await page.locator(".two input").last.fill("0.2")
    await page.locator(".find button[type=submit]").click()
    await expect(page.locator(".find progress")).to_be_visible()
    await page.get_by_role("button", name="停止").click()
    await expect(page.locator(".find [role=status]")).to_have_text("已停止")


async def a_camera_is_found_and_added(desk: Desk, camera: OnvifCamera, config: Path) -> None:
    page = desk.page
    await desk.go("#/setup/find")
    await page.get_by_role("button", name="摄像机", exact=True).click()
    await page.locator(".find form input").first.fill(camera.url)
    await page.locator('.find input[type="number"]').fill("1")
    await page.locator(".find button[type=submit]").click()
    await page.get_by_role("button", name="添加这台摄像机").click()
    await expect(field(page, "address")).to_have_value(camera.url)
    await field(page, "id").fill("cam-1")
    await field(page, "username").fill("onvif")
    await page.locator('[data-field="secret"] input').fill("hunter2-xyz")
    await page.locator(".one-table button[type=submit]").click()
    await expect(page.locator(".diff")).to_contain_text("gateway.d/secrets/camera-cam-1.1")
    await expect(page.locator(".diff")).not_to_contain_text("hunter2")
    await expect(await save(page, "加摄像机")).to_contain_text("重新开始")
    secret = config / "gateway.d" / "secrets" / "camera-cam-1.1"
    assert secret.read_text("utf-8") == "hunter2-xyz\n"
    assert secret.stat().st_mode & 0o777 == 0o600


async def the_house_begins_anew_and_he_is_still_there(desk: Desk, school: House) -> None:
    log = school.gateway.folder / "gateway.log"

    async def listens_again() -> bool:
        return log.read_text("utf-8").count('"console listens"') == 2

    await school.gateway.until(listens_again, "the house's second life")
    await expect(desk.page.locator(".frame:not(.stale) header .who")).to_contain_text("李师傅")
    await expect(desk.page.locator(".one-table, .came").first).to_be_visible()


async def nothing_is_cut(desk: Desk) -> None:
    page = desk.page
    await page.evaluate("document.documentElement.dataset.look = 'day'")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        for path, there in (
            ("find", ".find form"),
            ("add", ".models button"),
            ("live/gas-1", ".live table"),
            ("tables/camera", ".one-table form"),
            ("tables/console", ".one-table form"),
            ("tables/plan/panic", ".plan-form form"),
            ("files", ".files ol > li"),
        ):
            await desk.go(f"#/setup/{path}")
            await page.wait_for_selector(there)
            found = await page.evaluate(NOTHING_CUT)
            assert found is None, f"{width} px {path}: {found}"
