"""The core put together for tests: the real store, intake and worker, a receiver that obeys."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from gateway.delivery import Worker
from gateway.errors import UplinkUnavailable
from gateway.events import Arrival, Category, Device, Kind, Nature, Point, Reading
from gateway.intake import Intake
from gateway.metrics import Metrics
from gateway.rules.ledger import Ledger
from gateway.rules.routing import Router
from gateway.store import Draft, Journal, Sealed, Start, Store
from gateway.uplink import Outcome, Parcel, Receipt
from tests.clocks import FakeClock

R = TypeVar("R")
PATIENCE_S = 45.0
"""How long is waited for what must come; only a test that fails waits as long."""
GATEWAY = Device(
    id="gw-1",
    name="网关",
    place="示范小学",
    profile_id="",
    family="gateway",
    link="gateway",
    address={},
    points={},
)
ESCALATION: Mapping[int, Sequence[float]] = {1: (30, 60, 120), 2: (60, 300)}


def point(name: str = "button", **changes: Any) -> Point:
    """A panic button's point, or what the changes make of it."""
    fields: dict[str, Any] = {
        "kind": Kind.PANIC,
        "nature": Nature.MOMENTARY,
        "category": Category.ALARM,
        "priority": 1,
        "text": "按下",
        "text_en": "pressed",
    }
    return Point(name=name, **(fields | changes))


SMOKE = point("smoke", kind=Kind.SMOKE, nature=Nature.STATE, priority=2, accept_retained=True)
DOOR = point("door", kind=Kind.ACCESS, nature=Nature.RECORD, category=Category.RECORD, priority=3)
LEVEL = point(
    "level",
    kind=Kind.GAS,
    nature=Nature.MEASUREMENT,
    category=Category.READING,
)


def device(device_id: str = "btn-1", *points: Point, **changes: Any) -> Device:
    """A device with a button, a smoke detector, a door and a level."""
    held = points or (point(), SMOKE, DOOR, LEVEL)
    fields: dict[str, Any] = {
        "name": "按钮",
        "place": "西门",
        "profile_id": "test/test",
        "family": "alarm_button",
        "link": "field",
        "address": {},
        "points": {one.name: one for one in held},
    }
    return Device(id=device_id, **(fields | changes))


def reading(
    clock: FakeClock, device_id: str = "btn-1", name: str = "button", **what: Any
) -> Reading:
    """A press, or what the keywords make of it."""
    return Reading(
        device_id=device_id, point=name, received_ns=clock.utc_ns(), **({"active": True} | what)
    )


def arrival(*readings: Reading, **what: Any) -> Arrival:
    """One message with these readings."""
    names = tuple(dict.fromkeys(one.device_id for one in readings))
    return Arrival(link="field", readings=list(readings), **({"devices": names} | what))


class Core:
    """One life of the gateway's middle: store, intake, and who listens."""

    def __init__(self, store: Store, start: Start, clock: FakeClock, intake: Intake) -> None:
        self.store = store
        self.start = start
        self.clock = clock
        self.intake = intake
        self.records: list[Sealed] = []
        self._more = asyncio.Condition()
        intake.listen(self.records.extend)

    async def press(self, device_id: str = "btn-1", name: str = "button", **what: Any) -> None:
        await self.intake.emit([arrival(reading(self.clock, device_id, name, **what))])

    async def turn(self) -> None:
        """Let the intake look at its clock, and see everything that waited committed."""
        await self.intake.command(lambda _ledger: None)

    async def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass as the intake lives it: a turn at least each second."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.turn()
            await self.turn()  # what the first turn's timers asked for in turn

    async def write(self, device_id: str = "btn-1", **changes: Any) -> Sealed:
        """Commit one record of any kind."""
        return (await self.write_many([device_id], **changes))[0]

    async def write_many(self, device_ids: Sequence[str], **changes: Any) -> list[Sealed]:
        def work(ledger: Ledger) -> list[Sealed]:
            return [ledger.write(self._draft(ledger, one, changes)) for one in device_ids]

        return await self.intake.command(work)

    def _draft(self, ledger: Ledger, device_id: str, changes: dict[str, Any]) -> Draft:
        fields: dict[str, Any] = {
            "type": "alarm.raised",
            "subject": self.intake.judge.subject(device_id, "button"),
            "kind": "panic",
            "priority": 1,
            "received_ns": ledger.now_ns,
            "quality": "trusted",
            "text": "x",
        }
        return Draft(**(fields | changes))

    def told(self, kind: str | None = None) -> list[str]:
        """Types of the records so far, of one kind or of all."""
        return [one.type for one in self.records if kind is None or one.kind == kind]

    def bodies(self, record_type: str) -> list[dict[str, Any]]:
        return [orjson.loads(one.body) for one in self.records if one.type == record_type]

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return await self.store.read(sql, *args)


@asynccontextmanager
async def core(
    folder: Path,
    clock: FakeClock,
    *,
    devices: Sequence[Device] = (device(),),
    receivers: Sequence[str] = (),
    escalation: Mapping[int, Sequence[float]] = ESCALATION,
    routes: Sequence[tuple[str, Sequence[Kind] | None]] = (),
    crash: bool = False,
    open_store: Callable[..., Awaitable[tuple[Store, Start]]] = Store.open,
) -> AsyncIterator[Core]:
    """Open, live, stop; with crash the end is not told to anybody."""
    store, start = await open_store(folder, reserve_mib=1, receivers=receivers)
    journal = Journal(
        source="/campus/s/gw-1", site={"id": "s", "name": "校"}, seq=start.seq, head=start.head
    )
    intake = Intake(
        store=store,
        start=start,
        journal=journal,
        router=Router({name: start.receivers[name] for name in receivers}, routes),
        devices=devices,
        gateway=GATEWAY,
        escalation=escalation,
        clock=clock,
        metrics=Metrics(),
    )
    made = Core(store, start, clock, intake)
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(intake.run())
            await made.turn()
            yield made
            if crash:
                writer.cancel()
            else:
                intake.stop()
    finally:
        await store.abandon()


class Receiver:
    """An uplink whose answers the test chooses, and which says what it was sent.

    answer  called with each parcel; returns an outcome, or raises
    gate    while clear, deliver waits before it answers
    """

    def __init__(self, *, batch: int = 32, concurrency: int = 4, alarms_in_batches: bool = False):
        self.batch = batch
        self.concurrency = concurrency
        self.alarms_in_batches = alarms_in_batches
        self.answer: Callable[[Parcel], Outcome] = lambda _parcel: Receipt()
        self.gate = asyncio.Event()
        self.gate.set()
        self.sent: list[Parcel] = []
        self.taken: list[str] = []
        self.calls: list[list[str]] = []
        self._changed = asyncio.Event()

    async def run(self) -> None:
        return

    async def deliver(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        self.sent += parcels
        self.calls.append([one.id for one in parcels])
        self._tell()
        await self.gate.wait()
        outcomes = [self.answer(one) for one in parcels]
        if None in outcomes:
            return outcomes  # nonsense, so nobody may believe any of it
        self.taken += [
            one.id
            for one, outcome in zip(parcels, outcomes, strict=True)
            if isinstance(outcome, Receipt)
        ]
        self._tell()
        return outcomes

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, ready: Callable[[], object]) -> None:
        """Wait until what was sent or taken makes it so; at most PATIENCE_S."""
        async with asyncio.timeout(PATIENCE_S):
            while not ready():
                await self._changed.wait()

    def down(self) -> None:
        self.answer = lambda _parcel: UplinkUnavailable("down")

    def up(self) -> None:
        self.answer = lambda _parcel: Receipt()


def worker_of(
    made: Core, uplink: Receiver, name: str = "police", *, ordered: bool = False
) -> Worker:
    """A worker for one receiver of a core; nobody runs it and nobody tells it of commits."""
    uplink.ordered = ordered  # type: ignore[attr-defined]
    return Worker(
        name=name,
        number=made.start.receivers[name],
        uplink=uplink,  # type: ignore[arg-type]
        store=made.store,
        clock=made.clock,
        metrics=made.intake._metrics,
        receipts=made.intake.receipts,
        written=made.turn,
        fault=made.intake.fault,
    )


@asynccontextmanager
async def running(made: Core, worker: Worker) -> AsyncIterator[Worker]:
    """It runs, and is told of commits."""
    made.intake.listen(worker.committed)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(worker.run())
        try:
            yield worker
        finally:
            made.intake._listeners.remove(worker.committed)
            task.cancel()


@asynccontextmanager
async def working(
    made: Core, uplink: Receiver, name: str = "police", *, ordered: bool = False
) -> AsyncIterator[Worker]:
    """A worker for one receiver of a core."""
    async with running(made, worker_of(made, uplink, name, ordered=ordered)) as worker:
        yield worker


async def wake(made: Core, worker: Worker, times: int = 3) -> None:
    """Let the worker look at its clock, and its faults and receipts be written."""
    for _ in range(times):
        before = worker.progress
        worker.committed([])
        async with asyncio.timeout(PATIENCE_S):
            while worker.progress == before:
                await made.turn()
        await made.turn()


class Story:
    """A core that lives between the steps of a state machine, which are no coroutines."""

    def __init__(self, **settings: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._settings = settings
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self.clock = FakeClock()
        self.made: Core
        self._begin()

    def _begin(self) -> None:
        self._end = asyncio.Event()
        ready = asyncio.Event()

        async def life() -> None:
            async with core(
                Path(self._folder.name), self.clock, crash=True, **self._settings
            ) as made:
                self.made = made
                async with AsyncExitStack() as stack:
                    await self.enter(stack, made)
                    ready.set()
                    await self._end.wait()

        self._life = self._loop.create_task(life())
        self._loop.run_until_complete(ready.wait())

    async def enter(self, stack: AsyncExitStack, made: Core) -> None:
        """What else begins with each life."""

    def do(self, work: Coroutine[Any, Any, R]) -> R:
        return self._loop.run_until_complete(work)

    def crash(self) -> None:
        """End this life without a word, and begin the next one on the same files."""
        self._end.set()
        self._loop.run_until_complete(self._life)
        self._begin()

    def close(self) -> None:
        self._end.set()
        self._loop.run_until_complete(self._life)
        self._runner.close()
        self._folder.cleanup()
