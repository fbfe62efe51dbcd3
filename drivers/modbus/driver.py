"""One Modbus bus and every device on it.

Owns    opening the bus again and again, and what is told of the bus itself.
Needs   bus.py (the turn), orders.py (what is written), gateway.links.modbus for the bytes.
Keeps   1. After a connection was lost every value is unknown until it was read again (promise 5).
        2. What a stranger does on the bus (a second master, an address given twice) is a fault of
           the bus, told once and restored after CONFLICT_QUIET_S without another sign of it.
"""

import asyncio
import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from drivers.modbus.bus import Bus, Station
from drivers.modbus.orders import Orders
from gateway.clock import Clock
from gateway.driver import Emit, LinkSettings, Notice, Outcome, Recall, nothing_kept
from gateway.errors import LinkDown
from gateway.events import Device
from gateway.links.modbus import ModbusConnection, Strange, listening, parse_url
from gateway.profile import Image, Profile, plan_modbus

SCHEMES: Final = ("tcp", "rtu-over-tcp", "serial", "dial-in")
PAUSE_FIRST_S: Final = 0.5
PAUSE_MOST_S: Final = 10.0
STABLE_S: Final = 30.0
CONFLICT_SIGNS: Final = 3
"""Frames of strangers within CONFLICT_QUIET_S before it is called a conflict."""
CONFLICT_QUIET_S: Final = 60.0

log = structlog.get_logger()


class Options(BaseModel):
    """Keys of a [[link]] of kind modbus beside the common ones.

    alarm_period_seconds  how often what alarms depend on is read, instead of what profiles say
    timeout_seconds       how long to wait for an answer, instead of what profiles say
    drain_seconds         how long a unit that did not answer is left alone on RTU, where a
                          late answer looks like a new one; longer than the slowest there is
    """

    model_config = ConfigDict(extra="forbid")

    alarm_period_seconds: float | None = Field(default=None, ge=0.05, le=60)
    timeout_seconds: float | None = Field(default=None, ge=0.05, le=10)
    drain_seconds: float | None = Field(default=None, ge=0.1, le=10)


class Driver:
    """See the module and gateway.driver.Driver."""

    def __init__(
        self,
        link: LinkSettings,
        devices: Sequence[Device],
        profiles: Mapping[str, Profile],
        clock: Clock,
    ) -> None:
        self._link = link
        self._clock = clock
        options = Options.model_validate(dict(link.options))
        settings = parse_url(link.url)
        if options.drain_seconds is not None:
            settings = dataclasses.replace(settings, drain_s=options.drain_seconds)
        self._settings = settings
        self._stations = {
            device.id: _station(profiles[device.profile_id], device, options.timeout_seconds)
            for device in devices
        }
        self._bus = Bus(
            link.name,
            list(self._stations.values()),
            clock,
            period_s=options.alarm_period_seconds,
        )
        self._orders = Orders(self._bus, clock, link.name)
        self._connection: ModbusConnection | None = None
        self._strangers: list[int] = []
        self._stranger = ""

    async def run(self, emit: Emit, notice: Notice, recall: Recall = nothing_kept) -> None:
        """Open the bus, poll, and open it again, for ever; it need not be there yet."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.hand_on(emit))
            group.create_task(self._orders.keep_up())
            group.create_task(self._watch_strangers(notice))
            for station in self._stations.values():
                for plan in station.plan.logs:
                    group.create_task(self._orders.read_log(station, plan, recall))
                if station.plan.queries:
                    group.create_task(self._orders.ask_mailboxes(station))
            await self._keep_open(notice)

    async def command(self, device_id: str, name: str) -> Outcome:
        """See gateway.driver.Commander."""
        station = self._stations.get(device_id)
        if station is None:
            return Outcome("refused", f"没有设备 {device_id} / no such device on this link")
        if self._connection is None:
            return Outcome("failed", f"链路 {self._link.name} 断开 / the link is down")
        return await self._orders.command(station, name)

    async def _keep_open(self, notice: Notice) -> None:
        pause = PAUSE_FIRST_S
        while True:
            began = self._clock.mono_ns()
            try:
                async with listening(self._settings, self._clock):
                    await self._session(notice)
            except LinkDown as down:
                self._bus.lost()
                log.warning(
                    "bus lost; trying again",
                    link=self._link.name,
                    why=str(down),
                    again_in_s=round(pause, 1),
                )
                await notice("link", False, str(down)[:200])  # noqa: FBT003 Notice is positional
            if (self._clock.mono_ns() - began) / 1e9 > STABLE_S:
                pause = PAUSE_FIRST_S
            await self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 jitter
            pause = min(pause * 2, PAUSE_MOST_S)

    async def _session(self, notice: Notice) -> None:
        connection = await ModbusConnection.open(self._settings, self._clock, self._strange)
        self._connection = connection
        try:
            await notice("link", True, "")  # noqa: FBT003
            log.info(
                "polling",
                link=self._link.name,
                bus=self._settings.where,
                devices=len(self._stations),
                reads=len(self._bus.jobs),
            )
            self._bus.begin()
            await self._bus.poll(connection)
        finally:
            self._connection = None
            await connection.close()

    # Strangers on the bus.

    def _strange(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        self._bus.strange(what, unit, latency_s)
        if what in {"foreign", "unsolicited"}:
            self._strangers.append(self._clock.mono_ns())
            del self._strangers[:-CONFLICT_SIGNS]
            self._stranger = f"{what} {unit}: {raw[:16].hex(' ')}"

    async def _watch_strangers(self, notice: Notice) -> None:
        told = False
        while True:
            await self._clock.sleep(1.0)
            oldest = self._clock.mono_ns() - int(CONFLICT_QUIET_S * 1e9)
            recent = [at for at in self._strangers if at > oldest]
            if len(recent) >= CONFLICT_SIGNS and not told:
                told = True
                text = (
                    "总线冲突：有第二个主站或重复的地址，拔掉调试电脑，检查拨码 "
                    "bus conflict: a second master, or an address given twice "
                    f"({self._stranger})"
                )
                await notice("conflict", False, text)  # noqa: FBT003
            elif not recent and told:
                told = False
                await notice("conflict", True, "")  # noqa: FBT003


def _station(profile: Profile, device: Device, timeout_s: float | None) -> Station:
    plan = plan_modbus(profile, device)
    if timeout_s is not None:
        modbus = plan.modbus.model_copy(update={"timeout_s": timeout_s})
        plan = dataclasses.replace(plan, modbus=modbus)
    return Station(device, plan, Image(device.id, device.points, plan.layout))
