"""What is done to a device on purpose: commands and mailbox queries. Logs are in logbook.py.

Owns    the order of writes, and the proof that something was done.
Needs   bus.py for the turn, gateway.profile for the plans.
Keeps   1. Nothing is written that Device.commands does not name.
        2. The echo of a write proves nothing: with a `confirm` the outcome is done or failed.
        3. One order at a time for each device: the steps of two never mix. Devices do not wait for
           one another.
        4. What has to be repeated (refresh_s) ends with the next command that writes to the same
           place, whatever comes of it, and with this process.
Bounds  a command takes at most, for each of its writes, TRIES time-outs and BUSY_TRIES pauses, then
        `within_s` and one time-out of its proof, and the turns of others between.
"""

import asyncio
from typing import Final

import structlog

from drivers.modbus.bus import Bus
from drivers.modbus.station import Station
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Outcome
from gateway.errors import DeviceError, LinkDown
from gateway.events import Arrival, Garbled, Scalar
from gateway.links.modbus import Refused, Request, Silent, Wrong
from gateway.profile import CommandPlan, QueryPlan, Write
from gateway.profile.rules import typed

TRIES: Final = 3
"""Of one write of an idempotent command that was not answered."""
BUSY_TRIES: Final = 3
BUSY_PAUSE_S: Final = 0.5
LOOK_AGAIN_S: Final = 0.1
LOOK_MOST_S: Final = 1.0
LOOK_SLOWER: Final = 1.5
UP_AGAIN_S: Final = 1.0
QUERY_AGAIN_S: Final = 60.0
"""After a mailbox that did not answer as it should."""

log = structlog.get_logger()


class Orders:
    """See the module. One for each bus."""

    def __init__(self, bus: Bus, clock: Clock, link: str) -> None:
        self._bus = bus
        self._clock = clock
        self._link = link
        self._refresh: dict[str, dict[str, int]] = {}
        self._refused: set[tuple[str, str]] = set()

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
        async with station.turn:
            self._end_refreshing(station, plan)
            outcome = await self._carry_out(station, plan)
            if plan.refresh_s is not None and outcome.state in {"done", "sent"}:
                due = self._clock.mono_ns() + int(plan.refresh_s * 1e9)
                self._refresh.setdefault(station.device.id, {})[name] = due
        log.info(
            "command", link=self._link, device=station.device.id, command=name,
            state=outcome.state, why=outcome.why,
        )  # fmt: skip
        return outcome

    def _end_refreshing(self, station: Station, plan: CommandPlan) -> None:
        kept = self._refresh.get(station.device.id)
        for name in list(kept or ()):
            if kept and _places(station.plan.commands[name]) & _places(plan):
                del kept[name]

    async def _carry_out(self, station: Station, plan: CommandPlan) -> Outcome:
        try:
            for write in plan.writes:
                crash.here("modbus.command")
                await self._write(station, plan, write)
                if write.wait_s:
                    await self._clock.sleep(write.wait_s)
        except Refused as refused:  # it said no: nothing was done
            return Outcome("failed", str(refused))
        except (Silent, Wrong) as error:
            if plan.confirm is None:  # else only reading back tells
                return Outcome("failed", str(error))
        except DeviceError as error:
            return Outcome("failed", str(error))
        if plan.confirm is None:
            return Outcome("sent", "设备已接受，未证实 accepted by the device, nothing proves it")
        return await self._proved(station, plan)

    async def _write(self, station: Station, plan: CommandPlan, write: Write) -> None:
        """One write; busy means nothing was done, so that is always tried again."""
        request = _request(0 if plan.broadcast else station.plan.unit, write)
        modbus = station.plan.modbus
        timeout_s = plan.timeout_s or modbus.timeout_s
        tries, busy_tries = TRIES if plan.idempotent else 1, BUSY_TRIES
        while True:
            try:
                await self._bus.ask(request, timeout_s, modbus.pause_s)
            except Refused as refused:
                busy_tries -= 1
                if refused.code not in modbus.busy or busy_tries <= 0:
                    raise
                await self._clock.sleep(BUSY_PAUSE_S)
            except (Wrong, Silent) as error:
                if plan.any_echo and isinstance(error, Wrong):
                    return
                tries -= 1
                if tries <= 0:
                    raise
            else:
                return

    async def _proved(self, station: Station, plan: CommandPlan) -> Outcome:
        """Read again and again, ever more seldom, until the proof is there or its time is over."""
        proof = plan.confirm
        assert proof is not None  # noqa: S101 the caller has looked
        until = self._clock.mono_ns() + int(proof.within_s * 1e9)
        pause_s = LOOK_AGAIN_S
        while True:
            try:
                value = await self.fresh(station, proof.value)
            except (Silent, Refused, Wrong) as error:
                said = str(error)
            except DeviceError as error:
                return Outcome("failed", str(error))
            else:
                if proof.holds(value):
                    return Outcome("done", f"{proof.value} = {value}")
                said = f"{proof.value} = {value}"
            left_s = (until - self._clock.mono_ns()) / 1e9
            if left_s <= 0:
                why = (
                    f"{proof.within_s:g} 秒内未证实 not proved within {proof.within_s:g} s: {said}"
                )
                return Outcome("failed", why)
            await self._clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * LOOK_SLOWER, LOOK_MOST_S)

    async def keep_up(self, station: Station) -> None:
        """Send what stored readings of a device have earned, and what has to be repeated."""
        while True:
            try:
                async with asyncio.timeout(self._rest_s(station)):
                    name = await station.earned.get()
            except TimeoutError:
                await self._refresh_due(station)
                continue
            await self._acknowledge(station, name)

    def _rest_s(self, station: Station) -> float:
        due = min(self._refresh.get(station.device.id, {}).values(), default=None)
        if due is None:
            return UP_AGAIN_S
        return min(max((due - self._clock.mono_ns()) / 1e9, 0.0), UP_AGAIN_S)

    async def _acknowledge(self, station: Station, name: str) -> None:
        outcome = await self.command(station, name)
        key = (station.device.id, name)
        if outcome.state == "refused":  # the installer's choice: said once, and no fault
            if key not in self._refused:
                self._refused.add(key)
                log.warning(
                    "not acknowledged", link=self._link, device=key[0], why=outcome.why
                )  # fmt: skip
        elif outcome.state == "failed":
            await self.tell(station, f"确认命令 {name} 未成 acknowledging failed: {outcome.why}")

    async def _refresh_due(self, station: Station) -> None:
        for name, due in list(self._refresh.get(station.device.id, {}).items()):
            plan = station.plan.commands[name]
            if due > self._clock.mono_ns():
                continue
            async with station.turn:
                kept = self._refresh.get(station.device.id, {})
                if name not in kept:  # ended while we waited for our turn
                    continue
                outcome = await self._carry_out(station, plan)
                again_s = (plan.refresh_s or UP_AGAIN_S) if outcome.state != "failed" else 1.0
                kept[name] = self._clock.mono_ns() + int(again_s * 1e9)
            trouble = f"刷新 {name} 未成 refreshing failed: {outcome.why}"
            await self.trouble(station, f"refresh.{name}", trouble, outcome.state == "failed")

    # Queries.

    async def ask_mailboxes(self, station: Station) -> None:
        """Make every allowed query of a device when it is due; for ever."""
        due = {plan.name: 0 for plan in station.plan.queries}
        while True:
            for plan in station.plan.queries:
                allowed = plan.name in station.device.commands
                is_due = due[plan.name] <= self._clock.mono_ns()
                if allowed and is_due:
                    again_s = await self._query(station, plan)
                    due[plan.name] = self._clock.mono_ns() + int(again_s * 1e9)
            await self._clock.sleep(UP_AGAIN_S)

    async def _query(self, station: Station, plan: QueryPlan) -> float:
        """Fill a mailbox, wait, read; what fails is told. Returns when to do it again."""
        why = ""
        try:
            async with station.mailbox:
                await self._fill_and_read(station, plan)
        except LinkDown:
            return UP_AGAIN_S
        except DeviceError as error:
            why = f"查询 {plan.name} 失败 the query failed: {error}"
        await self.trouble(station, f"query.{plan.name}", why, bool(why))
        return min(plan.every_s, QUERY_AGAIN_S) if why else plan.every_s

    async def _fill_and_read(self, station: Station, plan: QueryPlan) -> None:
        modbus = station.plan.modbus
        for write in plan.writes:
            await self._bus.ask(
                _request(station.plan.unit, write), modbus.timeout_s, modbus.pause_s
            )
            await self._clock.sleep(write.wait_s)
        until = self._clock.mono_ns() + int(plan.done.within_s * 1e9)
        while not plan.done.holds(await self.fresh(station, plan.done.value)):
            if self._clock.mono_ns() > until:
                raise DeviceError(f"{plan.done.value} 没有清零 did not clear")
            await self._clock.sleep(LOOK_AGAIN_S)
        for name, accepted in plan.good:
            value = await self.fresh(station, name)
            if value is None or typed(value) not in accepted:
                raise DeviceError(f"{name} = {value}")
        for part in plan.parts:
            await self._read_part(station, part)

    # Values as they are now.

    async def fresh(self, station: Station, name: str) -> Scalar | None:
        """Read what a value is made of, and return it."""
        for part in _parts_of(station, name):
            await self._read_part(station, part)
        return station.image.values.get(name)

    async def _read_part(self, station: Station, index: int) -> None:
        part, modbus = station.plan.parts[index], station.plan.modbus
        request = Request.read(station.plan.unit, part.function, part.address, part.count)
        data = await self._bus.ask(request, modbus.timeout_s, modbus.pause_s)
        self._bus.told.took_aside(station, index, data)

    # What a person has to see.

    async def trouble(self, station: Station, key: str, why: str, is_there: bool) -> None:  # noqa: FBT001
        """Note that something lasting is wrong, or no more; told when it is news."""
        if is_there:
            news = station.troubles.get(key) != why
            station.troubles[key] = why
        else:
            news = station.troubles.pop(key, None) is not None
        if news:
            log.info("trouble", link=self._link, device=station.device.id, what=key, why=why)
            now, received = self._clock.mono_ns(), self._clock.utc_ns()
            arrival = station.arrival(self._link, [], b"", received, now, alive=not is_there)
            if arrival is not None:
                await self._bus.outbox.store(arrival)

    async def tell(self, station: Station, why: str) -> None:
        """A fault of this device that a person has to see; its raw bytes are none."""
        log.warning("device", link=self._link, device=station.device.id, why=why)
        garbled = Garbled(
            device_id=station.device.id,
            why=why,
            raw=b"",
            size_bytes=0,
            received_ns=self._clock.utc_ns(),
        )
        await self._bus.outbox.store(Arrival(link=self._link, readings=[], garbled=garbled))


def _parts_of(station: Station, name: str) -> list[int]:
    """The parts that hold a value, and those of the values it is made of."""
    layout = station.plan.layout
    needs = {derived.name: derived.needs for derived in layout.derived}
    wanted, looked_at = [name], {name}
    while wanted:
        fresh = needs.get(wanted.pop(), frozenset()) - looked_at
        looked_at |= fresh
        wanted += fresh
    return [
        index
        for index, meaning in enumerate(layout.parts)
        if any(each in looked_at for each, _ in meaning.readers)
    ]


def _places(plan: CommandPlan) -> set[tuple[bool, int]]:
    """What a command writes: (is a coil, address)."""
    return {
        (write.function in {5, 15}, write.address + at)
        for write in plan.writes
        for at in range(len(write.values))
    }


def _request(unit: int, write: Write) -> Request:
    if write.function == 5:
        return Request.write_coil(unit, write.address, write.values[0])
    if write.function == 6:
        return Request.write_register(unit, write.address, write.values[0])
    if write.function == 15:
        return Request.write_coils(unit, write.address, [bool(value) for value in write.values])
    return Request.write_registers(unit, write.address, write.values)
