"""People in the browser: an admin's guard comes, gives himself another PIN, and goes."""

import pytest
from playwright.async_api import Locator, expect

from gateway.clock import SystemClock
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role, TokenBook
from tests.console.web.house import Desk, House
from tests.console.web.test_access import AXE

pytestmark = pytest.mark.asyncio(loop_scope="session")
NAME = "孙九"
SERIOUS = """
async () => (await axe.run({resultTypes: ['violations']})).violations
  .filter(each => ['serious', 'critical'].includes(each.impact))
  .map(each => each.id + ': ' + each.nodes.map(n => n.html.slice(0, 99)).join(' '))
"""


async def pins(form: Locator, *typed: str) -> None:
    """Type into the fields for PINs, in their order, and send."""
    for at, pin in enumerate(typed):
        await form.locator("input[type=password]").nth(at).fill(pin)
    await form.locator("button[type=submit]").click()


async def reads(desk: Desk, place: str, words: str) -> None:
    await expect(desk.page.locator(place)).to_contain_text(words)


async def test_an_admin_adds_a_guard_who_changes_his_pin_and_is_removed(school: House) -> None:
    book = TokenBook(school.gateway.store_folder / "tokens.json", SystemClock())
    people = PeopleBook(school.gateway.store_folder / "people.json", SystemClock())
    token = book.create(Role.ADMIN, "校长")
    try:
        async with school.desk() as admin, school.desk() as guard:
            await admin.begin(token, "#/account")
            adding = admin.page.locator(".adding")
            await adding.locator("input[autocomplete=off]").fill(NAME)
            await pins(adding, "1234", "1234")
            await reads(admin, ".personnel [role=alert]", "顺子")
            await pins(adding, "3691", "3691", "3695")
            await reads(admin, ".personnel [role=alert]", "胁迫 PIN 须与平时的同样长")
            await pins(adding, "3691", "3691", "4785")
            await reads(admin, ".personnel [role=status]", f"已添加 {NAME}")
            row = admin.page.locator(f".personnel li:has-text('{NAME}')")
            await expect(row).to_contain_text("值班员")

            await guard.sign_on(NAME, "3691")
            await guard.page.click("header .who")
            await reads(guard, ".account h1", f"{NAME} 值班员 值班至")
            await expect(guard.page.locator(".personnel")).to_have_count(0)
            own = guard.page.locator(".account .new-pin")
            await pins(own, "9999", "5938", "5938")
            await reads(guard, ".account [role=alert]", "PIN 不对")
            await pins(own, "3691", "5938", "5938")
            await reads(guard, ".account [role=status]", "PIN 已更换")
            assert people.check(NAME, "5938") is not None
            assert people.check(NAME, "3691") is None
            if AXE.is_file():
                for desk in (guard, admin):
                    await desk.page.evaluate(AXE.read_text("utf-8"))
                    assert await desk.page.evaluate(SERIOUS) == []

            await row.get_by_role("button", name="新 PIN").click()
            await pins(row.locator(".new-pin"), "4826", "4826")
            await reads(admin, ".personnel [role=status]", f"{NAME} 的 PIN 已更换")
            await guard.page.wait_for_selector(".sign-on [role=alert]")  # signed off, and told so
            await row.get_by_role("button", name="移除").click()
            await row.get_by_role("button", name="再按一次").click()
            await reads(admin, ".personnel [role=status]", f"已移除 {NAME}")
            await expect(row).to_have_count(0)
            admin.fine()
            guard.fine()
    finally:
        for person in people.list():
            if person.name == NAME:
                people.remove(person.id)
        (made,) = (each for each in book.list() if each.name == "校长")
        book.revoke(made.id)
