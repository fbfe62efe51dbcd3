"""The one door: what is acknowledged is on disk, what is not is tried again, nothing stops it."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError, StoreFull
from gateway.events import Category, Kind, Nature
from gateway.intake import MOST_RETRIES
from gateway.rows import alarm_row
from gateway.rules.ledger import Ledger
from gateway.store import Batch, DeliveryRow, Start, Store, verify
from gateway.words import Said
from tests.clocks import FakeClock
from tests.parts import LEVEL, Core, arrival, core, device, point, reading


class BadDisk(Store):
    """The real store on a disk whose next writes fail, as the test says."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.errors: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[list[bytes]] = []
        self.began = asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        self.asked.append([record.body for record in batch.records])
        self.began.set()
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        await super().commit(batch)


async def open_bad(folder: Path, **settings: Any) -> tuple[Store, Start]:
    return await BadDisk.open(folder, **settings)


def disk_of(made: Core) -> BadDisk:
    assert isinstance(made.store, BadDisk)
    return made.store


async def test_emit_returns_only_when_the_record_is_on_disk(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock(), open_store=open_bad) as made:
        disk = disk_of(made)
        disk.gate.clear()
        disk.began.clear()
        emitting = asyncio.ensure_future(made.press())
        await disk.began.wait()
        await asyncio.sleep(0)
        assert not emitting.done()
        assert await made.rows("SELECT count(*) FROM record") == [(0,)]
        disk.gate.set()
        await emitting
        assert await made.rows("SELECT count(*) FROM record") == [(1,)]


async def test_a_failed_commit_is_tried_again_with_the_same_bytes(tmp_path: Path) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock, open_store=open_bad) as made:
        disk = disk_of(made)
        disk.errors = [StoreError("sync failed")] * 2
        disk.asked.clear()
        emitting = asyncio.ensure_future(made.press())
        while not emitting.done():
            clock.advance(1)
            await asyncio.sleep(0.001)
        await emitting
        assert len(disk.asked) == 3
        assert disk.asked[0] == disk.asked[1] == disk.asked[2]
        assert len(made.records) == 1


async def test_when_the_disk_never_takes_it_nobody_is_told_it_was_stored(tmp_path: Path) -> None:
    clock = FakeClock()
    waiting: list[asyncio.Future[Any]] = []
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 the life that ends
        async with core(tmp_path, clock, open_store=open_bad) as made:
            disk = disk_of(made)
            disk.errors = [StoreError("gone")] * (MOST_RETRIES + 1)
            disk.began.clear()
            waiting.append(asyncio.ensure_future(made.press()))
            await disk.began.wait()
            waiting.append(asyncio.ensure_future(made.press()))  # it waits in line
            waiting.append(asyncio.ensure_future(made.turn()))
            for _ in range(10 * MOST_RETRIES):
                clock.advance(1)
                await asyncio.sleep(0)
    assert caught.group_contains(StoreError, match="gone")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in results] == [StoreError] * 3


async def test_on_a_full_disk_telemetry_goes_first_and_the_alarm_is_stored_from_the_reserve(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), open_store=open_bad) as made:
        disk = disk_of(made)
        held = disk.reserve.held_bytes
        disk.errors = [StoreFull("no room")]
        both = arrival(
            reading(made.clock), reading(made.clock, name="level", active=None, value=3.5)
        )
        await made.intake.emit([both])
        assert disk.reserve.held_bytes < held
        assert made.intake.disk_full
        assert await made.rows("SELECT count(*) FROM reading") == [(0,)]
        assert [one.type for one in made.records] == ["alarm.raised"]
        assert made.intake._metrics.counters["readings_left_out"] == 1
        assert disk.asked[-1] == disk.asked[-2]


async def test_a_full_disk_is_waited_out_and_nothing_is_acknowledged_meanwhile(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock, open_store=open_bad) as made:
        disk = disk_of(made)
        disk.errors = [StoreFull("no room")] * (MOST_RETRIES + 20)
        emitting = asyncio.ensure_future(made.press())
        while len(disk.errors) > 1:
            clock.advance(1)
            await asyncio.sleep(0)
            assert not emitting.done()
        while not emitting.done():
            clock.advance(1)
            await asyncio.sleep(0.001)
        assert disk.reserve.held_bytes == 0
        assert made.told().count("alarm.raised") == 1


async def test_a_repeat_by_packet_id_and_content_is_dropped_only_when_the_link_says_repeat(
    tmp_path: Path,
) -> None:
    async def send(made: Core, mid: int, digest: int, *, repeated: bool) -> None:
        one = arrival(reading(made.clock), token=(mid, digest), repeated=repeated)
        await made.intake.emit([one])

    clock = FakeClock()
    async with core(tmp_path, clock, crash=True) as made:
        await send(made, 7, 1001, repeated=True)  # marked, and a first copy all the same
        assert made.told("panic") == ["alarm.raised"]
    async with core(tmp_path, clock) as made:
        alarm = made.intake.judge.book.open_at("btn-1", "button")
        assert alarm is not None
        await send(made, 7, 1001, repeated=True)
        assert alarm.count == 1
        await send(made, 7, 1001, repeated=False)
        assert alarm.count == 2
        await send(made, 7, 1002, repeated=True)
        assert alarm.count == 3
        made.intake.forget_session("field")
        await send(made, 7, 1002, repeated=True)
        assert alarm.count == 4


async def test_two_presses_in_one_batch_are_two(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.intake.emit([arrival(reading(made.clock)), arrival(reading(made.clock))])
        alarm = made.intake.judge.book.open_at("btn-1", "button")
        assert alarm is not None
        assert alarm.count == 2


async def test_what_cannot_be_judged_is_quarantined_and_the_next_goes_on(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.intake.emit(
            [
                arrival(reading(made.clock, name="no-such-point")),
                arrival(reading(made.clock, "no-such-device")),
                arrival(reading(made.clock), devices=("no-such-device",)),
                arrival(reading(made.clock), token=(10**6, 1)),
                arrival(reading(made.clock)),
            ]
        )
        assert "alarm.raised" in made.told("panic")
        kept = await made.rows("SELECT device, why FROM quarantine ORDER BY id")
        assert [device for device, _ in kept][:2] == ["btn-1", "no-such-device"]
        assert len(kept) >= 3


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 1e308, float("nan"), "x" * 10_000, True])
async def test_no_value_of_a_measurement_stops_the_writer(tmp_path: Path, value: Any) -> None:
    async with core(tmp_path, FakeClock()) as made:
        await made.press(name="level", active=None, value=value)
        await made.press()
        assert made.told("panic") == ["alarm.raised"]
        stored = await made.rows("SELECT length(CAST(value AS TEXT)) FROM reading")
        assert stored[0][0] is None or stored[0][0] <= 256


async def test_both_languages_are_in_record_and_row_after_a_restart_and_older_ones_have_their_text(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    full = Said("磁盘空间不足", "disk nearly full")
    async with core(tmp_path, clock) as made:
        await made.press()
        made.intake.fault("disk", full, active=True, attributes={})
        await made.turn()
        [fault] = made.bodies("fault.raised")
        assert fault["data"]["text"] == "示范小学 网关 磁盘空间不足 disk nearly full"
        assert fault["data"]["words"] == full.as_dict()
    async with core(tmp_path, clock) as made:
        rows = [alarm_row(each, []) for each in made.intake.judge.book.all_open()]
        assert {row["point"]: row["words"] for row in rows} == {
            "button": {"zh": "按下", "en": "pressed"},
            "disk": full.as_dict(),
        }
        forget = "UPDATE alarm SET doc = json_remove(doc, '$.words')"
        await made.store.maintain(lambda db: db.execute(forget))
    async with core(tmp_path, clock) as made:
        rows = [alarm_row(each, []) for each in made.intake.judge.book.all_open()]
        assert [row["words"] for row in rows] == [None, None]
        assert [row["text"] for row in rows] == ["西门 按钮 按下", fault["data"]["text"]]
        made.intake.fault("disk", None, active=False, attributes={})
        await made.turn()
        [over] = made.bodies("fault.restored")
        assert over["data"]["text"] == fault["data"]["text"]
        assert "words" not in over["data"]


async def test_no_bug_in_a_step_or_a_command_stops_the_writer(tmp_path: Path) -> None:
    def broken(_ledger: Ledger) -> None:
        raise RuntimeError("a bug")

    async with core(tmp_path, FakeClock()) as made:
        made.intake.post(broken)
        with pytest.raises(RuntimeError):
            await made.intake.command(broken)
        made.intake.fault("x", Said("文", "text"), active=True, attributes={"why": "\udcff"})
        await made.press()
        assert made.told("panic") == ["alarm.raised"]


async def test_a_state_that_cannot_be_read_does_not_keep_the_gateway_from_starting(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with core(tmp_path, clock) as made:
        await made.press(name="smoke")
        batch = Batch()
        batch.points["btn-1", "smoke"] = '{"active": tr'
        batch.points["btn-1", "level"] = '{"pending": {"device_id": 1}}'
        await made.store.commit(batch)
        await made.store.maintain(lambda db: db.execute("UPDATE alarm SET doc = '{'"))
    async with core(tmp_path, clock) as made:
        await made.press(name="smoke")
        assert made.told("smoke") == ["alarm.raised"]


async def test_a_stuck_device_with_a_delay_sets_one_timer_not_one_for_each_message(
    tmp_path: Path,
) -> None:
    stuck = point("stuck", kind=Kind.SMOKE, nature=Nature.STATE, priority=2, auto_restore_s=60.0)
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", stuck)]) as made:
        for _ in range(20):
            await made.intake.emit([arrival(reading(made.clock, name="stuck")) for _ in range(100)])
            await made.pass_time(1)
        assert len(made.intake._timers) < 20
        await made.pass_time(70, step=5)
        assert made.told("smoke")[-1] == "alarm.restored"
        assert len(made.intake._timers) <= 1  # the alarm's own, for its escalation


async def test_delays_are_kept_across_a_restart(tmp_path: Path) -> None:
    slow = point("slow", kind=Kind.SMOKE, nature=Nature.STATE, priority=2, on_delay_s=10.0)
    clock, devices = FakeClock(), [device("btn-1", slow)]
    async with core(tmp_path, clock, devices=devices, crash=True) as made:
        await made.press(name="slow")
        assert made.records == []
    async with core(tmp_path, clock, devices=devices) as made:
        await made.pass_time(12)
        assert made.told() == ["alarm.raised"]


async def test_stop_finishes_what_is_in_line(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        waiting = [asyncio.ensure_future(made.press(name="door")) for _ in range(3000)]
        await asyncio.sleep(0)
        made.intake.stop()
        await asyncio.gather(*waiting)
        assert len(made.records) == 3000


async def test_the_order_of_a_device_is_the_order_of_its_messages(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        for start in range(0, 3000, 300):
            await made.intake.emit(
                [
                    arrival(reading(made.clock, name="door", value=n))
                    for n in range(start, start + 300)
                ]
            )
        values = [body["data"]["value"] for body in made.bodies("event.recorded")]
        assert values == list(range(3000))


async def test_what_a_command_wrote_of_a_delivery_is_kept_beside_the_workers_receipts(
    tmp_path: Path,
) -> None:
    async with core(tmp_path, FakeClock(), receivers=["police"]) as made:
        first, second = await made.write(), await made.write()
        number = made.start.receivers["police"]
        row = DeliveryRow(number, second.seq, 2, 1, 5, "R-2")
        made.intake.receipts([DeliveryRow(number, first.seq, 1, 1, 5, "R-1")])
        await made.intake.command(lambda ledger: ledger.batch.deliveries.append(row))
        kept = await made.rows("SELECT seq, state, reference FROM delivery ORDER BY seq")
        assert kept == [(first.seq, 1, "R-1"), (second.seq, 2, "R-2")]


@pytest.mark.parametrize("wanders", [False, True])
async def test_telemetry_is_kept_thin(tmp_path: Path, *, wanders: bool) -> None:
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", LEVEL)]) as made:
        for second in range(130):
            await made.press(name="level", active=None, value=second if wanders else 7)
            await made.pass_time(1)
        assert await made.rows("SELECT count(*) FROM reading") == [(3,)]


async def test_a_number_that_crosses_its_threshold_between_two_rows_of_telemetry_is_kept(
    tmp_path: Path,
) -> None:
    level = dataclasses.replace(LEVEL, category=Category.ALARM, alarm_above=50.0, on_delay_s=3.0)
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", level)]) as made:
        for value in (7, 8, 60, 61):
            await made.press(name="level", active=None, value=value)
        assert [one.type for one in made.records] == []
        await made.pass_time(4)
        assert [one.type for one in made.records] == ["alarm.raised"]
    async with core(tmp_path, FakeClock(), devices=[device("btn-1", level)]) as made:
        await made.press(name="level", active=None, value=62)
        await made.pass_time(10)
        assert [one.type for one in made.records] == []
        await made.press(name="level", active=None, value=6)
        assert [one.type for one in made.records] == ["alarm.restored"]


async def test_the_journal_of_all_this_verifies(tmp_path: Path) -> None:
    async with core(tmp_path, FakeClock()) as made:
        for n in range(50):
            await made.press(name="door", value=n)
            await made.press()
    assert verify(tmp_path) == []
