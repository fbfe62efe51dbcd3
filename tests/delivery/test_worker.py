"""The worker of one receiver: order, urgency, patience, and what it does with bad receivers."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.delivery import LANE_ITEMS
from gateway.errors import UplinkRejected, UplinkUnavailable
from gateway.uplink import Outcome, Parcel, Receipt
from tests.clocks import FakeClock
from tests.delivery.living import DEVICES, EVENT, Broken, go_on, pending, poisons
from tests.parts import PATIENCE_S, Core, Receiver, core, device, wake, working


def fault_of(made: Core, name: str) -> list[str]:
    return [
        body["type"].split(".")[2]
        for kind in ("fault.raised", "fault.restored")
        for body in made.bodies(kind)
        if body["data"]["point"] == name
    ]


async def test_a_record_is_delivered_once_and_nothing_is_left_pending(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        record = await made.write()
        await uplink.until(lambda: uplink.taken)
        await wake(made, worker)
        assert [(one.id, one.body) for one in uplink.sent] == [(record.id, record.body)]
        assert worker.depth() == 0
        assert await pending(made) == 0


async def test_records_committed_while_a_backlog_is_counted_are_counted_once(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.down()
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        for _ in range(5):
            await made.write()
        async with working(made, uplink) as worker:
            for n in range(20):  # the count and these commits overlap in some order
                await made.write(f"btn-{n % 5 + 1}")
            await wake(made, worker)
            assert worker.depth() == await pending(made)
            uplink.up()
            await go_on(made, worker, 20)
            assert worker.depth() == await pending(made) == 0
            assert sorted(set(uplink.taken)) == sorted(uplink.taken)


async def test_an_urgent_record_overtakes_a_backlog_of_20000(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver(batch=32, concurrency=4)
    uplink.gate.clear()
    many = [device(f"btn-{n}") for n in range(200)]
    names = [f"btn-{n % 200}" for n in range(20_000)]
    async with core(tmp_path, clock, receivers=["police"], devices=many) as made:
        await made.write_many(names, **EVENT)
        async with working(made, uplink):
            await uplink.until(lambda: len(uplink.calls) == 3)  # one slot is kept free
            flying = sum(len(call) for call in uplink.calls)
            urgent = await made.write("btn-1")
            await uplink.until(lambda: len(uplink.calls) == 4)
            assert uplink.calls[3] == [urgent.id]
            assert len(uplink.sent) == flying + 1
            uplink.gate.set()
            await uplink.until(lambda: len(uplink.taken) == 20_001)
    assert len(set(uplink.taken)) == 20_001


async def test_a_device_that_floods_the_urgent_lane_delays_no_other(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver(concurrency=2)
    uplink.gate.clear()
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        await made.write_many(["btn-1"] * 1500)
        await uplink.until(lambda: uplink.sent)
        other = await made.write("btn-2")
        await wake(made, worker)
        uplink.gate.set()
        await uplink.until(lambda: len(uplink.taken) >= 10)
        assert other.id in uplink.taken[:3]


@pytest.mark.parametrize("ordered", [False, True])
async def test_order_of_a_device_holds_through_failures_and_backlog(
    tmp_path: Path, *, ordered: bool
) -> None:
    clock, uplink = FakeClock(), Receiver(alarms_in_batches=ordered)
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink, ordered=ordered) as worker,
    ):
        for round_number in range(12):
            uplink.up() if round_number % 4 == 3 else uplink.down()
            await made.write_many([f"btn-{n % 5 + 1}" for n in range(7)])
            await go_on(made, worker, 40, step=4)  # the oldest become late meanwhile
        uplink.up()
        await go_on(made, worker, 60, step=4)
        assert worker.depth() == 0
    places = {one.id: at for at, one in enumerate(made.records)}
    for name in {one.device for one in made.records}:
        mine = [one.id for one in made.records if one.device == name and one.id in uplink.taken]
        assert [one for one in uplink.taken if one in mine] == sorted(mine, key=places.__getitem__)


async def test_order_holds_across_memory_and_disk(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver(concurrency=8)
    uplink.gate.clear()
    names = [f"btn-{n % 5 + 1}" for n in range(5 * LANE_ITEMS // 2)]
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        for at in range(0, len(names), 500):
            await made.write_many(names[at : at + 500])
        assert sum(lane.size for lane in worker._owed.lanes) <= 2 * LANE_ITEMS
        uplink.gate.set()
        await uplink.until(lambda: len(uplink.taken) > 1000)
        await made.write_many(names[:50])  # news of devices with more on disk
        await uplink.until(lambda: len(uplink.taken) == len(names) + 50)
    assert len(set(uplink.taken)) == len(uplink.taken)
    for name in {one.device for one in made.records}:
        order = [one.id for one in made.records if one.device == name]
        mine = set(order)
        assert [one for one in uplink.taken if one in mine] == order


async def test_after_a_restart_the_backlog_goes_out_and_its_devices_keep_their_order(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES, crash=True) as made:
        left = [await made.write("btn-1"), await made.write("btn-2")]
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink),
    ):
        new = await made.write("btn-1", type="alarm.closed")
        await uplink.until(lambda: len(uplink.taken) == 3)
    assert set(uplink.taken) == {left[0].id, left[1].id, new.id}
    assert uplink.taken.index(left[0].id) < uplink.taken.index(new.id)


async def test_news_goes_before_a_late_backlog_and_says_nothing_of_lateness(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver(concurrency=1)
    async with core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made:
        uplink.down()
        async with working(made, uplink) as worker:
            old = await made.write_many(["btn-1", "btn-2", "btn-3"])
            await go_on(made, worker, 130, step=5)
            new = await made.write("btn-4")
            uplink.up()
            await go_on(made, worker, 20, step=1)
    assert uplink.taken[0] == new.id
    assert set(uplink.taken[1:4]) >= {old[0].id}
    late = {one.id: one.late_s for one in uplink.sent}
    assert late[new.id] is None
    assert late[old[0].id] is not None
    assert 130 <= (late[old[0].id] or 0) <= 150


async def test_lateness_does_not_follow_a_wall_clock_that_jumps(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        await wake(made, worker)  # it has begun: what comes now it knows by its own clock
        uplink.down()
        await made.write()
        await wake(made, worker)
        clock.step(3600)
        uplink.up()
        await go_on(made, worker, 10)
        assert uplink.taken
        assert uplink.sent[-1].late_s is None


async def test_poison_with_500s_holds_back_neither_others_nor_its_own_device_for_long(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        await worker.heartbeat(b"{}", "beat")
        uplink.gate.clear()
        bad = await made.write("btn-1")
        uplink.answer = poisons(bad.id)
        uplink.gate.set()
        after = await made.write("btn-1")
        await go_on(made, worker, 12)
        other = await made.write("btn-2")
        await go_on(made, worker, 2)
        assert after.id in uplink.taken
        assert other.id in uplink.taken
        assert bad.id not in uplink.taken
        tries = sum(one.id == bad.id for one in uplink.sent)
        assert fault_of(made, "uplink.police") == ["raised"]  # once, not with each success
        await go_on(made, worker, 60)
        assert sum(one.id == bad.id for one in uplink.sent) > tries
        uplink.up()
        await go_on(made, worker, 20)
        assert worker.depth() == 0
        assert fault_of(made, "uplink.police") == ["raised", "restored"]


async def test_a_down_receiver_is_told_within_10_s_of_the_first_panic_and_restored(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        uplink.down()
        await made.write()
        await go_on(made, worker, 9)
        assert fault_of(made, "uplink.police") == ["raised"]
        assert worker.state == "down"
        uplink.up()
        await go_on(made, worker, 16)
        assert fault_of(made, "uplink.police") == ["raised", "restored"]
        assert worker.state == "ok"


async def test_what_an_earlier_life_told_of_a_receiver_ends_when_it_answers_this_one(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    both = ["uplink.police", "uplink.police.duress"]
    for is_down, expected in ((True, ["raised"]), (True, []), (False, ["restored"])):
        uplink.down() if is_down else uplink.up()
        async with (
            core(tmp_path, clock, receivers=["police"], crash=True) as made,
            working(made, uplink) as worker,
        ):
            if expected == ["raised"]:
                await made.write()
                await made.write(kind="duress")
            await go_on(made, worker, 9 if is_down else 16)
            assert [fault_of(made, name) for name in both] == [expected, expected]
            assert worker.state == ("down" if is_down else "ok")


async def test_a_receiver_that_hangs_is_told_too(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        uplink.gate.clear()
        await made.write()
        await go_on(made, worker, 9)
        assert fault_of(made, "uplink.police") == ["raised"]
        uplink.gate.set()
        await go_on(made, worker, 2)
        assert fault_of(made, "uplink.police") == ["raised", "restored"]


async def test_a_panic_does_not_wait_for_the_back_off_of_a_failing_receiver(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        uplink.down()
        await made.write("btn-1", **EVENT)
        await go_on(made, worker, 60)
        uplink.up()
        panic = await made.write("btn-2")
        await go_on(made, worker, 1.5)
        assert panic.id in uplink.taken


async def test_back_off_grows_to_its_cap_and_honours_retry_after_within_it(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        at: list[float] = []

        def refuse(_parcel: Parcel) -> Outcome:
            at.append(clock.mono_ns() / 1e9)
            return UplinkUnavailable("429", retry_after_s=600 if len(at) == 1 else None)

        uplink.answer = refuse
        await made.write()
        await go_on(made, worker, 100)
        gaps = [later - earlier for earlier, later in pairwise(at)]
        assert gaps[0] == pytest.approx(15, abs=1)  # asked for 600 s: an alarm waits no longer
        assert max(gaps) <= 15.5
        assert len(at) >= 8
        worker._patience._random.seed(1)
        waits = {worker._patience.backoff(tries, 15.0) for tries in range(1, 40)}
        assert all(0.05 <= wait <= 15.0 for wait in waits)
        assert len(waits) == 39  # jitter


async def test_a_blip_that_fails_eight_calls_is_one_failure(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver(concurrency=8)
    names = [device(f"b-{n}") for n in range(8)]
    async with (
        core(tmp_path, clock, receivers=["police"], devices=names) as made,
        working(made, uplink) as worker,
    ):
        uplink.down()
        uplink.gate.clear()
        await made.write_many([one.id for one in names])
        await uplink.until(lambda: len(uplink.calls) == 8)
        uplink.gate.set()
        await uplink.until(lambda: worker._patience.failures)
        await wake(made, worker)
        assert worker.snapshot()["failures"] == 1


async def test_a_refused_record_is_parked_and_told_and_a_panic_is_tried_each_minute(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.answer = lambda _one: UplinkRejected("400 no such school")
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES, crash=True) as made,
        working(made, uplink) as worker,
    ):
        panic = await made.write("btn-1")
        event = await made.write("btn-2", **EVENT)
        await uplink.until(lambda: len(uplink.sent) >= 2)
        await wake(made, worker)
        states = dict(await made.rows("SELECT seq, state FROM delivery ORDER BY seq LIMIT 2"))
        assert states == {panic.seq: 7, event.seq: 7}
        assert "raised" in fault_of(made, "parked.police")
        tries = [one.id for one in uplink.sent].count
        await go_on(made, worker, 59, step=1)
        assert tries(panic.id) == 1
        await go_on(made, worker, 2, step=1)
        assert [one.id for one in uplink.sent].count(panic.id) == 2
        assert [one.id for one in uplink.sent].count(event.id) == 1
    uplink = Receiver()
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        await go_on(made, worker, 62, step=1)
        assert panic.id in uplink.taken
        assert event.id not in uplink.taken
        assert worker.depth() == 0


async def test_one_poison_record_in_a_batch_parks_itself_and_not_its_neighbours(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver(batch=32, concurrency=1)
    uplink.gate.clear()
    async with (
        core(tmp_path, clock, receivers=["police"], devices=DEVICES) as made,
        working(made, uplink) as worker,
    ):
        await made.write("btn-5", **EVENT)
        await uplink.until(lambda: uplink.sent)
        many = await made.write_many([f"btn-{n % 4 + 1}" for n in range(16)], **EVENT)
        real = uplink.deliver
        bad = many[3].id

        async def refuse_whole(parcels: list[Parcel]) -> list[Outcome]:
            outcomes = await real(parcels)
            poisoned = any(one.id == bad for one in parcels)
            return [UplinkRejected("400")] * len(parcels) if poisoned else outcomes

        uplink.deliver = refuse_whole  # type: ignore[method-assign, assignment]
        uplink.gate.set()
        await go_on(made, worker, 10)
        rows = await made.rows("SELECT seq FROM delivery WHERE state = 7")
        assert [seq for (seq,) in rows] == [many[3].seq]
        assert worker.depth() == 0


def raises(_parcels: list[Parcel]) -> list[Outcome]:
    raise Broken


@pytest.mark.parametrize(
    "nonsense",
    [
        raises,
        lambda parcels: [],
        lambda parcels: [Receipt()] * (len(parcels) + 1),
        lambda parcels: [None] * len(parcels),
        lambda parcels: [Receipt(state="maybe")] * len(parcels),
    ],
)
async def test_an_uplink_with_a_bug_does_not_end_the_worker(
    tmp_path: Path, nonsense: Callable[[list[Parcel]], list[Outcome]]
) -> None:
    clock, uplink = FakeClock(), Receiver()
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        right = uplink.deliver
        asked = 0

        async def wrong(parcels: list[Parcel]) -> list[Outcome]:
            nonlocal asked
            asked += 1
            return nonsense(parcels) if asked < 4 else await right(parcels)

        uplink.deliver = wrong  # type: ignore[method-assign, assignment]
        record = await made.write()
        await worker.heartbeat(b"{}", "beat")
        await go_on(made, worker, 20)
        assert [one for one in uplink.taken if one != "beat"] == [record.id]
        assert worker.depth() == await pending(made) == 0


async def test_an_uplink_whose_run_fails_is_run_again_and_delivers_meanwhile(
    tmp_path: Path,
) -> None:
    clock, uplink = FakeClock(), Receiver()
    runs = asyncio.Semaphore(0)

    async def run() -> None:
        runs.release()
        raise Broken

    uplink.run = run  # type: ignore[method-assign]
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        await runs.acquire()
        record = await made.write()
        await uplink.until(lambda: uplink.taken)
        await go_on(made, worker, 1)
        await asyncio.wait_for(runs.acquire(), PATIENCE_S)
        assert uplink.taken == [record.id]


async def test_a_receipt_that_says_rejected_is_a_fault(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.answer = lambda _one: Receipt(state="rejected", reference="R-1")
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        record = await made.write()
        await uplink.until(lambda: uplink.taken)
        await wake(made, worker)
        row = await made.rows("SELECT state, reference FROM delivery WHERE seq = ?", record.seq)
        assert row == [(3, "R-1")]
        assert fault_of(made, "rejected.police") == ["raised"]


async def test_a_refused_heartbeat_shows_that_the_way_is_open(tmp_path: Path) -> None:
    clock, uplink = FakeClock(), Receiver()
    uplink.answer = lambda _one: UplinkRejected("404")
    async with core(tmp_path, clock, receivers=["police"]) as made, working(made, uplink) as worker:
        await worker.heartbeat(b"{}", "beat")
        assert worker.state == "ok"
        uplink.down()
        await worker.heartbeat(b"{}", "beat")
        assert worker.state == "failing"
