"""What is done to a device on purpose: commands, mailbox queries, and its own log read out.

Owns    the order of writes, the proof that something was done, and how far a log has been read.
Needs   bus.py for the turn, gateway.profile for the plans.
Keeps   1. Nothing is written that Device.commands does not name.
        2. The echo of a write proves nothing: with a `confirm` the outcome is done or failed.
        3. A log entry is taken off, or counted as read, only after it is on disk (promise 1).
"""

import asyncio
from typing import Final

import structlog

from drivers.modbus.bus import Bus, Station
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Outcome, Recall
from gateway.errors import DeviceError
from gateway.events import Arrival, Garbled, Scalar
from gateway.links.modbus import Refused, Request, Silent, Wrong
from gateway.profile import BadFormula, CommandPlan, LogPlan, QueryPlan, Write
from gateway.profile.payload import Garble
from gateway.profile.rules import typed

TRIES: Final = 3
"""Of one write of an idempotent command that was not answered."""
BUSY_PAUSE_S: Final = 0.5
LOOK_AGAIN_S: Final = 0.1
LOG_PAUSE_S: Final = 5.0
"""After a log could not be read."""

log = structlog.get_logger()


class Orders:
    """See the module. One for each bus."""

    def __init__(self, bus: Bus, clock: Clock, link: str) -> None:
        self._bus = bus
        self._clock = clock
        self._link = link
        self._refresh: dict[str, tuple[CommandPlan, int]] = {}

    # Commands.

    async def command(self, station: Station, name: str) -> Outcome:
        """See gateway.driver.Commander."""
        plan = station.plan.commands.get(name)
        if plan is None:
            known = ", ".join(station.plan.commands) or "(无 none)"
            return Outcome("refused", f"没有命令 {name}；有 no such command; there are {known}")
        if name not in station.device.commands:
            return Outcome(
                "refused",
                f"设备 {station.device.id} 不允许 {name}：在 devices.toml 写 commands = [{name!r}] "
                f"/ not allowed for this device: name it in its `commands`",
            )
        outcome = await self._carry_out(station, plan)
        self._refresh.pop(station.device.id, None)
        if plan.refresh_s is not None and outcome.state in {"done", "sent"}:
            due = self._clock.mono_ns() + int(plan.refresh_s * 1e9)
            self._refresh[station.device.id] = (plan, due)
        log.info(
            "command", link=self._link, device=station.device.id, command=name,
            state=outcome.state, why=outcome.why,
        )  # fmt: skip
        return outcome

    async def _carry_out(self, station: Station, plan: CommandPlan) -> Outcome:
        tries = TRIES if plan.idempotent else 1
        try:
            for write in plan.writes:
                crash.here("modbus.command")
                await self._write(station, plan, write, tries)
                if write.wait_s:
                    await self._clock.sleep(write.wait_s)
        except (Silent, Refused, Wrong) as error:
            if plan.confirm is None:  # else only reading back tells
                return Outcome("failed", str(error))
        except DeviceError as error:
            return Outcome("failed", str(error))
        if plan.confirm is None:
            return Outcome("sent", "设备已接受，未证实 accepted by the device, nothing proves it")
        return await self._proved(station, plan)

    async def _write(self, station: Station, plan: CommandPlan, write: Write, tries: int) -> None:
        """One write; busy means nothing was done, so that is always tried again."""
        request = _request(0 if plan.broadcast else station.plan.unit, write)
        timeout_s = plan.timeout_s or station.plan.modbus.timeout_s
        busy = station.plan.modbus.busy
        for left in reversed(range(max(tries, 1))):
            try:
                await self._bus.ask(request, timeout_s)
            except Wrong:
                if plan.any_echo:
                    return
                if not left:
                    raise
            except Refused as refused:
                if refused.code not in busy or not left:
                    raise
                await self._clock.sleep(BUSY_PAUSE_S)
            except Silent:
                if not left:
                    raise
            else:
                return

    async def _proved(self, station: Station, plan: CommandPlan) -> Outcome:
        """Read again and again until the proof is there, or its time is over."""
        proof = plan.confirm
        assert proof is not None  # noqa: S101 the caller has looked
        until = self._clock.mono_ns() + int(proof.within_s * 1e9)
        said = "未知 unknown"
        while True:
            try:
                value = await self._fresh(station, proof.value)
            except (Silent, Refused, Wrong) as error:
                said = str(error)
            except DeviceError as error:
                return Outcome("failed", str(error))
            else:
                if proof.holds(value):
                    return Outcome("done", f"{proof.value} = {value}")
                said = f"{proof.value} = {value}"
            if self._clock.mono_ns() >= until:
                why = (
                    f"{proof.within_s:g} 秒内未证实 not proved within {proof.within_s:g} s: {said}"
                )
                return Outcome("failed", why)
            await self._clock.sleep(LOOK_AGAIN_S)

    async def keep_up(self) -> None:
        """Send what has to be repeated, and what stored readings have earned; for ever."""
        while True:
            try:
                async with asyncio.timeout(0.5):
                    station, name = await self._bus.earned.get()
            except TimeoutError:
                await self._refresh_due()
                continue
            outcome = await self.command(station, name)
            if outcome.state in {"failed", "refused"}:
                await self._tell(
                    station, f"确认命令 {name} 未成 acknowledging failed: {outcome.why}"
                )

    async def _refresh_due(self) -> None:
        now = self._clock.mono_ns()
        for station in self._bus.stations:
            plan, due = self._refresh.get(station.device.id, (None, 0))
            if plan is None or plan.refresh_s is None or due > now:
                continue
            outcome = await self._carry_out(station, plan)
            self._refresh[station.device.id] = (plan, now + int(plan.refresh_s * 1e9))
            if outcome.state == "failed":
                await self._tell(station, f"刷新 {plan.name} 未成 refreshing failed: {outcome.why}")

    # Queries.

    async def query(self, station: Station, plan: QueryPlan) -> None:
        """Fill a mailbox, wait until it has cleared, read what is in it; told when it fails."""
        try:
            await self._query(station, plan)
        except DeviceError as error:
            await self._tell(station, f"查询 {plan.name} 失败 the query failed: {error}")

    async def _query(self, station: Station, plan: QueryPlan) -> None:
        timeout_s = station.plan.modbus.timeout_s
        for write in plan.writes:
            await self._bus.ask(_request(station.plan.unit, write), timeout_s)
            await self._clock.sleep(write.wait_s)
        until = self._clock.mono_ns() + int(plan.done.within_s * 1e9)
        while not plan.done.holds(await self._fresh(station, plan.done.value)):
            if self._clock.mono_ns() > until:
                raise DeviceError(f"{plan.done.value} 没有清零 did not clear")
            await self._clock.sleep(LOOK_AGAIN_S)
        for name, accepted in plan.good:
            value = await self._fresh(station, name)
            if value is None or typed(value) not in accepted:
                raise DeviceError(f"{name} = {value}")
        for part in plan.parts:
            await self._read_part(station, part)

    async def _fresh(self, station: Station, name: str) -> Scalar | None:
        """A value as it is now."""
        for part, meaning in enumerate(station.plan.layout.parts):
            if any(each == name for each, _ in meaning.readers):
                await self._read_part(station, part)
        return station.image.values.get(name)

    async def _read_part(self, station: Station, index: int) -> None:
        part = station.plan.parts[index]
        request = Request.read(station.plan.unit, part.function, part.address, part.count)
        data = await self._bus.ask(request, station.plan.modbus.timeout_s)
        self._bus.took_aside(station, index, data)

    async def ask_mailboxes(self, station: Station) -> None:
        """Make every allowed query of a device when it is due; for ever."""
        due = {plan.name: 0 for plan in station.plan.queries}
        while True:
            for plan in station.plan.queries:
                if plan.name in station.device.commands and due[plan.name] <= self._clock.mono_ns():
                    await self.query(station, plan)
                    due[plan.name] = self._clock.mono_ns() + int(plan.every_s * 1e9)
            await self._clock.sleep(1.0)

    # Logs.

    async def read_log(self, station: Station, plan: LogPlan, recall: Recall) -> None:
        """Follow a device's log for ever, from where it was left when the gateway last ran."""
        reader = self._ring if plan.kind == "ring" else self._queue
        told = ""
        while True:
            station.changed.clear()
            try:
                await reader(station, plan, recall)
                told = ""
            except (DeviceError, Garble, BadFormula) as error:
                if str(error) != told:
                    told = str(error)
                    await self._tell(
                        station, f"日志 {plan.name} 读不出 the log cannot be read: {told}"
                    )
                await self._clock.sleep(LOG_PAUSE_S)
                continue
            try:
                async with asyncio.timeout(1.0):
                    await station.changed.wait()
            except TimeoutError:
                continue

    async def _ring(self, station: Station, plan: LogPlan, recall: Recall) -> None:
        newest = station.image.values.get(plan.counter)
        if not isinstance(newest, int) or isinstance(newest, bool):
            return
        mark = recall(station.device.id, _mark(plan))
        if mark is None:
            # The first time ever: what was there before us is the installer's to look at.
            await self._remember(station, plan, newest)
            return
        waiting = (newest - int(mark)) % plan.wrap
        if waiting > plan.wrap // 2:  # it went back: the device's memory was cleared
            waiting = min(newest, plan.size)
        if waiting > plan.size:
            lost = waiting - plan.size
            waiting = plan.size
            await self._tell(
                station,
                f"日志 {plan.name} 有 {lost} 条被覆盖 {lost} entries were overwritten unread",
            )
        for number in range(newest - waiting + 1, newest + 1):
            await self._entry(station, plan, number % plan.wrap)

    async def _queue(self, station: Station, plan: LogPlan, recall: Recall) -> None:
        del recall  # the device itself knows what was taken off
        pending = station.image.values.get(plan.counter)
        if not isinstance(pending, (int, float)) or not pending:
            return
        if plan.ack is None or plan.ack not in station.device.commands:
            raise DeviceError(
                f"有 {pending} 条而不许取走：在 commands 写 {plan.ack!r} / entries wait and may "
                "not be taken off: name the command in the device's `commands`"
            )
        await self._entry(station, plan, 0)
        outcome = await self.command(station, plan.ack)
        if outcome.state not in {"done", "sent"}:
            raise DeviceError(outcome.why)
        await self._fresh(station, plan.counter)

    async def _entry(self, station: Station, plan: LogPlan, number: int) -> None:
        request = Request.read(
            station.plan.unit, plan.function, plan.address_of(number), plan.words
        )
        data = await self._bus.ask(request, station.plan.modbus.timeout_s)
        received = self._clock.utc_ns()
        name = station.device.id
        arrival = Arrival(
            link=self._link,
            readings=[],
            devices=(name,),
            marks=((name, _mark(plan), str(number)),) if plan.kind == "ring" else (),
        )
        try:
            arrival.readings = plan.meaning.decode(name, number, data, received)
        except Garble as problem:
            why = f"日志 {plan.name} 第 {number} 条 entry {number}: {problem}"
            arrival.garbled = Garbled(
                device_id=name, why=why, raw=data, size_bytes=len(data), received_ns=received
            )
        await self._bus.hand_over(arrival)
        crash.here("modbus.log")

    async def _remember(self, station: Station, plan: LogPlan, number: int) -> None:
        name = station.device.id
        await self._bus.hand_over(
            Arrival(link=self._link, readings=[], marks=((name, _mark(plan), str(number)),))
        )

    async def _tell(self, station: Station, why: str) -> None:
        """A fault of this device that a person has to see; its raw bytes are none."""
        log.warning("device", link=self._link, device=station.device.id, why=why)
        received = self._clock.utc_ns()
        garbled = Garbled(
            device_id=station.device.id, why=why, raw=b"", size_bytes=0, received_ns=received
        )
        await self._bus.hand_over(Arrival(link=self._link, readings=[], garbled=garbled))


def _mark(plan: LogPlan) -> str:
    return f"log.{plan.name}"


def _request(unit: int, write: Write) -> Request:
    if write.function == 5:
        return Request.write_coil(unit, write.address, write.values[0])
    if write.function == 6:
        return Request.write_register(unit, write.address, write.values[0])
    if write.function == 15:
        return Request.write_coils(unit, write.address, [bool(value) for value in write.values])
    return Request.write_registers(unit, write.address, write.values)
