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
from gateway.config import Config
from gateway.config.edit import Change, Editor, Proposal
from gateway.config.inspection import both
from gateway.console.install_asked import NotThere
from gateway.driver import Driver, Hearing, Lending, LinkSettings, Showing, Stranger
from gateway.errors import LinkDown
from gateway.events import Device
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

    def live(self, device_id: str) -> dict[str, Any]:
        """What a device says now. Raises NotThere."""
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
        """What a device would be if it were saved: nothing is written, nothing stored."""
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
