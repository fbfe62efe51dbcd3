"""Ninety days and more: what goes, what stays, and what a wrong clock may do."""

import random
import sqlite3
from pathlib import Path

import pytest

from gateway.clock import SANE_NS
from gateway.store import PARKED, Batch, DeliveryRow, QuarantineRow, Store, retention, verify
from gateway.store.retention import MOST_DAYS, PASS_NS, expire
from tests.store.making import (
    DAY_NS,
    RECEIVERS,
    START_NS,
    journal_of,
    open_alarm,
    opened,
    rows,
    seal_some,
)

DAYS = 90


class FakeClock:
    """UTC that a test owns: what the wall says may differ from what passed."""

    def __init__(self) -> None:
        self.passed_ns = START_NS
        self.off_ns = 0

    def utc_ns(self) -> int:
        return self.passed_ns + self.off_ns


async def sweep(store: Store, now_ns: int) -> int:
    """One look of housekeeping: steps until there is no more."""
    total = 0
    while removed := await store.maintain(expire, now_ns, DAYS):
        total += removed
        if removed < retention.ROWS_PER_STEP:
            break
    return total


async def test_a_hundred_and_fifty_days_leave_ninety(tmp_path: Path) -> None:
    clock = FakeClock()
    store, start = await Store.open(tmp_path, reserve_mib=1, receivers=RECEIVERS)
    journal = journal_of(start)
    parked, pending, open_ids = [], [], []
    for day in range(150):
        records = seal_some(journal, 20, receivers=(1,), at_ns=clock.utc_ns())
        alarms = [open_alarm(record, is_open=False) for record in records]
        rest = records[:]
        if day % 10 == 0:
            parked.append(rest.pop().seq)
            pending.append(rest.pop().seq)
            alarms[0].is_open = True
            open_ids.append(records[0].seq)
        done = [DeliveryRow(1, record.seq, 1, 1, clock.utc_ns(), "R") for record in rest]
        done += [
            DeliveryRow(1, seq, PARKED, 1, clock.utc_ns()) for seq in parked[-1:] if not day % 10
        ]
        await store.commit(
            Batch(
                records=records,
                alarms={alarm.alarm_id: alarm for alarm in alarms},
                readings=[(clock.utc_ns(), "d", "p", float(day))],
                quarantine=[QuarantineRow(clock.utc_ns(), f"d{day}", "no", 1, b"x")],
            )
        )
        await store.commit(Batch(deliveries=done))
        for _ in range(4):
            clock.passed_ns += PASS_NS
            await sweep(store, clock.utc_ns())
    kept = await store.read("SELECT seq, stored_ns FROM record")
    young = {seq for seq, at in kept if at >= clock.utc_ns() - DAYS * DAY_NS}
    assert len(young) == DAYS * 20
    old = {seq for seq, _ in kept} - young
    wanted = {*parked, *pending, *open_ids}
    assert {seq for seq in wanted if seq not in young} <= old
    assert len(old - wanted) <= 20, "a pass behind at most"
    for table in ("reading", "quarantine"):
        assert DAYS <= (await store.read(f"SELECT count(*) FROM {table}"))[0][0] <= DAYS + 1
    gone = await store.read(
        "SELECT count(*) FROM delivery WHERE seq NOT IN (SELECT seq FROM record)"
    )
    assert gone == [(0,)]
    alarms_left = await store.read(
        "SELECT count(*) FROM alarm WHERE alarm_id NOT IN (SELECT alarm_id FROM record)"
    )
    assert alarms_left == [(0,)]
    await store.close(journal.seq, clock.utc_ns())
    assert verify(tmp_path) == []


async def test_what_was_needed_goes_once_it_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        record, _newest = seal_some(journal, 2, receivers=(1,))
        alarm = open_alarm(record)
        await store.commit(Batch(records=[record, _newest], alarms={alarm.alarm_id: alarm}))
        later = START_NS + 100 * DAY_NS
        assert await sweep(store, later) == 0
        await store.commit(Batch(deliveries=[DeliveryRow(1, 1, 1, 1, later)]))
        assert await sweep(store, later + PASS_NS) == 0
        closed = open_alarm(record, is_open=False)
        await store.commit(Batch(alarms={closed.alarm_id: closed}))
        assert await sweep(store, later + 2 * PASS_NS) == 1
        assert await store.read("SELECT seq FROM record") == [(2,)], "the newest stays for ever"
        assert await store.read("SELECT count(*) FROM alarm") == [(0,)]


async def test_a_leap_of_the_clock_removes_at_most_a_few_days(tmp_path: Path) -> None:
    """Whoever sets the clock a year ahead loses three days in six hours, not the archive."""
    async with opened(tmp_path) as (store, _, journal):
        for day in range(80):
            await store.commit(Batch(records=seal_some(journal, 10, at_ns=START_NS + day * DAY_NS)))
        now_ns = START_NS + 80 * DAY_NS
        assert await sweep(store, now_ns) == 0
        leapt_ns = now_ns + 365 * DAY_NS
        removed = sum(
            [await sweep(store, leapt_ns + hour * 3_600_000_000_000) for hour in range(5)]
        )
        assert removed <= MOST_DAYS * 10
        back = [await sweep(store, now_ns + n * PASS_NS) for n in range(1, 9)]
        assert back == [0] * 8, "right again: nothing more goes"


@pytest.mark.parametrize("off_days", [-400, -1, 30, 4000])
async def test_records_of_an_hour_with_a_wrong_clock_stay_their_ninety_days(
    tmp_path: Path, off_days: int
) -> None:
    clock = FakeClock()
    async with opened(tmp_path) as (store, _, journal):
        stored_at: dict[int, int] = {}
        for day in range(120):
            clock.off_ns = off_days * DAY_NS if day == 10 else 0
            for record in seal_some(journal, 5, at_ns=clock.utc_ns()):
                stored_at[record.seq] = clock.passed_ns
                await store.commit(Batch(records=[record]))
            clock.off_ns = 0
            clock.passed_ns += DAY_NS
            await sweep(store, clock.utc_ns())
            left = {seq for (seq,) in await store.read("SELECT seq FROM record")}
            young = {seq for seq, at in stored_at.items() if at > clock.passed_ns - DAYS * DAY_NS}
            assert young <= left
        assert len(left) <= (DAYS + 31 + MOST_DAYS) * 5, "and what is too old does go"
    assert verify(tmp_path) == []


async def test_records_from_before_the_clock_was_set_are_as_old_as_what_follows(
    tmp_path: Path,
) -> None:
    """A board without a battery begins in 1970: its first alarms are not 57 years old."""
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 10, at_ns=3_000_000_000)))
        await store.commit(Batch(records=seal_some(journal, 10, at_ns=START_NS)))
        for n in range(40):
            await sweep(store, START_NS + n * PASS_NS)
        assert (await store.read("SELECT count(*) FROM record"))[0][0] == 20
        for n in range(40):
            await sweep(store, START_NS + 91 * DAY_NS + n * PASS_NS)
        assert (await store.read("SELECT count(*) FROM record"))[0][0] == 1
    assert SANE_NS < START_NS


async def test_a_step_is_bounded_however_much_there_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 3000)))
        await store.commit(Batch(readings=[(START_NS, "d", "p", n) for n in range(3000)]))
        later = START_NS + 200 * DAY_NS
        removed = [await store.maintain(expire, later, DAYS) for _ in range(4)]
        assert removed == [2000, 2000, 1999, 0]
        assert verify(tmp_path) == []


async def test_a_dead_receivers_backlog_does_not_keep_the_rest(tmp_path: Path) -> None:
    """Thousands of old records are needed: what lies between and behind them goes all the same."""
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 6000, receivers=(1,))))
        await store.commit(Batch(records=seal_some(journal, 500)))
        later = START_NS + 200 * DAY_NS
        for n in range(4):
            await sweep(store, later + n)
        assert await store.read("SELECT count(*), max(seq) FROM record") == [(6001, 6500)]


async def test_rubbish_is_bounded_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "QUARANTINE_MOST", 50)
    async with opened(tmp_path) as (store, _, _journal):
        for n in range(70):
            await store.commit(Batch(quarantine=[QuarantineRow(START_NS, f"d{n}", "no", 1, b"x")]))
        await sweep(store, START_NS)
        found = await store.read("SELECT count(*), min(id) FROM quarantine")
    assert found == [(50, 21)]


async def test_a_failing_step_leaves_no_transaction_open(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 10)))

        def trip(db: sqlite3.Connection) -> None:
            db.execute(
                "CREATE TRIGGER no BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'no'); END"
            )

        await store.maintain(trip)
        with pytest.raises(Exception, match="no"):
            await store.maintain(expire, START_NS + 200 * DAY_NS, DAYS)
        await store.commit(Batch(records=seal_some(journal, 1)))
    assert rows(tmp_path, "SELECT count(*) FROM record") == [(11,)]


@pytest.mark.parametrize("seed", range(2))
async def test_however_the_clock_wanders_nothing_young_goes(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    clock = FakeClock()
    async with opened(tmp_path) as (store, _, journal):
        stored_at: dict[int, int] = {}
        budget_days = 0.0
        for _ in range(150):
            if dice.random() < 0.1:
                clock.off_ns = dice.choice([0, 0, -30, 2, -200, 60]) * DAY_NS
            for record in seal_some(journal, 3, at_ns=clock.utc_ns()):
                stored_at[record.seq] = clock.passed_ns
                await store.commit(Batch(records=[record]))
            clock.passed_ns += DAY_NS
            if clock.off_ns > 0:  # believed by the clock: the loss is bounded, by passes
                budget_days += MOST_DAYS
            await sweep(store, clock.utc_ns())
        left = {seq for (seq,) in await store.read("SELECT seq FROM record")}
        limit = clock.passed_ns - (DAYS - budget_days) * DAY_NS
        assert {seq for seq, at in stored_at.items() if at > limit} <= left
    assert verify(tmp_path) == []
