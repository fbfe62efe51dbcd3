"""The audit trail: append-only, chained, kept long enough, and any change of it is named."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audit import DETAILS_MOST, REASON_CHARS, Entry
from gateway.errors import StoreDamaged
from gateway.store import Batch, Store, Trail, handed_in, recover, retention, verify
from gateway.store.journal import check, claimed_seq, hash_of
from tests.store.making import DAY_NS, START_NS, change, fill, opened, rows, seal_some


def entry(**changes: object) -> Entry:
    said: dict[str, object] = {
        "who": "张三",
        "role": "guard",
        "from_address": "192.0.2.7",
        "action": "video.view",
        "subject": "cam-1",
        "details": {"from": "2026-11-21T00:00:00.000Z", "seconds": 60},
    }
    return Entry(**(said | changes))  # type: ignore[arg-type]


async def written(folder: Path, count: int, at_ns: int = START_NS, step_ns: int = 0) -> None:
    """A store with that many entries, closed."""
    store, start = await Store.open(folder, reserve_mib=1)
    trail = Trail(start.audit_seq, start.audit_head)
    lines = [
        trail.seal(entry(reason=f"r{number}"), at_ns + number * step_ns, "trusted")
        for number in range(count)
    ]
    await store.commit(Batch(audit=lines))
    await store.close(start.seq, at_ns)


@pytest.mark.parametrize(
    "action", ["", "Video", "video view", "a.b.c.d.e", "video.", ".", "a" * 65, "видео", "a\n"]
)
def test_an_action_of_another_form_is_refused(action: str) -> None:
    with pytest.raises(ValueError, match="action"):
        entry(action=action)


@given(
    text=st.text(st.characters(), max_size=3000),
    value=st.one_of(st.text(st.characters()), st.integers(), st.floats(), st.booleans()),
)
def test_whatever_was_typed_becomes_a_sound_line(text: str, value: float) -> None:
    details = {f"{text[:50]}{number}": value for number in range(40)}
    made = entry(who=text, role=text, from_address=text, subject=text, reason=text, details=details)
    assert len(made.reason) <= REASON_CHARS
    assert len(made.details) <= DETAILS_MOST
    line = Trail(4, "a" * 64).seal(made, START_NS, "trusted")
    assert len(line.body) < 60_000
    assert check(line.body, "a" * 64) is None
    assert claimed_seq(line.body) == 5
    said = json.loads(line.body)
    assert said["data"]["reason"] == made.reason
    assert b"\n" not in line.body


async def test_entries_are_chained_over_restarts_and_apart_from_records(tmp_path: Path) -> None:
    await fill(tmp_path, 3)
    await written(tmp_path, 2)
    await written(tmp_path, 2)
    bodies = [body for (body,) in rows(tmp_path, "SELECT body FROM audit ORDER BY seq")]
    before = "0" * 64
    for number, body in enumerate(bodies, start=1):
        assert check(body, before) is None
        assert claimed_seq(body) == number
        before = hash_of(body)
    assert len(bodies) == 4
    assert verify(tmp_path) == []


async def test_writing_the_same_entries_again_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, _):
        batch = Batch(audit=[Trail().seal(entry(), START_NS, "trusted")])
        await store.commit(batch)
        await store.commit(batch)
        assert await store.read("SELECT count(*) FROM audit") == [(1,)]
        other = Batch(audit=[Trail().seal(entry(who="x"), START_NS, "trusted")])
        with pytest.raises(StoreDamaged, match="audit"):
            await store.commit(other)


async def test_entries_and_records_of_a_batch_are_there_together(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, _, journal):
        records = seal_some(journal, 1)
        lines = [Trail().seal(entry(), START_NS, "trusted")]
        taken = Batch(records=records, audit=lines)
        await store.commit(taken)
        again = Batch(records=seal_some(journal, 1), audit=lines)
        with pytest.raises(StoreDamaged):
            await store.commit(again)
        assert await store.read("SELECT count(*) FROM record") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET body = x'00' WHERE seq = 2",
        "UPDATE audit SET subject = 'other'",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT seq, 0, 'x', 'x', NULL, x'00' FROM audit",
        "INSERT INTO audit SELECT * FROM audit",
    ],
)
async def test_the_database_itself_refuses_to_change_the_trail(tmp_path: Path, sql: str) -> None:
    await written(tmp_path, 3)
    with pytest.raises(sqlite3.IntegrityError, match="audit"):
        change(tmp_path, sql)
    assert verify(tmp_path) == []


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seq=st.integers(1, 12), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_in_an_entry_is_named(
    trail: Path, seq: int, place: float, bit: int
) -> None:
    [(sound,)] = rows(trail, "SELECT body FROM audit WHERE seq = ?", seq)
    body = bytearray(sound)
    body[int(place * len(body))] ^= 1 << bit
    with closing(sqlite3.connect(trail / "events.db", isolation_level=None)) as db:
        db.execute("UPDATE audit SET body = ? WHERE seq = ?", (bytes(body), seq))
    assert verify(trail)[0].startswith(f"audit entry {seq}: ")
    change(trail, "UPDATE audit SET body = ? WHERE seq = ?", sound, seq)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Twelve entries whose triggers somebody with write access has dropped."""
    folder = tmp_path_factory.mktemp("trail")
    asyncio.run(written(folder, 12))
    for name in ("audit_is_not_changed", "audit_goes_by_retention_only"):
        change(folder, f"DROP TRIGGER {name}")
    yield folder
    change(folder, "DELETE FROM audit WHERE seq IN (5, 6)")
    assert verify(folder)[0].startswith("audit entry 5: 缺失 missing")


async def test_retention_keeps_entries_half_a_year_and_tells_what_went(tmp_path: Path) -> None:
    await written(tmp_path, 300, step_ns=DAY_NS)
    now_ns = START_NS + 299 * DAY_NS
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as db:
        for passed in range(120):
            retention.expire(db, now_ns + passed * retention.PASS_NS, 90)
        later_ns = now_ns + 119 * retention.PASS_NS
        [(oldest, newest)] = db.execute("SELECT min(at_ns), max(at_ns) FROM audit").fetchall()
        assert later_ns - oldest <= 181 * DAY_NS
        assert later_ns - (oldest - DAY_NS) > 180 * DAY_NS, "the last one that went was old enough"
        assert newest == now_ns
        for passed in range(300):
            retention.expire(db, later_ns + passed * retention.PASS_NS, 400)
        [(oldest,)] = db.execute("SELECT min(at_ns) FROM audit").fetchall()
        assert oldest > START_NS, "as long as the events: longer than half a year when they stay so"
    assert verify(tmp_path) == []
    store, start = await Store.open(tmp_path, reserve_mib=1)
    assert start.audit_seq == 300
    await store.abandon()


async def test_entries_with_a_time_that_cannot_be_are_not_taken_for_old(tmp_path: Path) -> None:
    await written(tmp_path, 5, at_ns=0)
    await written(tmp_path, 2)
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as db:
        retention.expire(db, START_NS + DAY_NS, 90)
        assert db.execute("SELECT count(*) FROM audit").fetchone() == (7,)


async def test_a_store_that_was_moved_aside_keeps_its_trail(tmp_path: Path) -> None:
    await fill(tmp_path, 5)
    await written(tmp_path, 7)
    recover.mark_suspect(tmp_path, "a test")
    async with opened(tmp_path) as (store, start, _):
        assert start.audit_seq > 100_000, "numbers that somebody may know are not given again"
        aside = recover.newest_aside(tmp_path)
        assert aside is not None
        cursor = await store.maintain(recover.salvage_step, aside, None)
        while cursor is not None:
            cursor = await store.maintain(recover.salvage_step, aside, cursor)
        assert await store.read("SELECT count(*), min(seq), max(seq) FROM audit") == [(7, 1, 7)]
        trail = Trail(start.audit_seq, start.audit_head)
        await store.commit(Batch(audit=[trail.seal(entry(), START_NS, "trusted")]))
    faults = verify(tmp_path)
    assert [fault for fault in faults if "damaged-0001" not in fault] == []


async def test_a_damaged_newest_entry_is_told_and_the_trail_goes_on(tmp_path: Path) -> None:
    await written(tmp_path, 3)
    change(tmp_path, "DROP TRIGGER audit_is_not_changed")
    change(tmp_path, "UPDATE audit SET body = x'7b7d' WHERE seq = 3")
    store, start = await Store.open(tmp_path, reserve_mib=1)
    await store.abandon()
    assert start.audit_seq == 3
    assert any("audit" in complaint for complaint in start.complaints)


def test_what_a_command_leaves_is_read_back_whole(tmp_path: Path) -> None:
    made = entry(action="evidence.export", reason="警方调取")
    origin = handed_in.hand_in(tmp_path, made, START_NS)
    [waiting] = handed_in.waiting(tmp_path)
    assert waiting.origin == origin
    assert waiting.entry.reason == "警方调取"
    assert waiting.entry.details["done_at"].startswith("2027-")  # type: ignore[union-attr]
    assert waiting.path.stat().st_mode & 0o777 == 0o600
    handed_in.forget(waiting)
    assert handed_in.waiting(tmp_path) == []


def test_what_cannot_be_opened_now_is_looked_for_again(tmp_path: Path) -> None:
    handed_in.hand_in(tmp_path, entry(), START_NS)
    [path] = (tmp_path / "audit-in").iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert len(handed_in.waiting(tmp_path)) == 1
    (tmp_path / "elsewhere").unlink()
    assert handed_in.waiting(tmp_path) == []
    assert path.is_symlink(), "nothing was called unreadable and put aside"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"\xff", b'{"who": 1}', b"[" * 50_000, b"x" * 70_000]
)
def test_rubbish_that_was_left_is_an_entry_and_is_kept(tmp_path: Path, raw: bytes) -> None:
    folder = tmp_path / "audit-in"
    folder.mkdir()
    (folder / f"{'a' * 32}.json").write_bytes(raw)
    (folder / "other.txt").write_bytes(raw)
    [waiting] = handed_in.waiting(tmp_path)
    assert waiting.entry.action == "audit.unreadable"
    handed_in.forget(waiting)
    assert handed_in.waiting(tmp_path) == []
    assert (folder / f"{'a' * 32}.unreadable").read_bytes() == raw
