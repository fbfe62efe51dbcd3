"""What the disk shows before, after and instead of what is told; a worker that begins anew."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery import Worker
from gateway.errors import UplinkRejected
from gateway.store import Sealed
from gateway.uplink import Outcome, Parcel
from tests.clocks import FakeClock
from tests.delivery.living import DEVICES, EVENT, Broken, go_on, pending, poisons
from tests.parts import PATIENCE_S, Core, Receiver, core, running, wake, worker_of, working

PANIC: dict[str, Any] = {}
LANES = pytest.mark.parametrize(("lane", "what"), [(0, PANIC), (2, EVENT)])
COUNTING = "SELECT count(*), max(seq)"
FILLING = "SELECT d.seq, d.lane"


def just_before(
    made: Core,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    do: Callable[[], Awaitable[object]],
    *args: object,
) -> None:
    """Do it once, right before the store is first asked that with those arguments."""
    read = made.store.read
    done = False

    async def late(sql: str, *given: Any) -> list[tuple[Any, ...]]:
        nonlocal done
        if not done and sql.startswith(statement) and given[: len(args)] == args:
            done = True
            await do()
        return await read(sql, *given)

    monkeypatch.setattr(made.store, "read", late)


async def is_even(made: Core, uplink: Receiver, worker: Worker) -> None:
    """Nothing is owed, and the next record counts as one: a sum below none would not show it."""
    assert worker.depth() == await pending(made) == 0
    assert worker.oldest_age_s() == 0
    uplink.down()
    last = await made.write()
    await uplink.until(lambda: uplink.sent[-1].id == last.id)
    await wake(made, worker)
    assert worker.depth() == await pending(made) == 1
    uplink.up()
    await go_on(made, worker, 20)
    assert uplink.taken.count(last.id) == 1
    assert worker.depth() == await pending(made) == 0


class Untold:
    """A record that is committed without the worker hearing of it, until `tell`."""

    def __init__(self, made: Core, worker: Worker, what: dict[str, Any]) -> None:
        self._made = made
        self._worker = worker
        self._what = what
        self.record: Sealed

    async def write(self) -> None:
        listeners = self._made.intake._listeners
        listeners.remove(self._worker.committed)
        self.record = await self._made.write(**self._what)
        listeners.append(self._worker.committed)

    def tell(self) -> None:
        self._worker.committed([self.record])


@LANES
async def test_a_record_that_a_refill_delivered_before_its_commit_was_told_is_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane: int, what: dict[str, Any]
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made:
        worker = worker_of(made, uplink)
        early = Untold(made, worker, what)
        just_before(made, monkeypatch, FILLING, early.write, worker.number, lane)
        async with running(made, worker):
            await uplink.until(lambda: uplink.taken)
            await wake(made, worker)
            assert early.record.lane == lane
            assert worker.depth() == 0
            early.tell()
            assert worker.depth() == 0
            later = await made.write(**what)  # the order of the two is kept, and nothing is stuck
            await uplink.until(lambda: later.id in uplink.taken)
            await go_on(made, worker, 5)
            assert [one.id for one in uplink.sent] == [early.record.id, later.id]
            await is_even(made, uplink, worker)


@LANES
async def test_a_record_that_was_counted_before_its_commit_was_told_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lane: int, what: dict[str, Any]
) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.down()
    async with core(tmp_path, clock, receivers=["police"]) as made:
        worker = worker_of(made, uplink)
        early = Untold(made, worker, what)
        just_before(made, monkeypatch, COUNTING, early.write)
        async with running(made, worker):
            await uplink.until(lambda: uplink.sent)
            assert (early.record.lane, worker.depth()) == (lane, 1)
            early.tell()
            await wake(made, worker)
            assert worker.depth() == await pending(made) == 1
            uplink.up()
            await go_on(made, worker, 20)
            await uplink.until(lambda: uplink.taken)
            await wake(made, worker)
            assert uplink.taken == [early.record.id]
            await is_even(made, uplink, worker)


async def live_until_broken(made: Core, uplink: Receiver, worker: Worker) -> list[Sealed]:
    """Deliver one record, fail over the receipt of the next while others are under way.

    Returns what was written. The first receipt was handed in, and is not on the disk: the clock
    stands still.
    """
    right, answered = uplink.deliver, 0
    devices = [f"btn-{n}" for n in range(1, 6)]
    written = [*await made.write_many(devices), *await made.write_many(devices, **EVENT)]

    async def deliver(parcels: list[Parcel]) -> list[Outcome]:
        nonlocal answered
        answered += 1
        if answered > 2:
            uplink.calls.append([one.id for one in parcels])
            await asyncio.Event().wait()
        return await right(parcels)

    def watcher(*_: object) -> None:
        if len(uplink.taken) == 2:
            raise Broken

    uplink.deliver = deliver  # type: ignore[method-assign, assignment]
    worker.watchers.append(watcher)
    with pytest.raises(ExceptionGroup) as failed:
        await asyncio.wait_for(worker.run(), PATIENCE_S)
    assert failed.group_contains(Broken)
    assert len(uplink.calls) > len(uplink.taken) == 2, "others were under way"
    worker.watchers.clear()
    uplink.deliver = right  # type: ignore[method-assign]
    return written


async def test_a_worker_that_failed_and_is_run_again_delivers_everything(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        worker = worker_of(made, uplink)
        written = await live_until_broken(made, uplink, worker)
        made.intake.listen(worker.committed)
        written.append(await made.write("btn-1"))  # nobody runs it, and it is told
        made.intake._listeners.remove(worker.committed)
        written.append(await made.write("btn-2"))  # nor is it told
        async with running(made, worker):
            written.append(await made.write("btn-3"))
            await uplink.until(lambda: {one.id for one in written} <= set(uplink.taken))
            await go_on(made, worker, 5)
            # Only what was under way, or lost its receipt with the worker, may go out again.
            assert len(uplink.taken) <= len(written) + 1
            await is_even(made, uplink, worker)


async def test_a_receipt_on_its_way_to_the_disk_is_not_owed_to_a_worker_that_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        worker = worker_of(made, uplink)
        written = await live_until_broken(made, uplink, worker)
        just_before(made, monkeypatch, FILLING, made.turn)
        async with running(made, worker):
            await uplink.until(lambda: {one.id for one in written} <= set(uplink.taken))
            await go_on(made, worker, 5)
            await is_even(made, uplink, worker)


def breaks(*_: object) -> None:
    raise Broken


async def test_a_call_that_never_began_ends_with_the_life_it_was_asked_for_in(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver(concurrency=2)
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        worker = worker_of(made, uplink)
        worker.watchers.append(breaks)
        made.intake.listen(worker.committed)
        uplink.gate.clear()
        run = asyncio.create_task(worker.run())
        first = await made.write("btn-1")
        await uplink.until(lambda: uplink.calls)
        second = Untold(made, worker, PANIC)
        await second.write()
        # In one breath: the first call ends the worker, and the loop has asked for the second.
        uplink.gate.set()
        second.tell()
        with pytest.raises(ExceptionGroup):
            await asyncio.wait_for(run, PATIENCE_S)
        assert uplink.calls == [[first.id]]
        assert list(worker._flying) == [second.record.seq], "or this tests nothing"
        made.intake._listeners.remove(worker.committed)
        worker.watchers.clear()
        async with running(made, worker):
            await go_on(made, worker, 5)
            assert uplink.taken == [first.id, first.id, second.record.id]
            await is_even(made, uplink, worker)


async def test_poison_that_waited_aside_when_the_worker_failed_is_taken_up_once(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        worker = worker_of(made, uplink)
        bad = await made.write("btn-1")
        uplink.answer = poisons(bad.id)
        run = asyncio.create_task(worker.run())
        await worker.heartbeat(b"{}", "beat")
        await go_on(made, worker, 20)
        assert [item.seq for _, _, item in worker._aside] == [bad.seq]
        worker.watchers.append(breaks)
        made.intake.listen(worker.committed)
        await made.write("btn-2")
        async with asyncio.timeout(PATIENCE_S):
            while not run.done():  # it may stand in the pause after a try of the poison
                clock.advance(0.1)
                worker.committed([])
                await made.turn()
        with pytest.raises(ExceptionGroup):
            await run
        made.intake._listeners.remove(worker.committed)
        worker.watchers.clear()
        uplink.up()
        async with running(made, worker):
            await go_on(made, worker, 60, step=2)
            assert uplink.taken.count(bad.id) == 1
            await is_even(made, uplink, worker)


async def test_parked_records_that_wait_for_their_next_try_are_not_taken_up_again(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.answer = lambda _one: UplinkRejected("400")
    async with core(tmp_path, clock, receivers=["police"]) as made:
        async with working(made, uplink) as worker:
            both = await made.write_many(["btn-1", "btn-1"])
            await uplink.until(lambda: len(uplink.sent) == 2)
            await wake(made, worker)
        owed = worker._owed
        found = await owed.parked(set())
        assert {item.seq for item in found} == {one.seq for one in both}
        for item in found:
            owed.put_back(item)
        # One stands at the head of its device's records, the other behind it.
        assert await owed.parked(set()) == []
