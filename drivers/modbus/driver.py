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
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from pydantic import BaseModel, ConfigDict, Field

from drivers.modbus.bus import Bus
from drivers.modbus.logbook import Logbook
from drivers.modbus.orders import Orders
from drivers.modbus.station import Station
from gateway.clock import Clock
from gateway.driver import Emit, LinkSettings, Look, Notice, Outcome, Recall, nothing_kept
from gateway.errors import LinkDown
from gateway.events import Device
from gateway.links.modbus import ModbusConnection, Request, Strange, listening, parse_url
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
        _share_mailboxes(self._stations.values())
        self._bus = Bus(
            link.name,
            list(self._stations.values()),
            clock,
            period_s=options.alarm_period_seconds,
        )
        self._orders = Orders(self._bus, clock, link.name)
        self._connection: ModbusConnection | None = None
        self._strangers: list[int] = []
        self._stranger = self._caller = ""

    async def run(self, emit: Emit, notice: Notice, recall: Recall = nothing_kept) -> None:
        """Open the bus, poll, and open it again, for ever; it need not be there yet."""
        self._begin_anew()
        try:
            await self._run(emit, notice, recall)
        finally:
            self._bus.lost()  # whoever waits for an answer learns that this run will give none

    async def _run(self, emit: Emit, notice: Notice, recall: Recall) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.outbox.run(emit))
            group.create_task(self._watch_strangers(notice))
            for station in self._stations.values():
                if station.plan.commands:
                    group.create_task(self._orders.keep_up(station))
                for plan in station.plan.logs:
                    book = Logbook(
                        self._bus, self._orders, self._clock, self._link.name, station, plan
                    )
                    group.create_task(book.run(recall))
                if station.plan.queries:
                    group.create_task(self._orders.ask_mailboxes(station))
            await self._keep_open(notice)

    def _begin_anew(self) -> None:
        """Forget what a run that failed had not got to the disk: it is read and told again."""
        self._bus.lost()
        self._bus.outbox.clear()
        self._strangers.clear()

    async def command(self, device_id: str, name: str) -> Outcome:
        """See gateway.driver.Commander."""
        station = self._stations.get(device_id)
        if station is None:
            return Outcome("refused", f"没有设备 {device_id} / no such device on this link")
        if self._connection is None:
            return Outcome("failed", f"链路 {self._link.name} 断开 / the link is down")
        return await self._orders.command(station, name)

    async def lend(self, request: Request, timeout_s: float, pause_s: float) -> bytes:
        """See gateway.driver.Lending."""
        if not 1 <= request.function <= 4:
            raise ValueError(f"function {request.function} writes")
        return await self._bus.ask(request, timeout_s, pause_s)

    def look(self, device_id: str) -> Look | None:
        """See gateway.driver.Showing."""
        station = self._stations.get(device_id)
        if station is None:
            return None
        return Look(
            parts=[
                (part.function, part.address, station.image.words(index))
                for index, part in enumerate(station.plan.parts)
            ],
            values=dict(station.image.values),
            problem=station.problem,
        )

    async def _keep_open(self, notice: Notice) -> None:
        """Open again and again; a port that DTUs call stays open meanwhile (quirk rows 21, 30)."""
        pauses = _Pauses()
        while True:
            try:
                async with listening(self._settings, self._clock, self._called):
                    while True:
                        await self._open_once(notice, pauses)
            except LinkDown as down:  # the port cannot be listened on
                await self._rest(notice, down, pauses)

    async def _open_once(self, notice: Notice, pauses: "_Pauses") -> None:
        began = self._clock.mono_ns()
        try:
            await self._session(notice)
        except LinkDown as down:
            if (self._clock.mono_ns() - began) / 1e9 > STABLE_S:
                pauses.reset()
            await self._rest(notice, down, pauses)

    async def _rest(self, notice: Notice, down: LinkDown, pauses: "_Pauses") -> None:
        self._bus.lost()
        pause_s = pauses.next_s()
        why = f"{down}{self._caller}"
        log.warning(
            "bus lost; trying again", link=self._link.name, why=why, again_in_s=round(pause_s, 1)
        )
        await notice("link", False, why[:256])  # noqa: FBT003 Notice is positional
        await self._clock.sleep(pause_s)

    def _called(self, event: str, said: str) -> None:
        """Remember who called and was not expected, for whoever looks for a wrong digit."""
        log.warning("somebody called", link=self._link.name, what=event, said=said)
        if event in {"unknown", "mute"}:
            self._caller = f"；最近拨入的是 last caller: {event} {said[:64]!r}"

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
                reads=len(self._bus.reads.jobs),
            )
            self._caller = ""
            self._bus.begin(self._settings.char_s if self._settings.rtu else 0.0)
            await self._bus.poll(connection)
        finally:
            self._connection = None
            await connection.close()

    # Strangers on the bus.

    def _strange(self, what: Strange, unit: int, raw: bytes, latency_s: float | None) -> None:
        function_at = 1 if self._settings.rtu else 7
        is_exception = len(raw) > function_at + 1 and bool(raw[function_at] & 0x80)
        self._bus.strange(what, unit, raw[function_at + 1] if is_exception else None, latency_s)
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
                    "总线冲突：有第二个主站或重复的地址，拔掉调试电脑，检查拨码 / "
                    "bus conflict: a second master, or an address given twice "
                    f"({self._stranger})"
                )
                await notice("conflict", False, text)  # noqa: FBT003
            elif not recent and told:
                told = False
                await notice("conflict", True, "")  # noqa: FBT003


class _Pauses:
    """Pauses between attempts: longer each time, and never quite alike for two gateways."""

    def __init__(self) -> None:
        self._next_s = PAUSE_FIRST_S

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = PAUSE_FIRST_S

    def next_s(self) -> float:
        """The pause to make now."""
        pause_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 jitter
        self._next_s = min(self._next_s * 2, PAUSE_MOST_S)
        return pause_s


def _share_mailboxes(stations: Iterable[Station]) -> None:
    """Channels of one controller are devices of one unit, and its mailbox is the unit's."""
    mailboxes: dict[int, asyncio.Lock] = {}
    for station in stations:
        station.mailbox = mailboxes.setdefault(station.plan.unit, station.mailbox)


def _station(profile: Profile, device: Device, timeout_s: float | None) -> Station:
    plan = plan_modbus(profile, device)
    if timeout_s is not None:
        modbus = plan.modbus.model_copy(update={"timeout_s": timeout_s})
        plan = dataclasses.replace(plan, modbus=modbus)
    return Station(device, plan, Image(device.id, device.points, plan.layout))
