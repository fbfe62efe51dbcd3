"""An installer adds a device on a small screen: tried, seen as a difference, saved, undone."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from gateway.clock import SystemClock
from gateway.console.tokens import Role, TokenBook
from tests.console.web.house import button, house

pytestmark = pytest.mark.timeout(300)


async def test_a_button_that_was_heard_becomes_a_device_and_is_undone_again(tmp_path: Path) -> None:
    async with house(tmp_path, [button(1)], "") as school:
        store = school.gateway.store_folder
        token = TokenBook(store / "tokens.json", SystemClock()).create(Role.INSTALLER, "李师傅")
        async with school.desk(width=640, height=900) as desk:
            await desk.begin(token)
            page = desk.page
            await desk.go("#/setup/add?topic=new%2Fbtn-7&link=field")
            await page.locator(".models input").fill("json button")
            await page.locator(".models button", has_text="generic/json_button").first.click()
            form = page.locator(".add form").first
            fields = form.locator("input:not([type=checkbox])")
            await expect(fields.nth(3)).to_have_value("new/btn-7")  # the topic that was heard
            await fields.nth(0).fill("btn-7")
            await fields.nth(1).fill("<img src=x onerror=alert(1)>")
            await form.locator("button[type=submit]").click()
            await page.wait_for_selector(".diff .more")
            await expect(page.locator(".diff")).to_contain_text('id = "btn-7"')
            await page.locator(".add form.doing input").fill("加装")
            await page.locator(".add form.doing button[type=submit]").click()
            await page.wait_for_selector(".came")
            await expect(page.locator(".came")).to_contain_text("btn-7")
            await school.say("new/btn-7", b"{}")
            await page.wait_for_selector(".top, .incident, .queue", timeout=60_000)
            wide = "document.documentElement.scrollWidth <= window.innerWidth + 1"
            await desk.go("#/setup/files")
            await page.locator(".files li button").first.click()
            await page.wait_for_selector(".files .diff .less")
            assert await page.evaluate(wide)
            await page.locator(".files > label input").fill("装错了")
            await page.locator(".files button.big").click()
            await page.wait_for_selector(".files .came")
            # The list of what was is asked for once the answer is there.
            await expect(page.locator(".files ol > li")).to_have_count(2)
            desk.fine()
        devices = (await school.gateway.get("/api/v1/devices"))["devices"]
        assert [device["id"] for device in devices] == ["btn-1"]
        assert "btn-7/button" in await school.gateway.alarms()  # it was pressed: a person closes it


async def test_a_guard_is_not_shown_what_he_may_not_do(tmp_path: Path) -> None:
    async with house(tmp_path, [button(1)], "") as school:
        store = school.gateway.store_folder
        token = TokenBook(store / "tokens.json", SystemClock()).create(Role.GUARD, "门卫")
        async with school.desk() as desk:
            await desk.begin(token)
            await expect(desk.page.locator("header nav button").first).to_be_visible()
            await expect(desk.page.locator("header nav")).not_to_contain_text("安装")
