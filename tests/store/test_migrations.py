"""Numbered migrations: a store of one version becomes one of the next, whole or not at all."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreNewer
from gateway.store import Batch, Start, Store, opening, verify
from tests.store.making import fill, journal_of, opened, rows, seal_some

SECOND = """
ALTER TABLE seen ADD COLUMN boot TEXT NOT NULL DEFAULT '';
CREATE TABLE camera (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def with_second(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A gateway one version on."""
    first = opening.migrations()
    monkeypatch.setattr(opening, "migrations", lambda: [*first, text])


def test_files_are_numbered_without_a_gap() -> None:
    folder = Path(opening.__file__).parent / "schema"
    names = sorted(path.name for path in folder.glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert len(opening.migrations()) == len(names)


async def test_a_store_is_brought_to_the_next_version_with_all_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = len(opening.migrations())
    records = await fill(tmp_path, 40, receivers=(1,))
    with monkeypatch.context() as newer:
        with_second(newer, SECOND)
        async with opened(tmp_path) as (store, start, journal):
            assert (start.seq, start.complaints) == (40, [])
            assert await store.read("PRAGMA user_version") == [(1 + ours,)]
            await store.commit(Batch(records=seal_some(journal, 1), seen={"d": 5}))
            assert await store.read("SELECT boot FROM seen") == [("",)]
        async with opened(tmp_path) as (_, start, _):
            assert start.seq == 41, "a second start migrates nothing"
    with pytest.raises(StoreNewer):
        await Store.open(tmp_path)
    bodies = rows(tmp_path, "SELECT body FROM record WHERE seq <= 40 ORDER BY seq")
    assert [body for (body,) in bodies] == [record.body for record in records]
    assert verify(tmp_path) == []


async def test_a_store_of_the_first_version_gets_its_trail_and_keeps_its_records(
    tmp_path: Path,
) -> None:
    journal = journal_of(Start())
    [record] = seal_some(journal, 1)
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as db:
        db.executescript(opening.migrations()[0])
        db.executescript(
            f"PRAGMA application_id={opening.APPLICATION_ID}; PRAGMA user_version=1;"
            "INSERT INTO meta VALUES ('schema', '1');"
        )
        db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?)",
            (record.seq, record.stored_ns, record.alarm_id, record.body),
        )
    assert verify(tmp_path) == [], "before any gateway of this version has opened it, too"
    async with opened(tmp_path) as (store, start, _):
        assert (start.seq, start.audit_seq, start.complaints) == (1, 0, [])
        assert await store.read("SELECT count(*) FROM audit") == [(0,)]
    assert verify(tmp_path) == []


@pytest.mark.parametrize("text", ["CREATE TABLE camera (id); NONSENSE;", "DROP TABLE nowhere;"])
async def test_a_migration_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    await fill(tmp_path, 5)
    with monkeypatch.context() as newer:
        with_second(newer, text)
        with pytest.raises(StoreError):
            await Store.open(tmp_path)
    async with opened(tmp_path) as (store, start, _):
        assert (start.seq, start.complaints) == (5, [])
        assert await store.read("PRAGMA user_version") == [(len(opening.migrations()),)]
        assert await store.read("SELECT count(*) FROM sqlite_master WHERE name = 'camera'") == [
            (0,)
        ]
