"""What an installer does from the console: change devices, look for them, see what they say.

Owns    the one search that may run at a time, and putting editor, reload and drivers together.
Needs   gateway.config.edit, reload, commission, the drivers as they run. Implements
        gateway.console.install.Installation.
Keeps   1. Nothing here writes to a device: searches and trials read.
        2. A search that is cancelled, or whose page is gone, ends with its connection closed.
        3. A bus or broker at work is asked through its driver, or on a session of its own: alarms
           do not wait for an installer.
Bound   one search, SEARCH_MOST_S long, LINES_MOST lines; RATE_MOST requests a second on a bus.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from gateway.audit import Entry
from gateway.clock import Clock
from gateway.commission import busy, cameras, forms, live, probe_text, scan_text
from gateway.commission.asking import Asker
from gateway.commission.lent import LentAsker
from gateway.commission.listen import OnBroker, listen
from gateway.commission.probe import Probe
from gateway.commission.samples import sample_row, stranger_row
from gateway.commission.scan import Scan
from gateway.config import Config
from gateway.config.edit import Change, Editor, Proposal
from gateway.config.inspection import both
from gateway.config.kept import Kept
from gateway.console.install import Busy, Moment, NotThere, SearchBody
from gateway.driver import Driver, Hearing, Lending, LinkSettings, Showing, Stranger
from gateway.errors import GatewayError, LinkDown
from gateway.events import Device
from gateway.intake import Intake
from gateway.links.modbus import BusSettings, parse_url
from gateway.profile import Profile, plan_mqtt
from gateway.reload import Outcome, Reload

RATE_PER_S: Final = 5.0
RATE_MOST: Final = 20.0
PROBE_RATE_PER_S: Final = 20.0
SEARCH_MOST_S: Final = 900.0
TRIAL_MOST_S: Final = 60.0
LINES_MOST: Final = 500
POLL_S: Final = 5.0

log = structlog.get_logger()


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


class Installing:
    """See the module: gateway.console.install.Installation over the running house."""

    def __init__(
        self, reload: Reload, drivers: Mapping[str, Driver], intake: Intake, clock: Clock
    ) -> None:
        self._reload = reload
        self._drivers: Mapping[str, object] = drivers
        self._intake = intake
        self._clock = clock
        config = reload.config
        self._editor = Editor(config.folder, config.store.path, clock)
        self._search: _Search | None = None
        self._begin = asyncio.Event()
        self._heard: dict[str, dict[str, Stranger]] = {}

    @property
    def _config(self) -> Config:
        return self._reload.config

    async def audit(self, entry: Entry) -> int:
        """See Installation."""
        return await self._intake.audit(entry)

    # The files.

    async def moment(self) -> Moment:
        """See Installation."""
        current = await asyncio.to_thread(self._editor.current)
        return Moment(
            version=current.version,
            files=current.files,
            writable=await asyncio.to_thread(self._editor.writable),
            links=[{"name": link.name, "kind": link.kind} for link in self._config.links],
            cameras=[camera.id for camera in self._config.cameras],
        )

    async def history(self) -> Sequence[Kept]:
        """See Installation."""
        return await asyncio.to_thread(self._editor.history)

    async def device(self, device_id: str) -> tuple[str, dict[str, Any]]:
        """See Installation."""
        found = await asyncio.to_thread(self._editor.device, device_id)
        if found is None:
            raise NotThere(device_id)
        return found

    async def propose(self, change: Change) -> Proposal:
        """See Installation."""
        return await asyncio.to_thread(self._editor.propose, change)

    async def undoing(self, number: int) -> Change:
        """See Installation."""
        return await asyncio.to_thread(self._editor.undoing, number)

    async def apply(
        self, change: Change, *, version: str, who: str, why: str
    ) -> tuple[Proposal, Kept]:
        """See Installation."""
        return await asyncio.to_thread(
            self._editor.apply, change, version=version, who=who, why=why
        )

    async def reload(self) -> Outcome:
        """See Installation."""
        return await self._reload.ask()

    # Models.

    async def profiles(self, words: str, driver: str | None) -> list[dict[str, Any]]:
        """See Installation."""
        return await asyncio.to_thread(forms.found, self._config.shelf, words, driver)

    async def form(self, profile_id: str) -> dict[str, Any]:
        """See Installation."""
        profile = await asyncio.to_thread(self._config.shelf.get, profile_id)
        if profile is None:
            raise NotThere(profile_id)
        return forms.form_of(profile)

    # What devices say.

    async def topics(self) -> list[dict[str, Any]]:
        """See Installation."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for link, heard in self._heard.items():
            for stranger in heard.values():
                rows[link, stranger.topic] = stranger_row(link, stranger)
        for link, driver in self._drivers.items():
            if isinstance(driver, Hearing):
                for stranger in driver.strangers():
                    rows.setdefault((link, stranger.topic), stranger_row(link, stranger))
        return list(rows.values())

    async def live(self, device_id: str) -> dict[str, Any]:
        """See Installation."""
        device, profile = self._known(device_id)
        watch = self._intake.judge.supervision.watches.get(device_id)
        row: dict[str, Any] = {
            "device": device.id,
            "profile": profile.id,
            "link": device.link,
            "driver": profile.driver,
            "state": "unknown" if watch is None else watch.state,
            "age_seconds": None,
            "values": [],
            "problem": None,
            "topics": [],
        }
        if watch is not None and watch.utc_ns is not None:
            age_ns = max(self._clock.utc_ns() - watch.utc_ns, 0)
            row["age_seconds"] = round(age_ns / 1e9, 1)
        driver = self._drivers.get(device.link)
        if isinstance(driver, Showing):
            look = driver.look(device_id)
            if look is not None:
                row["values"] = live.rows_of(profile, device, look)
                row["problem"] = look.problem
        elif profile.driver == "mqtt":
            row["topics"] = list(plan_mqtt(profile, device).filters)
        return row

    async def trial(self, change: Change) -> tuple[Proposal, dict[str, Any]]:
        """See Installation."""
        proposal = await asyncio.to_thread(self._editor.propose, change, untried=True)
        config = proposal.config
        device = None
        if config is not None:
            device = next((one for one in config.devices if one.id == change.device), None)
        if config is None or device is None:
            return proposal, {}
        profile = config.shelf.get(device.profile_id)
        link = next((one for one in config.links if one.name == device.link), None)
        if profile is None or link is None:
            return proposal, {}
        try:
            async with asyncio.timeout(TRIAL_MOST_S):
                if profile.driver == "modbus":
                    return proposal, await self._probe(profile, device, link)
                if profile.driver == "mqtt":
                    return proposal, self._decode(profile, device)
        except TimeoutError:
            return proposal, {"why": both("太久没有结果", f"nothing within {TRIAL_MOST_S:.0f} s")}
        return proposal, {}

    async def _probe(self, profile: Profile, device: Device, link: LinkSettings) -> dict[str, Any]:
        settings = parse_url(link.url)
        probe = Probe(profile, device, self._clock)
        asker = self._asker(link.name, settings, PROBE_RATE_PER_S)
        try:
            await asker.open()
            await probe.once(asker)
        except LinkDown as down:
            return {"why": "\n".join(busy.why_not_open(settings, down))}
        finally:
            await asker.close()
        files = probe_text.Files(profile=profile.id, device="devices.toml")
        return {"probe": probe_text.document_of(probe, files, self._clock.mono_ns())}

    def _decode(self, profile: Profile, device: Device) -> dict[str, Any]:
        """What the new device would have made of what was heard on its topics lately."""
        plan = plan_mqtt(profile, device)
        heard = dict(self._heard.get(device.link, {}))
        driver = self._drivers.get(device.link)
        if isinstance(driver, Hearing):
            heard = {one.topic: one for one in driver.strangers()} | heard
        rows = [
            sample_row(device.link, one, plan, self._clock.utc_ns())
            for one in heard.values()
            if live.is_on(one.topic, plan.filters)
        ]
        return {"topics": list(plan.filters), "decoded": rows}

    def _known(self, device_id: str) -> tuple[Device, Profile]:
        device = next((one for one in self._config.devices if one.id == device_id), None)
        profile = None if device is None else self._config.shelf.get(device.profile_id)
        if device is None or profile is None:
            raise NotThere(device_id)
        return device, profile

    def _asker(self, link: str | None, settings: BusSettings, rate_per_s: float) -> Asker:
        driver = None if link is None else self._drivers.get(link)
        if isinstance(driver, Lending):
            return LentAsker(driver, settings, self._clock, rate_per_s=rate_per_s)
        return Asker(settings, self._clock, rate_per_s=rate_per_s)

    # Searches.

    async def search(self, asked: SearchBody) -> dict[str, Any]:
        """See Installation."""
        if self._search is not None and self._search.state == "running":
            raise Busy(self._search.asked.what)
        self._search = _Search(asked)
        self._begin.set()
        return self._row(self._search, 0)

    async def progress(self, after: int) -> dict[str, Any]:
        """See Installation."""
        search = self._search
        if search is None:
            raise NotThere("search")
        if search.state == "running" and len(search.lines) <= after:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await search.moved.wait()
        return self._row(search, after)

    async def cancel(self) -> dict[str, Any]:
        """See Installation."""
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
            search.state = "failed"
        except TimeoutError:
            search.tell(both("太久,停下了", f"ended after {SEARCH_MOST_S:.0f} s"))
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
            found = await cameras.scan(
                self._clock, seconds=asked.seconds, address=asked.address, told=search.tell
            )
            hint = both(
                "没有:打开摄像机的 ONVIF,同一网段,或写出它的地址",
                "none: switch ONVIF on, be on the camera's network, or name its address",
            )
            return {"cameras": cameras.document_of(found), "next": [] if found else [hint]}
        if asked.what == "modbus":
            return await self._scan_bus(search)
        return await self._listen(search)

    async def _scan_bus(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        link = next((one for one in self._config.links if one.name == asked.link), None)
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
            await scan.run(self._config.shelf)
        except LinkDown as down:
            for line in busy.why_not_open(settings, down):
                search.tell(line)
            raise
        return {"bus": scan_text.document_of(settings, scan.found)}

    async def _listen(self, search: _Search) -> Mapping[str, Any]:
        asked = search.asked
        plan = None
        filters: Sequence[str] = ("#",)
        link = asked.link
        if asked.device is not None:
            device, profile = self._known(asked.device)
            plan, link = plan_mqtt(profile, device), device.link
            filters = plan.filters
        driver = None if link is None else self._drivers.get(link)
        if link is None or not isinstance(driver, OnBroker):
            raise ValueError(both("写出一条运行中的 MQTT 链路", "name an MQTT link that runs"))
        search.tell(both(f"听 {asked.seconds:.0f} 秒,现在按一下", "listening; press it now"))
        heard: dict[str, Stranger] = {}
        try:
            refused = await listen(
                driver.settings(), filters, self._clock, seconds=asked.seconds, heard=heard
            )
        finally:
            if plan is None:
                mine = self._own_topics(link)
                fresh = {topic: one for topic, one in heard.items() if not live.is_on(topic, mine)}
                self._heard[link] = fresh
        now_ns = self._clock.utc_ns()
        rows = [sample_row(link, one, plan, now_ns) for one in heard.values()]
        known = self._own_topics(link)
        for row in rows:
            row["known"] = live.is_on(row["topic"], known)
        hint = both(
            "什么也没听到:设备连上这个代理了吗?地址、账号、电池;按一下再听",
            "nothing was heard: is the device on this broker? Its address, account, battery; press",
        )
        return {"topics": rows, "refused": refused, "next": [] if rows else [hint]}

    def _own_topics(self, link: str) -> list[str]:
        """The filters of the link's configured devices."""
        filters: list[str] = []
        for device in self._config.devices:
            profile = self._config.shelf.get(device.profile_id)
            if device.link == link and profile is not None and profile.driver == "mqtt":
                filters += plan_mqtt(profile, device).filters
        return filters
