"""Opening, committing, closing: what the store promises while nothing is broken."""

import sqlite3
import time
from pathlib import Path

import pytest

from gateway.errors import StoreDamaged, StoreError, StoreNewer
from gateway.store import (
    PARKED,
    Batch,
    DeliveryRow,
    QuarantineRow,
    Store,
    opening,
    recover,
    verify,
)
from gateway.store.batch import QUARANTINE_PER_DEVICE
from gateway.store.store import HEAD_EVERY, checkpoint
from tests.store.making import START_NS, fill, open_alarm, opened, rows, seal_some


async def test_what_was_committed_is_there_after_a_crash(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        records = seal_some(journal, 3, receivers=(1, 2))
        alarms = {a.alarm_id: a for a in map(open_alarm, records)}
        await store.commit(
            Batch(
                records=records,
                alarms=alarms,
                points={("btn", "button"): '{"active":true}'},
                seen={"btn": 7},
                inbox=[("field", 9, -3)],
            )
        )
    async with opened(tmp_path) as (store, start, _):
        assert (start.seq, start.head) == (3, journal.hash)
        assert start.alarms == [alarm.doc for alarm in alarms.values()]
        assert start.points == {("btn", "button"): '{"active":true}'}
        assert start.seen == {"btn": 7}
        assert start.inbox == {("field", 9): -3}
        assert start.floor_ns == START_NS
        assert start.complaints == []
        stored = await store.read("SELECT body FROM record ORDER BY seq")
        assert [body for (body,) in stored] == [record.body for record in records]
        pending = await store.read("SELECT receiver, seq FROM delivery WHERE state = 0")
        assert sorted(pending) == [(r, s) for r in (1, 2) for s in (1, 2, 3)]


async def test_a_batch_that_is_tried_again_leaves_the_same_rows(tmp_path: Path) -> None:
    """A failed commit means that nobody knows: it may have been applied all the same."""
    async with opened(tmp_path) as (store, _, journal):
        records = seal_some(journal, 2, receivers=(1,))
        full = Batch(
            records=records,
            readings=[(1, "d", "p", 20.5)],
            quarantine=[QuarantineRow(1, "d", "no JSON", 3, b"\xff\x00x")],
            deliveries=[DeliveryRow(1, 1, 1, 1, 5, "R-1")],
        )
        rest = Batch(
            readings=[(2, "d", "p", None), (3, "d", "p", True)],
            quarantine=[QuarantineRow(2, "d", "no JSON", 3, b"again")],
            inbox=[("field", 1, 2)],
        )
        for batch in (full, rest, full, rest, rest):
            await store.commit(batch)
    tables = ("record", "delivery", "reading", "quarantine", "inbox")
    counts = [rows(tmp_path, f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    assert counts == [2, 2, 3, 2, 1]
    assert verify(tmp_path) == []


async def test_a_number_that_is_taken_is_an_error_and_never_a_lost_alarm(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        head = journal.hash
        await store.commit(Batch(records=seal_some(journal, 1)))
        journal.seq, journal.hash = 0, head
        with pytest.raises(StoreDamaged, match="taken"):
            await store.commit(Batch(records=seal_some(journal, 1, text="另一条")))


async def test_an_acknowledged_delivery_never_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 2, receivers=(1,))))
        await store.commit(Batch(deliveries=[DeliveryRow(1, 1, 2, 1, 5, "R-1")]))
        late = DeliveryRow(1, 1, PARKED, 2, 6, "", "HTTP 400")
        await store.commit(Batch(deliveries=[late]))
        await store.commit(Batch(deliveries=[DeliveryRow(1, 2, 1, 1, 5), late]))
        closed, older = DeliveryRow(1, 2, 6, 1, 9, "R-2"), DeliveryRow(1, 2, 1, 1, 9, "R-0")
        await store.commit(Batch(deliveries=[closed, older, late]))
        await store.commit(Batch(deliveries=[older]))
        found = await store.read("SELECT seq, state, reference FROM delivery ORDER BY seq")
        assert found == [(1, 2, "R-1"), (2, 6, "R-2")]


async def test_a_receipt_for_a_row_that_is_gone_makes_no_new_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 1, receivers=(1,))))
        await store.commit(
            Batch(deliveries=[DeliveryRow(1, 77, PARKED, 1, 5), DeliveryRow(1, 1, 1, 1, 5)])
        )
        assert await store.read("SELECT seq, state FROM delivery") == [(1, 1)]


async def test_only_the_newest_rubbish_of_each_device_is_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, _journal):
        for at in range(QUARANTINE_PER_DEVICE + 7):
            row = QuarantineRow(at, "noisy", "no JSON", 1, b"x")
            await store.commit(Batch(quarantine=[row]))
        await store.commit(Batch(quarantine=[QuarantineRow(1, "quiet", "no JSON", 1, b"y")]))
        counted = await store.read(
            "SELECT device, count(*), min(at_ns) FROM quarantine GROUP BY device ORDER BY device"
        )
    assert counted == [("noisy", QUARANTINE_PER_DEVICE, 7), ("quiet", 1, 1)]


async def test_a_second_gateway_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        with pytest.raises(StoreError, match="another gateway"):
            await Store.open(tmp_path)
        await store.commit(Batch(records=seal_some(journal, 1)))
    async with opened(tmp_path) as (_, start, _):
        assert start.seq == 1


async def test_every_failed_opening_lets_go_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path, 3)
    with monkeypatch.context() as older:
        older.setattr(opening, "migrations", list)  # a gateway that knows none
        with pytest.raises(StoreNewer):
            await Store.open(tmp_path)
    async with opened(tmp_path) as (_, start, _):
        assert start.seq == 3


async def test_the_head_file_never_runs_ahead_of_what_is_committed(tmp_path: Path) -> None:
    """Or a kill while a full disk holds a batch up would look like a journal gone backwards."""
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 2)))
        seal_some(journal, 5)
        store.write_head(journal.seq, START_NS)
        assert recover.read_head(tmp_path) == (2, START_NS)
    async with opened(tmp_path) as (_, start, _):
        assert (start.seq, start.complaints) == (2, [])


async def test_the_head_file_is_written_now_and_then_by_the_commits_themselves(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, HEAD_EVERY - 1)))
        assert recover.read_head(tmp_path) == (0, 0)
        await store.commit(Batch(records=seal_some(journal, 1)))
        assert recover.read_head(tmp_path) == (HEAD_EVERY, START_NS)


async def test_a_slow_reader_does_not_hold_up_a_checkpoint_nor_a_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 100)))
        reader = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM record").fetchone()
            waited_ms = await store.maintain(_checkpoint_ms)
            await store.commit(Batch(records=seal_some(journal, 1)))
        finally:
            reader.close()
        assert waited_ms < 4500  # who waits for the reader waits 5,000
        assert await store.read("PRAGMA busy_timeout") == [(5000,)]


def _checkpoint_ms(db: sqlite3.Connection) -> float:
    began = time.monotonic()
    checkpoint(db)
    return (time.monotonic() - began) * 1000


async def test_a_folder_with_odd_characters_in_its_name_works(tmp_path: Path) -> None:
    folder = tmp_path / "校园 100%?#库"
    await fill(folder, 2)
    async with opened(folder) as (store, start, _):
        assert start.seq == 2
        assert len(await store.read("SELECT seq FROM record")) == 2
    assert verify(folder) == []


async def test_the_writer_syncs_every_commit(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, _journal):
        settings = await store.maintain(
            lambda db: [
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "application_id", "user_version")
            ]
        )
    assert settings == ["wal", 2, opening.APPLICATION_ID, len(opening.migrations())]
