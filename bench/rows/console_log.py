"""The log of ten thousand rows, scrolled: frames a second, in a real browser.

The page is the real one and somebody is signed on; what it is told comes from here, so that the log
is full at once. Beside it a page that scrolls as many plain lines: as smooth as this machine gets.
"""

import asyncio
import json
from typing import Any, Final

from playwright.async_api import Page

from bench.browser import PATIENCE_S, at, browse, signed_on
from bench.rig import Gateway, Rig
from bench.rows import Size
from bench.rows.console import started
from bench.rows.flow import Measure
from bench.table import Row

ROWS: Final = 10_000
TARGET: Final = 50.0
FRAMES: Final = 240
GROUP: Final = f"a log of {ROWS:,} rows, scrolled"
PLAIN: Final = "plain lines"

WIRE: Final = """
delete window.SharedWorker;
window.EventSource = class extends EventTarget {
  constructor(url) { super(); this.url = url; this.readyState = 1; window.wire = this; }
  close() { this.readyState = 2; }
};
window.tell = (kind, data) =>
  window.wire.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
setInterval(
  () => window.wire && window.tell("beat", { now: new Date().toISOString(), seq: 1 }), 1000);
"""
"""The page's own stream, of which this is the other end."""
FILL: Final = """
(count) => {
  const now = new Date().toISOString();
  window.tell("snapshot", {
    epoch: "one", seq: 1, now, site: { id: "s", name: "示范小学", gateway: "gw-1" }, phones: [],
    alarms: [], faults: [], devices: [], cameras: [], receivers: [],
  });
  for (let seq = 1; seq <= count; seq += 1) {
    window.tell("record", {
      id: `r-${seq}`, seq, type: "campus.event.recorded.v1", time: now, mode: "live",
      data: { kind: "access", text: `门 ${seq}`,
              device: { id: "door", name: "门禁", place: `实验楼${seq % 40}` } },
    });
  }
}
"""
SCROLL: Final = """
([box, frames]) => new Promise((done) => {
  const rows = document.querySelector(box);
  const took = [];
  let last = null, number = 0;
  // A hand that turns a wheel: three rows a frame, and a leap through all of it now and then.
  const turn = (now) => {
    if (last !== null) took.push(now - last);
    last = now;
    if (took.length >= frames) return done(took);
    number += 1;
    rows.scrollTop = number % 60 === 0 ? Math.random() * rows.scrollHeight : rows.scrollTop + 108;
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
})
"""
LINES: Final = "".join(f"<p>{number} 实验楼 门禁 门</p>" for number in range(ROWS))
PLAIN_PAGE: Final = f"""<!doctype html><meta charset="utf-8"><div class="rows"
style="height:700px;overflow:auto">{LINES}</div>"""


def scrolled(rig: Rig, size: Size) -> list[Row]:  # noqa: ARG001 one log is as long as another
    """See the module."""
    with rig.scene():
        _, gateway, token, _ = started(rig, [])
        took = asyncio.run(_took(gateway, token))
    rows = []
    for name, target in ((PLAIN, None), ("the log", TARGET)):
        each = took[name]
        rows.append(
            Row(
                group=GROUP,
                name=f"{name}, frames a second",
                value=1000 * len(each) / sum(each),
                unit="/s",
                sense=">=",
                target=target,
                against=None if target is None else f"{PLAIN}, frames a second",
                note=f"{len(each)} frames, p99 {at(each, 0.99):.0f} ms, longest {max(each):.0f} ms",
            )
        )
    return rows


async def _took(gateway: Gateway, token: str) -> dict[str, list[float]]:
    url = f"http://127.0.0.1:{gateway.console}"
    async with browse() as browser:
        context = await signed_on(browser, url, token)
        plain = await context.new_page()
        await plain.set_content(PLAIN_PAGE)
        found = {PLAIN: await _scroll(plain)}
        await plain.close()
        page = await context.new_page()
        await page.add_init_script(WIRE)
        await page.goto(f"{url}/console/#/log")
        await page.wait_for_function("() => window.wire !== undefined")
        await page.evaluate(FILL, ROWS)
        await page.wait_for_selector(
            f".log h1:has-text({json.dumps(str(ROWS))})", timeout=PATIENCE_S * 1000
        )
        found["the log"] = await _scroll(page)
    return found


async def _scroll(page: Page) -> list[float]:
    await page.evaluate(SCROLL, [".rows", 30])  # the first ones fetch fonts
    took: Any = await page.evaluate(SCROLL, [".rows", FRAMES])
    return [float(each) for each in took]


ALL: dict[str, Measure] = {"console-log": scrolled}
