"""Many alarms: five hundred in a minute through broker and gateway, ten thousand through one page.

The long forms run with `make test-long`; the suite has the same with fewer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, expect

from tests.console.web.conftest import BUTTONS, SMOKES
from tests.console.web.house import Desk, House, Spot, button, house, now_ms, smoke
from tests.console.web.liar import alarm, deceive, entry, snapshot, tell

pytestmark = pytest.mark.asyncio(loop_scope="session")
MARGIN: Final = 0.1
"""Of what was there at the first weighing: what a collector leaves lying moves by so much."""
MARGIN_BYTES: Final = 500_000
"""A page that kept only the rows of a thousand alarms would have grown by three times as much."""
PATIENCE_MS: Final = 120_000
"""Five hundred alarms on a busy machine; how long it took is judged where that is the point."""
AT_ONCE: Final = 8
"""Presses that are on their way to the broker at a time."""


async def poured(school: House, smokes: Sequence[Spot], buttons: Sequence[Spot]) -> None:
    """Everything at once, the emergencies spread among the smoke."""
    every = max(len(smokes) // len(buttons), 1)
    order: list[Spot] = []
    rest = list(buttons)
    for at, spot in enumerate(smokes):
        order.append(spot)
        if at % every == every - 1 and rest:
            order.append(rest.pop())
    turn = asyncio.Semaphore(AT_ONCE)

    async def press(spot: Spot) -> None:
        async with turn:
            await school.press(spot)

    await asyncio.gather(*map(press, [*order, *rest]))


async def flooded(school: House, smokes: Sequence[Spot], buttons: Sequence[Spot]) -> int:
    """A guard writes a note while it comes; returns how long until all was on the screen, ms."""
    late = buttons[-1]
    urgent = buttons[:-1]
    async with school.desk() as desk:
        await desk.begin(school.tokens["张三"])
        # One emergency is open already and somebody writes about it.
        await school.press(urgent[0])
        await desk.page.wait_for_selector(".incident.p1")
        await desk.page.keyboard.press("F7")
        box = desk.page.locator(".notes textarea")
        await expect(box).to_be_focused()
        began = now_ms()
        pouring = asyncio.ensure_future(poured(school, smokes, urgent[1:]))
        sentence = "食堂烟雾报警很多，正在核实；一号门卫室有人求助，优先处理。"
        for char in sentence:
            await desk.page.keyboard.type(char)
        await expect(box).to_have_value(sentence)
        await pouring
        await box.fill("")
        await box.blur()
        await desk.go("#/duty")
        # Every emergency has a line of its own, all smoke is one line with its number.
        lines = desk.page.locator(".queue > li")
        await expect(desk.page.locator(".queue > li > button .chip.p1")).to_have_count(
            len(urgent), timeout=PATIENCE_MS
        )
        folded = desk.page.locator(".queue > li:has(.more)")
        await expect(folded).to_have_count(1, timeout=PATIENCE_MS)
        await expect(folded.locator(".more")).to_contain_text(str(len(smokes)), timeout=PATIENCE_MS)
        await expect(lines).to_have_count(len(urgent) + 1, timeout=PATIENCE_MS)
        took = now_ms() - began
        for spot in urgent:
            await expect(
                desk.page.locator(f".queue button:has-text('{spot.place}')")
            ).to_have_count(1)
        await desk.until("() => document.documentElement.dataset.sounding === 'urgent'")
        # What comes behind a flood comes as ever.
        before = now_ms()
        await school.press(late)
        await desk.page.wait_for_selector(f".queue button:has-text('{late.place}')")
        assert now_ms() - before < 20_000, "the page has caught up"
        desk.fine()
    rows = (await school.gateway.get("/api/v1/alarms", limit=1000))["alarms"]
    assert len(rows) == len(smokes) + len(buttons)
    return took


async def test_a_flood_folds_no_emergency_is_folded_and_writing_goes_on(school: House) -> None:
    await school.quiet()
    await flooded(school, SMOKES, BUTTONS[9:])  # of two digits: no place is part of another's
    await school.quiet()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_five_hundred_alarms_in_a_minute_are_on_the_screen(tmp_path: Path) -> None:
    buttons = [button(1000 + number) for number in range(25)]
    smokes = [smoke(number) for number in range(1, 481)]
    async with house(tmp_path, [*smokes, *buttons]) as big:
        took = await flooded(big, smokes, buttons)
    assert took < 60_000, f"{took} ms"


@pytest_asyncio.fixture(loop_scope="session")
async def desk(school: House) -> AsyncIterator[Desk]:
    """A page that believes the test."""
    async with school.desk(width=1280, height=720) as found:
        await deceive(found)
        yield found
        found.fine()


POUR: Final = """
async ([model, record, from, to]) => {
  const text = JSON.stringify(model), written = JSON.stringify(record);
  for (let n = from; n < to; n += 1) {
    const row = JSON.parse(text.replaceAll("NUMBER", String(n)));
    row.priority = n % 10 === 0 ? 1 : 2;
    window.tell("alarm", row);
    if (record !== null) {
      window.tell("record", { ...JSON.parse(written.replaceAll("NUMBER", String(n))), seq: n + 1 });
    }
    if (n % 50 === 0) await new Promise((done) => requestAnimationFrame(() => done()));
    const over = { ...row, state: "closed", closed_at: row.raised_at, disposition: "test" };
    window.tell("alarm", over);
  }
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
}
"""


async def weighed(session: CDPSession) -> dict[str, float]:
    """What a page keeps once everything that may go is gone."""
    for _ in range(3):  # what a finalizer lets go of is collected with the next turn
        await session.send("HeapProfiler.collectGarbage")
    found = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


async def endured(desk: Desk, marks: Sequence[int], *, is_written: bool) -> list[dict[str, float]]:
    """Raise and close so many alarms in the page; what it keeps after each mark.

    is_written  each comes with a record, which the log keeps
    """
    session = await desk.context.new_cdp_session(desk.page)
    await session.send("Performance.enable")
    await tell(desk, "snapshot", snapshot())
    await desk.page.wait_for_selector(".duty")
    model: dict[str, Any] = alarm(0, alarm_id="a-NUMBER", mode="live")
    model["device"] = {**model["device"], "id": "d-NUMBER", "place": "NUMBER号门卫室"}
    record = entry(0, text="第 NUMBER 条", alarm_id="a-NUMBER") | {"id": "r-NUMBER"}
    found: list[dict[str, float]] = []
    done = 0
    for mark in marks:
        await desk.page.evaluate(POUR, [model, record if is_written else None, done, mark])
        done = mark
        await desk.go("#/duty")
        await desk.page.wait_for_selector(".duty .quiet")
        found.append(await weighed(session))
    await session.detach()
    return found


def flat(found: Sequence[dict[str, float]]) -> None:
    """Nothing has grown since the first weighing, but for what may move."""
    first, *rest = found
    for each in rest:
        heap = each["JSHeapUsedSize"] - first["JSHeapUsedSize"]
        assert heap < first["JSHeapUsedSize"] * MARGIN + MARGIN_BYTES, (first, each)
        for name in ("Nodes", "JSEventListeners", "Documents"):
            assert each[name] <= first[name] * (1 + MARGIN) + 50, (name, first, each)


async def test_the_page_keeps_no_more_after_many_alarms_than_after_some(desk: Desk) -> None:
    flat(await endured(desk, (500, 1_000, 2_000), is_written=False))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_the_page_keeps_no_more_after_ten_thousand_alarms(desk: Desk) -> None:
    flat(await endured(desk, (1_000, 5_000, 10_000), is_written=False))
    # The log keeps LOG_MOST records: from there on it is as large as it gets.
    flat(await endured(desk, (11_000, 15_000, 20_000), is_written=True))
