"""A real valve and a leak, from the page: closed with one press, opened and ended with reasons."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from gateway.clock import SystemClock
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role
from simulators.ports import free_port
from tests.console.web.house import House
from tests.harness import http
from tests.valves import KitchenGateway, kitchen

pytestmark = pytest.mark.asyncio(loop_scope="session")
GIVE = """
async (secret) => {
  const me = await (await fetch("/api/v1/session")).json();
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": me.csrf };
  const body = JSON.stringify({ secret });
  return (await fetch("/api/v1/session/pin", { method: "POST", headers, body })).status;
}
"""


async def test_one_press_closes_the_valve_and_two_people_must_ask_to_open_it(
    school: House, tmp_path: Path
) -> None:
    async with (
        kitchen() as canteen,
        KitchenGateway(
            folder=tmp_path,
            field_port=1,
            devices=[],
            uplinks=[http("police", free_port())],  # who does not answer, and is not asked here
            url=canteen.url,
        ) as gateway,
        school.desk(url=f"http://127.0.0.1:{gateway.api_port}") as desk,
    ):
        people = PeopleBook(gateway.store_folder / "people.json", SystemClock())
        people.add("王建", Role.LEADER, "2580")
        people.add("李四", Role.LEADER, "3691")
        await gateway.start()
        await desk.sign_on("王建", "2580")
        await desk.go("#/health")
        valve = desk.page.locator(".tile:has-text('燃气阀') .commands")
        said = valve.locator("[role=status]")
        await valve.get_by_role("button", name="关阀").click()
        await expect(said).to_contain_text("已证实")
        assert not canteen.is_open

        await valve.get_by_role("button", name="开阀").click()
        form = valve.locator("form")
        await form.get_by_label("原因").fill("严密性试验合格")
        trouble = desk.page.locator(".trouble[role=alert]")
        for name, pin, answer in (
            ("王建", "2580", "须由另一人"),  # one person is not two
            ("李四", "2580", "须由另一人"),  # nor is one PIN
            ("李四", "3691", "还须连续正常|状态未知"),  # two are: now the air has to be clear
        ):
            assert await desk.page.evaluate(GIVE, "2580") == 200  # not a minute ago
            await form.get_by_label("第二人姓名").fill(name)
            await form.locator("input[type=password]").fill(pin)
            await form.locator("button[type=submit]").click()
            await expect(trouble).to_contain_text(re.compile(answer))
            await expect(form.locator("input[type=password]")).to_have_value("")
        assert canteen.writes() == [0], "nothing but the close was ever written"
        orders = [one["data"]["attributes"] for one in await gateway.records()
                  if one["data"]["point"] == "command"]  # fmt: skip
        assert [(one["by"], one["state"]) for one in orders] == [
            ("王建", "done"), ("王建", "refused"),
        ]  # fmt: skip

        # A leak is not over because somebody says so: while the sensor raises it, he says why.
        canteen.level(40)
        await expect(desk.page.locator(".tile:has-text('燃气探测器')")).to_contain_text("40")
        await desk.page.locator(".top button:has-text('燃气探测器')").click()
        await desk.page.keyboard.press("F2")
        await expect(desk.page.locator(".incident .state-words")).to_contain_text("王建")
        for key in ("F8", "2", "4"):
            await desk.page.keyboard.press(key)
        still = desk.page.locator(".disposing.still")
        await expect(still.get_by_role("alert")).to_contain_text("传感器仍在报警")
        await expect(still.locator("button[type=submit]")).to_be_disabled()
        await desk.page.keyboard.type("烟气，已开窗，派人看守")
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_selector(".doing strong:has-text('误触')")
        rows = (await gateway.get("/api/v1/alarms", state="all"))["alarms"]
        [closed] = [row for row in rows if row["kind"] == "gas"]
        assert closed["note"] == "烟雾、水汽或灰尘；烟气，已开窗，派人看守"
        desk.fine()
