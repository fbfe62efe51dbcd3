"""An installer's first hour on a small screen, with a bus, a broker and a camera that are there.

One school for all of it, and one story: what was found is set up, tried, seen as a difference,
saved and undone; what is wrong stands at its field; who came second is told who was first.
"""

from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from simulators.onvif import OnvifCamera, Stream
from tests.console.web.house import Desk, House, button, house
from tests.console.web.test_floors import WALLS
from tests.test_plan_pictures import svg
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
DRAWN = """selector => {
  const canvas = document.querySelector(selector);
  if (!canvas || canvas.width === 0) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  // The blue of the line, not the grey of the axes' words.
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] > 0 && data[at + 2] > data[at] + 60) return true;
  return false;
}"""
NOTHING_CUT = """() => {
  const wide = document.documentElement.scrollWidth > window.innerWidth + 1;
  const shown = [...document.querySelectorAll(
    'main :is(button, a[href], a[role=button], select, textarea, label.tick, label.file, ' +
    '.leaflet-marker-icon.leaflet-interactive, input:not([type=checkbox], .unseen))')]
    .filter(each => each.checkVisibility());
  const said = each => each.outerHTML.slice(0, 90);
  const box = each => each.getBoundingClientRect();
  const small = shown.filter(each => Math.min(box(each).height, box(each).width) < 44).map(said);
  const cut = shown.filter(each => !['SELECT', 'INPUT'].includes(each.tagName)
    && each.scrollWidth > each.clientWidth + 1).map(said);
  const beside = shown.filter(each => box(each).right > window.innerWidth + 1).map(said);
  const flat = shown.filter(each => !each.closest('.leaflet-container') && !each.closest('label'));
  const over = flat.flatMap((one, at) => flat.slice(at + 1).filter(other => !one.contains(other)
    && Math.min(box(one).right, box(other).right) - Math.max(box(one).left, box(other).left) > 1
    && Math.min(box(one).bottom, box(other).bottom) - Math.max(box(one).top, box(other).top) > 1)
    .map(other => said(one) + ' / ' + said(other)));
  return wide || [small, cut, beside, over].some(each => each.length > 0)
    ? JSON.stringify({ wide, small, cut, beside, over }) : null;
}"""
"""What a glove cannot touch, what is cut off, what lies beside the screen or over another."""
FAINT = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
    .map(each => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = each => {
    for (let at = each; at !== null; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('.install *')].filter(each => each.checkVisibility()
    && [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== ''))
    .map(each => {
      const [a, b] = [light(parts(getComputedStyle(each).color)), light(behind(each))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.outerHTML.slice(0, 90)];
    }).filter(([ratio]) => ratio < 7);
}"""
"""Words whose contrast is less than 7:1, which is what a screen in the sun needs."""


SCREENS = (
    ("find", ".find form"),
    ("add", ".models button"),
    ("add?model=own/detector&link=kitchen", '[data-field="address.unit"]'),
    ("live/gas-1", '[data-strip="level"] canvas'),
    ("live/btn-1", ".reading"),
    ("tables/link/kitchen", ".one-table form"),
    ("tables/camera", ".one-table form"),
    ("tables/contact", ".one-table form"),
    ("tables/console", ".one-table form"),
    ("tables/plan/panic", ".plan-form form"),
    ("files", ".files ol > li"),
)
CHANGED = """async ([method, path, body]) => {
  const who = await (await fetch("/api/v1/session")).json();
  const headers = {"X-CSRF-Token": who.csrf};
  if (typeof body !== "string") headers["Content-Type"] = "application/json";
  const sent = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(path, {method, body: sent, headers});
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}"""
"""A change of the plans, as the page makes it."""


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
        OnvifCamera(streams=[Stream("main")]) as camera,
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
            await a_plan_suggests_the_camera_that_looks_there(desk)
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
    await expect(page.locator(".next-steps li").first).to_contain_text("下一步：")
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
    # No such model: what to do then.
    await page.get_by_role("button", name="换型号").click()
    await page.locator(".models input").fill("no-such-maker")
    await expect(page.locator(".models .quiet")).to_contain_text("没有这个型号")


async def its_values_are_seen_to_move(desk: Desk, made: Kitchen) -> None:
    page = desk.page
    made.level(4)
    await desk.go("#/setup/live/gas-1")

    def cell(value: str, name: str) -> Locator:
        return page.locator(f'[data-value="{value}"] [data-cell="{name}"]')

    await expect(cell("level", "value")).to_contain_text("4 %LEL 有效")
    await expect(cell("level", "dec").locator("dd")).to_have_text("4")
    await expect(cell("level", "hex").locator("dd")).to_have_text("0004")
    await expect(cell("level", "bits").locator("dd")).to_have_text("0000 0000 0000 0100")
    await page.get_by_role("button", name="从现在起看什么动了").click()
    made.level(5)
    await expect(cell("level", "moved").locator("b")).to_have_text("0.0")  # the lowest bit
    await expect(cell("level", "value")).to_contain_text("5 %LEL")
    # Five minutes of it are drawn from what came while somebody looked.
    strip = page.locator('[data-strip="level"]')
    await expect(strip.locator("figcaption")).to_contain_text("五分钟：4 至")
    await expect(strip.locator("canvas")).to_have_count(1)
    await desk.until(DRAWN, '[data-strip="level"] canvas')
    # Another order of the words is there at once, and what the model would have to say for it.
    orders = cell("pressure", "orders")
    await expect(orders.locator("[aria-pressed=true]")).to_contain_text("ABCD")
    await orders.get_by_role("button", name="CDAB 0.5 ✓").click()
    await expect(cell("pressure", "value").locator("b")).to_have_text("0.5")
    await expect(page.locator('[data-value="pressure"] .caution')).to_contain_text(
        'word_order = "little"'
    )
    await expect(page.locator(".live > p").first).to_contain_text("秒前")
    # Whoever looks away and comes back finds what came meanwhile: the gateway kept it.
    await desk.go("#/setup/files")
    await expect(page.locator(".files")).to_be_visible()
    made.level(15)
    await desk.go("#/setup/live/gas-1")
    await expect(strip.locator("figcaption")).to_have_text("五分钟：4 至 15 %LEL")


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
    await expect(page.locator(".next-steps li")).to_contain_text("不认识的主题。下一步：")
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
    await expect(page.locator(".since-then h3")).to_contain_text("添加 btn-9")
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
    found = page.locator(".found [data-camera]")
    await expect(found.locator(".good")).to_contain_text("时钟相差")
    await expect(found.locator(".caution")).to_contain_text("出厂密码")
    await expect(page.locator(".next-steps li").first).to_contain_text("下一步：")
    await page.get_by_role("button", name="添加这台摄像机").click()
    await expect(field(page, "address")).to_have_value(camera.url)
    await field(page, "id").fill("cam-1")
    await field(page, "username").fill(camera.account.user)
    word = page.locator('[data-field="secret"]')
    await word.locator("input").fill("12345")
    await expect(word.locator(".caution")).to_contain_text("出厂密码")
    # Tried before it is saved: what is wrong is said with what to do, then what it has.
    await page.get_by_role("button", name="试一下").click()
    await expect(page.locator(".trial .next-steps")).to_contain_text("用户名和密码")
    await word.locator("input").fill(camera.account.password)
    await expect(word.locator(".caution")).to_have_count(0)
    await page.get_by_role("button", name="试一下").click()
    await expect(page.locator(".trial .good").first).to_contain_text("Simulated")
    await expect(page.locator(".trial .values")).to_contain_text("rtsp://")
    await word.locator("input").fill("hunter2-xyz")
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
    for language, widths in (("zh", WIDTHS), ("en", WIDTHS[:1])):
        await page.evaluate("each => localStorage.setItem('campus.language', each)", language)
        await page.reload()
        await page.wait_for_selector(".frame:not(.stale)")
        for path, there in SCREENS:
            await desk.go(f"#/setup/{path}")
            await page.wait_for_selector(there)
            for width in widths:
                await page.set_viewport_size({"width": width, "height": 900})
                found = await page.evaluate(NOTHING_CUT)
                assert found is None, f"{language} {width} px {path}: {found}"
    # For a screen in the sun: black on white, kept when the page is opened again.
    await page.get_by_role("button", name="In the sun").click()
    await page.reload()
    await expect(page.locator('html[data-look="sun"] .install')).to_be_visible()
    for path, there in SCREENS:
        await desk.go(f"#/setup/{path}")
        await page.wait_for_selector(there)
        assert await page.evaluate(FAINT) == [], path
    await page.get_by_role("button", name="Night").click()
    await expect(page.locator('html[data-look="night"]')).to_have_count(1)
    await page.evaluate("localStorage.setItem('campus.language', 'zh')")
    await page.reload()
    await page.wait_for_selector(".frame:not(.stale)")


async def a_plan_suggests_the_camera_that_looks_there(desk: Desk) -> None:
    page = desk.page
    book = await desk.page.evaluate(
        CHANGED, ["POST", "/api/v1/floors?name=A&version=0", svg(WALLS).decode()]
    )
    plan = book["plans"][0]["id"]
    for version, (what, more) in enumerate(
        (
            ("camera/cam-1", {"x": 100, "y": 100, "direction": 90, "angle": 90}),
            ("device/btn-1", {"x": 300, "y": 100}),
        ),
        start=1,
    ):
        body = {"version": version, "plan": plan, **more}
        await page.evaluate(CHANGED, ["PUT", f"/api/v1/places/{what}", body])
    await desk.go("#/duty")
    await page.set_viewport_size({"width": 360, "height": 900})
    await page.get_by_role("button", name="地图").first.click()
    await page.get_by_role("button", name="布点").click()
    await page.locator("[data-place='btn-1']").click()
    row = page.locator(".linking li", has_text="cam-1")
    await expect(row).to_contain_text("看得到")
    await expect(row.locator("input")).not_to_be_checked()
    assert await page.evaluate(NOTHING_CUT) is None
    await page.get_by_role("button", name="用建议的 1 台").click()
    await expect(row.locator("input")).to_be_checked()
    await page.locator(".linking").get_by_role("button", name="看差别").click()
    await expect(page.locator(".linking .diff")).to_contain_text('"cam-1"')
    await expect(await save(page, "门口的按钮看门口的画面")).to_contain_text("btn-1")
    table = (await desk.ask("/api/v1/install/devices/btn-1"))["table"]
    assert table["cameras"] == ["cam-1"]
