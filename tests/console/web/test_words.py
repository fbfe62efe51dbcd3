"""One language at a time: what the gateway itself says stands on a guard's screens in his own."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.events import Kind
from gateway.recorder.streams import OFF_S
from gateway.recordings import Recordings
from gateway.reports import Report, write_report
from gateway.rows import Row, alarm_row
from gateway.store.disk import Reserve
from gateway.store.video import VideoReader
from tests.console.web.house import Desk, House
from tests.console.web.liar import alarm, deceive, device, entry, snapshot, tell
from tests.parts import Core, Receiver, core, point, wake, working
from tests.parts import device as made_of
from tests.recorder.test_streams import GATE, Watched
from tests.test_housekeeping import JumpyClock, keeping, look

pytestmark = pytest.mark.asyncio(loop_scope="session")
SMOKE: Final = point("smoke", kind=Kind.SMOKE, priority=2, text="烟雾报警", text_en="smoke alarm")
FAULTS: Final = {"disk", "clock", "uplink.police", "video.gate", "video-process"}
SCREENS: Final = ("#/duty", "#/health", "#/log")
SEEN: Final = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const {data, parentElement: parent} = walk.currentNode;
    if (data.trim() !== "" && !parent.closest("kbd, script, noscript, style")) found.push(data);
  }
  for (const each of document.querySelectorAll("*"))
    for (const name of ["aria-label", "title", "placeholder", "alt"])
      if (each.hasAttribute(name)) found.push(each.getAttribute(name));
  return found;
}"""
LATIN: Final = re.compile(r"[A-Za-z]{2,}")
NO_WORDS: Final = re.compile(r"\bEnglish\b|%LEL|\bPIN\b")
"""In Chinese: the button that speaks English, a unit, a name that has no other."""
HAN: Final = re.compile("[\u3400-\u9fff]")
NAMES: Final = re.compile("中文|示范小学|食堂|号探测器|城关派出所|西门|枪机|按钮|网关|张三")
"""In English: the button that speaks Chinese, and what the campus calls its places and people."""


@pytest_asyncio.fixture(loop_scope="session")
async def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Row], list[dict[str, Any]]]:
    """What is open after a restart, as consoles have it, and every record of it.

    Two alarms of a device; a camera that is lost, a receiver that is down, a disk that is nearly
    full, a clock in doubt, a video process that died: each said by the part whose fault it is.
    """
    clock, uplink = JumpyClock(), Receiver()
    uplink.down()
    settings: dict[str, Any] = {
        "devices": [made_of("btn-1", point(), SMOKE)],
        "receivers": ["police"],
    }
    async with core(tmp_path / "events", clock, **settings) as made:
        async with working(made, uplink) as worker, keeping(made) as keeper:
            await made.press()
            await made.press(name="smoke")
            monkeypatch.setattr(Reserve, "free_bytes", property(lambda _self: 0))
            clock.quality = "stepped"
            for _ in range(3):
                await look(made, keeper)
                clock.advance(20)
                await wake(made, worker)
        await lose(made, tmp_path)
        records = [orjson.loads(one.body) for one in made.records]
    async with core(tmp_path / "events", clock, **settings) as made:
        rows = [alarm_row(each, []) for each in made.intake.judge.book.all_open()]
    return rows, records


async def lose(made: Core, folder: Path) -> None:
    """The recorder says that a camera is lost, and then dies."""
    watched = Watched()
    watched.main.state.is_recording = False
    watched.main.state.reason = "camera"
    watched.main.state.why = "192.0.2.5: 连接不上：refused，稍后重连 / 192.0.2.5: cannot connect"
    assert watched.wait(OFF_S) == ["video.gate"]
    recordings = Recordings([GATE], VideoReader(folder), made.intake, made.clock, folder)
    recordings.begin()
    findings = tuple(watched.streams.findings())
    now = made.clock
    write_report(folder, "video", Report(now.utc_ns(), findings, mono_ns=now.mono_ns()))
    await recordings.read()
    now.advance(120)
    await recordings.read()
    await made.turn()
    await recordings.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(school: House) -> AsyncIterator[Desk]:
    """A page that believes the test."""
    async with school.desk() as found:
        await deceive(found, "西门")
        yield found
        found.fine()


async def test_a_guard_reads_one_language_and_no_word_of_the_other(
    desk: Desk, said: tuple[list[Row], list[dict[str, Any]]]
) -> None:
    rows, records = said
    alarms = [row for row in rows if row["kind"] in {"panic", "smoke"}]
    faults = [row for row in rows if row not in alarms]
    assert {row["point"] for row in faults} >= FAULTS, "not every part had to say something"
    assert len(alarms) == 2
    gas = alarm(9, kind="gas", priority=2, value=12, unit="%LEL", device=alarms[0]["device"],
                words={"zh": "燃气泄漏", "en": "gas leak"})  # fmt: skip
    house = snapshot(
        alarms=[*alarms, gas],
        faults=faults,
        devices=[device(0, "online"), device(1, "offline", place="西门")],
        cameras=[{"id": "c", "name": "枪机", "place": "西门"}],
        clock="stepped",
    )
    incidents = [f"#/incident/{row['alarm_id']}" for row in [*alarms, *faults, gas]]
    for language, other, but in (("zh", LATIN, NO_WORDS), ("en", HAN, NAMES)):
        await desk.page.evaluate("at => localStorage.setItem('campus.language', at)", language)
        await desk.page.reload()
        await desk.until("() => window.wire !== undefined")
        await tell(desk, "snapshot", house)
        for record in records:
            await tell(desk, "record", record)
        for screen in (*SCREENS, *incidents):
            await desk.go(screen)
            await desk.page.wait_for_selector(":is(main, .phone) :is(h1, h2, section, form)")
            await expect(desk.page.get_by_text(re.compile("正在载入|Loading"))).to_have_count(0)
            seen: list[str] = await desk.page.evaluate(SEEN)
            wrong = [text for text in seen if other.search(but.sub("", text))]
            assert wrong == [], f"{language} {screen}"
        await desk.go("#/log")
        await expect(desk.page.locator(".log li")).to_have_count(len(records))
        for row in rows:
            fact = row["words"][language]
            await expect(desk.page.locator(".log li", has_text=fact[:70]).first).to_be_visible()


async def test_an_alarm_of_before_there_were_words_still_says_what_it_is(desk: Desk) -> None:
    older = alarm(1, text="1号门卫室 1号一键报警 紧急求助按钮按下")
    await tell(desk, "snapshot", snapshot(alarms=[older]))
    await tell(desk, "record", entry(1, text="实验楼 门禁 门开着"))
    await desk.go("#/incident/a-1")
    await expect(desk.page.locator("h1 .what")).to_contain_text("紧急求助按钮按下")
    await expect(desk.page.locator("h1 .what")).not_to_contain_text("门卫室")
    await desk.go("#/log")
    await expect(desk.page.locator(".log li")).to_contain_text("门开着")
