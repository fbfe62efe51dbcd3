"""The ways to devices: each link's driver, behind its embedded broker if it has one.

Owns    making a link's driver and running it again, and what a link's health means for the rest.
Needs   the configuration, the intake; finds drivers by the name of their folder.
Keeps   A link that fails is one fault, and no other link is touched by it.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from gateway.clock import Clock
from gateway.config import Config
from gateway.config.settings import EmbeddedBroker as BrokerEntry
from gateway.driver import Changeable, Choosy, Driver, LinkSettings, Notice, find_driver
from gateway.errors import LinkDown
from gateway.events import Device
from gateway.intake import Intake
from gateway.links.broker import ACK_WAIT_S, BrokerSettings, BrokerUser, EmbeddedBroker
from gateway.metrics import Metrics
from gateway.profile import Profile
from gateway.rules.ledger import Ledger
from gateway.words import Said

Keep = Callable[[str, Callable[[], Any]], Coroutine[Any, Any, None]]
"""Run a part for ever under a name; see supervise.keep_running."""


class Sources:
    """See the module.

    drivers  filled here: the driver of each link by the link's name, once it is made
    reasons  why the gateway is not ready yet; a link's goes when it has answered or failed
    """

    def __init__(
        self,
        config: Config,
        intake: Intake,
        clock: Clock,
        drivers: dict[str, Driver],
        *,
        keep: Keep,
        reasons: dict[str, str],
    ) -> None:
        self._config = config
        self._intake = intake
        self._clock = clock
        self._drivers = drivers
        self._keep = keep
        self._reasons = reasons
        self._up: dict[str, bool] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run_all(self) -> None:
        """Run every link, and whichever change() adds, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for link in self._config.links:
                self._tasks[link.name] = group.create_task(self.run(link))
            await asyncio.Event().wait()

    async def change(self, config: Config, touched: Collection[str]) -> list[str]:
        """Serve this configuration's links and devices; what is as it was is not touched.

        touched  names of links with other devices than before, or other profiles of theirs
        returns  the names of links whose driver was ended and begun again, sorted
        """
        assert self._group is not None  # noqa: S101 whoever changes something runs it
        before, self._config = self._config, config
        anew: list[str] = []
        wanted = {link.name: link for link in config.links}
        for link in before.links:
            is_other = wanted.get(link.name) != link or (
                before.embedded.get(link.name) != config.embedded.get(link.name)
            )
            if is_other:
                await self._end(link.name)
                anew += [link.name] if link.name in wanted else []
            elif link.name in touched:
                anew += [] if await self._changed(link) else [link.name]
        for name, link in wanted.items():
            if name not in self._tasks:
                self._tasks[name] = self._group.create_task(self.run(link))
        return sorted(anew)

    async def _changed(self, link: LinkSettings) -> bool:
        """Give a link's driver its devices; one that cannot take them is ended, to begin anew."""
        driver: object = self._drivers.get(link.name)
        if isinstance(driver, Changeable):
            await driver.change(*self._served(link.name))
            return True
        await self._end(link.name)
        return False

    async def _end(self, name: str) -> None:
        """End a link and forget what was wrong with it; nothing it has read is lost.

        What its driver had handed over is in line and is judged; what it had not is not
        acknowledged, and is sent or read again.
        """
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._drivers.pop(name, None)
        self._up.pop(name, None)
        self._reasons.pop(f"link.{name}", None)
        judge = self._intake.judge

        def forget(ledger: Ledger) -> None:
            judge.supervision.forget_link(name)
            for fault in judge.own_open():
                if fault.attributes.get("link") == name:
                    judge.book.restored(ledger, fault.device, fault.point, None)

        await self._intake.command(forget)

    def _served(self, name: str) -> tuple[list[Device], dict[str, Profile]]:
        devices = [device for device in self._config.devices if device.link == name]
        profiles = {}
        for device in devices:
            profile = self._config.shelf.get(device.profile_id)
            if profile is not None:
                profiles[device.profile_id] = profile
        return devices, profiles

    async def run(self, link: LinkSettings) -> None:
        """Run one link until cancelled."""
        notice = self._notice(link.name)
        entry = self._config.embedded.get(link.name)
        async with asyncio.TaskGroup() as group:
            broker = None
            if entry is not None:
                broker = _broker(entry, link, self._clock, notice)
                link = dataclasses.replace(
                    link,
                    username=broker.username,
                    password=broker.password,
                    options={
                        **link.options,
                        "protocol": "3.1.1",  # it speaks no other
                        "resume_hold_seconds": ACK_WAIT_S * 1.25,
                    },
                )
                group.create_task(self._keep(f"broker.{link.name}", broker.run))
            await self._drive(link, broker, notice)

    def count(self, metrics: Metrics) -> None:
        """Have what no device's topic took shown, for each link whose driver counts it."""
        metrics.counter(
            "campus_unknown_topic",
            "messages on topics of no device, acknowledged and dropped",
            "link",
            lambda: [
                (name, driver.unknown_topics)
                for name, driver in list(self._drivers.items())
                if isinstance(driver, Choosy)
            ],
        )

    async def _drive(
        self,
        link: LinkSettings,
        broker: EmbeddedBroker | None,
        notice: Notice,
    ) -> None:
        if broker is not None:
            with contextlib.suppress(LinkDown):  # the driver tries again, and says so
                await broker.wait_ready(30.0)
        driver = find_driver(link.kind)(link, *self._served(link.name), self._clock)
        self._drivers[link.name] = driver

        async def watched(what: str, healthy: bool, text: str) -> None:  # noqa: FBT001 Notice
            await notice(what, healthy, text)
            if broker is not None and what == "link" and healthy:
                await broker.admit()

        async def part() -> None:
            await driver.run(self._intake.emit, watched, self._intake.judge.recall)

        await self._keep(f"driver.{link.name}", part)

    def _notice(self, link: str) -> Notice:
        """Turn a link's health into faults of the gateway, and into what supervision knows."""

        async def notice(what: str, healthy: bool, text: str) -> None:  # noqa: FBT001 Notice
            if what == "session":
                if not healthy:
                    self._intake.forget_session(link)
                return
            if what == "link" and self._up.get(link) is not healthy:
                self._up[link] = healthy
                self._reasons.pop(f"link.{link}", None)
                self._intake.post(
                    lambda ledger: self._intake.judge.supervision.link(
                        link, healthy=healthy, ledger=ledger
                    )
                )
            self._intake.fault(
                f"{what}.{link}" if what in {"link", "broker"} else f"{link}.{what}",
                _said(what, link, text),
                active=not healthy,
                attributes={"link": link, "why": text[:256]},
            )

        return notice


def _said(what: str, link: str, text: str) -> Said:
    """What people are told of a link; a driver's own words are "Chinese / English"."""
    if what == "link":
        return Said(f"链路 {link} 故障", f"link {link} is down")
    amiss = Said(f"链路 {link} 异常", f"something is amiss on link {link}: {what}")
    return Said.split(text).either(amiss)


def _broker(entry: BrokerEntry, link: LinkSettings, clock: Clock, notice: Notice) -> EmbeddedBroker:
    users: tuple[BrokerUser, ...] = ()
    if entry.username is not None and entry.password is not None:
        users = (BrokerUser(name=entry.username, password=entry.password),)
    settings = BrokerSettings(
        folder=entry.folder,
        host=entry.listen_host,
        port=entry.port,
        devices=users,
        anonymous=entry.username is None and link.username is None,
    )
    if link.username is not None and link.password is not None:
        settings = dataclasses.replace(settings, username=link.username, password=link.password)
    return EmbeddedBroker(settings, clock, notice)
