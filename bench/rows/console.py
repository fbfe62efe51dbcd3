"""The console: from the press to the screen and the loudspeaker, from one console to another, and
how long a page takes to begin. Real processes, a real browser, CONSOLES of it open at once.

Keeps   1. One press after the other, each of a button of its own: what stands beside it in the same
           run (a plain socket on the stream, a page that only paints) saw the same machine.
        2. A figure is of every console, not of the one that was first.
        3. Painted is two frames after the page was changed; sounding is when the first tone is due
           at the loudspeaker.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from playwright.async_api import Browser

from bench.bare import Bare, bare
from bench.browser import TELL, Console, at, browse, console, now_ms, signed_on
from bench.rig import Gateway, Publisher, Rig, http_uplink, warm
from bench.rows import Size
from bench.rows.flow import Measure
from bench.rows.playback import make_token
from bench.table import Row

CONSOLES: Final = 5
PAINTED_TARGET_MS: Final = 300.0
SOUNDING_TARGET_MS: Final = 400.0
HELD_TARGET_MS: Final = 200.0
COLD_TARGET_MS: Final = 1_500.0
REACTION_S: Final = 0.5
"""Nobody acknowledges sooner than half a second after he sees it, nor presses again as soon as the
last alarm is closed: what one deed costs the machine is not counted for the next."""
GROUP: Final = f"press to screen, {CONSOLES} consoles open"
BARE: Final = "bare page, event to painted"
SOCKET: Final = "press to a plain socket on the stream"
COLD: Final = "the page's cold start"


class Stream:
    """What a plain socket hears on the consoles' stream: when each alarm was first told of."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}
        self._news = asyncio.Event()

    async def read(self, http: aiohttp.ClientSession) -> None:
        """Read until cancelled."""
        async with http.get("/api/v1/console/stream") as answer:
            kind = b""
            async for line in answer.content:
                if line.startswith(b"event: "):
                    kind = line[7:].strip()
                elif line.startswith(b"data: ") and kind == b"alarm":
                    self.told.setdefault(json.loads(line[6:])["alarm_id"], now_ms())
                    self._news.set()

    async def when(self, name: str) -> float:
        """Wait until it heard of an alarm."""
        async with asyncio.timeout(30):
            while name not in self.told:
                self._news.clear()
                await self._news.wait()
        return self.told[name]


@asynccontextmanager
async def asking(gateway: Gateway, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Ask the API as a guard."""
    async with aiohttp.ClientSession(
        base_url=f"http://127.0.0.1:{gateway.console}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as http:
        yield http


async def close(http: aiohttp.ClientSession, name: str) -> None:
    """Close an alarm: its button is as it was before."""
    body = {"disposition": "test", "note": "bench"}
    async with http.post(f"/api/v1/alarms/{name}/close", json=body) as answer:
        if answer.status != 200:
            raise ValueError(f"closing {name}: HTTP {answer.status} {await answer.text()}")


def started(rig: Rig, buttons: Sequence[str]) -> tuple[int, Gateway, str, Any]:
    """A gateway with so many buttons and a police receiver; its field broker's port first."""
    field = rig.broker()
    receiver = rig.receiver("http")
    gateway = rig.gateway(field.port, http_uplink(receiver.port), 1, buttons=buttons)
    gateway.kill()
    token = make_token(gateway)
    gateway.start()
    warm(field.port, receiver)
    return field.port, gateway, token, receiver


def press(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    topics = [f"bench/panic/{number}" for number in range(size.console_presses + 3)]
    with rig.scene():
        port, gateway, token, _ = started(rig, topics)
        return asyncio.run(_pressed(port, gateway, token, topics))


async def _pressed(port: int, gateway: Gateway, token: str, topics: Sequence[str]) -> list[Row]:
    url = f"http://127.0.0.1:{gateway.console}"
    took: dict[str, list[float]] = {}
    hand = Publisher(port, after=10_000)
    async with asking(gateway, token) as http, browse() as browser, bare() as page:
        stream = Stream()
        reading = asyncio.ensure_future(stream.read(http))
        consoles = [await console(browser, url, token) for _ in range(CONSOLES)]
        for number, topic in enumerate(topics):
            told = await _one(hand, topic, consoles, stream, http)
            if number >= 3:  # the first ones find nothing ready: fonts, code of the incident
                for what, values in told.items():
                    took.setdefault(what, []).extend(values)
        reading.cancel()
        hand.close()
        for each in consoles:
            await each.page.context.close()
        took[BARE] = await _bare(browser, page, len(topics))
    return [
        *_both(GROUP, SOCKET, took["stream"], None, None),
        *_both(GROUP, BARE, took[BARE], None, None),
        *_both(GROUP, "press to painted", took["painted"], PAINTED_TARGET_MS, SOCKET),
        *_both(GROUP, "press to sounding", took["sounding"], SOUNDING_TARGET_MS, SOCKET),
        *_both(
            GROUP, "acknowledged on one, seen on the others", took["held"], HELD_TARGET_MS, BARE
        ),
    ]


def _both(
    group: str, name: str, took: list[float], target: float | None, against: str | None
) -> list[Row]:
    return [
        Row(
            group=group,
            name=f"{name}, {words}",
            value=at(took, part),
            unit="ms",
            target=target if part > 0.5 else None,
            against=f"{against}, {words}" if against else None,
            note=f"of {len(took)}, worst {max(took):.0f} ms" if part > 0.5 else "",
        )
        for words, part in (("p50", 0.5), ("p99", 0.99))
    ]


async def _one(
    hand: Publisher,
    topic: str,
    consoles: Sequence[Console],
    stream: Stream,
    http: aiohttp.ClientSession,
) -> dict[str, list[float]]:
    """Press, see it everywhere, acknowledge it at the first, see that everywhere, close it."""
    for each in consoles:
        each.forget()
    pressed = now_ms()
    await asyncio.to_thread(hand.publish, topic)

    def first(told: dict[tuple[str, str], float]) -> str | None:
        return next((name for what, name in told if what == "painted"), None)

    name = str(await consoles[0].until(first, f"{topic} is painted"))
    painted = [await each.when("painted", name) - pressed for each in consoles]
    sounding = [await each.when("sounding") - pressed for each in consoles]
    heard = await stream.when(name) - pressed
    await asyncio.sleep(REACTION_S)
    await consoles[0].page.keyboard.press("F2")
    done = await consoles[0].when("pressed")
    held = [await each.when("held", name) - done for each in consoles[1:]]
    await close(http, name)
    for each in consoles:
        await each.page.evaluate("location.hash = '#/duty'")
    for each in consoles:
        await each.when("clear")
    await asyncio.sleep(REACTION_S)
    return {"painted": painted, "sounding": sounding, "stream": [heard], "held": held}


async def _bare(browser: Browser, page: Bare, count: int) -> list[float]:
    """What the browser takes by itself: as many pages, an event of a few bytes, one line."""
    pages = [await browser.new_page() for _ in range(CONSOLES)]
    consoles = [Console(each) for each in pages]
    for each in consoles:
        await each.page.expose_function("benchTold", each.tell)
        await each.page.add_init_script(TELL)
        await each.page.goto(page.url)
    async with asyncio.timeout(30):
        while len(page) < CONSOLES:
            await asyncio.sleep(0.02)
    took: list[float] = []
    for number in range(count):
        began = now_ms()
        page.tell(f"a{number}")
        took += [await each.when("painted", f"a{number}") - began for each in consoles]
    for each in pages:
        await each.close()
    return took


def cold(rig: Rig, size: Size) -> list[Row]:
    """A browser that knows nothing of the page but who is signed on."""
    with rig.scene():
        port, gateway, token, _ = started(rig, ["bench/panic/1"])
        return asyncio.run(_cold(port, gateway, token, size.cold))


_READY: Final = """
new Promise((done) => {
  const look = () => {
    if (!document.querySelector(WANTED)) return requestAnimationFrame(look);
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
  };
  look();
})
"""


async def _cold(port: int, gateway: Gateway, token: str, count: int) -> list[Row]:
    url = f"http://127.0.0.1:{gateway.console}"
    hand = Publisher(port, after=10_000)
    async with browse() as browser, bare() as page:
        known = await signed_on(browser, url, token)
        state = await known.storage_state()
        await known.close()
        await asyncio.to_thread(hand.publish, "bench/panic/1")
        hand.close()
        took: dict[str, list[float]] = {}
        for _ in range(count):
            for what, address, wanted in (
                ("empty page", page.url, "body"),
                ("console", f"{url}/console/#/duty", ".queue [data-alarm], .incident"),
            ):
                context = await browser.new_context(
                    viewport={"width": 1600, "height": 900}, storage_state=state
                )
                opened = await context.new_page()
                await opened.goto(address, wait_until="commit")
                ready = _READY.replace("WANTED", json.dumps(wanted))
                took.setdefault(what, []).append(await opened.evaluate(ready))
                await context.close()
    limit = "empty page, a new browser's context to painted"
    rows = _both(COLD, limit, took["empty page"], None, None)
    name = "console, a new browser's context to the queue painted"
    return rows + _both(COLD, name, took["console"], COLD_TARGET_MS, limit)


ALL: dict[str, Measure] = {"console-press": press, "console-cold": cold}
