"""What an installer sees of devices that say the worst: a bus or a broker may be anybody's."""

from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.console.web.house import House
from tests.console.web.liar import AT, deceive, device, snapshot, tell
from tests.console.web.test_install import NOTHING_CUT
from tests.console.web.test_looks import HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="session")
WIDTH: Final = 360
RIGHTS: Final = ("read", "act", "install")
FIELDS: Final = [
    {"name": "address", "type": "text", "required": True, "default": None, "choices": [],
     "min": None, "max": None, "example": HOSTILE[2], "help": HOSTILE[2], "help_en": HOSTILE[2]},
]  # fmt: skip
FAULTS: Final = [{"file": text, "key": text, "problem": text, "expected": text} for text in HOSTILE]
PROPOSAL: Final = {
    "file": "devices.toml", "version": "1", "what": HOSTILE[0], "faults": [],
    "diff": "\n".join(f"+{text}" for text in HOSTILE),
}  # fmt: skip
STOLEN: Final = "img[src=x], .install script, .install img"


def value(text: str) -> dict[str, Any]:
    """One value of a device that was asked; its name is the profile's, which a person may write."""
    return {
        "name": text[:64], "address": text, "function": 3, "words": [65_535] * 125,
        "hex": ["FFFF"] * 125, "bits": ["1" * 16] * 125, "form": text, "decoded": text,
        "unit": text, "why": text, "value": text, "quality": "good", "order": text[:40],
        "orders": {text[:40]: text, "CDAB": text}, "likely_orders": [text[:40]],
    }  # fmt: skip


def heard(text: str) -> dict[str, Any]:
    """A topic that a broker has."""
    reading = {"point": text[:64], "active": None, "value": text, "unit": text}
    return {
        "link": "field", "topic": text, "count": 10**15, "last_at": AT, "text": text, "hex": "",
        "size_bytes": 10**9, "known": False, "problem": text, "readings": [reading],
    }  # fmt: skip


def unit(number: int, text: str) -> dict[str, Any]:
    """A unit of a bus, and which models fit what it said of itself."""
    fits = [{"id": text, "title": text, "title_en": text, "sure": "likely", "why": text}]
    return {"unit": number, "device": text if number % 2 else None, "profiles": fits}


def camera(text: str, *, why: str | None) -> dict[str, Any]:
    """Who answered a search for cameras."""
    return {
        "address": text, "url": text, "name": text, "hardware": text, "location": text,
        "clock_offset_s": -9e15, "why": why, "open_to_all": True, "known": None,
    }  # fmt: skip


def found() -> dict[str, Any]:
    """The end of a search that met all of them."""
    return {
        "id": "s", "what": "modbus", "state": "done", "lines": HOSTILE, "next_line": len(HOSTILE),
        "result": {
            "topics": [heard(text) for text in HOSTILE],
            "bus": {"units": [unit(n, text) for n, text in enumerate(HOSTILE)], "next": HOSTILE},
            "cameras": [camera(text, why=None) for text in HOSTILE]
            + [camera(f"{text}!", why=text) for text in HOSTILE],
            "next": HOSTILE,
        },
    }  # fmt: skip


def answers() -> dict[str, Any]:
    """What the gateway would pass on."""
    text = HOSTILE[2]
    changes = [
        {"number": n, "file": each, "at": AT, "who": each, "reason": each, "what": each}
        for n, each in enumerate(HOSTILE)
    ]
    model = {
        "id": "own/x", "title": text, "title_en": text, "family": text, "driver": "modbus",
        "verified": False, "confidence": text,
    }  # fmt: skip
    probe = {
        "unit": 1, "complete": False, "problem": text, "advice": HOSTILE,
        "values": [value(each) for each in HOSTILE],
        "points": [{"name": each[:64], "known": True, "active": None, "value": each, "unit": each}
                   for each in HOSTILE],
    }  # fmt: skip
    tried = {"model": text, "main": text, "main_size": text, "sub": text, "sub_size": text,
             "clock_offset_s": None}  # fmt: skip
    trial = {"camera": tried, "next": text, "decoded": [heard(each) for each in HOSTILE],
             "topics": HOSTILE, "probe": probe, "why": text}  # fmt: skip
    live = {
        "device": "dev-0", "driver": "modbus", "state": "online", "age_seconds": 1,
        "values": [value(each) for each in HOSTILE], "problem": text, "topics": HOSTILE,
        "trace": {"now_ms": 2, "at_ms": [1, 2], "values": {HOSTILE[0]: [1e308, -1e308]}},
        "order_keys": {"CDAB": ["little", "big"]},
    }  # fmt: skip
    return {
        "GET install/config": {
            "version": "1", "files": {}, "writable": True, "cameras": ["c"], "contacts": [text],
            "links": [{"name": "field", "kind": "mqtt"}, {"name": "bus", "kind": "modbus"}],
            "console": {}, "plans": {text: text}, "kinds": ["link", "camera", "contact"],
            "plans_writable": True, "changes": changes,
        },
        "GET install/topics": {"topics": [heard(each) for each in HOSTILE]},
        "GET install/search": found(),
        "POST install/search": found() | {"state": "running", "result": None},
        "GET install/profiles": {"profiles": [model]},
        "GET install/profiles/own/x": {**model, "fields": FIELDS},
        "GET install/forms/camera": {"kind": "camera", "key": "id", "secret": True,
                                     "fields": FIELDS},
        "GET install/devices/dev-0": {"file": text, "table": {"name": text}},
        "GET install/devices/dev-0/live": live,
        "POST install/try": {**PROPOSAL, "found": trial},
        "POST install/config/check": {**PROPOSAL, "faults": FAULTS},
        "GET install/config/undo/0": {**PROPOSAL, "faults": FAULTS},
    }  # fmt: skip


async def test_what_devices_say_of_themselves_is_text_and_breaks_no_screen(
    school: House,
) -> None:
    async with school.desk(width=WIDTH, height=720) as desk:
        page = desk.page

        async def whole(screen: str) -> None:
            await expect(page.locator(STOLEN)).to_have_count(0)
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= WIDTH, f"{screen} is {wide} pixels wide"
            assert (cut := await page.evaluate(NOTHING_CUT)) is None, f"{screen}: {cut}"

        await deceive(desk, HOSTILE[2], rights=RIGHTS, answers=answers())
        rows = [device(n, "online", name=text, place=text) for n, text in enumerate(HOSTILE)]
        await tell(desk, "snapshot", snapshot(devices=rows))
        await desk.go("#/setup/find")
        for way in ("MQTT", "Modbus 总线", "摄像机"):
            await page.locator(".find > .doing button", has_text=way).first.click()
            links = page.locator(".find select")
            if await links.count() > 0:
                await links.select_option("field" if way == "MQTT" else "bus")
            await page.locator(".find button[type=submit]").click()
            await expect(page.locator(".find [role=status]")).to_have_text("查找完毕")
            await expect(page.locator(".found li")).to_have_count(3 * len(HOSTILE))
            await whole(way)
        await desk.go("#/setup/add?model=own/x&link=bus")
        await page.locator('[data-field="address.address"] input').fill("1")
        await page.get_by_role("button", name="试一下").click()
        await expect(page.locator(".trial .advice li")).to_have_count(len(HOSTILE))
        await whole("a trial")
        await desk.go("#/setup/live/dev-0")
        await expect(page.locator(".readings > li")).to_have_count(len(HOSTILE))
        await whole("what it says now")
        await desk.go("#/setup/files")
        await page.locator(".files li button").first.click()
        await expect(page.locator(".faults li")).to_have_count(len(HOSTILE))
        await whole("what was changed")
        desk.fine()
