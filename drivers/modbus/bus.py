"""One bus at work: ask, take apart, hand over; one dead unit costs the others next to nothing.

Owns    the turn of the bus between jobs (reads), errands (writes, log entries) and probes, and the
        health of its units.
Needs   schedule.py, reads.py, health.py, news.py, outbox.py, a ModbusConnection.
Keeps   1. Errands go before jobs, one at a time between them, so that a valve closes at once and a
           long log does not stop the polling. Whoever must not be asked yet (quirk rows 8 and 24)
           waits aside, the others go on.
        2. Probes of units that are offline take at most one part in PROBE_SHARE of the bus's time.
        3. While the outbox is full nothing is polled; errands go on.
        4. What a unit sends concerns its own devices only; LinkDown alone concerns them all.
        5. An errand is never sent after its caller has gone, nor after the link was down: a command
           must not come late. While the link is down ask() is LinkDown at once.
        6. A unit that falls silent is told offline within its job's period, OFFLINE_AFTER
           time-outs, and as many pauses: each at most 1 s or what the link waits for late
           replies.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from drivers.modbus.health import OFFLINE_AFTER, Health
from drivers.modbus.news import News
from drivers.modbus.outbox import Outbox
from drivers.modbus.reads import Reads
from drivers.modbus.schedule import Job, Schedule, rebalance
from drivers.modbus.station import Station
from gateway.clock import Clock
from gateway.errors import DeviceError, LinkDown
from gateway.links.modbus import ModbusConnection, Refused, Request, Silent, Strange, Wrong
from gateway.links.modbus.errors import GATEWAY_CODES
from gateway.links.modbus.planner import Read
from gateway.links.modbus.wants import wants_of

PROBE_SHARE: Final = 10
BUSY_AGAIN_S: Final = 1.0
TROUBLE_AFTER: Final = 3
"""Replies of one read in a row that are refusals or none: then a person is told."""
BUSY_TROUBLE_AFTER: Final = 10
REBALANCE_NS: Final = 2_000_000_000
IDLE_S: Final = 1.0
REPLY_FRAME_BYTES: Final = 5

log = structlog.get_logger()


class Errand:
    """A request that is made once; `answer` gets its data or its error."""

    __slots__ = ("answer", "pause_ns", "request", "timeout_s")

    def __init__(self, request: Request, timeout_s: float, pause_s: float) -> None:
        self.request = request
        self.timeout_s = timeout_s
        self.pause_ns = int(pause_s * 1e9)
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def fail(self, error: DeviceError) -> None:
        """Hand its error to whoever still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Bus:
    """See the module. Made once for a link; poll() is called for each connection."""

    def __init__(
        self, link: str, stations: Sequence[Station], clock: Clock, *, period_s: float | None
    ) -> None:
        self._link = link
        self.stations = stations
        self._clock = clock
        wants = [
            want for at, each in enumerate(stations) for want in wants_of(each.plan, at, period_s)
        ]
        self.reads = Reads(wants, self._job)
        self._units = {want.unit: Health() for want in wants}
        self._parked: dict[int, list[Job]] = {}
        self._schedule = Schedule()
        self._errands: deque[Errand] = deque()
        self._free_ns: dict[int, int] = {}
        self._wake = asyncio.Event()
        self.outbox = Outbox()
        self.outbox.on_room = self._wake.set
        self.told = News(link, stations, clock, self.outbox)
        self._is_up = False
        self._char_s = 0.0
        self._probe_free_ns = 0
        self._rebalance_ns = 0
        self.wanted = 0.0

    # What others call.

    async def ask(self, request: Request, timeout_s: float, pause_s: float = 0.0) -> bytes:
        """Make one request in turn; raises what ModbusConnection.ask raises.

        A read of a unit that is known to be silent is Silent at once: the probes will tell when it
        is back. A write is tried.
        """
        if not self._is_up:
            raise LinkDown(f"链路 {self._link} 断开 / the link is down")
        health = self._units.get(request.unit)
        if request.data_bytes and health is not None and health.suspended:
            raise Silent(request.unit, timeout_s)
        errand = Errand(request, timeout_s, pause_s)
        self._errands.append(errand)
        self._wake.set()
        return await errand.answer

    def strange(self, what: Strange, unit: int, code: int | None, latency_s: float | None) -> None:
        """Note a frame nobody asked for; a late one is a sign of life.

        code  when it is an exception; a gateway's speaks of the unit's silence
        """
        health = self._units.get(unit)
        if what != "late" or health is None or latency_s is None:
            return
        if code in GATEWAY_CODES:
            health.gateway_late(latency_s)
            return
        health.late(latency_s, self._clock.mono_ns())
        self._wake.set()

    def begin(self, char_s: float) -> None:
        """A connection is there: everything is unknown and wanted now, alarms first.

        char_s  how long one character takes on the line
        """
        now = self._clock.mono_ns()
        self._is_up, self._char_s = True, char_s
        self._schedule, self._parked = Schedule(), {}
        self._free_ns.clear()
        self._probe_free_ns = self._rebalance_ns = 0
        for unit, health in self._units.items():
            if health.suspended:
                self._parked[unit] = self.reads.of(unit)
                health.probe_ns = now
        for job in self.reads.jobs:
            if job.read.unit not in self._parked:
                self._schedule.put(job, now)

    def lost(self) -> None:
        """The connection is gone: nothing of any device is known, and no errand will be run."""
        self._is_up = False
        for station in self.stations:
            station.forget()
        while self._errands:
            self._errands.popleft().fail(LinkDown(f"链路 {self._link} 断开 / the link is down"))

    # The bus.

    async def poll(self, connection: ModbusConnection) -> None:
        """Work until the connection is lost: raises LinkDown."""
        while True:
            now = self._clock.mono_ns()
            errand = self._errand(connection, now) if self._errands else None
            if errand is not None:
                await self._run(connection, errand)
                now = self._clock.mono_ns()
            job = None
            if not self.outbox.is_full:
                if now >= self._rebalance_ns:
                    self._rebalance_ns = now + REBALANCE_NS
                    self.wanted = rebalance(self.reads.jobs)
                job = self._probe(now) or self._schedule.pop(now)
            if job is not None:
                await self._do(connection, job, now)
            elif errand is None:
                await self._pause(connection, now)

    async def _pause(self, connection: ModbusConnection, now: int) -> None:
        """Rest until something is due, or is asked for; at most IDLE_S."""
        self._wake.clear()
        until = [self._ready_ns(connection, each.request.unit, now) for each in self._errands]
        if not self.outbox.is_full:
            until += [min(map(self._probe_ns, self._parked))] if self._parked else []
            due = self._schedule.next_ns()
            until += [] if due is None else [due]
        rest = (min(until) - now) / 1e9 if until else IDLE_S
        if rest > 0:
            try:
                async with asyncio.timeout(min(rest, IDLE_S)):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _ready_ns(self, connection: ModbusConnection, unit: int, now: int) -> int:
        """When a unit may be asked: behind its pause, and its late reply (rows 24 and 8)."""
        quiet_s = connection.quiet_s(unit)
        return max(self._free_ns.get(unit, 0), now + int(quiet_s * 1e9) if quiet_s else 0)

    def _errand(self, connection: ModbusConnection, now: int) -> Errand | None:
        """The first errand whose unit may be asked now."""
        for errand in list(self._errands):
            if errand.answer.done():  # nobody waits for it any more: keep 5
                self._errands.remove(errand)
            elif self._ready_ns(connection, errand.request.unit, now) <= now:
                self._errands.remove(errand)
                return errand
        return None

    def _probe(self, now: int) -> Job | None:
        """The job that asks whether a suspended unit is there again, when it is time for one.

        The probe after which a unit is called offline does not wait for its share of the bus.
        """
        unit = min(self._parked, key=self._probe_ns, default=None)
        if unit is None or self._probe_ns(unit) > now:
            return None
        return min(self._parked[unit], key=lambda job: job.read.reply_bytes)

    def _probe_ns(self, unit: int) -> int:
        health = self._units[unit]
        return max(health.probe_ns, self._probe_free_ns) if health.offline else health.probe_ns

    async def _run(self, connection: ModbusConnection, errand: Errand) -> None:
        unit = errand.request.unit
        health = self._units.get(unit)
        try:
            data = await connection.ask(errand.request, errand.timeout_s)
        except DeviceError as error:
            errand.fail(error)
            if not isinstance(error, (Silent, Refused, Wrong)):
                raise
            if health is not None and isinstance(error, Silent):
                self._silent(unit, health, _no_answer(error))
        else:
            if health is not None and not errand.request.broadcast:
                self._answered(unit, health)
            if not errand.answer.done():
                errand.answer.set_result(data)
        self._rest(unit, errand.pause_ns)

    def _rest(self, unit: int, pause_ns: int) -> None:
        if pause_ns:
            self._free_ns[unit] = self._clock.mono_ns() + pause_ns

    async def _do(self, connection: ModbusConnection, job: Job, began: int) -> None:
        unit = job.read.unit
        health = self._units[unit]
        ready_ns = self._ready_ns(connection, unit, began)
        if ready_ns > began:  # others go first
            if health.suspended:
                health.probe_ns = ready_ns
            else:
                self._schedule.put(job, ready_ns)
        elif health.suspended:
            on_line_s = (job.read.reply_bytes + REPLY_FRAME_BYTES) * self._char_s
            timeout_s = health.probe_timeout_s(job.timeout_s, on_line_s + job.reply_s)
            await self._poll_one(connection, job, health, timeout_s, began)
            now = self._clock.mono_ns()
            self._probe_free_ns = now + (now - began) * PROBE_SHARE
        else:
            await self._poll_one(connection, job, health, job.timeout_s, began)

    async def _poll_one(
        self, connection: ModbusConnection, job: Job, health: Health, timeout_s: float, began: int
    ) -> None:
        unit = job.read.unit
        try:
            data = await connection.ask(job.request, timeout_s)
        except Silent as silent:
            job.took((self._clock.mono_ns() - began) / 1e9)
            self._silent(unit, health, _no_answer(silent), job)
        except Refused as refused:
            self._refused(job, health, refused)
        except Wrong as wrong:
            self._spoiled(job, health, wrong)
        else:
            now = self._clock.mono_ns()
            job.reply_s = (now - began) / 1e9
            job.took(job.reply_s)
            if health.answered(now):
                self._unpark(unit, job)
            replaced = job.failures > 0 and self._well_again(job)
            self.told.took(job, data, now)
            if not replaced:
                self._schedule.again(job, now)
        if job.pause_ns:
            self._rest(unit, job.pause_ns)

    # What came of it.

    def _answered(self, unit: int, health: Health, job: Job | None = None) -> None:
        """A sign of life; `job` is being dealt with by the caller."""
        if health.answered(self._clock.mono_ns()):
            self._unpark(unit, job)

    def _unpark(self, unit: int, job: Job | None) -> None:
        log.info("unit answers again", link=self._link, unit=unit)
        now = self._clock.mono_ns()
        for parked in self._parked.pop(unit, []):
            if parked is not job:
                self._schedule.put(parked, now)

    def _silent(self, unit: int, health: Health, why: str, job: Job | None = None) -> None:
        now = self._clock.mono_ns()
        if health.silent(now):
            if health.late_s:
                why += (
                    f"；它 {health.late_s:.2f} 秒后才应答，请加大超时"
                    f"; it answered after {health.late_s:.2f} s: raise timeout_seconds of the link"
                )
            self.told.offline(unit, why)
        if health.suspended:
            if unit not in self._parked:
                self._parked[unit] = self.reads.of(unit)
                self._schedule.drop(unit)
        elif job is not None:
            self._schedule.put(job, now)

    def _refused(self, job: Job, health: Health, refused: Refused) -> None:
        modbus = self.stations[job.read.slices[0].owner].plan.modbus
        code, now, unit = refused.code, self._clock.mono_ns(), job.read.unit
        if code in modbus.silent:
            why = (
                f"{unit} 号从站没有应答（网关报 {code}）"
                f" / the gateway says unit {unit} does not answer (exception {code})"
            )
            self._silent(unit, health, why, job)
            return
        self._answered(unit, health, job)
        job.failures += 1
        read = job.read
        what = f"function {read.function} address {read.address} × {read.count}: exception {code}"
        raw = bytes((unit, 0x80 | read.function, code))
        if code in modbus.busy:
            if job.failures >= BUSY_TROUBLE_AFTER:
                self.told.trouble(job, f"一直忙 always busy: {what}", raw)
            self._schedule.put(job, now + int(BUSY_AGAIN_S * 1e9))
            return
        fresh = self.reads.smaller(job) if code in {2, 3} else []
        if fresh:
            # One address that is not there must not blind its neighbours (quirk row 6).
            log.warning("read refused; asked in smaller pieces", link=self._link, why=str(refused))
            for each in fresh:
                self._schedule.put(each, now)
            return
        again_s = self.reads.refused(job)
        if job.failures >= TROUBLE_AFTER:
            self.told.trouble(job, f"寄存器被拒绝 refused: {what}", raw)
        self._schedule.put(job, now + int(again_s * 1e9))

    def _spoiled(self, job: Job, health: Health, wrong: Wrong) -> None:
        """A reply that was none: noise is asked again at once, what lasts is told (row 17)."""
        unit = job.read.unit
        was_suspended = health.suspended
        if health.spoiled():
            self.told.offline(unit, wrong.why)
        if was_suspended:
            self._unpark(unit, job)
        job.failures += 1
        if job.failures >= TROUBLE_AFTER:
            self.told.trouble(job, wrong.why, wrong.raw)
        if job.failures == 1:
            self._schedule.put(job, self._clock.mono_ns())
        else:
            self._schedule.again(job, self._clock.mono_ns())

    def _well_again(self, job: Job) -> bool:
        """Take note that a read which had failed was answered; whether the unit has new jobs."""
        job.failures = 0
        self.told.well(job)
        fresh = self.reads.answered(job)
        if fresh is None:
            return False
        self._schedule.drop(job.read.unit)
        for each in fresh:
            self._schedule.put(each, self._clock.mono_ns())
        return True

    def _job(self, read: Read) -> Job:
        owners = [self.stations[piece.owner].plan.modbus for piece in read.slices]
        return Job(
            read,
            timeout_s=max(modbus.timeout_s for modbus in owners),
            pause_s=max(modbus.pause_s for modbus in owners),
            period_s=read.period_s,
        )


def _no_answer(silent: Silent) -> str:
    return (
        f"{silent.unit} 号从站连续 {OFFLINE_AFTER} 次没有应答，隔一阵再问"
        f" / unit {silent.unit} has not answered {OFFLINE_AFTER} times in a row; asked now and then"
    )
