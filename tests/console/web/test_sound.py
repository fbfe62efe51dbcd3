"""What a guard hears, tone by tone, while the page's clock is moved: silenced, forgotten, stepped.

Needs   liar.py: the stream says what the test says, and its sign of life follows the page's clock.
Keeps   What is counted are the oscillators that the page really started.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.console.web.house import Desk, House
from tests.console.web.liar import alarm, deceive, snapshot, tell

pytestmark = pytest.mark.asyncio(loop_scope="session")
BEGAN = datetime(2026, 11, 22, 0, 14, 5, tzinfo=UTC)
TONES = """
window.tones = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.tones.push(Math.round(this.frequency.value));
  return start.call(this, at);
};
"""
RUNS = """
beganMs => {
  const from = performance.now();
  window.gatewayTime = () => new Date(beganMs + performance.now() - from);
}
"""
URGENT, WARNING, ATTENTION = [660, 990], [740, 740], [620]
UNDELIVERED, KNOCK = [880, 740, 587], [220, 220]


class Ear:
    """Hears what the page plays, and has its time pass."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.page = desk.page
        self.now = BEGAN

    async def pass_time(self, seconds: float) -> list[int]:
        """Let time pass, for all timers of the page; returns the tones since the last call."""
        await self.page.clock.run_for(int(seconds * 1000))
        self.now += timedelta(seconds=seconds)
        return list(await self.page.evaluate("window.tones.splice(0)"))

    async def set_clock(self, hours: float) -> None:
        """Set this machine's clock, by so much from the gateway's; nothing else happens."""
        await self.page.clock.set_system_time(self.now + timedelta(hours=hours))

    def at(self, seconds_ago: float = 0) -> str:
        """A time as the gateway writes it."""
        when = self.now - timedelta(seconds=seconds_ago)
        return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def house(self, *alarms: dict[str, Any], **more: Any) -> None:
        """A house with these alarms, and nothing that was heard before."""
        await tell(self.desk, "snapshot", snapshot(now=self.at(), alarms=list(alarms), **more))

    async def alarm(self, number: int, **changes: Any) -> dict[str, Any]:
        """An alarm that is raised now and that a receiver has, unless changes say otherwise."""
        has = [
            {"receiver": "police", "state": "received", "reference": None, "reason": None,
             "attempts": 1, "at": self.at()}
        ]  # fmt: skip
        now = {"raised_at": self.at(), "last_at": self.at(), "deliveries": has}
        row = alarm(number, **{**now, **changes})
        await tell(self.desk, "alarm", row)
        return row


@pytest_asyncio.fixture(loop_scope="session")
async def ear(school: House) -> AsyncIterator[Ear]:
    """A guard's page whose clock stands still unless the test moves it."""
    async with school.desk(width=1280, height=720) as desk:
        await desk.page.clock.install(time=BEGAN - timedelta(seconds=60))
        await desk.page.add_init_script(TONES)
        await deceive(desk)
        await desk.page.wait_for_selector(".frame")  # signing on takes time, which must still run
        await desk.page.clock.pause_at(BEGAN)
        await desk.page.evaluate(RUNS, BEGAN.timestamp() * 1000)
        found = Ear(desk)
        await found.house()
        await desk.page.wait_for_selector(".frame:not(.stale) .duty")
        # The minute that was leapt over was one without the gateway: it knocked.
        await found.pass_time(1)
        yield found
        desk.fine()


async def test_space_silences_for_sixty_seconds_what_was_heard_and_only_that(ear: Ear) -> None:
    await ear.alarm(1)
    assert await ear.pass_time(20) == URGENT * 6  # at once, and each 4 s
    await ear.page.keyboard.press("Space")
    await expect(ear.page.locator(".silence")).to_contain_text("60 秒后恢复")
    assert await ear.pass_time(59) == []
    await ear.page.keyboard.press("Space")
    assert await ear.pass_time(30) == []
    await ear.alarm(2)  # nobody silenced this one
    assert await ear.pass_time(8) == URGENT * 3
    await ear.alarm(2, acknowledged_at=ear.at(), acknowledged_by="李四", state="ack_active")
    assert await ear.pass_time(21) == []
    assert (await ear.pass_time(2))[:2] == URGENT
    await expect(ear.page.locator(".silence")).to_contain_text("消音")


async def test_what_is_acknowledged_and_not_disposed_of_sounds_again_after_three_minutes(
    ear: Ear,
) -> None:
    row = await ear.alarm(1)
    assert (await ear.pass_time(1))[:2] == URGENT
    has = {"acknowledged_at": ear.at(), "acknowledged_by": "张三", "state": "ack_active"}
    await tell(ear.desk, "alarm", {**row, **has})
    assert await ear.pass_time(179) == []
    assert await ear.pass_time(6) == URGENT * 2
    await tell(ear.desk, "alarm", {**row, **has, "closed_at": ear.at(), "state": "closed"})
    assert await ear.pass_time(10) == []


async def test_a_warning_sounds_each_ten_seconds_and_what_is_less_is_told_of_each_half_hour(
    ear: Ear,
) -> None:
    row = await ear.alarm(1, priority=2, kind="gas")
    assert await ear.pass_time(29) == WARNING * 3
    await tell(ear.desk, "alarm", {**row, "acknowledged_at": ear.at(), "acknowledged_by": "张三"})
    await ear.alarm(2, priority=3, kind="offline")
    assert await ear.pass_time(29 * 60) == ATTENTION
    assert await ear.pass_time(2 * 60) == ATTENTION
    await ear.alarm(3, kind="fire")
    assert set(await ear.pass_time(5)) == {880}  # the fire panel's own rhythm


async def test_what_reached_nobody_is_told_after_ten_seconds_with_a_number_until_somebody_calls(
    ear: Ear,
) -> None:
    waits = {"receiver": "police", "state": "pending", "reference": None, "reason": None,
             "attempts": 3, "at": None}  # fmt: skip
    row = await ear.alarm(1, deliveries=[waits])
    assert await ear.pass_time(0.1) == URGENT
    await ear.page.wait_for_selector(".incident")
    row |= {"acknowledged_at": ear.at(), "acknowledged_by": "张三", "state": "ack_active"}
    await tell(ear.desk, "alarm", row)
    assert await ear.pass_time(9) == []
    await expect(ear.page.locator(".lamp.sending")).to_have_count(1)
    assert (await ear.pass_time(2))[:3] == UNDELIVERED
    lamp = ear.page.locator(".lamp.failed")
    await expect(lamp.locator(".mark")).to_have_text("✖")
    await expect(lamp).to_contain_text("0513-8012")
    assert await ear.pass_time(16) == UNDELIVERED * 2
    told = {"receiver": "police", "note": "", "by": "张三", "at": ear.at()}
    await tell(ear.desk, "alarm", {**row, "telephoned": [told]})
    assert await ear.pass_time(20) == []


async def test_a_clock_that_is_set_by_an_hour_changes_no_sound_no_age_no_order_and_no_trust(
    ear: Ear,
) -> None:
    await ear.alarm(1)
    await ear.pass_time(5)
    first = ear.at(5)
    for hours in (-1, 1, 0):
        await ear.set_clock(hours)
        assert await ear.pass_time(8) == URGENT * 2, hours
        age_s = int((ear.now - datetime.fromisoformat(first)).total_seconds())
        await expect(ear.page.locator(".incident h1 .since")).to_have_text(f"00:{age_s:02}")
        await expect(ear.page.locator(".bar.lost")).to_have_count(0)
    await ear.page.keyboard.press("Space")
    assert await ear.pass_time(1) == []
    await ear.set_clock(-1)
    assert await ear.pass_time(58) == []
    assert (await ear.pass_time(3))[:2] == URGENT
    await ear.page.evaluate("window.isMute = true")  # it says nothing more: the page must know
    await ear.set_clock(-2)
    await ear.pass_time(7)
    await ear.page.wait_for_selector(".bar.lost")
