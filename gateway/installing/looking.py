"""Looking: what devices say now, and what a new one would say if it were saved.

Owns    topics that were heard of lately; trials.
Needs   gateway.commission, the drivers as they run, the editor for what a change would come to.
Keeps   1. A bus at work is asked through its driver: alarms do not wait for an installer.
        2. Nothing is written, to no device and to no file; nothing of a trial is stored.
Bound   a trial TRIAL_MOST_S long, PROBE_RATE_PER_S requests a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.clock import Clock
from gateway.commission import busy, live, probe_text
from gateway.commission.asking import Asker
from gateway.commission.lent import LentAsker
from gateway.commission.probe import Probe
from gateway.commission.samples import sample_row, stranger_row
from gateway.commission.words import ORDERS
from gateway.config import Config
from gateway.config.edit import Change, Editor, Proposal
from gateway.config.inspection import both
from gateway.console.install_asked import NotThere
from gateway.driver import Driver, Hearing, Lending, LinkSettings, Showing, Stranger
from gateway.errors import LinkDown
from gateway.events import Device, Kind, Scalar
from gateway.installing import cameras
from gateway.installing.traces import Numbers, Traces, numbers_of
from gateway.intake import Intake
from gateway.links.modbus import BusSettings, parse_url
from gateway.profile import Profile, plan_mqtt

PROBE_RATE_PER_S: Final = 20.0
TRIAL_MOST_S: Final = 60.0


class Looking:
    """See the module. heard: by link, what searches heard on topics of no device."""

    def __init__(
        self,
        now: Callable[[], Config],
        editor: Editor,
        drivers: Mapping[str, Driver],
        intake: Intake,
        clock: Clock,
    ) -> None:
        self._now = now
        self._editor = editor
        self._drivers: Mapping[str, object] = drivers
        self._intake = intake
        self._clock = clock
        self.heard: dict[str, dict[str, Stranger]] = {}
        self.traces = Traces(self._numbers, clock)

    def topics(self) -> list[dict[str, Any]]:
        """Topics of no device that were heard of lately."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for link, heard in self.heard.items():
            for stranger in heard.values():
                rows[link, stranger.topic] = stranger_row(link, stranger)
        for link, driver in self._drivers.items():
            if isinstance(driver, Hearing):
                for stranger in driver.strangers():
                    rows.setdefault((link, stranger.topic), stranger_row(link, stranger))
        return list(rows.values())

    def live(self, device_id: str, after_ms: int) -> dict[str, Any]:
        """What a device says now, and its numbers since `after_ms`. Raises NotThere."""
        device, profile = self.known(device_id)
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
            "trace": self.traces.since(device_id, after_ms),
            "order_keys": ORDERS,
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

    def _numbers(self, device_id: str) -> Numbers | None:
        """What a device measures, as last read; None when there is no such device any more.

        A point that tells of duress is not among them: its numbers would say that it was pressed.
        """
        device = next((one for one in self._now().devices if one.id == device_id), None)
        if device is None:
            return None
        driver = self._drivers.get(device.link)
        look = driver.look(device_id) if isinstance(driver, Showing) else None
        if look is not None:
            return numbers_of(look.values)
        watch = self._intake.judge.supervision.watches.get(device_id)
        is_heard = watch is not None and watch.state == "online"
        values: dict[str, Scalar | None] = {}
        for point, now in self._intake.judge.device_points(device):
            if point.kind is not Kind.DURESS and now is not None and now.at_ns > 0:
                # What was a number stays one while it is not heard: the line has a hole there.
                is_number = bool(numbers_of({point.name: now.value}))
                values |= {point.name: now.value if is_heard else None} if is_number else {}
        return numbers_of(values)

    async def trial(self, change: Change) -> tuple[Proposal, dict[str, Any]]:
        """What a device would be if it were saved: nothing is written, nothing stored."""
        proposal = await asyncio.to_thread(self._editor.propose, change, untried=True)
        config = proposal.config
        if config is None:
            return proposal, {}
        try:
            async with asyncio.timeout(TRIAL_MOST_S):
                if change.kind == "camera":
                    return proposal, await self._camera(config, change)
                return proposal, await self._device(config, change)
        except TimeoutError:
            return proposal, {"why": both("太久没有结果", f"nothing within {TRIAL_MOST_S:.0f} s")}

    async def _device(self, config: Config, change: Change) -> dict[str, Any]:
        device = next((one for one in config.devices if one.id == change.device), None)
        if device is None:
            return {}
        profile = config.shelf.get(device.profile_id)
        link = next((one for one in config.links if one.name == device.link), None)
        if profile is None or link is None:
            return {}
        if profile.driver == "modbus":
            return await self._probe(profile, device, link)
        return self._decode(profile, device) if profile.driver == "mqtt" else {}

    @staticmethod
    async def _camera(config: Config, change: Change) -> dict[str, Any]:
        """What a camera says to the account that was typed."""
        camera = next((one for one in config.cameras if one.id == change.device), None)
        return {} if camera is None else await cameras.tried(camera, change.secret)

    async def _probe(self, profile: Profile, device: Device, link: LinkSettings) -> dict[str, Any]:
        settings = parse_url(link.url)
        probe = Probe(profile, device, self._clock)
        asker = self.asker(link.name, settings, PROBE_RATE_PER_S)
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
        heard = dict(self.heard.get(device.link, {}))
        driver = self._drivers.get(device.link)
        if isinstance(driver, Hearing):
            heard = {one.topic: one for one in driver.strangers()} | heard
        rows = [
            sample_row(device.link, one, plan, self._clock.utc_ns())
            for one in heard.values()
            if live.is_on(one.topic, plan.filters)
        ]
        return {"topics": list(plan.filters), "decoded": rows}

    def known(self, device_id: str) -> tuple[Device, Profile]:
        """A device and its model. Raises NotThere."""
        device = next((one for one in self._now().devices if one.id == device_id), None)
        profile = None if device is None else self._now().shelf.get(device.profile_id)
        if device is None or profile is None:
            raise NotThere(device_id)
        return device, profile

    def asker(self, link: str | None, settings: BusSettings, rate_per_s: float) -> Asker:
        """Whoever asks on this bus: through its driver where it is at work (keep 1)."""
        driver = None if link is None else self._drivers.get(link)
        if isinstance(driver, Lending):
            return LentAsker(driver, settings, self._clock, rate_per_s=rate_per_s)
        return Asker(settings, self._clock, rate_per_s=rate_per_s)
