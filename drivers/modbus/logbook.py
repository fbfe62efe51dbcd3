"""A device's own log, fetched entry by entry.

Owns    how far each log has been read; remembered in the store with the entries themselves.
Needs   orders.py for the acknowledging command and for telling, bus.py for the turn.
Keeps   1. An entry is taken off, or counted as read, only after it is on disk (promise 1).
        2. An entry is rather told twice than not at all. Twice happens only to a queue without
           device times, when this process dies between storing an entry and taking it off.
        3. What a device overwrote or cleared before we came is told as a fault.
Bounds  a log is looked at every LOOK_S and whenever something new was read; one entry of each log
        is on its way at any time.
"""

import asyncio
import hashlib
from typing import Final

from drivers.modbus.bus import Bus
from drivers.modbus.orders import Orders
from drivers.modbus.station import Station
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Recall
from gateway.errors import DeviceError, LinkDown
from gateway.events import Arrival, Garbled, Reading
from gateway.links.modbus import Request, Silent
from gateway.profile import BadFormula, LogPlan
from gateway.profile.payload import Garble

LOOK_S: Final = 1.0
AGAIN_S: Final = 5.0
"""After a log could not be read."""
DIGEST_CHARS: Final = 16


class Logbook:
    """One log of one device."""

    def __init__(
        self, bus: Bus, orders: Orders, clock: Clock, link: str, station: Station, plan: LogPlan
    ) -> None:
        self._bus = bus
        self._orders = orders
        self._clock = clock
        self._link = link
        self._station = station
        self._plan = plan
        self._name = f"log.{plan.name}"

    async def run(self, recall: Recall) -> None:
        """Follow it for ever, from where it was left when the gateway last ran."""
        station = self._station
        follow = self._ring if self._plan.kind == "ring" else self._queue
        while True:
            station.changed.clear()
            try:
                await follow(recall)
            except (LinkDown, Silent):  # the bus tells that
                await self._clock.sleep(LOOK_S)
                continue
            except (DeviceError, BadFormula) as error:
                why = f"日志 {self._plan.name} 读不出 the log cannot be read: {error}"
                await self._orders.trouble(station, self._name, why, True)  # noqa: FBT003
                await self._clock.sleep(AGAIN_S)
                continue
            await self._orders.trouble(station, self._name, "", False)  # noqa: FBT003
            try:
                async with asyncio.timeout(LOOK_S):
                    await station.changed.wait()
            except TimeoutError:
                continue

    def _count(self) -> int | None:
        """The counter as last read; None while it is unknown."""
        value = self._station.image.values.get(self._plan.counter)
        if isinstance(value, (bool, str)) or value is None:
            return None
        return int(value)

    def _mark(self, recall: Recall) -> tuple[int, str] | None:
        """The number and digest of the last entry that was stored; None when there is none."""
        number, _, digest = (recall(self._station.device.id, self._name) or "").partition(":")
        return (int(number), digest) if number.isdecimal() else None

    # Rings: the device counts, we remember.

    async def _ring(self, recall: Recall) -> None:
        plan, newest = self._plan, self._count()
        if newest is None:
            return
        mark = self._mark(recall)
        if mark is None:
            # The first time ever: what was there before us is the installer's to look at.
            await self._store(newest, "", [], None)
            return
        waiting = (newest - mark[0]) % plan.wrap
        if waiting > plan.size:
            if waiting > plan.wrap // 2:  # it went back: the device's memory was cleared
                waiting = min(newest, plan.size)
                lost = "设备的记录被清空过 the device's memory was cleared"
            else:
                lost = f"有 {waiting - plan.size} 条被覆盖 entries were overwritten unread"
                waiting = plan.size
            await self._orders.tell(self._station, f"日志 {plan.name} {lost}")
            if not waiting:
                await self._store(newest, "", [], None)
        for number in range(newest - waiting + 1, newest + 1):
            data = await self._entry(number % plan.wrap)
            await self._keep(number % plan.wrap, number % plan.wrap, data, "")

    # Queues: the device hands out the oldest until it is told to go on.

    async def _queue(self, recall: Recall) -> None:
        plan, station = self._plan, self._station
        while pending := self._count():
            if plan.ack is None or plan.ack not in station.device.commands:
                raise DeviceError(
                    f"有 {pending} 条而不许取走：在 commands 写 {plan.ack!r} / entries wait and "
                    "may not be taken off: name the command in the device's `commands`"
                )
            data = await self._entry(0)
            number, digest = self._numbered(data, recall)
            await self._keep(number, 0, data, digest)
            outcome = await self._orders.command(station, plan.ack)
            if outcome.state not in {"done", "sent"}:
                raise DeviceError(outcome.why)
            await self._store(number, "", [], None)  # from here on the same bytes are another entry
            await self._orders.fresh(station, plan.counter)

    def _numbered(self, data: bytes, recall: Recall) -> tuple[int, str]:
        """Number an entry; one that was stored and not taken off keeps the number it had.

        Entries without the device's time may be equal and yet two: those are never taken for one.
        """
        number, known = self._mark(recall) or (0, "")
        digest = hashlib.sha256(data).hexdigest()[:DIGEST_CHARS]
        if known == digest and self._plan.meaning.observed is not None:
            return number, digest
        return number + 1, digest

    # One entry.

    async def _entry(self, number: int) -> bytes:
        plan, station = self._plan, self._station
        request = Request.read(
            station.plan.unit, plan.function, plan.address_of(number), plan.words
        )
        modbus = station.plan.modbus
        return await self._bus.ask(request, modbus.timeout_s, modbus.pause_s)

    async def _keep(self, number: int, place: int, data: bytes, digest: str) -> None:
        """Store an entry and that it was read; one that does not decode is stored as it is."""
        received = self._clock.utc_ns()
        name, garbled, readings = self._station.device.id, None, []
        try:
            readings = self._plan.meaning.decode(name, number, data, received)
        except Garble as problem:
            why = f"日志 {self._plan.name} 第 {place} 条 entry {place}: {problem}"
            garbled = Garbled(
                device_id=name, why=why, raw=data, size_bytes=len(data), received_ns=received
            )
        await self._store(number, digest, readings, garbled)
        crash.here("modbus.log")

    async def _store(
        self, number: int, digest: str, readings: list[Reading], garbled: Garbled | None
    ) -> None:
        name = self._station.device.id
        value = f"{number}:{digest}" if digest else str(number)
        arrival = Arrival(
            link=self._link, readings=readings, garbled=garbled, marks=((name, self._name, value),)
        )
        await self._bus.outbox.store(arrival)
