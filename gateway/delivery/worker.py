"""The worker of one receiver: what is sent, what came of it, what is written down.

Owns    what is under way. A lease is a place in _flying; it ends with the process, so after a crash
        everything without a receipt is pending again.
Needs   owed (what waits), patience (failures), telling and faults (who is told of them, and what),
        the intake (writing receipts, raising faults), an uplink.
Keeps   1. A delivery ends by a receipt or by being parked, never by age, length or error.
        2. Urgent records have a slot of their own and go before every backlog (promise 3).
        3. Records of one device arrive in order within their lane, unless one of them is poison: it
           failed STRIKES times more while the receiver took other things. Then it waits aside.
        4. A receiver that fails delays nobody else: one worker and one uplink for each. Nothing an
           uplink does (raise, hang, answer nonsense) ends its worker.
        5. A worker that ended by an error of our own begins anew from the disk when it is run
           again: what was under way is sent once more, nothing is forgotten.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from gateway import crash
from gateway.clock import Clock
from gateway.delivery.faults import WHY_CHARS, Faults
from gateway.delivery.lanes import Item
from gateway.delivery.owed import PARKED_ITEMS, Owed
from gateway.delivery.patience import BACKOFF_MOST_S, PROBE_ATTEMPTS, Patience
from gateway.delivery.telling import SILENT, Telling
from gateway.errors import UplinkError, UplinkRejected, UplinkUnavailable
from gateway.events import NEVER_FOLDED
from gateway.metrics import Metrics
from gateway.rules.routing import URGENT
from gateway.store import PARKED, STATES, DeliveryRow, Sealed, Store
from gateway.supervise import keep_running
from gateway.uplink import RECEIPT_STATES, Outcome, Parcel, Receipt, Uplink

KNOWN_STATES: Final = 4096
LATE_S: Final = 120
STRIKES: Final = 2
POISON_MOST_S: Final = 300.0
PARKED_AGAIN_S: Final = 60.0
CALL_MOST_S: Final = 20.0
"""An uplink that does not come back within this is broken code; its call counts as failed."""
CALL_TARGET_S: Final = (0.05, 0.15)
"""Batches grow below and shrink above this: an urgent record never waits behind a long one."""

log = structlog.get_logger()


class Worker:
    """One receiver.

    receipts  has outcomes written down, some time soon · written  returns once all of them are
    fault     raises a fault of the gateway, or ends it
    """

    def __init__(  # noqa: PLR0913 built in one place, house.py
        self,
        *,
        name: str,
        number: int,
        uplink: Uplink,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        receipts: Callable[[Sequence[DeliveryRow]], None],
        written: Callable[[], Awaitable[None]],
        fault: Callable[..., None],
    ) -> None:
        self.name = name
        self.number = number
        self._uplink = uplink
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._receipts = receipts
        self._written = written
        self._owed = Owed(name, number, store)
        self._patience = Patience(name)
        self._telling = Telling()
        self._faults = Faults(name, self._telling, fault)
        self._holds: list[tuple[int, int, str]] = []  # until when, lane, device
        self._aside: list[tuple[int, int, Item]] = []  # until when, seq, poison or parked
        self._flying: dict[int, Item] = {}
        self._calls = 0
        self._routine_calls = 0
        self._is_fresh = True
        self._batch = min(uplink.batch, 32)
        self._ordered = bool(getattr(uplink, "ordered", False))
        self._answers = 0
        self._beat: tuple[bytes, str] | None = None
        self._beat_due = False
        self._wake = asyncio.Event()
        self._furthest: dict[int, int] = {}
        self.last_receipt_ns: int | None = None
        self.progress = 0
        self.watchers: list[Callable[[Item, Receipt, int], None]] = []

    # In.

    def committed(self, records: Sequence[Sealed]) -> None:
        """Take what concerns this receiver, right after its commit."""
        now = self._clock.mono_ns()
        for record in self._owed.committed(records, now):
            self._patience.urgent()
            self._telling.waits(record.seq, record.kind, now)
        self._wake.set()

    def depth(self, *, discreet: bool = False) -> int:
        """How many records this receiver has not acknowledged; discreet: as a guard room may know.

        See telling.py, keep 2; so also below.
        """
        return max(self._owed.pending - (self._owed.silent if discreet else 0), 0)

    def oldest_age_s(self, *, discreet: bool = False) -> float:
        """Age of the oldest record in memory that was not acknowledged, 0.0 when there is none."""
        but = SILENT if discreet else ""
        known = [*self._flying.values(), *(item for _, _, item in self._aside)]
        waiting = [item.stored_ns for item in known if item.kind != but]
        waiting += [item.stored_ns for lane in self._owed.lanes for item in lane.heads(but)]
        return max((self._clock.utc_ns() - min(waiting)) / 1e9, 0.0) if waiting else 0.0

    @property
    def state(self) -> str:
        """See Telling.state."""
        return self._telling.state(is_failing=self._patience.failing)

    @property
    def discreet_state(self) -> str:
        """The same as a guard room may know it."""
        return self._telling.discreet_state()

    # The loop.

    async def run(self) -> None:
        """Deliver until cancelled; run again after an error it begins anew (keep 5)."""
        if not self._is_fresh:
            self._owed.begin_anew()
            self._flying.clear()
            self._holds.clear()
            self._aside.clear()
            self._telling.begin_anew()
            self._calls = self._routine_calls = 0
            # A receipt on its way to the disk would be counted as owed, and then never found.
            await self._written()
        self._is_fresh = False
        await self._owed.find_backlog()
        await self._load_parked()
        async with asyncio.TaskGroup() as calls:
            calls.create_task(keep_running(f"uplink.{self.name}", self._keep_open, self._clock))
            while True:
                self.progress += 1
                self._wake.clear()
                await self._owed.refill()
                if self._owed.parked_more and len(self._aside) < PARKED_ITEMS // 2:
                    await self._load_parked()
                self._take_due()
                while batch := self._next_batch():
                    self._lend(batch)
                    calls.create_task(self._call(batch))
                if self._beat_due and self._beat is not None:
                    self._beat_due = False
                    calls.create_task(self.heartbeat(*self._beat, is_extra=True))
                self._tell_people()
                try:
                    async with asyncio.timeout(self._rest_s()):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _keep_open(self) -> None:
        """An uplink with nothing to keep open returns at once: no reason to call it again."""
        await self._uplink.run()
        await asyncio.Event().wait()

    def _rest_s(self) -> float:
        now = self._clock.mono_ns()
        due = [heap[0][0] for heap in (self._holds, self._aside) if heap]
        if self._patience.failing:
            due.append(self._patience.try_at_ns)
        later = [at for at in due if at > now]
        return min(1.0, (min(later) - now) / 1e9 if later else 1.0)

    async def _load_parked(self) -> None:
        """Take up the urgent records that were refused."""
        known = {seq for _, seq, _ in self._aside} | self._flying.keys()
        for item in await self._owed.parked(known):
            self._put_aside(item, PARKED_AGAIN_S)

    def _take_due(self) -> None:
        now = self._clock.mono_ns()
        while self._holds and self._holds[0][0] <= now:
            _, lane, device = heapq.heappop(self._holds)
            self._owed.lanes[lane].release(device, now)
        while self._aside and self._aside[0][0] <= now:
            self._owed.put_back(heapq.heappop(self._aside)[2])

    def _next_batch(self) -> list[Item]:
        """What to send now; empty when nothing may go."""
        uplink = self._uplink
        if self._calls >= uplink.concurrency:
            return []
        room = self._batch
        now = self._clock.mono_ns()
        if self._patience.failing:
            if self._calls or now < self._patience.try_at_ns:
                return []
            room = 1
        batch: list[Item] = []
        born_after = now - LATE_S * 1_000_000_000
        mixed, ordered = uplink.alarms_in_batches, self._ordered
        self._owed.news.take(batch, room, mixed=mixed, ordered=ordered, born_after_ns=born_after)
        spare = uplink.concurrency == 1 or self._routine_calls < uplink.concurrency - 1
        if spare and (not batch or mixed):
            for lane in self._owed.lanes[URGENT + 1 :]:
                lane.take(batch, room, mixed=mixed, ordered=ordered, born_after_ns=0)
        return batch

    def _lend(self, batch: list[Item]) -> None:
        now, utc = self._clock.mono_ns(), self._clock.utc_ns()
        sent = self._metrics.stages["stored_to_sent"]
        for item in batch:
            age_ns = now - item.born_ns if item.born_ns else utc - item.stored_ns
            item.attempts += 1
            if not item.first_try_ns:
                item.first_try_ns = now
                if item.kind != SILENT:
                    sent.observe(max(age_ns / 1e9, 0.0))
            item.late_s = age_ns // 1_000_000_000 if age_ns > LATE_S * 1_000_000_000 else None
            self._flying[item.seq] = item
            if item.lane == URGENT and not item.parked:
                self._telling.waits(item.seq, item.kind, now)
        self._calls += 1
        if batch[-1].lane != URGENT:
            self._routine_calls += 1

    async def _call(self, batch: list[Item]) -> None:
        began = self._clock.mono_ns()
        try:
            outcomes = await self._ask(batch)
        except asyncio.CancelledError:
            self._land(batch)
            for item in batch:
                self._owed.put_back(item)
            raise
        took_s = (self._clock.mono_ns() - began) / 1e9
        self._land(batch)
        self._judge(batch, outcomes, began, took_s)
        self._wake.set()

    def _land(self, batch: list[Item]) -> None:
        self._calls -= 1
        if batch[-1].lane != URGENT:
            self._routine_calls -= 1
        for item in batch:
            del self._flying[item.seq]
            if not self._ordered:
                self._owed.lanes[item.lane].landed(item.device)

    async def _ask(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """Call the uplink: one sound outcome for each parcel, whatever it does (keep 5)."""
        try:
            async with asyncio.timeout(CALL_MOST_S):
                crash.here("deliver.before")
                outcomes = await self._uplink.deliver(parcels)
                crash.here("deliver.after")
        except TimeoutError:
            return [UplinkUnavailable(f"no outcome within {CALL_MOST_S} s")] * len(parcels)
        except Exception as error:
            # The edge of foreign code: an uplink with a bug must not end the worker.
            log.exception("uplink failed; these records are tried again", receiver=self.name)
            return [UplinkUnavailable(f"uplink failed: {type(error).__name__}")] * len(parcels)
        if len(outcomes) == len(parcels) and all(map(_is_sound, outcomes)):
            return outcomes
        # Nobody can say which parcel an outcome belongs to: none of them counts as delivered.
        log.error("uplink answered nonsense; these records are tried again", receiver=self.name)
        return [UplinkUnavailable("uplink answered nonsense")] * len(parcels)

    # Out.

    def _judge(
        self, batch: list[Item], outcomes: Sequence[Outcome], began: int, took_s: float
    ) -> None:
        rows: list[DeliveryRow] = []
        again: list[Item] = []
        failed: UplinkUnavailable | None = None
        answered = is_known = False
        utc, now = self._clock.utc_ns(), self._clock.mono_ns()
        histogram = self._metrics.stages["sent_to_receipt"]
        whole = self._metrics.stages["received_to_receipt"]
        together = len(batch) > 1 and all(isinstance(one, UplinkRejected) for one in outcomes)
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                rows.append(self._delivered(item, outcome, utc))
                answered = True
                is_known |= item.kind != SILENT
                if item.kind != SILENT:
                    histogram.observe(took_s)
                    age_ns = now - item.born_ns if item.born_ns else utc - item.stored_ns
                    whole.observe(max(age_ns / 1e9, 0.0))
            elif isinstance(outcome, UplinkUnavailable):
                failed = outcome
                again.append(item)
            else:
                answered = True  # it said something: the way is open
                is_known |= item.kind != SILENT
                if together:
                    # One poison record of many: each is tried by itself before any is parked.
                    item.single = True
                    self._owed.put_back(item)
                else:
                    rows.append(self._park(item, outcome, utc))
        self._count(batch, rows, again)
        if answered:
            self._answers += 1
            self._recovered(is_known=is_known)
            self._adapt(len(batch), took_s)
        if failed is not None:
            self._failed(again, failed, began, alone=not answered)
        if rows:
            crash.here("receipt.before")
            self._receipts(rows)

    def _count(
        self, batch: Sequence[Item], rows: Sequence[DeliveryRow], failed: Sequence[Item]
    ) -> None:
        kinds = {item.seq: item.kind for item in batch}
        for row in rows:
            self._metrics.answered(kinds[row.seq], self.name, STATES[row.state])
        for item in failed:
            self._metrics.answered(item.kind, self.name, "failed")

    def _delivered(self, item: Item, receipt: Receipt, utc: int) -> DeliveryRow:
        self.last_receipt_ns = utc
        if item.kind != SILENT:
            self._telling.last_receipt_ns = utc
        self._owed.ended(item)
        self._telling.answered(item.seq)
        for watcher in self.watchers:
            watcher(item, receipt, utc)
        if receipt.state == "rejected":
            self._faults.rejected(item.kind, item.id)
        return DeliveryRow(
            self.number,
            item.seq,
            self.advance(item.seq, STATES.index(receipt.state)),
            item.attempts,
            utc,
            receipt.reference[:128],
        )

    def advance(self, seq: int, state: int) -> int:
        """Return how far a record is with this receiver, given one more report of it.

        Reports come by two ways, as answers and later ones, and cross: a record never goes back.
        The newest KNOWN_STATES of this life are remembered; before that the store knows.
        """
        state = max(state, self._furthest.pop(seq, 0))
        self._furthest[seq] = state
        if len(self._furthest) > KNOWN_STATES:
            del self._furthest[next(iter(self._furthest))]
        return state

    def _park(self, item: Item, error: UplinkError, utc: int) -> DeliveryRow:
        log.error(
            "receiver refused a record; it is parked and a person is told",
            receiver=self.name,
            record=item.id,
            why=str(error),
        )
        self._owed.ended(item)
        self._telling.answered(item.seq)
        if item.kind in NEVER_FOLDED:
            item.parked = True
            if len(self._aside) < PARKED_ITEMS:
                self._put_aside(item, PARKED_AGAIN_S)
            else:
                self._owed.parked_more = True
        why = str(error)[:WHY_CHARS]
        self._faults.parked(item.kind, item.id, why)
        return DeliveryRow(self.number, item.seq, PARKED, item.attempts, utc, "", why)

    def _failed(
        self, items: list[Item], error: UplinkUnavailable, began: int, *, alone: bool
    ) -> None:
        now = self._clock.mono_ns()
        if alone and self._patience.failed(error, began, now):
            self._note_failed(is_known=any(item.kind != SILENT for item in items))
            for item in self._owed.news.items():  # what stands behind these waits as well
                if not item.parked:
                    self._telling.waits(item.seq, item.kind, now)
        oldest: dict[tuple[str, int], Item] = {}
        for item in items:
            if self._is_poison(item):
                urgent = item.lane == URGENT
                most = BACKOFF_MOST_S if urgent else POISON_MOST_S
                again_s = self._patience.backoff(item.attempts, most)
                self._put_aside(item, PARKED_AGAIN_S if item.parked else again_s)
                continue
            key = (item.device, item.lane)
            if key not in oldest or item.seq < oldest[key].seq:
                oldest[key] = item
        for (device, lane), item in oldest.items():
            until = now + int(self._patience.backoff(item.attempts, BACKOFF_MOST_S) * 1e9)
            self._owed.lanes[lane].hold(device, until)
            heapq.heappush(self._holds, (until, lane, device))
        for item in items:
            if (item.device, item.lane) in oldest and not self._waits_aside(item):
                self._owed.put_back(item)

    def _is_poison(self, item: Item) -> bool:
        """Whether a record that failed waits aside (keep 3), so that its device can go on."""
        if item.attempts > 1 and self._answers > item.seen:
            item.strikes += 1
            item.single = True  # it may be what fails the others that travel with it
        item.seen = self._answers
        if not self._waits_aside(item) and item.attempts >= PROBE_ATTEMPTS:
            self._beat_due = True  # is it the record or the receiver? a heartbeat tells
        return self._waits_aside(item)

    @staticmethod
    def _waits_aside(item: Item) -> bool:
        return item.parked or item.strikes >= STRIKES

    def _put_aside(self, item: Item, seconds: float) -> None:
        at = self._clock.mono_ns() + int(seconds * 1e9)
        heapq.heappush(self._aside, (at, item.seq, item))

    def _recovered(self, *, is_known: bool) -> None:
        if self._is_known(is_known):
            self._telling.recovered()
        if self._patience.recovered():
            self._holds.clear()
            for lane in self._owed.lanes:
                lane.release_all()

    def _adapt(self, sent: int, took_s: float) -> None:
        quick, slow = CALL_TARGET_S
        if took_s > slow:
            self._batch = max(self._batch // 2, 1)
        elif took_s < quick and sent >= self._batch:
            self._batch = min(self._batch * 2, self._uplink.batch)

    def _tell_people(self) -> None:
        now = self._clock.mono_ns()
        if self._patience.failing and not self._telling.is_failing():
            self._note_failed(is_known=False)
        self._faults.look(now, self.depth(discreet=True), self._owed.silent)

    def _note_failed(self, *, is_known: bool) -> None:
        if self._is_known(is_known):
            self._telling.failed(self._clock.mono_ns())

    def _is_known(self, is_known: bool) -> bool:  # noqa: FBT001 it is what the name says
        """Whether guard rooms may know how it is: by this call, or by anything else that waits."""
        return is_known or self.depth(discreet=True) > 0

    # Heartbeat.

    async def heartbeat(self, body: bytes, record_id: str, *, is_extra: bool = False) -> None:
        """Send one, once; while the receiver fails it is the probe, so nothing is queued.

        is_extra  a record is doubted, which may be about duress: a guard room sees no more by it
        """
        self._beat = (body, record_id)
        parcel = Parcel(
            seq=0,
            id=record_id,
            type="campus.gateway.heartbeat.v1",
            kind="equipment",
            priority=4,
            device="",
            body=body,
            is_alarm=False,
        )
        began = self._clock.mono_ns()
        outcome = (await self._ask([parcel]))[0]
        if isinstance(outcome, UplinkUnavailable):
            if not self._patience.failing:
                self._patience.failed(outcome, began, self._clock.mono_ns())
            if not self._telling.is_failing():
                self._note_failed(is_known=not is_extra)
            return
        if isinstance(outcome, Receipt):
            self.last_receipt_ns = self._clock.utc_ns()
            if not is_extra:
                self._telling.last_receipt_ns = self.last_receipt_ns
        self._answers += 1
        self._recovered(is_known=not is_extra)
        self._wake.set()

    def snapshot(self, *, discreet: bool = False) -> dict[str, Any]:
        """For the console; discreet: for guard rooms."""
        seen = self._telling if discreet else self
        return {
            "name": self.name,
            "state": self.discreet_state if discreet else self.state,
            "queue_depth": self.depth(discreet=discreet),
            "oldest_age_s": round(self.oldest_age_s(discreet=discreet), 1),
            "last_receipt_ns": seen.last_receipt_ns,
            "failures": (self._telling if discreet else self._patience).failures,
        }


def _is_sound(outcome: object) -> bool:
    if isinstance(outcome, Receipt):
        return outcome.state in RECEIPT_STATES
    return isinstance(outcome, UplinkError)
