"""The intake: the one door in, the one writer.

Owns    the turn: everything that is waiting is judged together and committed together.
Needs   store, rules, profile logic, clock.
Keeps   1. emit() returns only after what arrived is committed (promise 1).
        2. What a turn sealed is retried unchanged until the disk takes it, and never judged again.
        3. Judging one arrival cannot stop the next: what fails is quarantined with its reason.
        4. At most QUEUE_ARRIVALS wait; then emit() waits with them, and the broker with it.
"""

import asyncio
import heapq
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson
import structlog

from gateway import crash
from gateway.clock import Clock
from gateway.errors import StoreDamaged, StoreError, StoreFull
from gateway.events import (
    MAX_ATTRIBUTE_CHARS,
    MAX_RAW_BYTES,
    ONLINE_POINT,
    Arrival,
    Category,
    Device,
    Garbled,
    Kind,
    Nature,
    Point,
    Reading,
    Scalar,
)
from gateway.metrics import Metrics
from gateway.profile import Change, PointMachine, PointState
from gateway.rules.book import AlarmBook
from gateway.rules.ledger import Ledger
from gateway.rules.routing import Router
from gateway.rules.supervision import OWN_POINTS, Supervision
from gateway.store import Batch, DeliveryRow, Draft, Journal, QuarantineRow, Sealed, Start, Store
from gateway.store.journal import Subject

QUEUE_ARRIVALS: Final = 8192
TURN_ARRIVALS: Final = 1024
RECEIPTS_S: Final = 0.03
READING_EVERY_NS: Final = 60_000_000_000
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
MOST_RETRIES: Final = 60
"""Of a StoreError that names no cause; a full disk is waited out for ever."""
GATEWAY_FAMILY: Final = "gateway"

T = TypeVar("T")
Committed = Callable[[Sequence[Sealed]], None]
log = structlog.get_logger()


class PointNow:
    """A point as last known, for the console and for thin telemetry."""

    __slots__ = ("armed_ns", "at_ns", "machine", "point", "stored_ns", "subject", "text", "value")

    def __init__(self, device: Device, point: Point, subject: Subject, saved: str | None) -> None:
        self.point = point
        self.subject = subject
        self.text = f"{device.place} {device.name} {point.text}".strip()
        self.machine = _machine(point, saved)
        self.armed_ns = 0  # when its timer goes off; 0 when none is set
        self.value: Scalar | None = None
        self.at_ns = 0  # UTC of the last reading since start, 0 before
        self.stored_ns = 0  # monotonic time of the last row of telemetry


class Intake:
    """See the module. run() is the writer; everything else only puts work in line."""

    def __init__(  # noqa: PLR0913 the one place where the parts of judging meet
        self,
        *,
        store: Store,
        start: Start,
        journal: Journal,
        router: Router,
        devices: Sequence[Device],
        gateway: Device,
        escalation: Mapping[int, Sequence[float]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self.journal = journal
        self._router = router
        self._clock = clock
        self._metrics = metrics
        self._gateway = gateway
        self._devices = {device.id: device for device in (*devices, gateway)}
        self._saved = start.points
        self._subjects: dict[tuple[str, str], Subject] = {}
        self.points: dict[tuple[str, str], PointNow] = {}
        self.book = AlarmBook(escalation, self.subject, self._closed)
        self.supervision = Supervision(devices, self.book, _Subjects(self.subject))
        self._inbox: dict[str, array[int]] = {}
        self._start = start
        self._arrivals: deque[tuple[Sequence[Arrival], asyncio.Future[None]]] = deque()
        self._waiting = 0
        self._work: deque[Callable[[Ledger], None]] = deque()
        self._receipts: list[DeliveryRow] = []
        self._receipts_ns = 0
        self._answers: list[tuple[asyncio.Future[Any], Any]] = []
        self._timers: list[tuple[int, int, Callable[[Ledger], None]]] = []
        self._timer_number = 0
        self._asked: set[asyncio.Future[Any]] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._listeners: list[Committed] = []
        self._stopping = False
        self.progress = 0
        self.disk_full = False
        self.keep_readings = True

    # What others call.

    def listen(self, listener: Committed) -> None:
        """Be told of records right after their commit; must be quick and must not raise."""
        self._listeners.append(listener)

    async def emit(self, arrivals: Sequence[Arrival]) -> None:
        """See gateway.driver.Emit."""
        while self._waiting > QUEUE_ARRIVALS:
            self._room.clear()
            await self._room.wait()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.append((arrivals, done))
        self._waiting += len(arrivals)
        self._wake.set()
        await done

    async def command(self, work: Callable[[Ledger], T]) -> T:
        """Do work in the next turn and return its answer once that is committed; it may raise."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def in_turn(ledger: Ledger) -> None:
            try:
                result = work(ledger)
            except Exception as error:  # noqa: BLE001 it is the caller's, and must not stop the writer
                if not answer.done():
                    answer.set_exception(error)
            else:
                self._answers.append((answer, result))

        self._work.append(in_turn)
        self._asked.add(answer)
        self._wake.set()
        try:
            return await answer
        finally:
            self._asked.discard(answer)

    def post(self, work: Callable[[Ledger], None]) -> None:
        """Do work in the next turn; nobody waits for it."""
        self._work.append(work)
        self._wake.set()

    def receipts(self, rows: Sequence[DeliveryRow]) -> None:
        """Write down how deliveries went: with the next arrivals, or RECEIPTS_S later.

        A commit of their own would make the next arrival wait for the disk; and a receipt that is
        lost with the process only means that its record is sent once more under its id.
        """
        if not self._receipts:
            self._receipts_ns = self._clock.mono_ns() + int(RECEIPTS_S * 1e9)
            self._wake.set()
        self._receipts.extend(rows)

    def fault(self, point: str, text: str, *, active: bool, attributes: dict[str, Scalar]) -> None:
        """Raise or restore a fault of the gateway itself; repeating it changes nothing."""
        self.post(lambda ledger: self._own_fault(ledger, point, text, attributes, active=active))

    def forget_session(self, link: str) -> None:
        """The broker has forgotten us: its packet ids begin anew, and ours mean nothing."""

        def work(ledger: Ledger) -> None:
            self._inbox.pop(link, None)
            ledger.batch.forget_inbox.append(link)

        self.post(work)

    def stop(self) -> None:
        """Finish what is in line, then let run() return."""
        self._stopping = True
        self._wake.set()

    # The turn.

    async def run(self) -> None:
        """Judge and commit until stopped. Raises StoreDamaged; StoreError when retries run out."""
        try:
            await self._run()
        except BaseException as error:
            # Whoever still waits in line must not wait for ever, nor believe it was stored.
            _fail(error, [*(future for _, future in self._arrivals), *self._asked], [])
            raise

    async def _run(self) -> None:
        await self._turn(self._begin)
        next_sweep = 0
        while True:
            now = self._clock.mono_ns()
            if now >= next_sweep:
                self._work.append(self.supervision.sweep)
                next_sweep = now + 1_000_000_000
            if not (self._arrivals or self._work or self._due(now)):
                if self._stopping and not self._receipts:
                    return
                await self._pause(next_sweep)
                continue
            await self._turn(None)

    async def _pause(self, next_sweep: int) -> None:
        self._wake.clear()
        until = min(next_sweep, self._timers[0][0]) if self._timers else next_sweep
        if self._receipts:
            until = min(until, self._receipts_ns)
        rest = max(until - self._clock.mono_ns(), 0) / 1e9
        try:
            async with asyncio.timeout(min(rest, 1.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _due(self, mono_ns: int) -> bool:
        receipts = self._receipts and (self._stopping or self._receipts_ns <= mono_ns)
        return bool(receipts) or self._timer_is_due(mono_ns)

    def _timer_is_due(self, mono_ns: int) -> bool:
        return bool(self._timers) and self._timers[0][0] <= mono_ns

    async def _turn(self, first: Callable[[Ledger], None] | None) -> None:
        ledger = Ledger(
            journal=self.journal,
            router=self._router,
            now_ns=self._clock.utc_ns(),
            mono_ns=self._clock.mono_ns(),
            quality=self._clock.quality,
        )
        if first is not None:
            first(ledger)
        while self._timer_is_due(ledger.mono_ns):
            self._guarded(heapq.heappop(self._timers)[2], ledger)
        for _ in range(len(self._work)):
            self._guarded(self._work.popleft(), ledger)
        done = self._judge_arrivals(ledger)
        for mono_ns, what in ledger.timers:
            self._timer_number += 1
            heapq.heappush(self._timers, (mono_ns, self._timer_number, what))
        batch = ledger.batch
        batch.alarms = {name: alarm.row() for name, alarm in ledger.changed.items()}
        # What a command of this turn wrote comes last: of two rows for a record the last counts.
        receipts, self._receipts = self._receipts, []
        batch.deliveries = [*receipts, *batch.deliveries] if batch.deliveries else receipts
        answers, self._answers = self._answers, []
        try:
            if not batch.is_empty():
                await self._commit(batch)
        except BaseException as error:
            _fail(error, done, answers)
            raise
        self.progress += 1
        self._settle(batch, done, answers, ledger)

    @staticmethod
    def _guarded(work: Callable[[Ledger], None], ledger: Ledger) -> None:
        """Nobody's bug stops the writer (keep 3); what it had written down by then stays."""
        try:
            work(ledger)
        except Exception:
            log.exception("a step of judging failed and is left out; everything else goes on")

    def _settle(
        self,
        batch: Batch,
        done: list[asyncio.Future[None]],
        answers: list[tuple[asyncio.Future[Any], Any]],
        ledger: Ledger,
    ) -> None:
        records = batch.records
        if batch.deliveries:
            crash.here("receipt.after")
        if records:
            for listener in self._listeners:
                listener(records)
            stage = self._metrics.stages["received_to_stored"]
            waited = (self._clock.mono_ns() - ledger.mono_ns) / 1e9
            stage.observe(waited, len(records))
            counts = self._metrics.records
            for name, count in Counter([record.type for record in records]).items():
                counts[name] = counts.get(name, 0) + count
        for future in done:
            if not future.done():
                future.set_result(None)
        for answer, result in answers:
            if not answer.done():
                answer.set_result(result)

    async def _commit(self, batch: Batch) -> None:
        """Keep 2. Nothing is acknowledged while this goes on."""
        failures = 0
        while True:
            began = self._clock.mono_ns()
            try:
                await self._store.commit(batch)
            except StoreFull as error:
                await self._make_room(batch, error)
            except StoreDamaged:
                raise
            except StoreError as error:
                failures += 1
                self._metrics.counters["commit_retries"] += 1
                if failures > MOST_RETRIES:
                    raise
                log.error("commit failed, same batch again", error=str(error), failures=failures)
                await self._clock.sleep(RETRY_S[min(failures, len(RETRY_S)) - 1])
            else:
                self._metrics.commit.observe((self._clock.mono_ns() - began) / 1e9)
                self._metrics.counters["commits"] += 1
                return

    async def _make_room(self, batch: Batch, error: StoreFull) -> None:
        """Telemetry goes first, then evidence of rubbish, then the reserve; then we wait."""
        self._metrics.counters["commit_retries"] += 1
        self._metrics.counters["readings_left_out"] += len(batch.readings)
        batch.readings.clear()
        for row in batch.quarantine:
            row.raw = row.raw[:256]
        freed = self._store.reserve.release()
        if not self.disk_full:
            log.error("disk full: telemetry stops, alarms use the reserve", error=str(error))
        self.disk_full, self.keep_readings = True, False
        if not freed:
            log.error("disk full and reserve used up: nothing is acknowledged, tried again in 1 s")
            await self._clock.sleep(1.0)

    # Judging.

    def _begin(self, ledger: Ledger) -> None:
        self.book.load(self._start.alarms, ledger)
        self.supervision.load(self._start.seen, ledger)
        for (link, mid), digest in self._start.inbox.items():
            self._inbox_of(link)[mid & 0xFFFF] = digest
        for key in list(self._saved):
            if key[0] in self._devices and key[1] in self._devices[key[0]].points:
                self._rearm(self._point(*key), ledger)
        self._start.points = {}

    def _judge_arrivals(self, ledger: Ledger) -> list[asyncio.Future[None]]:
        done: list[asyncio.Future[None]] = []
        taken = 0
        while self._arrivals and taken < TURN_ARRIVALS:
            arrivals, future = self._arrivals.popleft()
            taken += len(arrivals)
            done.append(future)
            for arrival in arrivals:
                try:
                    self._arrival(arrival, ledger)
                except Exception as error:  # noqa: BLE001 keep 3, for the message as a whole
                    self._unjudged(arrival, error, ledger)
        self._waiting -= taken
        self._metrics.counters["arrivals"] += taken
        if taken:
            self._room.set()
        return done

    def _arrival(self, arrival: Arrival, ledger: Ledger) -> None:
        token = arrival.token
        if token is not None:
            mid, digest = token
            known = self._inbox_of(arrival.link)
            if arrival.repeated and self._is_known(arrival, known, mid, digest, ledger):
                self._metrics.counters["duplicates"] += 1
                return
            known[mid] = digest
            ledger.batch.inbox.append((arrival.link, mid, digest))
        supervision = self.supervision
        for name in arrival.devices:
            supervision.heard(name, ledger)
        if arrival.garbled is not None:
            self._garbled(arrival.garbled, ledger)
        else:
            for name in arrival.devices:
                if supervision.watches[name].garbled:
                    supervision.understood(name, ledger)
        for reading in arrival.readings:
            try:
                self._reading(reading, ledger)
            except Exception as error:  # noqa: BLE001 keep 3: one must not stop the next
                self._unjudged(reading, error, ledger)

    def _unjudged(self, what: Arrival | Reading, error: Exception, ledger: Ledger) -> None:
        """Keep what could not be judged, and tell a person: it may have been an alarm."""
        if isinstance(what, Reading):
            name = what.device_id
        else:
            name = what.devices[0] if what.devices else self._gateway.id
        log.error("judging failed; kept in quarantine", device=name, exc_info=error)
        garbled = Garbled(
            device_id=name,
            why=f"judging failed: {type(error).__name__}",
            raw=repr(what).encode("utf-8", "backslashreplace")[:MAX_RAW_BYTES],
            size_bytes=0,
            received_ns=ledger.now_ns,
        )
        self._garbled(garbled, ledger)

    def _is_known(
        self, arrival: Arrival, known: "array[int]", mid: int, digest: int, ledger: Ledger
    ) -> bool:
        """Whether a message marked as sent before was judged before.

        Under the same packet id it was. A broker that was killed sends again what we acknowledged
        under other ids: an event whose like we have seen just once is then the same one (devices
        that number or date their messages never send two alike). A press counts once more instead:
        buttons send the same bytes each time, and a press too many is better than one too few.
        """
        if known[mid] == digest:
            return True
        if not arrival.readings or known.count(digest) != 1:
            return False
        for reading in arrival.readings:
            points = self._devices[reading.device_id].points
            if reading.point not in points or points[reading.point].nature is not Nature.RECORD:
                return False
        former = known.index(digest)
        known[former], known[mid] = 0, digest
        ledger.batch.inbox += [(arrival.link, former, 0), (arrival.link, mid, digest)]
        return True

    def _reading(self, reading: Reading, ledger: Ledger) -> None:
        if reading.point == ONLINE_POINT:
            self.supervision.said(reading, ledger)
            return
        now = self.points.get((reading.device_id, reading.point))
        if now is None:
            now = self._point(reading.device_id, reading.point)
        now.at_ns, now.value = reading.received_ns, reading.value
        point = now.point
        if point.nature is Nature.RECORD and not self.keep_readings and self._is_shed(reading):
            self._metrics.counters["records_shed"] += 1
            return
        if point.nature is Nature.RECORD and reading.duplicate is None and not reading.retained:
            self._recorded(now, reading, ledger)
            return
        machine = now.machine
        change = machine.feed(reading, ledger.mono_ns)
        while change is not None:
            self._changed(now, change, ledger)
            due = machine.due_ns
            change = (
                machine.tick(ledger.mono_ns) if due is not None and due <= ledger.mono_ns else None
            )
        if point.nature is not Nature.MOMENTARY or reading.duplicate is not None:
            self._rearm(now, ledger)
            self._save_point(now, reading, ledger)

    def _is_shed(self, reading: Reading) -> bool:
        """On a disk that is nearly full a flooding device's routine events are only counted.

        Otherwise one stuck reader would eat the reserve that is there for alarms. Its flooding
        fault is open, and so is the disk's.
        """
        urgent = (reading.priority or 3) <= 2
        return self.supervision.watches[reading.device_id].flooding and not urgent

    def _save_point(self, now: PointNow, reading: Reading, ledger: Ledger) -> None:
        key = (reading.device_id, reading.point)
        doc = orjson.dumps(now.machine.state().as_dict()).decode()
        changed = self._saved.get(key) != doc
        if changed:
            self._saved[key] = doc
            ledger.batch.points[key] = doc
        minute = ledger.mono_ns - now.stored_ns > READING_EVERY_NS
        if now.point.nature is not Nature.RECORD and (changed or minute or not now.stored_ns):
            now.stored_ns = ledger.mono_ns
            if self.keep_readings:
                row = (reading.received_ns, *key, _storable(now.value))
                ledger.batch.readings.append(row)
            else:
                self._metrics.counters["readings_left_out"] += 1

    def _rearm(self, now: PointNow, ledger: Ledger) -> None:
        """Have the point looked at when it is due. One timer, however often it is asked for."""
        due = now.machine.due_ns
        if due is None:
            return
        at = max(due, ledger.mono_ns)
        if 0 < now.armed_ns <= at:
            return  # that one sets the next
        now.armed_ns = at
        ledger.timers.append((at, lambda turn: self._tick(now, at, turn)))

    def _tick(self, now: PointNow, at: int, ledger: Ledger) -> None:
        if now.armed_ns != at:
            return  # an earlier one took its place
        now.armed_ns = 0
        while (due := now.machine.due_ns) is not None and due <= ledger.mono_ns:
            change = now.machine.tick(ledger.mono_ns)
            if change is None:
                break
            self._changed(now, change, ledger)
            self._save_point(now, change.reading, ledger)
        self._rearm(now, ledger)

    def _changed(self, now: PointNow, change: Change, ledger: Ledger) -> None:
        reading, point = change.reading, now.point
        if change.what == "recorded" or point.category is Category.RECORD:
            self._recorded(now, reading, ledger)
        elif point.category is Category.READING:
            return
        elif change.what == "restored":
            self.book.restored(ledger, reading.device_id, reading.point, reading)
        else:
            link = self._devices[reading.device_id].link
            self.book.raised(ledger, now.subject, point, reading, group=link)
            if point.nature is Nature.MOMENTARY and not self._holds(now):
                self.book.restored(ledger, reading.device_id, reading.point, reading)

    @staticmethod
    def _holds(now: PointNow) -> bool:
        """Whether an active momentary point stays so: alarms do, and what restores itself."""
        return now.point.category is Category.ALARM or now.point.auto_restore_s is not None

    def _recorded(self, now: PointNow, reading: Reading, ledger: Ledger) -> None:
        point = now.point
        ledger.write(
            Draft(
                type="event.recorded",
                subject=now.subject,
                kind=point.kind,
                priority=reading.priority or point.priority,
                received_ns=reading.received_ns,
                observed_ns=reading.observed_ns,
                quality=ledger.quality,
                text=now.text,
                mode="historical" if reading.historical else "live",
                value=reading.value,
                unit=point.unit,
                attributes=reading.attributes,
            )
        )

    def _garbled(self, garbled: Garbled, ledger: Ledger) -> None:
        name = garbled.device_id
        self._metrics.quarantined[name] = self._metrics.quarantined.get(name, 0) + 1
        ledger.batch.quarantine.append(
            QuarantineRow(
                garbled.received_ns,
                name,
                garbled.why[:512],
                garbled.size_bytes,
                garbled.raw[:MAX_RAW_BYTES],
            )
        )
        self.supervision.garbled(name, garbled.why, garbled.size_bytes, ledger)

    def _own_fault(
        self,
        ledger: Ledger,
        name: str,
        text: str,
        attributes: dict[str, Scalar],
        *,
        active: bool,
    ) -> None:
        device = self._gateway.id
        if not active:
            self.book.restored(ledger, device, name, None)
            return
        if self.book.open_at(device, name) is not None:
            return
        point = Point(
            name=name,
            kind=Kind.FAULT,
            nature=Nature.STATE,
            category=Category.FAULT,
            priority=2,
            text=text,
            text_en=name,
        )
        reading = Reading(
            device_id=device,
            point=name,
            received_ns=ledger.now_ns,
            active=True,
            attributes=attributes,
        )
        self.book.raised(ledger, self.subject(device, name), point, reading, group="gateway")

    def _closed(self, device: str, point: str, ledger: Ledger) -> None:
        """A person closed the alarm: the point may raise again once it was inactive."""
        now = self.points.get((device, point))
        if now is not None:
            now.machine.reset(ledger.mono_ns)
            self._saved[device, point] = doc = orjson.dumps(now.machine.state().as_dict()).decode()
            ledger.batch.points[device, point] = doc

    # Look-ups.

    def _point(self, device_id: str, name: str) -> PointNow:
        device = self._devices[device_id]
        key = (device_id, name)
        now = self.points.get(key)
        if now is None:
            subject = self.subject(device_id, name)
            now = PointNow(device, device.points[name], subject, self._saved.get(key))
            self.points[key] = now
        return now

    def subject(self, device_id: str, point: str) -> Subject:
        """The constant part of a point's records; made once."""
        found = self._subjects.get((device_id, point))
        if found is None:
            device = self._devices.get(device_id)
            found = Subject.of(
                device_id=device_id,
                name=device.name if device else device_id,
                place=device.place if device else "",
                family=device.family if device else "",
                point=point,
                cameras=device.cameras if device else (),
            )
            self._subjects[device_id, point] = found
        return found

    def _inbox_of(self, link: str) -> "array[int]":
        found = self._inbox.get(link)
        if found is None:
            found = self._inbox[link] = array("q", bytes(8 * 65536))
        return found

    def device_points(self, device: Device) -> Iterable[tuple[Point, PointNow | None]]:
        """Every point of a device, heard of or not."""
        for name, point in device.points.items():
            yield point, self.points.get((device.id, name))


class _Subjects(dict[tuple[str, str], Subject]):
    """Subjects by key, made when first asked for."""

    def __init__(self, make: Callable[[str, str], Subject]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: tuple[str, str]) -> Subject:
        found = self[key] = self._make(*key)
        return found


def _machine(point: Point, saved: str | None) -> PointMachine:
    """As it was; a state that cannot be read begins unknown, and the next reading tells."""
    if saved is not None:
        try:
            return PointMachine(point, PointState.from_dict(orjson.loads(saved)))
        except (ValueError, TypeError, KeyError, AttributeError):
            log.exception("a point's state cannot be read; it begins unknown", point=point.name)
    return PointMachine(point, None)


def _storable(value: Scalar | None) -> Scalar | None:
    """What SQLite can hold: 64 bits with a sign, and text that is no essay."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value[:MAX_ATTRIBUTE_CHARS] if type(value) is str else value


def _fail(
    error: BaseException,
    done: list[asyncio.Future[None]],
    answers: list[tuple[asyncio.Future[Any], Any]],
) -> None:
    """The gateway is about to stop: whoever waits must not believe it was stored."""
    told = error if isinstance(error, StoreError) else StoreError(f"stopped: {error!r}")
    for future in done:
        if not future.done():
            future.set_exception(told)
    for answer, _ in answers:
        if not answer.done():
            answer.set_exception(told)


__all__ = ["OWN_POINTS", "Intake", "PointNow"]
