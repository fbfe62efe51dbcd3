"""The intake: the one door in, the one writer.

Owns    the turn: everything that is waiting is judged together and committed together.
Needs   the judge, the store, a clock.
Keeps   1. emit() returns only after what arrived is committed (promise 1).
        2. What a turn sealed is retried unchanged until the disk takes it, and never judged again.
        3. A bug in judging stops neither the writer nor the next in line.
        4. At most QUEUE_ARRIVALS wait; then emit() waits with them, and the broker with it.
        5. audit() returns only after the entry is committed; what it is about comes after that.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import structlog

from gateway import crash
from gateway.audit import Entry
from gateway.clock import Clock
from gateway.errors import StoreDamaged, StoreError, StoreFull
from gateway.events import Arrival, Device, Kind, Scalar
from gateway.judge import NOTHING_RECORDED, Judge, Recorded
from gateway.metrics import Metrics
from gateway.rules.ledger import Ledger
from gateway.rules.routing import Router
from gateway.store import Batch, DeliveryRow, Journal, Sealed, Start, Store, Trail
from gateway.words import Said

QUEUE_ARRIVALS: Final = 8192
TURN_ARRIVALS: Final = 1024
QUEUE_AUDIT: Final = 256
RECEIPTS_S: Final = 0.03
PACE_S: Final = 0.003
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
MOST_RETRIES: Final = 60
"""Of a StoreError that names no cause; a full disk is waited out for ever."""

T = TypeVar("T")
Committed = Callable[[Sequence[Sealed]], None]
log = structlog.get_logger()


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
        recorded: Recorded = NOTHING_RECORDED,
    ) -> None:
        self._store = store
        self.journal = journal
        self.trail = Trail(start.audit_seq, start.audit_head)
        self._auditing = asyncio.Semaphore(QUEUE_AUDIT)
        self._router = router
        self._clock = clock
        self._metrics = metrics
        self.judge = Judge(start, devices, gateway, escalation, metrics, recorded)
        self._arrivals: deque[tuple[Sequence[Arrival], asyncio.Future[None]]] = deque()
        self._waiting = 0
        self._work: deque[Callable[[Ledger], None]] = deque()
        self._receipts: list[DeliveryRow] = []
        self._receipts_ns = 0
        self._turn_s = 0.0
        self._answers: list[tuple[asyncio.Future[Any], Any]] = []
        self._timers: list[tuple[int, int, Callable[[Ledger], None]]] = []
        self._timer_number = 0
        self._asked: set[asyncio.Future[Any]] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._listeners: list[Committed] = []
        self._delivery_listeners: list[Callable[[], None]] = []
        self._stopping = False
        self.progress = 0
        self.disk_full = False

    # What others call.

    def listen(self, listener: Committed) -> None:
        """Be told of records right after their commit; must be quick and must not raise."""
        self._listeners.append(listener)

    def listen_deliveries(self, listener: Callable[[], None]) -> None:
        """Be told that how deliveries went was committed; must be quick and must not raise."""
        self._delivery_listeners.append(listener)

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

    async def audit(self, entry: Entry, *, origin: str | None = None) -> int:
        """Write an entry into the audit trail; returns its number once it is on disk.

        It rides in the next turn's transaction, as everything does. At most QUEUE_AUDIT callers
        wait there, the others before it. Raises StoreError when the gateway is stopping: what was
        to be audited must then not happen.

        origin  the name under which another process handed it in: in the trail once at most
        """
        async with self._auditing:
            return await self.command(lambda ledger: ledger.audit(entry, origin).seq)

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

    def fault(
        self,
        point: str,
        said: Said | None,
        *,
        active: bool,
        attributes: dict[str, Scalar],
        kind: Kind = Kind.FAULT,
    ) -> None:
        """Raise or restore a fault of the gateway itself; repeating it changes nothing.

        said  what is wrong and what to do, in both languages; None for one that ends
        kind  duress for one that no guard room may be shown (console/discreet.py)
        """
        self.post(
            lambda ledger: self.judge.own_fault(
                ledger, point, said, attributes, active=active, kind=kind
            )
        )

    def forget_session(self, link: str) -> None:
        """The broker has forgotten us: its packet ids begin anew, and ours mean nothing."""
        self.post(lambda ledger: self.judge.forget_session(link, ledger))

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
        await self._turn(self.judge.begin)
        next_sweep = 0
        while True:
            now = self._clock.mono_ns()
            if now >= next_sweep:
                self._work.append(self.judge.supervision.sweep)
                next_sweep = now + 1_000_000_000
            if not (self._arrivals or self._work or self._due(now)):
                if self._stopping and not self._receipts:
                    return
                await self._pause(next_sweep)
                continue
            await self._pace()
            await self._turn(None)

    async def _pace(self) -> None:
        """Under load begin turns no closer than PACE_S: what comes together is written together.

        A turn costs some ten wake-ups of threads and peers, whatever is in it. An alarm that comes
        alone finds the last turn long past and does not wait at all.
        """
        rest = self._turn_s + PACE_S - asyncio.get_running_loop().time()
        if rest > 0 and self._waiting < TURN_ARRIVALS // 4:
            await asyncio.sleep(rest)  # noqa: TID251 real time, whatever the clock says
        self._turn_s = asyncio.get_running_loop().time()

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
            trail=self.trail,
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
            for told in self._delivery_listeners:
                told()
        if records:
            for listener in self._listeners:
                listener(records)
            stage = self._metrics.stages["received_to_stored"]
            waited = (self._clock.mono_ns() - ledger.mono_ns) / 1e9
            known = [record for record in records if record.kind != Kind.DURESS]
            stage.observe(waited, len(known))
            for record in records:
                self._metrics.recorded(record.kind, record.type)
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
        self.disk_full, self.judge.keep_readings = True, False
        if not freed:
            log.error("disk full and reserve used up: nothing is acknowledged, tried again in 1 s")
            await self._clock.sleep(1.0)

    def _judge_arrivals(self, ledger: Ledger) -> list[asyncio.Future[None]]:
        done: list[asyncio.Future[None]] = []
        taken = 0
        while self._arrivals and taken < TURN_ARRIVALS:
            arrivals, future = self._arrivals.popleft()
            taken += len(arrivals)
            done.append(future)
            for arrival in arrivals:
                self.judge.arrival(arrival, ledger)
        self._waiting -= taken
        self._metrics.counters["arrivals"] += taken
        if taken:
            self._room.set()
        return done


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
