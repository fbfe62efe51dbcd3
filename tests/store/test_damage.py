"""Whatever happened to the files: the gateway opens, and nothing that can be read is lost."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreNewer
from gateway.store import PARKED, Batch, DeliveryRow, Store, recover, verify
from gateway.store import store as store_module
from gateway.store.salvage import SKIP_AHEAD
from tests.store.making import (
    RECEIVERS,
    change,
    fill,
    journal_of,
    open_alarm,
    opened,
    rows,
    seal_some,
)

PAGE_BYTES = 4096


async def salvage_all(store: Store, most_steps: int = 10_000) -> None:
    """What housekeeping does while the gateway runs."""
    cursor = None
    while (aside := recover.newest_aside(store.folder)) is not None:
        cursor = await store.maintain(recover.salvage_step, aside, cursor)
        most_steps -= 1
        assert most_steps, "salvage does not end"


def digests(folder: Path) -> dict[str, str]:
    """What lies in the store's files, byte for byte."""
    return {
        name: sha256((folder / name).read_bytes()).hexdigest()
        for name in ("events.db", "events.db-wal")
        if (folder / name).is_file()
    }


def asides(folder: Path) -> list[str]:
    """Names of what was moved aside."""
    return sorted(path.name for path in folder.glob("damaged-*"))


def mended(folder: Path) -> list[Path]:
    """Copies with a new header that are left over."""
    return list(folder.glob("damaged-*/mended.db*"))


def overwrite(folder: Path, at: int, what: bytes) -> None:
    """Write over a part of the database."""
    with (folder / "events.db").open("r+b") as file:
        file.seek(at)
        file.write(what)


def make_text(folder: Path) -> None:
    (folder / "events.db").write_text("这不是数据库 this is no database\n" * 100, "utf-8")


def make_zeros(folder: Path) -> None:
    (folder / "events.db").write_bytes(bytes(8 * PAGE_BYTES))


def make_foreign(folder: Path) -> None:
    (folder / "events.db").unlink()
    change(folder, "CREATE TABLE record (seq, body)")
    change(folder, "INSERT INTO record VALUES (7, 'not ours')")


def break_magic(folder: Path) -> None:
    overwrite(folder, 0, b"XXXX")


def break_page_size(folder: Path) -> None:
    overwrite(folder, 16, b"\x03\x07")


def break_schema_page(folder: Path) -> None:
    overwrite(folder, 100, random.Random(1).randbytes(PAGE_BYTES - 100))


def lower_version(folder: Path) -> None:
    overwrite(folder, 60, bytes(4))


def raise_version_by_one_bit(folder: Path) -> None:
    overwrite(folder, 60, b"\x00\x00\x00\x41")


def make_version_negative(folder: Path) -> None:
    overwrite(folder, 60, b"\xff\xff\xff\xff")


def change_application(folder: Path) -> None:
    overwrite(folder, 68, b"\x12\x34\x56\x78")


def make_short(folder: Path) -> None:
    os.truncate(folder / "events.db", PAGE_BYTES * 9 + 100)


def make_directory(folder: Path) -> None:
    (folder / "events.db").unlink()
    (folder / "events.db").mkdir()
    (folder / "events.db" / "inside").write_bytes(b"kept")


def make_wal_a_directory(folder: Path) -> None:
    (folder / "events.db-wal").mkdir()


def drop_a_table(folder: Path) -> None:
    change(folder, "DROP TABLE point")


def text_that_is_none(folder: Path) -> None:
    change(folder, "INSERT INTO seen VALUES (CAST(x'ff00fe' AS TEXT), 1)")


READABLE = [
    lower_version,
    raise_version_by_one_bit,
    make_version_negative,
    change_application,
    make_wal_a_directory,
    drop_a_table,
    text_that_is_none,
]
UNREADABLE = [break_magic, break_page_size, break_schema_page]
EMPTY = [make_text, make_zeros, make_foreign, make_directory]


@pytest.mark.parametrize("damage", READABLE, ids=lambda d: d.__name__)
async def test_everything_is_brought_over_when_only_the_frame_is_damaged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    records = await fill(tmp_path, 120, receivers=(1, 2))
    damage(tmp_path)
    before = digests(tmp_path)
    async with opened(tmp_path) as (store, start, _):
        assert start.complaints
        assert before.items() <= digests(tmp_path / "damaged-0001").items()
        assert len(start.alarms) == 120
        pending = await store.read("SELECT count(*) FROM delivery WHERE state = 0")
        assert pending == [(240,)]
        assert start.seq >= 120 + SKIP_AHEAD
        await salvage_all(store)
        assert before.items() <= digests(tmp_path / "damaged-0001").items()
        stored = await store.read("SELECT body FROM record ORDER BY seq")
        assert [body for (body,) in stored] == [record.body for record in records]
    told = verify(tmp_path)
    assert len(told) == 1
    assert "damaged-0001" in told[0]


@pytest.mark.parametrize("damage", UNREADABLE, ids=lambda d: d.__name__)
async def test_records_are_found_in_the_bytes_when_no_table_can_be_read(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    records = await fill(tmp_path, 120)
    damage(tmp_path)
    before = digests(tmp_path)
    async with opened(tmp_path) as (store, start, journal):
        assert start.seq >= 120 + SKIP_AHEAD
        await store.commit(Batch(records=seal_some(journal, 2)))
        await salvage_all(store)
        assert before.items() <= digests(tmp_path / "damaged-0001").items()
        stored = await store.read("SELECT body FROM record ORDER BY seq")
        assert [body for (body,) in stored][:-2] == [record.body for record in records]
    assert ["damaged-0001" in line for line in verify(tmp_path)] == [True]


@pytest.mark.parametrize("damage", EMPTY, ids=lambda d: d.__name__)
async def test_what_is_no_store_of_ours_is_moved_aside_and_kept(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    await fill(tmp_path, 20)
    damage(tmp_path)
    before = digests(tmp_path)
    async with opened(tmp_path) as (store, start, journal):
        assert start.alarms == []
        assert start.seq >= 20 + SKIP_AHEAD, "numbers receivers have seen are not given again"
        assert before.items() <= digests(tmp_path / "damaged-0001").items()
        await salvage_all(store)
        await store.commit(Batch(records=seal_some(journal, 1)))
    assert len(verify(tmp_path)) == 1
    if damage is make_directory:
        assert (tmp_path / "damaged-0001/events.db.other/inside").read_bytes() == b"kept"


async def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "events.db").touch()
    async with opened(tmp_path) as (_, start, _):
        assert (start.seq, start.complaints) == (0, [])


async def test_an_emptied_database_does_not_take_its_wal_with_it(tmp_path: Path) -> None:
    """SQLite deletes a WAL that lies beside an empty database, and all that is in it."""
    async with opened(tmp_path) as (store, _, journal):
        records = seal_some(journal, 60, receivers=(1,))
        await store.commit(Batch(records=records))
        wal = (tmp_path / "events.db-wal").read_bytes()
    (tmp_path / "events.db").write_bytes(b"")
    (tmp_path / "events.db-wal").write_bytes(wal)
    async with opened(tmp_path) as (store, start, _):
        assert (tmp_path / "damaged-0001/events.db-wal").read_bytes() == wal
        assert start.seq >= 60 + SKIP_AHEAD
        await salvage_all(store)
        stored = await store.read("SELECT body FROM record ORDER BY seq")
        assert [body for (body,) in stored] == [record.body for record in records]


async def test_a_wal_that_is_gone_is_noticed_by_the_head_file(tmp_path: Path) -> None:
    await fill(tmp_path, 10)
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 30)))
        store.write_head(journal.seq, 1)
        kept = (tmp_path / "events.db").read_bytes()
    for end in ("-wal", "-shm"):
        (tmp_path / f"events.db{end}").unlink(missing_ok=True)
    (tmp_path / "events.db").write_bytes(kept)
    assert any("head.json" in line for line in verify(tmp_path))
    async with opened(tmp_path) as (store, start, journal):
        assert "backwards" in start.complaints[0]
        assert start.seq == 40 + SKIP_AHEAD
        await store.commit(Batch(records=seal_some(journal, 1)))
    assert verify(tmp_path) == []
    async with opened(tmp_path) as (_, start, _):
        assert start.complaints == [], "told once"
        assert start.seq == 41 + SKIP_AHEAD


async def test_a_wal_that_was_taken_after_a_kill_is_told_once_and_costs_no_number(
    tmp_path: Path,
) -> None:
    """No head file knows of these records; that the store was never closed is enough."""
    await fill(tmp_path, 10)
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 3)))
        kept = (tmp_path / "events.db").read_bytes()
        assert (tmp_path / "open").exists()
    (tmp_path / "open").touch()
    (tmp_path / "events.db").write_bytes(kept)
    async with opened(tmp_path) as (_, start, _):
        assert "WAL" in start.complaints[0]
        assert start.seq == 10 + SKIP_AHEAD
    async with opened(tmp_path) as (_, start, _):
        assert start.complaints == []


async def test_an_opening_that_failed_is_not_taken_for_a_wal_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection was closed in order, and took the WAL of the killed one with it."""
    async with opened(tmp_path) as (store, _, journal):
        await store.commit(Batch(records=seal_some(journal, 3)))
        files = {name: (tmp_path / name).read_bytes() for name in ("events.db", "events.db-wal")}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "open").touch()

    def fail(_db: object, _receivers: object) -> None:
        raise StoreError("for this test")

    with monkeypatch.context() as broken:
        broken.setattr(store_module, "load", fail)
        with pytest.raises(StoreError, match="for this test"):
            await Store.open(tmp_path)
    assert not (tmp_path / "events.db-wal").exists()
    async with opened(tmp_path) as (_, start, _):
        assert (start.seq, start.complaints) == (3, [])


@pytest.mark.parametrize("seed", range(5))
async def test_a_flipped_byte_in_the_wal_loses_no_number(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    async with opened(tmp_path) as (store, _, journal):
        for _ in range(20):
            await store.commit(Batch(records=seal_some(journal, 5)))
        store.write_head(journal.seq, 1)
        wal = bytearray((tmp_path / "events.db-wal").read_bytes())
        base = (tmp_path / "events.db").read_bytes()
    wal[dice.randrange(32, len(wal))] ^= 1 << dice.randrange(8)
    (tmp_path / "events.db-shm").unlink(missing_ok=True)
    (tmp_path / "events.db").write_bytes(base)
    (tmp_path / "events.db-wal").write_bytes(wal)
    async with opened(tmp_path) as (store, start, journal):
        assert start.seq >= 100
        await store.commit(Batch(records=seal_some(journal, 1)))
        assert journal.seq > 100


@pytest.mark.parametrize("seed", range(8))
async def test_random_pages_may_be_destroyed(tmp_path: Path, seed: int) -> None:
    """It opens, never gives a number twice, and brings over all but what lay in those pages."""
    dice = random.Random(seed)
    records = await fill(tmp_path, 400, receivers=(1, 2))
    size = (tmp_path / "events.db").stat().st_size
    for page in dice.sample(range(size // PAGE_BYTES), dice.randrange(1, 4)):
        overwrite(tmp_path, page * PAGE_BYTES, dice.randbytes(PAGE_BYTES))
    by_seq = {record.seq: record.body for record in records}
    async with opened(tmp_path) as (store, start, journal):
        assert start.complaints
        assert start.seq >= 400 + SKIP_AHEAD
        fresh = seal_some(journal, 3, receivers=(1,))
        await store.commit(Batch(records=fresh))
        await salvage_all(store)
        stored = dict(await store.read("SELECT seq, body FROM record"))
        assert {seq: by_seq[seq] for seq in stored if seq <= 400}.items() <= stored.items()
        assert all(stored[record.seq] == record.body for record in fresh)
        # A page of the journal holds about five records: what is lost is what was destroyed.
        assert len(stored) >= 400 + 3 - 3 * 8
        orphans = await store.read(
            "SELECT count(*) FROM delivery WHERE state = 0 AND seq NOT IN (SELECT seq FROM record)"
        )
        assert orphans == [(0,)]
        lost = {f"record {seq} is missing" for seq in by_seq.keys() - stored.keys()}
    *told, last = verify(tmp_path)
    assert "damaged-0001" in last
    assert all(any(line.endswith(one) for one in lost) for line in told)


@pytest.mark.parametrize("seed", range(4))
async def test_a_file_cut_short_keeps_what_is_left(tmp_path: Path, seed: int) -> None:
    await fill(tmp_path, 300, receivers=(1,))
    size = (tmp_path / "events.db").stat().st_size
    os.truncate(tmp_path / "events.db", random.Random(seed).randrange(1, size))
    async with opened(tmp_path) as (store, start, journal):
        assert start.seq >= 300 + SKIP_AHEAD
        await store.commit(Batch(records=seal_some(journal, 1)))
        await salvage_all(store)
    assert ["damaged-0001" in line for line in verify(tmp_path)] == [True]


@pytest.mark.parametrize("tree", ["record", "delivery_pending", "record_of_alarm", "receiver"])
async def test_what_waits_for_a_receiver_survives_the_loss_of_the_root_of_a_tree(
    tmp_path: Path, tree: str
) -> None:
    """The journal's tree is gone, and its bytes are still there."""
    await fill(tmp_path, 100, receivers=(1, 2))
    change(tmp_path, "UPDATE delivery SET state = 1 WHERE receiver = 1 AND seq <= 50")
    change(tmp_path, "UPDATE delivery SET state = 7 WHERE receiver = 2 AND seq = 3")
    root = rows(tmp_path, "SELECT rootpage FROM sqlite_master WHERE name = ?", tree)[0][0]
    overwrite(tmp_path, (root - 1) * PAGE_BYTES, random.Random(1).randbytes(PAGE_BYTES))
    async with opened(tmp_path) as (store, start, _):
        assert "undelivered" not in " ".join(start.complaints)
        waiting = await store.read("SELECT receiver, seq, state FROM delivery ORDER BY 1, 2")
        assert waiting == [(1, seq, 0) for seq in range(51, 101)] + [
            (2, seq, PARKED if seq == 3 else 0) for seq in range(1, 101)
        ]
        missing = "SELECT count(*) FROM delivery WHERE seq NOT IN (SELECT seq FROM record)"
        assert await store.read(missing) == [(0,)]
        await salvage_all(store)
        assert await store.read("SELECT count(*) FROM record") == [(100,)]


async def test_an_outbox_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What was undelivered is unknown then: only the receivers can say what they have."""
    await fill(tmp_path, 100, receivers=(1, 2))
    root = rows(tmp_path, "SELECT rootpage FROM sqlite_master WHERE name = 'delivery'")[0][0]
    overwrite(tmp_path, (root - 1) * PAGE_BYTES, random.Random(1).randbytes(PAGE_BYTES))
    async with opened(tmp_path) as (store, start, _):
        assert "a part of the outbox cannot be read" in " ".join(start.complaints)
        await salvage_all(store)
        assert await store.read("SELECT count(*) FROM record") == [(100,)]


async def test_receivers_are_matched_by_name_when_the_configuration_changed_its_order(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, receivers=("police", "bureau")) as (store, start, journal):
        police = start.receivers["police"]
        await store.commit(Batch(records=seal_some(journal, 5, receivers=(police,))))
        done = DeliveryRow(police, 2, 1, 1, 5, "R-2")
        await store.commit(Batch(deliveries=[done, DeliveryRow(police, 3, PARKED, 1, 5)]))
    recover.mark_suspect(tmp_path, "a test")
    async with opened(tmp_path, receivers=("bureau", "fire", "police")) as (store, start, _):
        police = start.receivers["police"]
        waiting = "SELECT receiver, seq, state FROM delivery WHERE state IN (0, 7) ORDER BY seq"
        expected = [(police, 1, 0), (police, 3, PARKED), (police, 4, 0), (police, 5, 0)]
        assert await store.read(waiting) == expected
        await salvage_all(store)
        assert await store.read("SELECT receiver, reference FROM delivery WHERE state = 1") == [
            (police, "R-2")
        ]


async def test_what_happened_since_is_not_undone_by_bringing_over_again(tmp_path: Path) -> None:
    """A crash between the two parts of bringing over repeats the second, never the first."""
    async with opened(tmp_path) as (store, _, journal):
        record = seal_some(journal, 1, receivers=(1,))[0]
        alarm = open_alarm(record)
        inbox = [("field", 4, 44)]
        await store.commit(Batch(records=[record], alarms={alarm.alarm_id: alarm}, inbox=inbox))
    recover.mark_suspect(tmp_path, "a test")
    async with opened(tmp_path) as (store, start, _):
        assert (len(start.alarms), start.inbox) == (1, {("field", 4): 44})
        closed = open_alarm(record, is_open=False)
        await store.commit(
            Batch(
                alarms={closed.alarm_id: closed},
                deliveries=[DeliveryRow(1, 1, 1, 1, 5)],
                forget_inbox=["field"],
            )
        )
    async with opened(tmp_path) as (store, start, _):
        assert (start.alarms, start.inbox) == ([], {})
        await salvage_all(store)
        assert await store.read("SELECT state FROM delivery") == [(1,)]
        assert await store.read("SELECT is_open FROM alarm") == [(0,)]


async def test_a_second_damage_before_the_first_was_brought_over(tmp_path: Path) -> None:
    first = await fill(tmp_path, 50, receivers=(1,))
    break_magic(tmp_path)
    async with opened(tmp_path) as (store, _, journal):
        second = seal_some(journal, 5, receivers=(1,))
        await store.commit(Batch(records=second))
    change_application(tmp_path)
    async with opened(tmp_path) as (store, _, _):
        pending = await store.read("SELECT seq FROM delivery WHERE state = 0 ORDER BY seq")
        assert pending == [(record.seq,) for record in [*first, *second]]
        await salvage_all(store)
        stored = await store.read("SELECT body FROM record ORDER BY seq")
        assert [body for (body,) in stored] == [record.body for record in [*first, *second]]
    assert mended(tmp_path) == [], "the mended copy is gone again"


@pytest.mark.parametrize("named", ["aside.noted", "aside.moving", "aside.moving:3", "aside.moved"])
async def test_a_move_that_was_cut_off_is_finished_first(tmp_path: Path, named: str) -> None:
    """A WAL that stayed behind would be deleted beside a new database."""
    async with opened(tmp_path) as (store, _, journal):
        records = seal_some(journal, 40, receivers=(1,))
        await store.commit(Batch(records=records))
        files = {name: (tmp_path / name).read_bytes() for name in ("events.db", "events.db-wal")}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    script = (
        "import sys, pathlib\n"
        "from gateway.store import recover\n"
        "recover.move_aside(pathlib.Path(sys.argv[1]), 'a test')\n"
    )
    ended = subprocess.run(  # noqa: ASYNC221 short, and nothing else runs
        [sys.executable, "-c", script, tmp_path],
        env=os.environ | {"CAMPUS_CRASH_AT": named},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert ended.returncode == -9
    async with opened(tmp_path) as (store, start, _):
        assert asides(tmp_path) == ["damaged-0001"]
        for name, content in files.items():
            assert (tmp_path / "damaged-0001" / name).read_bytes() == content
        pending = await store.read("SELECT count(*) FROM delivery WHERE state = 0")
        assert pending == [(40,)]
        assert start.seq >= 40 + SKIP_AHEAD
    async with opened(tmp_path) as (_, start, _):
        assert start.complaints == [], "it is moved once"


async def test_an_undelivered_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    await fill(tmp_path, 10, receivers=(1,))
    change(tmp_path, "UPDATE record SET body = x'00' WHERE seq = 4")
    recover.mark_suspect(tmp_path, "a test")
    async with opened(tmp_path) as (store, start, _):
        assert any("undelivered" in line and "[4]" in line for line in start.complaints)
        assert await store.read("SELECT count(*) FROM delivery") == [(9,)]


async def test_a_document_that_is_none_does_not_stop_the_gateway(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    change(tmp_path, "UPDATE alarm SET doc = '{\"alarm' WHERE raised_seq = 2")
    change(tmp_path, "INSERT INTO point VALUES ('d', 'p', 'NaN?')")
    async with opened(tmp_path) as (_, start, _):
        assert len(start.alarms) == 2
        assert start.points == {}
        assert "alarm-00000002" in start.complaints[0]


async def test_a_damaged_newest_record_cannot_spoil_the_next_one(tmp_path: Path) -> None:
    """Its hash goes into the next record's JSON: it has to be one."""
    await fill(tmp_path, 3)
    body = bytearray(rows(tmp_path, "SELECT body FROM record WHERE seq = 3")[0][0])
    body[-30:-25] = b'"\\\n"}'
    change(tmp_path, "UPDATE record SET body = ? WHERE seq = 3", bytes(body))
    async with opened(tmp_path) as (store, start, journal):
        assert "newest record" in start.complaints[0]
        sealed = seal_some(journal, 1)[0]
        assert json.loads(sealed.body)["data"]["prev_hash"] == start.head
        await store.commit(Batch(records=[sealed]))
    assert verify(tmp_path)[0].startswith("record 3:")


async def test_a_store_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        await store.maintain(lambda db: db.execute("PRAGMA user_version=999") and None)
        await store.maintain(
            lambda db: db.execute("UPDATE meta SET value = '999' WHERE key = 'schema'") and None
        )
        await store.commit(Batch(records=seal_some(journal, 20)))
        before = {name: (tmp_path / name).read_bytes() for name in ("events.db", "events.db-wal")}
    for name, content in before.items():  # as a kill leaves it, everything still in the WAL
        (tmp_path / name).write_bytes(content)
    (tmp_path / "other.tmp").write_bytes(b"perhaps the newer one needs it")
    (tmp_path / "suspect.txt").write_text("perhaps it is", "utf-8")
    (tmp_path / "open").touch()
    with pytest.raises(StoreNewer, match="999"):
        await Store.open(tmp_path, receivers=RECEIVERS)
    for name, content in before.items():
        assert (tmp_path / name).read_bytes() == content
    assert (tmp_path / "other.tmp").exists()
    assert (tmp_path / "suspect.txt").exists()
    assert (tmp_path / "open").exists()
    assert asides(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_the_one_expected_error(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir()
    mounted = subprocess.run(  # noqa: ASYNC221
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs root to mount: permissions do not bind root, and others cannot remount")
    try:
        await fill(place, 3)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)  # noqa: ASYNC221
        with pytest.raises(StoreError):
            await Store.open(place)
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)  # noqa: ASYNC221
        async with opened(place) as (_, start, _):
            assert start.seq == 3
    finally:
        subprocess.run(["umount", "-l", place], check=True)  # noqa: ASYNC221


async def test_odd_things_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    for name in ("reserve", "head.json", "a.tmp"):
        (tmp_path / name).mkdir()
    async with opened(tmp_path) as (store, start, journal):
        await store.commit(Batch(records=seal_some(journal, 1)))
        store.write_head(1, 1)
        assert store.reserve.held_bytes == 0
        assert store.reserve.fill() is False
        assert store.reserve.release() == 0
        assert start.complaints == []
    assert verify(tmp_path) == []


async def test_the_journal_continues_across_damage(tmp_path: Path) -> None:
    """What was brought over and what came after are one chain again, with its gap allowed for."""
    await fill(tmp_path, 30)
    recover.mark_suspect(tmp_path, "a test")
    store, start = await Store.open(tmp_path, reserve_mib=1, receivers=RECEIVERS)
    journal = journal_of(start)
    await salvage_all(store)
    await store.commit(Batch(records=seal_some(journal, 3)))
    await store.close(journal.seq, 1)
    assert len(verify(tmp_path)) == 1
    change(tmp_path, "DELETE FROM record WHERE seq = ?", journal.seq - 1)
    assert verify(tmp_path)[0].startswith(f"record {journal.seq - 1}: ")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 200))
async def test_a_hundred_other_destroyed_stores(tmp_path: Path, seed: int) -> None:
    await test_random_pages_may_be_destroyed(tmp_path, seed)
