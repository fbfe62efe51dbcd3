"""Floor plans in a real browser: uploaded, dragged onto, still there after a reload, undone."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Position, expect

from gateway.console.tokens import Role
from tests.console.conftest import Console
from tests.console.test_plans import serving
from tests.console.web.house import PATIENCE_MS, browse
from tests.test_plan_pages import pdf
from tests.test_plan_pictures import svg

WALLS = (
    '<rect x="20" y="20" width="760" height="560" fill="#fff" stroke="#333" stroke-width="8"/>'
    '<path d="M300 20v300M300 400v180M20 320h280" stroke="#333" stroke-width="6" fill="none"/>'
    '<text x="90" y="180" font-size="40">门卫室</text>'
    '<text x="460" y="300" font-size="40">操场</text>'
)
PLACE = "[data-place='btn-1']"


def device(name: str, state: str = "online") -> dict[str, Any]:
    return {
        "id": name, "name": "1号<img src=x onerror=alert(1)>按钮", "place": "西门", "profile": "p",
        "family": "alarm_button", "link": "field", "state": state, "last_seen": None,
        "points": [], "commands": [],
    }  # fmt: skip


@asynccontextmanager
async def looking(it: Console, role: Role) -> AsyncIterator[Page]:
    async with browse() as browser:
        context = await browser.new_context(
            viewport={"width": 1600, "height": 1000}, locale="zh-CN"
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog {dialog.message}"))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )
        await page.goto(f"{it.url}/console/#token={it.tokens[role]}")
        await page.wait_for_selector(".frame:not(.stale)")
        yield page
        await context.close()
        assert errors == []


async def open_map(page: Page) -> None:
    await page.keyboard.press("F4")
    await page.wait_for_selector(".floors")


@pytest.mark.timeout(300)
async def test_a_device_is_dragged_onto_a_plan_and_is_there_after_a_reload(tmp_path: Path) -> None:
    (tmp_path / "floor.svg").write_bytes(svg(WALLS))
    async with serving(tmp_path) as it:
        it.desk.device_rows = [device("btn-1"), device("btn-2", "offline")]
        async with looking(it, Role.INSTALLER) as page:
            await open_map(page)
            await page.get_by_role("button", name="布点").click()
            await page.get_by_label("楼层名称").fill("一楼")
            await page.locator("input[type=file]").set_input_files(tmp_path / "floor.svg")
            await page.wait_for_selector(".leaflet-image-layer")
            floor = page.locator(".floor")
            await page.locator("[data-loose='btn-1']").drag_to(
                floor, target_position={"x": 200, "y": 150}
            )
            mark = page.locator(PLACE)
            await mark.wait_for()
            [place] = (await it.get("/api/v1/floors")).json()["places"]
            before = await mark.bounding_box()
            assert before is not None
            # Dragged further, on the plan itself.
            await page.mouse.move(before["x"] + 17, before["y"] + 17)
            await page.mouse.down()
            await page.mouse.move(before["x"] + 117, before["y"] + 67, steps=5)
            await page.mouse.up()
            await page.wait_for_function(
                "async x => (await (await fetch('/api/v1/floors')).json()).places[0].x > x + 1",
                arg=place["x"],
            )
            [moved] = (await it.get("/api/v1/floors")).json()["places"]
            assert moved["x"] > place["x"]
            assert moved["y"] > place["y"]
            await page.reload()
            await page.wait_for_selector(".frame:not(.stale)")
            await open_map(page)
            again = await page.locator(PLACE).bounding_box()
            assert again is not None
            await expect(page.locator(PLACE)).to_have_class(re.compile("is-normal"))
            await expect(page.locator(PLACE)).to_have_attribute("title", re.compile("<img"))
            await page.get_by_role("button", name="布点").click()
            await page.get_by_role("button", name="撤销").click()
            await page.wait_for_function(
                "async x => (await (await fetch('/api/v1/floors')).json()).places[0].x === x",
                arg=place["x"],
            )


@pytest.mark.timeout(300)
async def test_a_page_of_a_pdf_is_measured_and_a_cameras_view_is_drawn_by_hand(
    tmp_path: Path,
) -> None:
    (tmp_path / "school.pdf").write_bytes(pdf(3))
    async with serving(tmp_path) as it:
        it.desk.device_rows = [device("btn-1")]
        async with looking(it, Role.INSTALLER) as page:
            await open_map(page)
            await page.get_by_role("button", name="布点").click()
            await page.get_by_label("楼层名称").fill("二楼")
            await page.get_by_label("PDF 第几页").fill("2")
            await page.locator("input[type=file]").set_input_files(tmp_path / "school.pdf")
            await page.wait_for_selector(".leaflet-image-layer")
            [plan] = (await it.get("/api/v1/floors")).json()["plans"]
            assert (plan["kind"], plan["width"], plan["metres_per_unit"]) == ("png", 2380, None)
            # The number that the drawing says.
            await page.get_by_label("每像素多少米").fill("0.05")
            await page.get_by_role("button", name="用这个数").click()
            await expect(page.locator(".measuring")).to_contain_text("图宽 119 米")
            [plan] = (await it.get("/api/v1/floors")).json()["plans"]
            assert plan["metres_per_unit"] == 0.05
            # Two points and what lies between them.
            await page.get_by_role("button", name="点两点定比例").click()
            floor = page.locator(".floor")
            box = await floor.bounding_box()
            assert box is not None
            middle: Position = {"x": box["width"] / 2, "y": box["height"] / 2}
            await floor.click(position={**middle, "x": middle["x"] - 50})
            await expect(page.locator(".measured")).to_have_count(1)
            await floor.click(position={**middle, "x": middle["x"] + 50})
            await page.get_by_label("两点相距").fill("20")
            await page.get_by_role("button", name="定下比例").click()
            await expect(page.locator(".measuring")).not_to_contain_text("图宽 119 米")
            [plan] = (await it.get("/api/v1/floors")).json()["plans"]
            factor = plan["metres_per_unit"]
            book = {"plan": plan["id"], "x": 1200, "y": 1700}
            for version, (what, more) in enumerate(
                (
                    ("camera/cam-1", {"x": 1200 - 8 / factor, "direction": 90, "angle": 90}),
                    ("camera/cam-2", {"x": 1200 + 4 / factor, "direction": 90, "angle": 60}),
                    ("device/btn-1", {}),
                ),
                start=3,
            ):
                answer = await it.ask(
                    "PUT", f"/api/v1/places/{what}", Role.ADMIN,
                    json={"version": version, **book, **more},
                )  # fmt: skip
                assert answer.status == 200
            near = (await it.get("/api/v1/floors/nearest/btn-1")).json()["cameras"]
            # The farther one looks there; the nearer one's back shows nothing.
            assert [(each["camera"], each["metres"]) for each in near] == [
                ("cam-1", 8.0),
                ("cam-2", 4.0),
            ]
            await page.reload()
            await page.wait_for_selector(".frame:not(.stale)")
            await open_map(page)
            await page.get_by_role("button", name="布点").click()
            await page.locator(".leaflet-control-zoom-in").click()  # they stand close together
            await page.locator(PLACE).click()
            await expect(page.locator(".held li").first).to_contain_text("（8 米）")
            await expect(page.locator("path.cone")).to_have_count(2)
            await page.locator("[data-place='cam-1']").click()
            handle = await page.locator(".handle.is-direction").bounding_box()
            at = await page.locator("[data-place='cam-1']").bounding_box()
            assert handle is not None
            assert at is not None
            await page.mouse.move(handle["x"] + 22, handle["y"] + 22)
            await page.mouse.down()
            await page.mouse.move(at["x"] + 17, at["y"] - 60, steps=5)
            await page.mouse.up()
            await page.wait_for_function(
                "async () => { const told = await (await fetch('/api/v1/floors')).json();"
                " const turn = told.places.find(each => each.id === 'cam-1').direction;"
                " return turn < 10 || turn > 350; }"
            )


@pytest.mark.timeout(300)
async def test_a_guard_sees_the_plan_and_moves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as it:
        it.desk.device_rows = [device("btn-1", "unknown")]
        params = {"name": "一楼", "version": "0"}
        answer = await it.post("/api/v1/floors", Role.ADMIN, params=params, data=svg(WALLS))
        plan = answer.json()["plans"][0]["id"]
        await it.ask(
            "PUT", "/api/v1/places/device/btn-1", Role.ADMIN,
            json={"version": 1, "plan": plan, "x": 400, "y": 300},
        )  # fmt: skip
        async with looking(it, Role.GUARD) as page:
            await open_map(page)
            await page.locator(PLACE).wait_for()
            await expect(page.locator(PLACE)).to_have_class(re.compile("is-unknown"))
            await expect(page.get_by_role("button", name="布点")).to_have_count(0)
