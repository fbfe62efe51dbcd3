"""Delivery: from the outbox to each receiver and back with a receipt.

Owns    what is on its way in memory: lanes, leases, back-off. A lease is a place in _flying; it
        ends with the process, so after a crash everything without a receipt is pending again.
Needs   lanes (whose turn it is), the store (reading), the intake (writing receipts, raising
        faults), an uplink each.
Keeps   1. A delivery ends by a receipt or by being parked, never by age, length or error.
        2. Urgent records have a slot of their own and go before every backlog (promise 3).
        3. Records of one device arrive in order within their lane, unless one of them is poison: it
           failed STRIKES times more while the receiver took other things. Then it waits aside.
        4. At most LANE_ITEMS parcels of a lane are in memory (twice that of the urgent one); the
           rest wait on disk, and nothing is taken from there twice in one life.
        5. A receiver that fails delays nobody else: one worker and one uplink for each. Nothing an
           uplink does (raise, hang, answer nonsense) ends its worker.
"""

import asyncio
import heapq
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from gateway import crash
from gateway.clock import Clock
from gateway.errors import StoreError, UplinkError, UplinkRejected, UplinkUnavailable
from gateway.events import NEVER_FOLDED, Scalar
from gateway.lanes import Item, Lane, item_from_row, item_of
from gateway.metrics import Metrics
from gateway.rules.routing import LANES, URGENT
from gateway.store import PARKED, STATES, DeliveryRow, Sealed, Store
from gateway.supervise import keep_running
from gateway.uplink import RECEIPT_STATES, Outcome, Parcel, Receipt, Uplink

LANE_ITEMS: Final = 2000
REFILL_ROWS: Final = 1000
PARKED_ITEMS: Final = 1000
"""Parked urgent records tried again from memory, the newest; others when these are fewer."""
KNOWN_STATES: Final = 4096
LATE_S: Final = 120
PROBE_ATTEMPTS: Final = 3
STRIKES: Final = 2
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MOST_S: Final = 15.0
POISON_MOST_S: Final = 300.0
PARKED_AGAIN_S: Final = 60.0
URGENT_PROBE_S: Final = 1.0
"""A new urgent record is worth a try at once, but no more than one in this time."""
TELL_URGENT_S: Final = 5.0
TELL_ROUTINE_S: Final = 30.0
CALL_MOST_S: Final = 20.0
"""An uplink that does not come back within this is broken code; its call counts as failed."""
CALL_TARGET_S: Final = (0.05, 0.15)
"""Batches grow below and shrink above this: an urgent record never waits behind a long one."""

log = structlog.get_logger()


class Worker:
    """One receiver."""

    def __init__(  # noqa: PLR0913 built in one place, app.py
        self,
        *,
        name: str,
        number: int,
        uplink: Uplink,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        receipts: Callable[[Sequence[DeliveryRow]], None],
        fault: Callable[..., None],
        phone: str = "",
    ) -> None:
        self.name = name
        self.number = number
        self._uplink = uplink
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._receipts = receipts
        self._fault = fault
        self._phone = phone
        self._lanes = [Lane() for _ in range(LANES)]
        self._news = self._lanes[URGENT]
        self._starting: list[Sealed] | None = []
        self._holds: list[tuple[int, int, str]] = []  # until when, lane, device
        self._aside: list[tuple[int, int, Item]] = []  # until when, seq, poison or parked
        self._parked_more = False
        self._flying: dict[int, Item] = {}
        self._calls = 0
        self._routine_calls = 0
        self._batch = min(uplink.batch, 32)
        self._ordered = bool(getattr(uplink, "ordered", False))
        self._answers = 0
        self._failures = 0
        self._failed_ns = 0
        self._try_at_ns = 0
        self._failing_since: int | None = None
        self._urgent_since: dict[int, int] = {}  # seq → since when it should have been answered
        self._told = False
        self._beat: tuple[bytes, str] | None = None
        self._beat_due = False
        self._wake = asyncio.Event()
        self._random = random.Random()  # noqa: S311 jitter
        self._furthest: dict[int, int] = {}
        self.pending = 0
        self.last_receipt_ns: int | None = None
        self.progress = 0
        self.watchers: list[Callable[[Item, Receipt, int], None]] = []

    # In.

    def committed(self, records: Sequence[Sealed]) -> None:
        """Take what concerns this receiver, right after its commit."""
        number, now = self.number, self._clock.mono_ns()
        starting = self._starting
        for record in records:
            if number not in record.receivers:
                continue
            if starting is not None:
                starting.append(record)
                continue
            self.pending += 1
            lane = self._lanes[record.lane]
            if record.seq <= lane.loaded:
                continue  # a refill saw it on disk before this call told of it
            if record.lane == URGENT:
                self._take_news(lane, record, now)
            elif lane.behind or lane.size >= LANE_ITEMS:
                lane.behind = True
                lane.missed = record.seq
            else:
                lane.push(item_of(record, born_ns=now))
                lane.loaded = record.seq
        self._wake.set()

    def _take_news(self, lane: Lane, record: Sealed, now: int) -> None:
        """Urgent news goes before backlog, also while there is more backlog on disk."""
        device = record.device
        if lane.size >= 2 * LANE_ITEMS or device in lane.owed:
            lane.behind = True
            lane.missed = record.seq
            lane.owed[device] = lane.owed.get(device, 0) + 1
            return
        lane.push(item_of(record, born_ns=now, live=True))
        if lane.behind:
            lane.ahead.add(record.seq)
        else:
            lane.loaded = record.seq
        if self._failing_since is not None:
            soon = self._failed_ns + int(URGENT_PROBE_S * 1e9)
            self._try_at_ns = min(self._try_at_ns, soon)
            self._urgent_since[record.seq] = now
        elif self._calls >= self._uplink.concurrency:
            self._urgent_since[record.seq] = now

    def depth(self) -> int:
        """How many records this receiver has not acknowledged."""
        return max(self.pending, 0)

    def oldest_age_s(self) -> float:
        """Age of the oldest record in memory that was not acknowledged, 0.0 when there is none."""
        waiting = [item.stored_ns for item in self._flying.values()]
        waiting += [item.stored_ns for lane in self._lanes for item in lane.heads()]
        waiting += [item.stored_ns for _, _, item in self._aside]
        return max((self._clock.utc_ns() - min(waiting)) / 1e9, 0.0) if waiting else 0.0

    @property
    def state(self) -> str:
        """ok, failing (a try failed, the next follows soon) or down (a person was told)."""
        if self._told:
            return "down"
        return "ok" if self._failing_since is None else "failing"

    # The loop.

    async def run(self) -> None:
        """Deliver until cancelled; run again after an error, nothing that was under way is lost."""
        for item in sorted(self._flying.values(), key=lambda item: item.seq, reverse=True):
            self._lanes[item.lane].put_back([item])
        self._flying.clear()
        self._calls = self._routine_calls = 0
        if self._starting is not None:
            await self._find_backlog()
        async with asyncio.TaskGroup() as calls:
            calls.create_task(keep_running(f"uplink.{self.name}", self._keep_open, self._clock))
            while True:
                self.progress += 1
                self._wake.clear()
                await self._refill()
                if self._parked_more and len(self._aside) < PARKED_ITEMS // 2:
                    await self._load_parked()
                self._take_due()
                while batch := self._next_batch():
                    self._lend(batch)
                    calls.create_task(self._call(batch))
                if self._beat_due and self._beat is not None:
                    self._beat_due = False
                    calls.create_task(self.heartbeat(*self._beat))
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
        if self._failing_since is not None:
            due.append(self._try_at_ns)
        later = [at for at in due if at > now]
        return min(1.0, (min(later) - now) / 1e9 if later else 1.0)

    async def _find_backlog(self) -> None:
        """Count what an earlier life left, and whose urgent records it holds (keep 3).

        Records that are committed meanwhile are on disk too; those the look missed are added by
        hand, so that none is counted twice or not at all.
        """
        rows = await self._store.read(
            "SELECT count(*), max(seq) FROM delivery WHERE receiver = ? AND state = 0", self.number
        )
        count, newest = rows[0][0], rows[0][1] or 0
        owed = await self._store.read(
            "SELECT json_extract(CAST(r.body AS TEXT), '$.data.device.id'), count(*)"
            " FROM delivery d JOIN record r ON r.seq = d.seq"
            " WHERE d.receiver = ? AND d.lane = 0 AND d.state = 0 AND d.seq <= ? GROUP BY 1",
            self.number,
            newest,
        )
        self._news.owed = dict(owed)
        await self._load_parked()
        since = [record for record in self._starting or () if record.seq > newest]
        self._starting = None
        self.pending += count + len(since)
        for record in since:
            lane = self._lanes[record.lane]
            lane.missed = record.seq
            if record.lane == URGENT:
                lane.owed[record.device] = lane.owed.get(record.device, 0) + 1

    async def _refill(self) -> None:
        for number, lane in enumerate(self._lanes):
            if not lane.behind or lane.size > LANE_ITEMS // 4:
                continue
            try:
                rows = await self._store.read(
                    "SELECT d.seq, d.lane, r.stored_ns, r.body FROM delivery d"
                    " JOIN record r ON r.seq = d.seq"
                    " WHERE d.receiver = ? AND d.lane = ? AND d.state = 0 AND d.seq > ?"
                    " ORDER BY d.seq LIMIT ?",
                    self.number,
                    number,
                    lane.loaded,
                    REFILL_ROWS,
                )
            except StoreError as error:
                log.error("outbox cannot be read, tried again", receiver=self.name, why=str(error))
                continue
            for row in rows:
                lane.loaded = row[0]
                if row[0] in lane.ahead:
                    lane.ahead.discard(row[0])
                    continue
                item = item_from_row(*row)
                lane.push(item)
                left = lane.owed.get(item.device, 0) - 1
                if left > 0:
                    lane.owed[item.device] = left
                else:
                    lane.owed.pop(item.device, None)
            if len(rows) < REFILL_ROWS and lane.loaded >= lane.missed:
                lane.behind = False
                lane.loaded = max(lane.loaded, max(lane.ahead, default=0))
                lane.ahead.clear()
                lane.owed.clear()

    async def _load_parked(self) -> None:
        """Take up the urgent records that were refused, the newest first."""
        known = {seq for _, seq, _ in self._aside} | self._flying.keys()
        known |= {item.seq for item in self._news.heads()}
        rows = await self._store.read(
            "SELECT d.seq, d.lane, r.stored_ns, r.body FROM delivery d"
            " JOIN record r ON r.seq = d.seq WHERE d.receiver = ? AND d.state = 7 AND d.lane = 0"
            " AND json_extract(CAST(r.body AS TEXT), '$.data.kind') IN ('panic', 'duress', 'fire')"
            " ORDER BY d.seq DESC LIMIT ?",
            self.number,
            PARKED_ITEMS,
        )
        self._parked_more = len(rows) >= PARKED_ITEMS
        for row in rows:
            item = item_from_row(*row)
            if item.seq not in known:
                item.parked = True
                self._put_aside(item, PARKED_AGAIN_S)

    def _take_due(self) -> None:
        now = self._clock.mono_ns()
        while self._holds and self._holds[0][0] <= now:
            _, lane, device = heapq.heappop(self._holds)
            self._lanes[lane].release(device, now)
        while self._aside and self._aside[0][0] <= now:
            item = heapq.heappop(self._aside)[2]
            self._lanes[item.lane].put_back([item])

    def _next_batch(self) -> list[Item]:
        """What to send now; empty when nothing may go."""
        uplink = self._uplink
        if self._calls >= uplink.concurrency:
            return []
        room = self._batch
        now = self._clock.mono_ns()
        if self._failing_since is not None:
            if self._calls or now < self._try_at_ns:
                return []
            room = 1
        batch: list[Item] = []
        born_after = now - LATE_S * 1_000_000_000
        mixed, ordered = uplink.alarms_in_batches, self._ordered
        self._news.take(batch, room, mixed=mixed, ordered=ordered, born_after_ns=born_after)
        spare = uplink.concurrency == 1 or self._routine_calls < uplink.concurrency - 1
        if spare and (not batch or mixed):
            for lane in self._lanes[URGENT + 1 :]:
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
                sent.observe(max(age_ns / 1e9, 0.0))
            item.late_s = age_ns // 1_000_000_000 if age_ns > LATE_S * 1_000_000_000 else None
            self._flying[item.seq] = item
            if item.lane == URGENT and not item.parked:
                self._urgent_since.setdefault(item.seq, now)
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
                self._lanes[item.lane].put_back([item])
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
            self._flying.pop(item.seq, None)
            if not self._ordered:
                self._lanes[item.lane].landed(item.device)

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
        answered = False
        utc, now = self._clock.utc_ns(), self._clock.mono_ns()
        histogram = self._metrics.stages["sent_to_receipt"]
        whole = self._metrics.stages["received_to_receipt"]
        together = len(batch) > 1 and all(isinstance(one, UplinkRejected) for one in outcomes)
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                rows.append(self._delivered(item, outcome, utc))
                answered = True
                histogram.observe(took_s)
                age_ns = now - item.born_ns if item.born_ns else utc - item.stored_ns
                whole.observe(max(age_ns / 1e9, 0.0))
            elif isinstance(outcome, UplinkUnavailable):
                failed = outcome
                again.append(item)
            else:
                answered = True  # it said something: the way is open
                if together:
                    # One poison record of many: each is tried by itself before any is parked.
                    item.single = True
                    self._lanes[item.lane].put_back([item])
                else:
                    rows.append(self._park(item, outcome, utc))
        self._count(rows, len(again))
        if answered:
            self._answers += 1
            self._recovered()
            self._adapt(len(batch), took_s)
        if failed is not None:
            self._failed(again, failed, began, alone=not answered)
        if rows:
            crash.here("receipt.before")
            self._receipts(rows)

    def _count(self, rows: Sequence[DeliveryRow], failed: int) -> None:
        counts = self._metrics.deliveries
        for row in rows:
            key = (self.name, STATES[row.state])
            counts[key] = counts.get(key, 0) + 1
        if failed:
            counts[self.name, "failed"] = counts.get((self.name, "failed"), 0) + failed

    def _delivered(self, item: Item, receipt: Receipt, utc: int) -> DeliveryRow:
        self.last_receipt_ns = utc
        if not item.parked:
            self.pending -= 1
        self._urgent_since.pop(item.seq, None)
        for watcher in self.watchers:
            watcher(item, receipt, utc)
        if receipt.state == "rejected":
            self._fault(
                f"rejected.{self.name}",
                f"{self.name} 拒收警情,请电话确认 rejected an alarm",
                active=True,
                attributes={"receiver": self.name, "record": item.id},
            )
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
        if not item.parked:
            self.pending -= 1
        self._urgent_since.pop(item.seq, None)
        if item.kind in NEVER_FOLDED:
            item.parked = True
            if len(self._aside) < PARKED_ITEMS:
                self._put_aside(item, PARKED_AGAIN_S)
            else:
                self._parked_more = True
        self._fault(
            f"parked.{self.name}",
            f"{self.name} 拒绝接收记录,已搁置,请处理 refused a record, parked",
            active=True,
            attributes=self._about(error) | {"record": item.id},
        )
        return DeliveryRow(self.number, item.seq, PARKED, item.attempts, utc, "", str(error)[:256])

    def _about(self, error: BaseException) -> dict[str, Scalar]:
        return {"receiver": self.name, "why": str(error)[:256]}

    def _failed(
        self, items: list[Item], error: UplinkUnavailable, began: int, *, alone: bool
    ) -> None:
        if alone:
            self._note_failure(error, began)
        oldest: dict[tuple[str, int], Item] = {}
        for item in items:
            if self._is_poison(item):
                urgent = item.lane == URGENT
                most = BACKOFF_MOST_S if urgent else POISON_MOST_S
                again_s = self._backoff(item.attempts, most)
                self._put_aside(item, PARKED_AGAIN_S if item.parked else again_s)
                continue
            key = (item.device, item.lane)
            if key not in oldest or item.seq < oldest[key].seq:
                oldest[key] = item
        now = self._clock.mono_ns()
        for (device, lane), item in oldest.items():
            until = now + int(self._backoff(item.attempts, BACKOFF_MOST_S) * 1e9)
            self._lanes[lane].hold(device, until)
            heapq.heappush(self._holds, (until, lane, device))
        for item in items:
            if (item.device, item.lane) in oldest and not self._waits_aside(item):
                self._lanes[item.lane].put_back([item])

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

    def _note_failure(self, error: UplinkUnavailable, began: int) -> None:
        """The receiver as a whole; calls that were under way together count as one failure."""
        if self._failing_since is not None and began <= self._failed_ns:
            return
        now = self._clock.mono_ns()
        self._failures += 1
        self._failed_ns = now
        if self._failing_since is None:
            self._failing_since = now
        rest = self._backoff(self._failures, BACKOFF_MOST_S)
        if error.retry_after_s is not None:
            rest = max(rest, min(error.retry_after_s, BACKOFF_MOST_S))
        self._try_at_ns = now + int(rest * 1e9)
        if self._failures in {1, 5} or self._failures % 20 == 0:
            log.warning(
                "receiver not reached; kept and tried again",
                receiver=self.name,
                why=str(error),
                again_in_s=round(rest, 1),
                failures=self._failures,
            )

    def _backoff(self, tries: int, most_s: float) -> float:
        """Full jitter over the upper half, so that a thousand gateways do not come back as one."""
        top: float = min(BACKOFF_FIRST_S * 2.0 ** min(tries - 1, 20), most_s)
        return top / 2 + self._random.random() * top / 2

    def _put_aside(self, item: Item, seconds: float) -> None:
        at = self._clock.mono_ns() + int(seconds * 1e9)
        heapq.heappush(self._aside, (at, item.seq, item))

    def _recovered(self) -> None:
        if self._failing_since is None:
            return
        log.info("receiver reached again", receiver=self.name, after_failures=self._failures)
        was_down = self._failures >= PROBE_ATTEMPTS
        self._failures, self._failing_since = 0, None
        if was_down:
            self._holds.clear()
            for lane in self._lanes:
                lane.release_all()

    def _adapt(self, sent: int, took_s: float) -> None:
        quick, slow = CALL_TARGET_S
        if took_s > slow:
            self._batch = max(self._batch // 2, 1)
        elif took_s < quick and sent >= self._batch:
            self._batch = min(self._batch * 2, self._uplink.batch)

    def _tell_people(self) -> None:
        """Raise the fault while an urgent record is unanswered for 5 s, or anything for 30 s."""
        now = self._clock.mono_ns()
        waits_since = next(iter(self._urgent_since.values()), now)
        since = self._failing_since
        bad = now - waits_since > TELL_URGENT_S * 1e9 or (
            since is not None and (self._told or now - since > TELL_ROUTINE_S * 1e9)
        )
        if bad is self._told:
            return
        self._told = bad
        if not bad:
            self._fault(f"uplink.{self.name}", "", active=False, attributes={})
            return
        self._fault(
            f"uplink.{self.name}",
            f"{self.name} 未送达:警情尚未被接收{self._phone} not delivered, still trying",
            active=True,
            attributes={"receiver": self.name, "waiting": self.depth()},
        )

    # Heartbeat.

    async def heartbeat(self, body: bytes, record_id: str) -> None:
        """Send one, once; while the receiver fails it is the probe, so nothing is queued."""
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
            if self._failing_since is None:
                self._note_failure(outcome, began)
            return
        if isinstance(outcome, Receipt):
            self.last_receipt_ns = self._clock.utc_ns()
        self._answers += 1
        self._recovered()
        self._wake.set()

    def snapshot(self) -> dict[str, Any]:
        """For the console."""
        return {
            "name": self.name,
            "state": self.state,
            "queue_depth": self.depth(),
            "oldest_age_s": round(self.oldest_age_s(), 1),
            "last_receipt_ns": self.last_receipt_ns,
            "failures": self._failures,
        }


def _is_sound(outcome: object) -> bool:
    if isinstance(outcome, Receipt):
        return outcome.state in RECEIPT_STATES
    return isinstance(outcome, UplinkError)


__all__ = ["Item", "Worker", "item_from_row", "item_of"]
