"""Fifty consoles that look on: what they cost the gateway, and whether an alarm waits for them.

All but one are plain sockets that take the stream as a browser does; one is a real browser. Cost is
the gateway's processor time with them minus that without them, one right after the other.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from bench.browser import at, browse, console
from bench.machine import Process, until
from bench.rig import ROOT, Gateway, Publisher, Receiver, Rig
from bench.rows import Size
from bench.rows.beside import EVERY_S
from bench.rows.console import asking, close, started
from bench.rows.flow import Measure
from bench.table import Row

CONSOLES: Final = 50
COST_TARGET_PCT: Final = 10.0
ALARM_TARGET_MS: Final = 50.0
GROUP: Final = f"{CONSOLES} consoles look on"
PASSES: Final = 2
SETTLE_S: Final = 3.0
"""A browser that has just begun still fetches."""


def many(rig: Rig, size: Size) -> list[Row]:
    """See the module."""
    topics = [f"bench/panic/{number}" for number in range(max(size.presses // PASSES, 10))]
    with rig.scene():
        port, gateway, token, receiver = started(rig, topics)
        command = [sys.executable, "-m", "bench.consoles", str(gateway.console), str(CONSOLES - 1)]
        hand = Publisher(port, after=10_000)
        measured = _Measured(gateway, receiver, hand, topics, size.watched_s / PASSES)
        for turn in range(PASSES):
            asyncio.run(measured.once(token))
            place = rig.place(f"consoles-{turn}")
            with Process(command, place / "consoles.log", cwd=ROOT, talk=True) as consoles:
                consoles.say(token)
                consoles.line()
                asyncio.run(measured.once(token, consoles))
        hand.close()
    return _rows(measured, size)


class _Measured:
    """Figures without consoles (False) and with them (True)."""

    def __init__(
        self,
        gateway: Gateway,
        receiver: Receiver,
        hand: Publisher,
        topics: Sequence[str],
        idle_s: float,
    ) -> None:
        self._gateway = gateway
        self._receiver = receiver
        self._hand = hand
        self._topics = topics
        self._idle_s = idle_s
        self.cost_pct: dict[bool, list[float]] = {False: [], True: []}
        self.delays_ms: dict[bool, list[float]] = {False: [], True: []}
        self.beats: list[int] = []
        self.ends = 0

    async def once(self, token: str, consoles: Process | None = None) -> None:
        """Measure once; consoles: those that look on meanwhile, and a browser beside them."""
        is_watched = consoles is not None
        async with AsyncExitStack() as stack:
            if is_watched:
                browser = await stack.enter_async_context(browse())
                await console(browser, f"http://127.0.0.1:{self._gateway.console}", token)
            self.cost_pct[is_watched].append(await asyncio.to_thread(self._idle))
            self.delays_ms[is_watched] += await asyncio.to_thread(self._press)
            if consoles is not None:
                said = consoles.ask("report")
                self.beats += said["beats"]
                self.ends += said["ends"]
            http = await stack.enter_async_context(asking(self._gateway, token))
            async with http.get("/api/v1/alarms?limit=1000") as answer:
                rows = (await answer.json())["alarms"]
            for row in rows:
                await close(http, row["alarm_id"])

    def _idle(self) -> float:
        """Percent of a core that the gateway takes while nothing happens."""
        time.sleep(SETTLE_S)
        began, used_s = time.monotonic(), self._gateway.process.cpu_s()
        time.sleep(self._idle_s)
        return 100 * (self._gateway.process.cpu_s() - used_s) / (time.monotonic() - began)

    def _press(self) -> list[float]:
        """Press each button once, when it is due."""
        self._receiver.clear()
        began = time.monotonic()
        numbers = []
        for turn, topic in enumerate(self._topics):
            time.sleep(max(began + turn * EVERY_S - time.monotonic(), 0))
            numbers.append(str(self._hand.publish(topic)))

        def all_there() -> bool:
            special = self._receiver.report()["special"]
            return all(number in special for number in numbers)

        until("every press is at the receiver", all_there, 40, 0.2)
        special = self._receiver.report()["special"]
        return [special[number] for number in numbers]


def _rows(measured: _Measured, size: Size) -> list[Row]:
    alone, watched = (sum(measured.cost_pct[key]) / PASSES for key in (False, True))
    rows = [
        Row(group=GROUP, name="gateway idle, no console", value=alone, unit="% of a core"),
        Row(
            group=GROUP,
            name=f"what {CONSOLES} consoles add to it",
            value=watched - alone,
            unit="% of a core",
            target=COST_TARGET_PCT,
            note=f"{size.watched_s:.0f} s each; every stream had {min(measured.beats)} signs of"
            f" life or more, {measured.ends} were ended by the gateway",
        ),
    ]
    quiet = "press to receipt, no console"
    for name, is_watched in ((quiet, False), (f"press to receipt, {CONSOLES} consoles", True)):
        took = measured.delays_ms[is_watched]
        for words, part in (("p50", 0.5), ("p99", 0.99)):
            rows.append(
                Row(
                    group=GROUP,
                    name=f"{name}, {words}",
                    value=at(took, part),
                    unit="ms",
                    target=ALARM_TARGET_MS if is_watched and part > 0.5 else None,
                    against=f"{quiet}, {words}" if is_watched else None,
                    note=f"{len(took)} presses, worst {max(took):.0f} ms" if part > 0.5 else "",
                )
            )
    return rows


ALL: dict[str, Measure] = {"console-many": many}
