"""A school with real processes and a real browser, for tests of what a guard sees.

Owns    a broker, a police receiver, a gateway as a process, one headless Chromium.
Needs   tests/harness.py for the gateway, playwright for the browser, the system's chromium.
Keeps   1. A test gets a browser context of its own: no cookie, no kept look of another one.
        2. Whatever a page asks of another host fails the test at its end (Desk.strangers), and so
           does an error in its console that was not expected. Whatever else in the browser would
           leave this machine, worker or page, meets the counting door of strangers.py.
Bound   PATIENCE_MS for whatever is waited for; nothing sleeps.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gateway.clock import SystemClock
from gateway.console.people import PeopleBook
from gateway.console.tokens import Role, TokenBook
from simulators.brokers import Mosquitto, MosquittoSettings
from simulators.buttons import Device, make
from simulators.inbox import Inbox
from simulators.mqtt import Message, Publisher
from simulators.police import Police
from tests.conftest import POLICE_SECRET
from tests.console.browser import chromium
from tests.console.web.strangers import Strangers
from tests.harness import Gateway, http
from tests.sirens import player

PATIENCE_MS: Final = 30_000
expect.set_options(timeout=PATIENCE_MS)
FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
]  # fmt: skip
HEARD: Final = "--autoplay-policy=no-user-gesture-required"
HOSTILE: Final = {
    "markup": "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "turned": "אבג 1号 דהו )(",
    "long": "W" * 64,
}
"""The worst names that a configuration may have; what it refuses, a stream may still say."""


@dataclass(frozen=True)
class Spot:
    """One [[device]]: a simulated device and where it hangs."""

    device: Device
    profile: str
    name: str
    place: str
    cameras: tuple[str, ...] = ()

    def toml(self) -> str:
        """As devices.toml has it."""
        address = ", ".join(f'{key} = "{value}"' for key, value in self.device.address().items())
        cameras = ", ".join(f'"{each}"' for each in self.cameras)
        return (
            f'[[device]]\nid = "{self.device.name}"\nprofile = "{self.profile}"\nlink = "field"\n'
            f"name = {_quoted(self.name)}\nplace = {_quoted(self.place)}\n"
            f"address = {{ {address} }}\ncameras = [{cameras}]\n"
        )


def button(number: int, name: str = "", place: str = "", cameras: tuple[str, ...] = ()) -> Spot:
    """A panic button, P1."""
    device = make("json-button", f"btn-{number}")
    return Spot(
        device,
        "generic/json_button",
        name or f"{number}号一键报警",
        place or f"{number}号门卫室",
        cameras,
    )


def smoke(number: int) -> Spot:
    """A smoke detector, P2, of which a flood comes."""
    return Spot(
        make("json-button", f"smoke-{number}"), "test/smoke", f"{number}号烟感", f"食堂{number}区"
    )


def _quoted(text: str) -> str:
    escaped = "".join(
        char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in text
    )
    return f'"{escaped}"'


SMOKE: Final = """
[profile]
title = "试验烟感"
title_en = "Smoke for tests"
family = "smoke"
driver = "mqtt"
power = "battery"
silence_s = "never"
verified = true
[source]
document = "this test"
confidence = "A"
date = "2026-11-22"
[address.topic]
type = "topic"
help = "主题"
help_en = "its topic"
example = "school/smoke"
[[point]]
name = "smoke"
kind = "smoke"
priority = 2
nature = "momentary"
text = "烟雾"
text_en = "smoke"
[[message]]
topic = "{topic}"
format = "json"
root = "any"
[[message.set]]
point = "smoke"
[[sample]]
note = "smoke"
payload = '1'
expect = [{ point = "smoke", active = true }]
"""
"""A detector of priority 2 that says nothing else: shipped ones of that priority speak Modbus."""


class School(Gateway):
    """A gateway whose devices have names and places of their own."""

    spots: Sequence[Spot] = ()

    def _prepare(self) -> None:
        Gateway._prepare(self)
        profile = self.folder / "config" / "profiles" / "test" / "smoke.toml"
        profile.parent.mkdir(parents=True, exist_ok=True)
        profile.write_text(SMOKE, "utf-8")
        path = self.folder / "config" / "devices.toml"
        path.write_text("".join(spot.toml() for spot in self.spots), "utf-8")

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.api_port}"


@dataclass
class Desk:
    """One browser at one console."""

    context: BrowserContext
    page: Page
    url: str
    strangers: list[str]
    errors: list[str] = field(default_factory=list)

    async def begin(self, token: str, path: str = "#/duty", *, language: str = "zh") -> None:
        """Sign on with a link, and wait until the gateway is heard."""
        if language != "zh":
            await self.page.add_init_script("localStorage.setItem('campus.language', 'en')")
        await self.page.goto(f"{self.url}/console/#token={token}")
        await self.page.wait_for_selector(".frame:not(.stale)")
        if path != "#/duty":
            await self.go(path)

    async def sign_on(self, name: str, pin: str) -> None:
        """Sign on as a person does, with a name, a PIN and the sound check."""
        await self.page.goto(f"{self.url}/console/")
        await self.page.fill("input[autocomplete=username]", name)
        await self.page.fill("input[type=password]", pin)
        await self.page.click("button[type=submit]")
        await self.page.click(".sign-on button.main:has-text('1')")
        await self.page.wait_for_selector(".frame:not(.stale)")

    async def go(self, path: str) -> None:
        """Open another screen, as its address does."""
        await self.page.evaluate("path => { location.hash = path; }", path)

    async def until(self, script: str, argument: Any = None) -> Any:
        """Wait until a script is true in the page."""
        handle = await self.page.wait_for_function(script, arg=argument, polling=20)
        return await handle.json_value()

    async def top(self) -> str:
        """What stands first in the queue, drawn or not yet."""
        return await self.page.locator(".queue > li button").first.text_content() or ""

    async def ask(self, path: str, body: object = None) -> Any:
        """Ask the gateway as whoever is signed on here; POST where there is a body."""
        return await self.page.evaluate(
            """async ([path, body]) => {
              const who = await (await fetch("/api/v1/session")).json();
              const headers = {"Content-Type": "application/json", "X-CSRF-Token": who.csrf};
              const more = body ? {method: "POST", body: JSON.stringify(body), headers} : {};
              const answer = await fetch(path, more);
              if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
              return answer.json();
            }""",
            [path, body],
        )

    def fine(self) -> None:
        """Nothing was asked of strangers, and no script failed."""
        assert not self.strangers, self.strangers
        assert not self.errors, self.errors


@dataclass
class House:
    """Everything a test needs; see the module."""

    gateway: School
    police: Police
    publisher: Publisher
    browser: Browser
    tokens: dict[str, str]
    stack: AsyncExitStack
    strangers: Strangers
    played: Path
    """What the gateway's own player was given, a line each time; see tests/sirens.py."""
    program: Path

    async def press(self, spot: Spot) -> None:
        """Press; returns when the broker has it."""
        for message in spot.device.pressed():
            await self.publisher.post(message)

    async def say(self, topic: str, payload: bytes) -> None:
        """Publish anything."""
        await self.publisher.post(Message(topic=topic, payload=payload))

    @asynccontextmanager
    async def desk(
        self,
        *,
        browser: Browser | None = None,
        url: str = "",
        width: int = 1920,
        height: int = 1080,
        **more: Any,
    ) -> AsyncIterator[Desk]:
        """A console that nobody signed on at yet; url when the gateway is reached another way."""
        context = await (browser or self.browser).new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", **more
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        desk = Desk(context, page, url or self.gateway.url, self.strangers.asked)
        host = urlsplit(desk.url).netloc

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"blob", "data"} and parts.netloc != host:
                desk.strangers.append(request.url)

        context.on("request", asked)
        page.on("pageerror", lambda error: desk.errors.append(str(error)))
        page.on("dialog", lambda dialog: desk.errors.append(f"dialog {dialog.message}"))
        try:
            yield desk
        finally:
            with contextlib.suppress(Exception):
                # A request that is answered at this moment would fail the next test, not this one.
                await context.unroute_all(behavior="ignoreErrors")
                await context.close()

    @asynccontextmanager
    async def person(self, name: str, role: Role, *secrets: str) -> AsyncIterator[str]:
        """A person who may sign on meanwhile with a PIN, or with the second one under duress."""
        people = PeopleBook(self.gateway.store_folder / "people.json", SystemClock())
        made = await asyncio.to_thread(people.add, name, role, *secrets)
        try:
            yield name
        finally:
            assert await asyncio.to_thread(people.remove, made.id), "somebody else removed it"

    async def open_alarm(self, spot: Spot, *, state: str = "open") -> dict[str, Any]:
        """The newest alarm of one button, once there is one."""

        async def found() -> dict[str, Any] | None:
            rows = (await self.gateway.get("/api/v1/alarms", state=state, limit=1000))["alarms"]
            mine = [row for row in rows if row["device"]["id"] == spot.device.name]
            return max(mine, key=lambda row: str(row["alarm_id"]), default=None)

        return dict(await self.gateway.until(found, f"the alarm of {spot.device.name}"))

    async def trail(self, action: str, subject: str) -> list[dict[str, Any]]:
        """What the audit trail has of one thing, as an auditor reads it."""
        headers = {"Authorization": f"Bearer {self.tokens['审计员']}"}
        found: list[dict[str, Any]] = []
        after = -1
        async with aiohttp.ClientSession(self.gateway.url, headers=headers) as auditor:
            page: dict[str, Any] = {"next": 0}
            while page["next"] > after:
                after = page["next"]
                query = {"after": after, "limit": 1000}
                async with auditor.get("/api/v1/audit", params=query) as answer:
                    page = await answer.json()
                found += [
                    one
                    for one in page["entries"]
                    if (one["data"]["action"], one["data"]["subject"]) == (action, subject)
                ]
        return found

    async def quiet(self) -> None:
        """Nothing is open any more: what a test left is closed."""
        for state in ("alarms", "faults"):
            for row in (await self.gateway.get(f"/api/v1/{state}"))[state]:
                if state == "alarms":
                    body = {"disposition": "test", "note": "end of test"}
                    await self.gateway.post(f"/api/v1/alarms/{row['alarm_id']}/close", body)


@asynccontextmanager
async def house(folder: Path, spots: Sequence[Spot], more: str = "") -> AsyncIterator[House]:
    """Open all of it."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(
            Mosquitto(folder / "broker", MosquittoSettings(max_queued=0))
        )
        inbox = Inbox(folder / "police.inbox")
        police = await stack.enter_async_context(Police(inbox=inbox, secret=POLICE_SECRET))
        argv, played = player(folder)
        words = ", ".join(f'"{word}"' for word in argv)
        gateway = School(
            folder=folder,
            field_port=broker.port,
            devices=[],
            uplinks=[http("police", police.port)],
            more=f"player = [{words}]\n{more}",
        )
        gateway.spots = spots
        await stack.enter_async_context(gateway)
        book = TokenBook(gateway.store_folder / "tokens.json", SystemClock())
        names = {
            "张三": Role.GUARD,
            "李四": Role.GUARD,
            "王主任": Role.LEADER,
            "外单位": Role.VIEWER,
            "审计员": Role.AUDITOR,
        }
        tokens = {name: book.create(role, name) for name, role in names.items()}
        await gateway.start()
        publisher = await stack.enter_async_context(
            Publisher(broker.address, client_id="campus-field", window=200)
        )
        strangers = await stack.enter_async_context(Strangers())
        browser = await stack.enter_async_context(browse(HEARD, strangers.flag))
        yield House(
            gateway, police, publisher, browser, tokens, stack, strangers, played, Path(argv[0])
        )


@asynccontextmanager
async def browse(*flags: str) -> AsyncIterator[Browser]:
    """The system's Chromium, driven by playwright; it may be heard unless flags say otherwise."""
    environment = {**os.environ, "DEBUG": ""}
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=chromium(), args=[*FLAGS, *(flags or (HEARD,))], env=environment
        )
        try:
            yield browser
        finally:
            await browser.close()


def now_ms() -> int:
    """The clock of this machine, as a page's Date.now()."""
    return time.time_ns() // 1_000_000
