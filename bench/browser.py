"""A real browser for rows about the pages: consoles that somebody signed on at, and what they saw.

Owns    one headless Chromium, the system's; pages that tell what happened as it happens.
Needs   playwright (a tool of development), chromium on this machine.
Keeps   1. Nothing is polled in a page that is measured: it tells by itself, two frames after it was
           changed, when that is on the screen.
        2. Times are of the wall clock that all processes here share, milliseconds.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

from bench.machine import BenchError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PATIENCE_S: Final = 30.0

TELL: Final = """
(() => {
  const painted = (work) => requestAnimationFrame(() => requestAnimationFrame(work));
  const bench = (window.bench = { known: new Set(), held: new Set(), isClear: true });
  const say = (what, id, ms) => window.benchTold && window.benchTold(what, id, ms);
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (when = 0) {
    // The first tone of an urgent alarm: when it is heard, by the clock of the loudspeaker.
    if (this.frequency.value === 660) {
      const { currentTime, outputLatency } = this.context;
      say("sounding", "", Date.now() + (when - currentTime + (outputLatency || 0)) * 1000);
    }
    return start.call(this, when);
  };
  const look = () => {
    const rows = document.querySelectorAll("[data-alarm]");
    for (const row of rows) {
      const id = row.dataset.alarm;
      if (bench.known.has(id)) continue;
      bench.known.add(id);
      painted(() => say("painted", id, Date.now()));
    }
    const words = document.querySelector(".incident .state-words");
    const id = decodeURIComponent(location.hash.split("/")[2] ?? "");
    if (words !== null && words.textContent.includes("处理中") && !bench.held.has(id)) {
      bench.held.add(id);
      painted(() => say("held", id, Date.now()));
    }
    const isClear = rows.length === 0 && document.querySelector(".duty") !== null;
    if (isClear && !bench.isClear) say("clear", "", Date.now());
    bench.isClear = isClear;
  };
  document.addEventListener("DOMContentLoaded", () =>
    new MutationObserver(look).observe(document.body, {
      childList: true, subtree: true, characterData: true,
    }));
  const pressed = (event) => event.key === "F2" && say("pressed", "", Date.now());
  addEventListener("keydown", pressed, true);
})();
"""
"""What a page tells: painted and held with an alarm's id, sounding, clear (nothing waits), pressed
(the key of an acknowledgement)."""


@asynccontextmanager
async def browse() -> AsyncIterator[Browser]:
    """Start it; whatever goes wrong with it is a BenchError."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise BenchError("chromium is not installed (Debian: apt-get install chromium)")
    try:
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(
                executable_path=program, args=FLAGS, env={**os.environ, "DEBUG": ""}
            )
            try:
                yield browser
            finally:
                with contextlib.suppress(Error):
                    await browser.close()
    except Error as error:
        raise BenchError(f"the browser: {error.message[:300]}") from error


@dataclass
class Console:
    """One console: a browser's context of its own, signed on, at the duty screen."""

    page: Page
    told: dict[tuple[str, str], float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, what: str, name: str, at_ms: float) -> None:
        """Take what the page says; of several of one kind the first counts."""
        self.told.setdefault((what, name), at_ms)
        self._news.set()

    def forget(self) -> None:
        """Begin the next measurement."""
        self.told.clear()

    async def until(self, find: Callable[[dict[tuple[str, str], float]], Any], what: str) -> Any:
        """Wait until what was told holds something; raises BenchError that names it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := find(self.told)) is None:
                    self._news.clear()
                    await self._news.wait()
                return found
        except TimeoutError:
            raise BenchError(f"not within {PATIENCE_S:g} s: {what}") from None

    async def when(self, what: str, name: str = "") -> float:
        """Wait until the page said so; returns when it was, ms."""
        return float(await self.until(lambda told: told.get((what, name)), f"{what} {name}"))


async def signed_on(browser: Browser, url: str, token: str) -> BrowserContext:
    """A new context that a guard's token signed on in; no page is open in it."""
    context = await browser.new_context(
        viewport={"width": 1600, "height": 900}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    answer = await context.request.post(f"{url}/api/v1/session", data={"token": token})
    if not answer.ok:
        raise BenchError(f"signing on: HTTP {answer.status} {(await answer.text())[:200]}")
    return context


async def console(browser: Browser, url: str, token: str) -> Console:
    """Open a console; returns when it hears the gateway."""
    context = await signed_on(browser, url, token)
    page = await context.new_page()
    made = Console(page)
    await page.expose_function("benchTold", made.tell)
    await page.add_init_script(TELL)
    await page.goto(f"{url}/console/")
    await page.wait_for_selector(".frame:not(.stale) .duty")
    return made


def now_ms() -> float:
    """This machine's clock, as a page's Date.now() with its fractions."""
    return time.time_ns() / 1e6


def at(values: list[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]
