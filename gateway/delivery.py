"""Delivery: from the outbox to each receiver and back with a receipt.

Owns    what is on its way in memory: queues, leases, back-off. A lease is a place in _flying;
        it ends with the process: after a crash whatever has no receipt is simply pending again.
Needs   the store (reading), the intake (writing receipts, raising faults), an uplink each.
Keeps   1. A delivery ends by a receipt or by being parked, never by age, length or error.
        2. Urgent records have a slot of their own and go before every backlog (promise 3).
        3. Records of one device arrive in order within their lane, unless one of them has failed
           HOLD_ATTEMPTS times: then those behind it stop waiting for it.
        4. At most LANE_ITEMS parcels of a lane are in memory; the rest wait on disk.
        5. A receiver that fails delays nobody else: one worker and one uplink for each.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from gateway import crash
from gateway.clock import Clock
from gateway.errors import StoreError, UplinkError, UplinkUnavailable
from gateway.events import NEVER_FOLDED, Scalar
from gateway.metrics import Metrics
from gateway.rules.routing import LANES, URGENT
from gateway.store import PARKED, STATES, DeliveryRow, Sealed, Store
from gateway.uplink import Outcome, Parcel, Receipt, Uplink

LANE_ITEMS: Final = 8000
REFILL_ROWS: Final = 1000
LOOKAHEAD: Final = 256
LATE_S: Final = 120
HOLD_ATTEMPTS: Final = 3
BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MOST_S: Final = 15.0
POISON_MOST_S: Final = 300.0
PARKED_AGAIN_S: Final = 60.0
TELL_URGENT_S: Final = 5.0
TELL_ROUTINE_S: Final = 30.0
CALL_MOST_S: Final = 20.0
"""An uplink that does not come back within this is broken code; its call counts as failed."""
CALL_TARGET_S: Final = (0.05, 0.15)
"""Batches grow below and shrink above this: an urgent record must not wait behind a long one."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Item(Parcel):
    """A parcel with its history here. Times are monotonic, 0 when it has not happened."""

    stored_ns: int
    lane: int
    attempts: int = 0
    first_try_ns: int = 0
    try_at_ns: int = 0
    parked: bool = False


def item_of(record: Sealed) -> Item:
    """A committed record as it goes to a receiver."""
    return Item(
        seq=record.seq,
        id=record.id,
        type=f"campus.{record.type}.v1",
        kind=record.kind,
        priority=record.priority,
        device=record.device,
        body=record.body,
        is_alarm=record.type != "event.recorded",
        stored_ns=record.stored_ns,
        lane=record.lane,
    )


def item_from_row(seq: int, lane: int, stored_ns: int, body: bytes) -> Item:
    """The same from the store."""
    record = orjson.loads(body)
    data = record["data"]
    return Item(
        seq=seq,
        id=record["id"],
        type=record["type"],
        kind=data["kind"],
        priority=data["priority"],
        device=data["device"]["id"],
        body=bytes(body),
        is_alarm=record["type"] != "campus.event.recorded.v1",
        stored_ns=stored_ns,
        lane=lane,
    )


class Lane:
    """Parcels of one lane that wait for their turn, in order of sequence.

    behind   there are more on disk than here
    missed   newest sequence number that was not taken because the lane was full
    loaded   newest sequence number taken from disk or from a commit
    """

    __slots__ = ("behind", "items", "loaded", "missed")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.behind = True
        self.missed = self.loaded = 0


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
        self._fresh: deque[Item] = deque()
        self._waiting: list[tuple[int, int, Item]] = []
        self._held: dict[tuple[str, int], int] = {}
        self._flying: dict[int, Item] = {}
        self._calls = 0
        self._routine_calls = 0
        self._busy: dict[tuple[str, int], int] = {}
        self._memory: set[int] = set()
        self._batch = min(uplink.batch, 32)
        self._ordered = uplink.ordered
        self._failures = 0
        self._try_at_ns = 0
        self._failing_since: int | None = None
        self._told = False
        self._wake = asyncio.Event()
        self._random = random.Random()  # noqa: S311 jitter
        self.pending = 0
        self.last_receipt_ns: int | None = None
        self.progress = 0
        self.watchers: list[Callable[[Item, Receipt, int], None]] = []

    # In.

    def committed(self, records: Sequence[Sealed]) -> None:
        """Take what concerns this receiver, right after its commit."""
        number = self.number
        for record in records:
            if number not in record.receivers:
                continue
            self.pending += 1
            lane = self._lanes[record.lane]
            if record.lane == URGENT and len(self._fresh) < LANE_ITEMS:
                item = item_of(record)
                self._fresh.append(item)
                self._memory.add(item.seq)
            elif lane.behind or len(lane.items) >= LANE_ITEMS:
                lane.behind = True
                lane.missed = record.seq
            else:
                lane.items.append(item_of(record))
                lane.loaded = record.seq
        self._wake.set()

    def depth(self) -> int:
        """How many records this receiver has not acknowledged."""
        return max(self.pending, 0)

    def oldest_age_s(self) -> float:
        """Age of the oldest record in memory that was not acknowledged, 0.0 when there is none."""
        oldest = min(
            (item.stored_ns for item in self._first_items()),
            default=None,
        )
        return 0.0 if oldest is None else max((self._clock.utc_ns() - oldest) / 1e9, 0.0)

    def _first_items(self) -> Iterable[Item]:
        for queue in (self._fresh, *(lane.items for lane in self._lanes)):
            if queue:
                yield queue[0]
        yield from self._flying.values()
        if self._waiting:
            yield self._waiting[0][2]

    @property
    def state(self) -> str:
        """ok, failing (a try failed, the next follows soon) or down (a person was told)."""
        if self._told:
            return "down"
        return "ok" if self._failing_since is None else "failing"

    # The loop.

    async def run(self) -> None:
        """Deliver until cancelled."""
        self.pending = (
            await self._store.read(
                "SELECT count(*) FROM delivery WHERE receiver = ? AND state = 0", self.number
            )
        )[0][0]
        await self._load_parked()
        async with asyncio.TaskGroup() as calls:
            calls.create_task(self._uplink.run())
            while True:
                self.progress += 1
                self._wake.clear()
                await self._refill()
                self._take_due()
                while batch := self._next_batch():
                    self._lend(batch)
                    calls.create_task(self._call(batch))
                self._tell_people()
                try:
                    async with asyncio.timeout(self._rest_s()):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _rest_s(self) -> float:
        now = self._clock.mono_ns()
        due = [self._waiting[0][0]] if self._waiting else []
        if self._failing_since is not None:
            due.append(self._try_at_ns)
        later = [at for at in due if at > now]
        return min(1.0, (min(later) - now) / 1e9 if later else 1.0)

    async def _refill(self) -> None:
        for number, lane in enumerate(self._lanes):
            if not lane.behind or len(lane.items) > LANE_ITEMS // 4:
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
                if row[0] not in self._memory:
                    lane.items.append(item_from_row(*row))
            if len(rows) < REFILL_ROWS and lane.loaded >= lane.missed:
                lane.behind = False

    async def _load_parked(self) -> None:
        rows = await self._store.read(
            "SELECT d.seq, d.lane, r.stored_ns, r.body FROM delivery d"
            " JOIN record r ON r.seq = d.seq WHERE d.receiver = ? AND d.state = 7 LIMIT 1000",
            self.number,
        )
        for row in rows:
            item = item_from_row(*row)
            if item.kind in NEVER_FOLDED:
                item.parked = True
                self._wait(item, PARKED_AGAIN_S)

    def _take_due(self) -> None:
        now = self._clock.mono_ns()
        while self._waiting and self._waiting[0][0] <= now:
            item = heapq.heappop(self._waiting)[2]
            self._unhold(item)
            self._lanes[item.lane].items.appendleft(item)
        late_ns = self._clock.utc_ns() - LATE_S * 1_000_000_000
        while self._fresh and self._fresh[0].stored_ns < late_ns:
            self._lanes[URGENT].items.append(self._fresh.popleft())

    def _next_batch(self) -> list[Item]:
        """What to send now; empty when nothing may go."""
        if self._calls >= self._uplink.concurrency:
            return []
        if self._failing_since is not None and (
            self._calls or self._clock.mono_ns() < self._try_at_ns
        ):
            return []
        room = 1 if self._failing_since is not None else self._batch
        batch: list[Item] = []
        for queue in (self._fresh, self._lanes[URGENT].items):
            self._pick(queue, batch, room)
        spare = self._uplink.concurrency == 1 or self._routine_calls < self._uplink.concurrency - 1
        if spare and (not batch or self._uplink.alarms_in_batches):
            for lane in self._lanes[URGENT + 1 :]:
                self._pick(lane.items, batch, room)
        return batch

    def _pick(self, queue: deque[Item], batch: list[Item], room: int) -> None:
        passed: list[Item] = []
        while queue and len(batch) < room and len(passed) < LOOKAHEAD:
            alone = not self._uplink.alarms_in_batches
            if batch and alone and (batch[0].is_alarm or queue[0].is_alarm):
                break
            item = queue.popleft()
            key = (item.device, item.lane)
            if not self._ordered and (key in self._busy or key in self._held):
                passed.append(item)
                continue
            batch.append(item)
            if not self._ordered and room > 1:
                continue
        queue.extendleft(reversed(passed))

    def _lend(self, batch: list[Item]) -> None:
        now = self._clock.mono_ns()
        late_ns = self._clock.utc_ns() - LATE_S * 1_000_000_000
        sent = self._metrics.stages["stored_to_sent"]
        for item in batch:
            item.attempts += 1
            if not item.first_try_ns:
                item.first_try_ns = now
                sent.observe(max(late_ns / 1e9 + LATE_S - item.stored_ns / 1e9, 0.0))
            if item.stored_ns < late_ns:
                item.late_s = int((late_ns - item.stored_ns) / 1e9) + LATE_S
            self._flying[item.seq] = item
            if not self._ordered:
                key = (item.device, item.lane)
                self._busy[key] = self._busy.get(key, 0) + 1
        self._calls += 1
        if batch[-1].lane != URGENT:
            self._routine_calls += 1

    async def _call(self, batch: list[Item]) -> None:
        began = self._clock.mono_ns()
        try:
            async with asyncio.timeout(CALL_MOST_S):
                crash.here("deliver.before")
                outcomes = await self._uplink.deliver(batch)
                crash.here("deliver.after")
        except TimeoutError:
            outcomes = [UplinkUnavailable(f"no outcome within {CALL_MOST_S} s")] * len(batch)
        except Exception as error:
            # The edge of foreign code: an uplink with a bug must not end the worker.
            log.exception("uplink failed; these records are tried again", receiver=self.name)
            outcomes = [UplinkUnavailable(f"uplink failed: {type(error).__name__}")] * len(batch)
        took_s = (self._clock.mono_ns() - began) / 1e9
        self._calls -= 1
        if batch[-1].lane != URGENT:
            self._routine_calls -= 1
        for item in batch:
            del self._flying[item.seq]
            if self._ordered:
                continue
            key = (item.device, item.lane)
            left = self._busy[key] - 1
            if left:
                self._busy[key] = left
            else:
                del self._busy[key]
        self._judge(batch, outcomes, took_s)
        self._wake.set()

    # Out.

    def _judge(self, batch: list[Item], outcomes: Sequence[Outcome], took_s: float) -> None:
        rows: list[DeliveryRow] = []
        failed: UplinkUnavailable | None = None
        answered = False
        utc = self._clock.utc_ns()
        again: list[Item] = []
        for item, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                rows.append(self._delivered(item, outcome, utc))
                answered = True
            elif isinstance(outcome, UplinkUnavailable):
                failed = outcome
                again.append(item)
            else:
                rows.append(self._park(item, outcome, utc))
                answered = True  # it said something: the way is open
        self._count(rows, len(again))
        if answered:
            self._metrics.stages["sent_to_receipt"].observe(took_s, len(batch) - len(again))
            whole = self._metrics.stages["received_to_receipt"]
            for item in batch:
                whole.observe(max((utc - item.stored_ns) / 1e9, 0.0))
        if answered:
            self._recovered()
            self._adapt(len(batch), took_s)
        if failed is not None:
            self._failed(again, failed, alone=not answered)
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
        self._memory.discard(item.seq)
        self._unhold(item)
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
            STATES.index(receipt.state),
            item.attempts,
            utc,
            receipt.reference[:128],
        )

    def _park(self, item: Item, error: UplinkError, utc: int) -> DeliveryRow:
        log.error(
            "receiver refused a record; it is parked and a person is told",
            receiver=self.name,
            record=item.id,
            why=str(error),
        )
        if not item.parked:
            self.pending -= 1
        self._memory.discard(item.seq)
        urgent = item.kind in NEVER_FOLDED
        if urgent:
            item.parked = True
            self._wait(item, PARKED_AGAIN_S, hold=False)
        self._fault(
            f"parked.{self.name}",
            f"{self.name} 拒绝接收记录,已搁置,请处理 refused a record, parked",
            active=True,
            attributes=self._about(error) | {"record": item.id},
        )
        return DeliveryRow(self.number, item.seq, PARKED, item.attempts, utc, "", str(error)[:256])

    def _about(self, error: BaseException) -> dict[str, Scalar]:
        return {"receiver": self.name, "why": str(error)[:256]}

    def _failed(self, items: list[Item], error: UplinkUnavailable, *, alone: bool) -> None:
        now = self._clock.mono_ns()
        if alone:
            self._failures += 1
            self._failing_since = self._failing_since or now
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
        if self._ordered:
            for item in reversed(items):
                self._lanes[item.lane].items.appendleft(item)
            if len(items) > 1:
                self._sort(items)
            return
        for item in items:
            most = BACKOFF_MOST_S if item.lane == URGENT else POISON_MOST_S
            self._wait(item, self._backoff(item.attempts, most))

    def _sort(self, items: list[Item]) -> None:
        """Calls of an ordered uplink fail together, in any order: sort their records again."""
        for number in {item.lane for item in items}:
            lane = self._lanes[number]
            lane.items = deque(sorted(lane.items, key=lambda item: item.seq))

    def _backoff(self, tries: int, most_s: float) -> float:
        """Full jitter over the upper half, so that a thousand gateways do not come back as one."""
        top: float = min(BACKOFF_FIRST_S * 2.0 ** min(tries - 1, 20), most_s)
        return top / 2 + self._random.random() * top / 2

    def _wait(self, item: Item, seconds: float, *, hold: bool = True) -> None:
        at = self._clock.mono_ns() + int(seconds * 1e9)
        heapq.heappush(self._waiting, (at, item.seq, item))
        self._memory.add(item.seq)
        if hold and item.attempts < HOLD_ATTEMPTS:
            self._held.setdefault((item.device, item.lane), item.seq)

    def _unhold(self, item: Item) -> None:
        key = (item.device, item.lane)
        if self._held.get(key) == item.seq:
            del self._held[key]

    def _recovered(self) -> None:
        if self._failing_since is None:
            return
        log.info("receiver reached again", receiver=self.name, after_failures=self._failures)
        was_down = self._failures >= HOLD_ATTEMPTS
        self._failures, self._failing_since = 0, None
        if self._told:
            self._told = False
            self._fault(f"uplink.{self.name}", "", active=False, attributes={})
        if was_down:
            now = self._clock.mono_ns()
            self._waiting = [
                (at if item.parked else now, seq, item) for at, seq, item in self._waiting
            ]
            heapq.heapify(self._waiting)

    def _adapt(self, sent: int, took_s: float) -> None:
        quick, slow = CALL_TARGET_S
        if took_s > slow:
            self._batch = max(self._batch // 2, 1)
        elif took_s < quick and sent >= self._batch:
            self._batch = min(self._batch * 2, self._uplink.batch)

    def _tell_people(self) -> None:
        """Raise the fault while an urgent record is unanswered for 5 s, or anything for 30 s."""
        if self._told:
            return
        now = self._clock.mono_ns()
        unanswered = [*self._flying.values(), *(entry[2] for entry in self._waiting[:LOOKAHEAD])]
        urgent_queues = (self._fresh, self._lanes[URGENT].items)
        unanswered += [queue[0] for queue in urgent_queues if queue]
        urgent = any(
            item.lane == URGENT
            and not item.parked
            and item.first_try_ns
            and now - item.first_try_ns > TELL_URGENT_S * 1e9
            for item in unanswered
        )
        since = self._failing_since
        if urgent or (since is not None and now - since > TELL_ROUTINE_S * 1e9):
            self._told = True
            self._failing_since = since or now
            self._fault(
                f"uplink.{self.name}",
                f"{self.name} 未送达:警情尚未被接收{self._phone} not delivered, still trying",
                active=True,
                attributes={"receiver": self.name, "waiting": self.depth()},
            )

    # Heartbeat.

    async def heartbeat(self, body: bytes, record_id: str) -> None:
        """Send one, once; while the receiver fails it is the probe, so nothing is queued."""
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
        try:
            async with asyncio.timeout(CALL_MOST_S):
                outcome = (await self._uplink.deliver([parcel]))[0]
        except TimeoutError:
            outcome = UplinkUnavailable("heartbeat without answer")
        if isinstance(outcome, Receipt):
            self.last_receipt_ns = self._clock.utc_ns()
            if self._failing_since is not None and not self._flying:
                self._try_at_ns = 0
                if not self._waiting and not any(lane.items for lane in self._lanes):
                    self._recovered()
                self._wake.set()
        elif self._failing_since is None:
            self._failed([], UplinkUnavailable(str(outcome)), alone=True)

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
