"""Searching: who is out there, on a bus, at a broker, on the cameras' network.

Owns    the one search that may run at a time, what it said so far and what came of it.
Needs   gateway.commission, the drivers as they run.
Keeps   1. Nothing here writes to a device.
        2. A search that is cancelled, or whose page is gone, ends with its connection closed.
        3. A bus or broker at work is asked through its driver, or on a session of its own: alarms
           do not wait for an installer.
Bound   one search, SEARCH_MOST_S long, LINES_MOST lines; RATE_MOST requests a second on a bus.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.clock import Clock
from gateway.commission import busy, cameras, live, scan_text
from gateway.commission.lent import LentAsker
from gateway.commission.listen import OnBroker, listen
from gateway.commission.samples import sample_row
from gateway.commission.scan import Scan
from gateway.config import Config
from gateway.config.inspection import both
from gateway.console.install_asked import Busy, NotThere, SearchBody
from gateway.driver import Driver, Lending, Stranger
from gateway.errors import GatewayError, LinkDown
from gateway.installing import advice
from gateway.installing.cameras import open_to_all
from gateway.installing.looking import Looking
from gateway.links.modbus import parse_url
from gateway.profile import plan_mqtt

RATE_PER_S: Final = 5.0
RATE_MOST: Final = 20.0
SEARCH_MOST_S: Final = 900.0
LINES_MOST: Final = 500
POLL_S: Final = 5.0


@dataclass(slots=True)
class _Search:
    """One search: what it said so far, and what came of it."""

    asked: SearchBody
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: str = "running"
    lines: list[str] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    is_cancelled: bool = False

    def tell(self, line: str) -> None:
        if len(self.lines) < LINES_MOST:
            self.lines.append(line[:500])
            self.wake()

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()


class Searching:
    """See the module."""

    def __init__(
        self,
        now: Callable[[], Config],
        looking: Looking,
        drivers: Mapping[str, Driver],
        clock: Clock,
    ) -> None:
        self._now = now
        self._looking = looking
        self._drivers: Mapping[str, object] = drivers
        self._clock = clock
        self._search: _Search | None = None
        self._begin = asyncio.Event()

    def begin(self, asked: SearchBody) -> dict[str, Any]:
        """Begin to look. Raises Busy."""
        if self._search is not None and self._search.state == "running":
            raise Busy(self._search.asked.what)
        self._search = _Search(asked)
        self._begin.set()
        return self._row(self._search, 0)

    async def progress(self, after: int) -> dict[str, Any]:
        """Lines behind `after`, waiting POLL_S for one. Raises NotThere."""
        search = self._search
        if search is None:
            raise NotThere("search")
        if search.state == "running" and len(search.lines) <= after:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await search.moved.wait()
        return self._row(search, after)

    async def cancel(self) -> dict[str, Any]:
        """End the search that runs. Raises NotThere."""
        search = self._search
        if search is None:
            raise NotThere("search")
        if search.task is not None and search.state == "running":
            search.is_cancelled = True
            search.task.cancel()
            await asyncio.wait({search.task})
        return self._row(search, 0)

    @staticmethod
    def _row(search: _Search, after: int) -> dict[str, Any]:
        return {
            "id": search.id,
            "what": search.asked.what,
            "state": search.state,
            "lines": search.lines[after:],
            "next_line": len(search.lines),
            "result": search.result,
        }

    async def run(self) -> None:
        """Carry out searches, one after another, for ever."""
        while True:
            await self._begin.wait()
            self._begin.clear()
            search = self._search
            if search is None or search.state != "running":
                continue
            async with asyncio.TaskGroup() as group:
                search.task = group.create_task(self._carry_out(search))

    async def _carry_out(self, search: _Search) -> None:
        try:
            async with asyncio.timeout(SEARCH_MOST_S):
                search.result = await self._look(search)
            search.state = "done"
        except (GatewayError, ValueError) as error:
            search.tell(str(error)[:500])
            search.tell(advice.after_failure(search.asked.what))
            search.state = "failed"
        except TimeoutError:
            search.tell(both("太久，停下了", f"ended after {SEARCH_MOST_S:.0f} s"))
            search.state = "failed"
        except asyncio.CancelledError:
            search.state = "cancelled"
            if not search.is_cancelled:
                raise
        finally:
            if search.state == "running":
                search.state = "failed"
            search.wake()

    async def _look(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        if asked.what == "cameras":
            return await self._scan_cameras(search)
        if asked.what == "modbus":
            return await self._scan_bus(search)
        return await self._listen(search)

    async def _scan_cameras(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        found = await cameras.scan(
            self._clock, seconds=asked.seconds, address=asked.address, told=search.tell
        )
        rows = cameras.document_of(found)
        known = self._cameras_by_host()
        for row, is_open in zip(rows, await open_to_all(found, self._clock), strict=True):
            host = urlsplit(row["url"] or "").hostname or row["address"]
            row |= {"open_to_all": is_open, "known": known.get(host)}
        return {
            "cameras": rows,
            "next": advice.after_cameras(found, is_named=asked.address is not None),
        }

    def _cameras_by_host(self) -> dict[str, str]:
        """Ids of the configured cameras, by the host that is asked."""
        return {
            host: camera.id
            for camera in self._now().cameras
            if (host := camera.stream.host if camera.onvif is None else camera.onvif.settings.host)
        }

    async def _scan_bus(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        link = next((one for one in self._now().links if one.name == asked.link), None)
        url = asked.url if link is None else link.url
        if url is None or (link is not None and link.kind != "modbus"):
            raise ValueError(both("写出一条 Modbus 链路或网址", "name a Modbus link, or a URL"))
        settings = parse_url(url)
        if link is None:
            who = await asyncio.to_thread(busy.connected_from_here, settings)
            if who is not None:
                raise ValueError(busy.refusal(settings, who)[0])
        rate = min(asked.rate_per_s or RATE_PER_S, RATE_MOST)
        driver = None if link is None else self._drivers.get(link.name)
        lent = None
        if link is not None and isinstance(driver, Lending):
            lent = LentAsker(driver, settings, self._clock, rate_per_s=rate)
        scan = Scan(
            settings,
            asked.units(),
            self._clock,
            rate_per_s=rate,
            ranges=asked.ranges,
            told=search.tell,
            asker=lent,
        )
        try:
            await scan.run(self._now().shelf)
        except LinkDown as down:
            for line in busy.why_not_open(settings, down):
                search.tell(line)
            raise
        taken = {
            int(device.address["unit"]): device.id
            for device in self._now().devices
            if link is not None and device.link == link.name and "unit" in device.address
        }
        bus = scan_text.document_of(settings, scan.found)
        for row in bus["units"]:
            row["device"] = taken.get(row["unit"])
        return {"bus": {**bus, "next": advice.after_bus(settings, scan.found, taken)}}

    async def _listen(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        plan = None
        filters: Sequence[str] = ("#",)
        link = asked.link
        if asked.device is not None:
            device, profile = self._looking.known(asked.device)
            plan, link = plan_mqtt(profile, device), device.link
            filters = plan.filters
        driver = None if link is None else self._drivers.get(link)
        if link is None or not isinstance(driver, OnBroker):
            raise ValueError(both("写出一条运行中的 MQTT 链路", "name an MQTT link that runs"))
        search.tell(both(f"听 {asked.seconds:.0f} 秒，现在按一下", "listening; press it now"))
        heard: dict[str, Stranger] = {}
        try:
            refused = await listen(
                driver.settings(), filters, self._clock, seconds=asked.seconds, heard=heard
            )
        finally:
            if plan is None:
                mine = self._own_topics(link)
                fresh = {topic: one for topic, one in heard.items() if not live.is_on(topic, mine)}
                self._looking.heard[link] = fresh
        now_ns = self._clock.utc_ns()
        rows = [sample_row(link, one, plan, now_ns) for one in heard.values()]
        known = self._own_topics(link)
        for row in rows:
            row["known"] = live.is_on(row["topic"], known)
        return {"topics": rows, "refused": refused, "next": advice.after_topics(rows, refused)}

    def _own_topics(self, link: str) -> list[str]:
        """The filters of the link's configured devices."""
        filters: list[str] = []
        for device in self._now().devices:
            profile = self._now().shelf.get(device.profile_id)
            if device.link == link and profile is not None and profile.driver == "mqtt":
                filters += plan_mqtt(profile, device).filters
        return filters
