"""The desk over the real store: what is shown was committed, what is decided is committed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.console import desk as console
from gateway.console.tokens import Identity, Role
from gateway.desk import FrontDesk
from gateway.events import Device
from gateway.uplink import Receipt
from tests.clocks import FakeClock
from tests.parts import LEVEL, SMOKE, Core, Receiver, core, device, point, wake, working

WANG = Identity(id="t-1", role=Role.GUARD, name="王老师", address="192.0.2.7")
LI = Identity(id="t-2", role=Role.LEADER, name="李老师", address="192.0.2.8")
DEVICES = [device("btn-1"), device("btn-2")]


def desk_of(made: Core, devices: list[Device] = DEVICES, **loops: bool) -> FrontDesk:
    return FrontDesk(
        store=made.store,
        intake=made.intake,
        workers=[],
        kinds={},
        devices=devices,
        clock=made.clock,
        loops={name: (lambda alive=alive: alive) for name, alive in loops.items()},
    )


@asynccontextmanager
async def with_police(made: Core, uplink: Receiver) -> AsyncIterator[FrontDesk]:
    async with working(made, uplink) as worker:
        desk = desk_of(made)
        desk._workers = {worker.number: worker}
        desk._numbers = str(worker.number)
        desk._kinds = {"police": "http"}
        await wake(made, worker)
        yield desk


async def test_open_alarms_come_most_urgent_then_oldest_first_and_none_is_cut(
    tmp_path: Path,
) -> None:
    many = [device(f"d-{n}", SMOKE, point()) for n in range(1200)]
    async with core(tmp_path, FakeClock(), devices=many, escalation={}) as made:
        await made.press("d-7")
        for one in many:
            await made.press(one.id, "smoke")
        await made.press("d-9")
        rows = await desk_of(made, many).alarms(open_only=True, limit=1000)
        assert [row["device"]["id"] for row in rows[:4]] == ["d-7", "d-9", "d-0", "d-1"]
        assert len(rows) == 1000


async def test_closed_alarms_follow_the_open_ones_newest_first(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        ids = []
        for _ in range(3):
            await made.press()
            found = made.intake.judge.book.open_at("btn-1", "button")
            assert found is not None
            ids.append(found.alarm_id)
            await desk.close(found.alarm_id, WANG, "test", "")
        await made.press()
        rows = await desk.alarms(open_only=False, limit=3)
        assert [row["state"] for row in rows] == ["unack_active", "closed", "closed"]
        assert [row["alarm_id"] for row in rows[1:]] == [ids[2], ids[1]]


async def test_a_decision_is_on_disk_when_it_returns_and_is_refused_twice(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        await made.press()
        alarm_id = (await desk.alarms(open_only=True, limit=1))[0]["alarm_id"]
        row = await desk.acknowledge(alarm_id, WANG)
        assert row["acknowledged_by"] == "王老师"
        stored = await made.rows("SELECT json_extract(doc, '$.acknowledged_by') FROM alarm")
        assert stored == [("王老师",)]
        with pytest.raises(console.WrongState):
            await desk.acknowledge(alarm_id, LI)
        await desk.close(alarm_id, WANG, "real", "")
        with pytest.raises(console.WrongState):
            await desk.close(alarm_id, WANG, "real", "")
        with pytest.raises(console.NoSuchAlarm):
            await desk.close("0197-nobody", WANG, "real", "")


async def test_a_lamp_goes_from_pending_to_what_the_receiver_said(tmp_path: Path) -> None:
    uplink = Receiver()
    uplink.gate.clear()
    uplink.answer = lambda _one: Receipt(state="accepted", reference="C-1")
    async with (
        core(tmp_path, FakeClock(), receivers=["police"]) as made,
        with_police(made, uplink) as desk,
    ):
        await made.press()
        lamp = (await desk.alarms(open_only=True, limit=1))[0]["deliveries"]
        assert [(one["receiver"], one["state"]) for one in lamp] == [("police", "pending")]
        uplink.gate.set()
        await uplink.until(lambda: uplink.taken)
        await wake(made, next(iter(desk._workers.values())))
        lamp = (await desk.alarms(open_only=True, limit=1))[0]["deliveries"]
        assert [(one["state"], one["reference"]) for one in lamp] == [("accepted", "C-1")]


async def test_a_later_receipt_is_written_and_never_goes_back(tmp_path: Path) -> None:
    uplink = Receiver()
    uplink.gate.clear()
    async with (
        core(tmp_path, FakeClock(), receivers=["police"]) as made,
        with_police(made, uplink) as desk,
    ):
        record = await made.write()

        async def state() -> str:
            rows = await desk.deliveries(None, 1)
            return str(rows[0]["state"])

        await uplink.until(lambda: uplink.sent)
        assert await desk.receipt("police", record.id, "dispatched", "C-2")
        assert await state() == "dispatched"
        uplink.gate.set()  # the answer to the delivery itself comes after it: "received"
        await uplink.until(lambda: uplink.taken)
        await wake(made, next(iter(desk._workers.values())))
        assert await state() == "dispatched"
        assert await desk.receipt("police", record.id, "accepted", "C-3")
        assert await state() == "dispatched"
        assert await desk.receipt("police", record.id, "closed", "C-4")
        assert await state() == "closed"


async def test_a_receipt_for_what_was_never_sent_is_refused(tmp_path: Path) -> None:
    async with (
        core(tmp_path, FakeClock(), receivers=["police"]) as made,
        with_police(made, Receiver()) as desk,
    ):
        record = await made.write()
        other = record.id[:9] + "0000" + record.id[13:]
        assert not await desk.receipt("police", other, "accepted", "")
        assert not await desk.receipt("bureau", record.id, "accepted", "")
        assert not await desk.receipt("police", record.id, "eaten", "")
        assert not await desk.receipt("police", "no id", "accepted", "")
        assert await desk.receipt(None, record.id, "accepted", "")


async def test_health_is_false_for_a_loop_that_stalls(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made, intake=True, housekeeping=False)
        assert desk.health() == {"intake": True, "housekeeping": False}


async def test_a_point_is_unknown_until_it_is_heard_of_and_never_normal_by_itself(
    tmp_path: Path,
) -> None:
    devices = [device("btn-1", SMOKE, LEVEL)]
    clock = FakeClock()
    async with core(tmp_path, clock, devices=devices) as made:
        desk = desk_of(made, devices)
        assert {row["quality"] for row in desk.devices()[0]["points"]} == {"unknown"}
        await made.press(name="smoke", active=False)
        smoke, level = desk.devices()[0]["points"]
        assert (smoke["quality"], smoke["active"]) == ("good", False)
        assert (level["quality"], level["active"]) == ("unknown", None)
    async with core(tmp_path, clock, devices=devices) as made:
        smoke, _ = desk_of(made, devices).devices()[0]["points"]
        assert (smoke["quality"], smoke["active"]) == ("unknown", None)


async def test_events_are_the_frozen_bytes_in_order_and_waiting_ends_with_the_next(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock()) as made:
        desk = desk_of(made)
        await made.press()
        assert await desk.wait_beyond(0) == 1
        await made.press(name="door", value="open")
        bodies, newest = await desk.events(0, 10)
        assert bodies == [one.body for one in made.records]
        assert newest == desk.head() == 2
        assert await desk.events(2, 10) == ([], 2)
