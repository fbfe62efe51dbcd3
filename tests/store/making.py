"""What tests of the store are made of: records, batches, one life of a store, its rows."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from gateway.store import AlarmRow, Batch, Draft, Journal, Sealed, Start, Store, Subject

DAY_NS = 86_400_000_000_000
START_NS = 1_800_000_000_000_000_000  # 2027-01-15: after SANE_NS
RECEIVERS = ("police", "bureau")
SUBJECT = Subject.of(
    device_id="btn-gate-west",
    name="西门1号按钮",
    place="西门",
    family="alarm_button",
    point="button",
)


def journal_of(start: Start) -> Journal:
    """The journal as the gateway builds it at its start."""
    return Journal(
        source="/campus/320612-0001/gw-1",
        site={"id": "320612-0001", "name": "示范小学"},
        seq=start.seq,
        head=start.head,
    )


def draft(number: int = 0, **given: Any) -> Draft:
    """A press; whatever is given replaces what it says."""
    said: dict[str, Any] = {
        "type": "alarm.raised",
        "subject": SUBJECT,
        "kind": "panic",
        "priority": 1,
        "received_ns": START_NS,
        "quality": "trusted",
        "text": f"按下 {number}",
        "alarm_id": f"alarm-{number:08d}",
        "attributes": {"battery": number % 100},
    }
    return Draft(**(said | given))


def seal_some(
    journal: Journal,
    count: int,
    *,
    receivers: tuple[int, ...] = (),
    at_ns: int = START_NS,
    lane: int = 0,
    **given: Any,
) -> list[Sealed]:
    """That many records, each addressed to those receivers."""
    return [
        journal.seal(draft(journal.seq + 1, receivers=receivers, lane=lane, **given), at_ns)
        for _ in range(count)
    ]


def open_alarm(record: Sealed, *, is_open: bool = True) -> AlarmRow:
    """The alarm that a record raised."""
    name = record.alarm_id or ""
    return AlarmRow(name, "alarm", is_open, record.seq, f'{{"alarm_id":"{name}"}}')


@asynccontextmanager
async def opened(
    folder: Path, *, reserve_mib: int = 1, receivers: Sequence[str] = RECEIVERS
) -> AsyncIterator[tuple[Store, Start, Journal]]:
    """One life of a store; ends as a killed process would, without a checkpoint."""
    store, start = await Store.open(folder, reserve_mib=reserve_mib, receivers=receivers)
    try:
        yield store, start, journal_of(start)
    finally:
        await store.abandon()


async def fill(folder: Path, count: int, *, per_batch: int = 50, **given: Any) -> list[Sealed]:
    """A store that was closed in good order, with that many records in it."""
    store, start = await Store.open(folder, reserve_mib=1, receivers=RECEIVERS)
    journal = journal_of(start)
    records: list[Sealed] = []
    while len(records) < count:
        some = seal_some(journal, min(per_batch, count - len(records)), **given)
        await store.commit(
            Batch(records=some, alarms={a.alarm_id: a for a in map(open_alarm, some)})
        )
        records += some
    await store.close(journal.seq, START_NS)
    return records


def rows(folder: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What another process sees in the database."""
    with closing(sqlite3.connect(f"{(folder / 'events.db').as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()


def change(folder: Path, sql: str, *values: Any) -> None:
    """Change a closed store behind its back."""
    with closing(sqlite3.connect(folder / "events.db", isolation_level=None)) as db:
        db.execute(sql, values)
