"""One bus at work: ask, take apart, hand over; one dead unit costs the others next to nothing.

Owns    the turn of the bus between jobs (reads), errands (writes, log entries) and probes, the
        health of its units, and the line of arrivals on their way to the disk.
Needs   schedule.py, health.py, a ModbusConnection, the devices' images.
Keeps   1. Errands go before jobs, one at a time between them, so that a valve closes at once and a
           long log does not stop the polling.
        2. Probes of suspended units take at most one part in PROBE_SHARE of the bus's time.
        3. At most MAX_WAITING arrivals wait for the disk; then nothing more is asked.
        4. What a unit sends concerns its own devices only; LinkDown alone concerns them all.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from drivers.modbus.health import Health
from drivers.modbus.schedule import Job, Schedule, rebalance
from gateway import crash
from gateway.clock import Clock
from gateway.driver import Emit
from gateway.errors import DeviceError
from gateway.events import ONLINE_POINT, Arrival, Device, Garbled, Reading
from gateway.links.modbus import ModbusConnection, Refused, Request, Silent, Strange, Wrong
from gateway.links.modbus.planner import Read, Want, plan_reads, split
from gateway.profile import Image, ModbusPlan, Taken

PROBE_SHARE: Final = 10
MAX_WAITING: Final = 2048
BATCH: Final = 512
HEARD_NS: Final = 10_000_000_000
"""A device that has nothing new is said to be heard of this often."""
REFUSED_AGAIN_S: Final = 30.0
BUSY_AGAIN_S: Final = 1.0
COMPLAIN_NS: Final = 10_000_000_000
"""At most one garbled record of a unit in this time."""
REBALANCE_NS: Final = 5_000_000_000
IDLE_S: Final = 1.0

log = structlog.get_logger()


@dataclass(slots=True)
class Station:
    """One device on the bus.

    stuck  the heartbeat value that stopped, None when all is well
    """

    device: Device
    plan: ModbusPlan
    image: Image
    heard_ns: int = 0
    stuck: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Waiting:
    """An arrival on its way to the disk; `earns` are the commands to send once it is there."""

    arrival: Arrival
    stored: asyncio.Future[None] | None
    earns: Sequence[tuple[Station, str]] = ()


class Errand:
    """A request that is made once; `answer` gets its data or its error."""

    __slots__ = ("answer", "request", "timeout_s")

    def __init__(self, request: Request, timeout_s: float) -> None:
        self.request = request
        self.timeout_s = timeout_s
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class Bus:
    """See the module. Made once for a link; run() is called for each connection."""

    def __init__(
        self, link: str, stations: Sequence[Station], clock: Clock, *, period_s: float | None
    ) -> None:
        self._link = link
        self.stations = stations
        self._clock = clock
        self._wants = [
            want for at, each in enumerate(stations) for want in _wants(at, each, period_s)
        ]
        self.jobs = [self._job(read) for read in plan_reads(self._wants)]
        self._units: dict[int, Health] = {each.plan.unit: Health() for each in stations}
        self._parked: dict[int, list[Job]] = {}
        self._schedule = Schedule()
        self._errands: deque[Errand] = deque()
        self._wake = asyncio.Event()
        self._out: list[_Waiting] = []
        self._out_ready = asyncio.Event()
        self._out_room = asyncio.Event()
        self.earned: asyncio.Queue[tuple[Station, str]] = asyncio.Queue()
        self._probe_free_ns = 0
        self._complained: dict[int, int] = {}
        self._rebalance_ns = 0
        self.wanted = 0.0

    # What the driver calls.

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        """Make one request in turn; raises what ModbusConnection.ask raises."""
        errand = Errand(request, timeout_s)
        self._errands.append(errand)
        self._wake.set()
        return await errand.answer

    async def hand_over(self, arrival: Arrival) -> None:
        """Have an arrival stored, behind what already waits; returns when it is on disk."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._out.append(_Waiting(arrival, stored))
        self._out_ready.set()
        await stored

    def strange(self, what: Strange, unit: int, latency_s: float | None) -> None:
        """Note a frame nobody asked for; a late one is a sign of life."""
        health = self._units.get(unit)
        if what == "late" and health is not None and latency_s is not None:
            health.late(latency_s, self._clock.mono_ns())
            self._wake.set()

    def begin(self) -> None:
        """A connection is there: everything is unknown and wanted now, alarms first."""
        now = self._clock.mono_ns()
        self._schedule = Schedule()
        self._parked = {}
        for unit, health in self._units.items():
            if health.suspended:
                self._parked[unit] = [job for job in self.jobs if job.read.unit == unit]
                health.probe_ns = now
        for job in self.jobs:
            if job.read.unit not in self._parked:
                self._schedule.put(job, now)

    def took_aside(self, station: Station, part: int, data: bytes) -> None:
        """Take what an errand read of a part."""
        received, now = self._clock.utc_ns(), self._clock.mono_ns()
        taken = station.image.take(part, data, received, now)
        if taken.readings or taken.problem:
            self._tell(station, taken, data, received, now)

    def lost(self) -> None:
        """The connection is gone: nothing of any device is known, and no errand will be run."""
        for station in self.stations:
            station.image.forget()
        while self._errands:
            answer = self._errands.popleft().answer
            if not answer.done():
                answer.set_exception(DeviceError("链路断开 / the link is down"))

    # The bus.

    async def poll(self, connection: ModbusConnection) -> None:
        """Work until the connection is lost: raises LinkDown."""
        while True:
            if len(self._out) > MAX_WAITING:
                self._out_room.clear()
                await self._out_room.wait()
            if self._errands:
                await self._run(connection, self._errands.popleft())
            now = self._clock.mono_ns()
            if now >= self._rebalance_ns:
                self._rebalance_ns = now + REBALANCE_NS
                self.wanted = rebalance(self.jobs)
            job = self._probe(now) or self._schedule.pop(now)
            if job is not None:
                await self._do(connection, job, now)
            elif not self._errands:
                await self._pause(now)

    async def _pause(self, now: int) -> None:
        self._wake.clear()
        times = [health.probe_ns for unit, health in self._units.items() if unit in self._parked]
        until = [max(min(times), self._probe_free_ns)] if times else []
        due = self._schedule.next_ns()
        until += [] if due is None else [due]
        rest = (min(until) - now) / 1e9 if until else IDLE_S
        if rest > 0:
            try:
                async with asyncio.timeout(min(rest, IDLE_S)):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _probe(self, now: int) -> Job | None:
        """The job that asks whether a suspended unit is there again, when it is time for one."""
        if not self._parked or now < self._probe_free_ns:
            return None
        unit = min(self._parked, key=lambda number: self._units[number].probe_ns)
        if self._units[unit].probe_ns > now:
            return None
        jobs = self._parked[unit]
        return next((job for job in jobs if job.read.urgent), jobs[0])

    async def _run(self, connection: ModbusConnection, errand: Errand) -> None:
        try:
            data = await connection.ask(errand.request, errand.timeout_s)
        except DeviceError as error:
            if not errand.answer.done():
                errand.answer.set_exception(error)
            if not isinstance(error, (Silent, Refused, Wrong)):
                raise
        else:
            if not errand.answer.done():
                errand.answer.set_result(data)

    async def _do(self, connection: ModbusConnection, job: Job, began: int) -> None:
        unit = job.read.unit
        health = self._units[unit]
        quiet_s = connection.quiet_s(unit)
        if quiet_s > 0:  # its late answer may still come: others go first
            health.probe_ns = max(health.probe_ns, began + int(quiet_s * 1e9))
            if not health.suspended:
                self._schedule.put(job, began + int(quiet_s * 1e9))
            return
        timeout_s = job.timeout_s
        probing = health.suspended
        if probing:
            timeout_s = health.probe_timeout_s(timeout_s)
        try:
            data = await connection.ask(job.request, timeout_s, job.pause_s)
        except Silent as silent:
            self._silent(job, health, str(silent))
        except Refused as refused:
            self._refused(job, health, refused)
        except Wrong as wrong:
            self._answered(job, health)
            self._complain(job, wrong.why, wrong.raw)
            self._schedule.again(job, self._clock.mono_ns())
        else:
            now = self._clock.mono_ns()
            job.took((now - began) / 1e9)
            if health.suspended:
                self._answered(job, health)
            else:
                health.answered(now)
            self._took(job, data, now)
            self._schedule.again(job, now)
        if probing:
            now = self._clock.mono_ns()
            self._probe_free_ns = now + (now - began) * PROBE_SHARE

    # What came of it.

    def _took(self, job: Job, data: bytes, now: int) -> None:
        received = self._clock.utc_ns()
        function = job.read.function
        for owner, parts in job.pieces:
            station = self.stations[owner]
            if job.whole:
                taken = station.image.take(parts[0][0], data, received, now)
            else:
                mine = [(part, _cut(data, at, count, function)) for part, at, count in parts]
                taken = station.image.take_all(mine, received, now)
            if station.plan.layout.heartbeats and self._is_stuck(station, received, now):
                continue
            if taken.readings or taken.problem or now - station.heard_ns > HEARD_NS:
                self._tell(station, taken, data, received, now)

    def _tell(self, station: Station, taken: Taken, data: bytes, received: int, now: int) -> None:
        station.heard_ns = now
        garbled = None
        if taken.problem is not None:
            garbled = Garbled(
                device_id=station.device.id,
                why=taken.problem,
                raw=data,
                size_bytes=len(data),
                received_ns=received,
            )
        self._put(
            Arrival(
                link=self._link,
                readings=taken.readings,
                devices=(station.device.id,),
                garbled=garbled,
            ),
            [(station, name) for name in taken.acks],
        )
        if taken.readings:
            station.changed.set()

    def _is_stuck(self, station: Station, received: int, now: int) -> bool:
        """Watch its heartbeat: a device that answers with yesterday's values is not there."""
        name = station.image.stuck(now)
        if name is not None and station.stuck is None:
            station.stuck = name
            why = f"心跳 {name} 不再变化，数值不可信 heartbeat {name} has stopped: not believed"
            self._put(self._gone([station], why, received))
        elif name is None and station.stuck is not None:
            station.stuck = None
            station.image.forget()  # so that everything is said anew
        return station.stuck is not None

    def _answered(self, job: Job, health: Health) -> None:
        now = self._clock.mono_ns()
        unit = job.read.unit
        if health.answered(now):
            log.info("unit answers again", link=self._link, unit=unit)
            for parked in self._parked.pop(unit, []):
                if parked is not job:
                    self._schedule.put(parked, now)

    def _silent(self, job: Job, health: Health, why: str) -> None:
        now = self._clock.mono_ns()
        unit = job.read.unit
        if health.silent(now):
            stations = [each for each in self.stations if each.plan.unit == unit]
            for station in stations:
                station.image.forget()
            if health.late_s:
                why += (
                    f"；它 {health.late_s:.2f} 秒后才应答，请加大超时"
                    f"; it answered after {health.late_s:.2f} s: raise timeout_seconds of the link"
                )
            log.warning("unit is silent", link=self._link, unit=unit, why=why)
            self._put(self._gone(stations, why, self._clock.utc_ns()))
        if not health.suspended:
            self._schedule.put(job, now)
        elif unit not in self._parked:
            self._parked[unit] = [other for other in self.jobs if other.read.unit == unit]
            self._schedule.drop(unit)

    def _refused(self, job: Job, health: Health, refused: Refused) -> None:
        modbus = self.stations[job.read.slices[0].owner].plan.modbus
        code, now = refused.code, self._clock.mono_ns()
        if code in modbus.silent:
            self._silent(job, health, str(refused))
            return
        self._answered(job, health)
        if code in modbus.busy:
            self._schedule.put(job, now + int(BUSY_AGAIN_S * 1e9))
            return
        pieces = split(job.read, self._wants) if code in {2, 3} else [job.read]
        if len(pieces) > 1:
            # One address that is not there must not blind its neighbours (quirk row 6).
            log.warning("read refused; asked in smaller pieces", link=self._link, why=str(refused))
            fresh = [self._job(piece) for piece in pieces]
            self.jobs[:] = [other for other in self.jobs if other is not job] + fresh
            for each in fresh:
                self._schedule.put(each, now)
            return
        read = job.read
        why = (
            f"寄存器被拒绝 function {read.function} address {read.address} × {read.count}: "
            f"exception {code}; {REFUSED_AGAIN_S:.0f} s 后再问 asked again then"
        )
        self._complain(job, why, bytes((read.unit, 0x80 | read.function, code)))
        self._schedule.put(job, now + int(REFUSED_AGAIN_S * 1e9))

    def _complain(self, job: Job, why: str, raw: bytes) -> None:
        """Keep what a unit sent wrong, for every device that waits for it; not too often."""
        now = self._clock.mono_ns()
        if now - self._complained.get(job.read.unit, -COMPLAIN_NS) < COMPLAIN_NS:
            return
        self._complained[job.read.unit] = now
        for owner in sorted({piece.owner for piece in job.read.slices})[:BATCH]:
            garbled = Garbled(
                device_id=self.stations[owner].device.id,
                why=why,
                raw=raw,
                size_bytes=len(raw),
                received_ns=self._clock.utc_ns(),
            )
            self._put(Arrival(link=self._link, readings=[], garbled=garbled))

    def _gone(self, stations: Sequence[Station], why: str, received: int) -> Arrival:
        return Arrival(
            link=self._link,
            readings=[
                Reading(
                    device_id=station.device.id,
                    point=ONLINE_POINT,
                    received_ns=received,
                    value=False,
                    attributes={"why": why[:256]},
                )
                for station in stations
            ],
        )

    def _put(self, arrival: Arrival, earns: Sequence[tuple[Station, str]] = ()) -> None:
        self._out.append(_Waiting(arrival, None, earns))
        self._out_ready.set()

    async def hand_on(self, emit: Emit) -> None:
        """Take arrivals to the disk, for ever; what they earn is earned only behind it."""
        while True:
            await self._out_ready.wait()
            batch, self._out = self._out[:BATCH], self._out[BATCH:]
            if not self._out:
                self._out_ready.clear()
            await emit([waiting.arrival for waiting in batch])
            crash.here("modbus.stored")
            self._out_room.set()
            for waiting in batch:
                if waiting.stored is not None and not waiting.stored.done():
                    waiting.stored.set_result(None)
                for earned in waiting.earns:
                    self.earned.put_nowait(earned)

    def _job(self, read: Read) -> Job:
        owners = [self.stations[piece.owner].plan.modbus for piece in read.slices]
        return Job(
            read,
            timeout_s=max(modbus.timeout_s for modbus in owners),
            pause_s=max(modbus.pause_s for modbus in owners),
            period_s=read.period_s,
        )


def _wants(owner: int, station: Station, period_s: float | None) -> list[Want]:
    """What a device wants; period_s replaces how often what alarms depend on is read."""
    plan = station.plan
    return [
        Want(
            unit=plan.unit,
            function=part.function,
            address=part.address,
            count=part.count,
            period_s=period_s if part.urgent and period_s is not None else part.period_s,
            urgent=part.urgent,
            limit=plan.modbus.max_bits if part.function <= 2 else plan.modbus.max_registers,
            gaps=plan.modbus.gaps == "zero",
            owner=owner,
            part=index,
        )
        for index, part in enumerate(plan.parts)
        if index not in plan.on_demand
    ]


def _cut(data: bytes, at: int, count: int, function: int) -> bytes:
    """Take the registers or bits of one part out of a reply."""
    if function > 2:
        return data[at * 2 : (at + count) * 2]
    bits = int.from_bytes(data, "little") >> at & (1 << count) - 1
    return bits.to_bytes((count + 7) // 8, "little")
