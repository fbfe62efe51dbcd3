"""What a pass takes out of the index, step by step; asked of a plain connection."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.batch import transaction
from gateway.store.video import Segment, aging, index
from gateway.store.video.aging import Place, Row
from gateway.store.video.holds import Held
from gateway.store.video.segment import Facts
from tests.clocks import NOON, SECOND
from tests.store.video.making import DAY, MINUTE

LIMIT = NOON


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(index.connect(tmp_path / index.FILE)) as found:
        found.execute("PRAGMA synchronous=OFF")
        yield found


def add(
    db: sqlite3.Connection,
    camera: str,
    start_ns: int,
    *,
    volume: str = "one",
    aged_ns: int | None = None,
) -> None:
    facts = Facts(
        camera=camera,
        started_ns=start_ns,
        quality="trusted",
        codec="avc1.640028",
        width=1920,
        height=1080,
        offset_ms=None,
        aged_ns=aged_ns,
    )
    segment = Segment(
        facts=facts,
        volume=volume,
        end_ns=start_ns + MINUTE,
        frames=1500,
        size_bytes=1000,
        sha256=bytes(32),
    )
    with transaction(db):
        assert index.insert(db, [segment]) == 1


def hold(db: sqlite3.Connection, camera: str, from_ns: int, to_ns: int) -> None:
    values = (f"alarm-{from_ns}", index.camera_number(db, camera), from_ns, to_ns)
    db.execute("INSERT INTO hold (alarm_id, camera, from_ns, to_ns) VALUES (?, ?, ?, ?)", values)


def never() -> int:
    """A clock that stands still: no step is cut short by it."""
    return 0


def steps(db: sqlite3.Connection, mono_ns: Callable[[], int] = never) -> list[list[Row]]:
    """A pass to its end: what each step took."""
    taken: list[list[Row]] = []
    place: Place | None = Place()
    while place is not None:
        with transaction(db):
            step = aging.take(db, place, lambda _camera: LIMIT, mono_ns)
        taken.append(step.rows)
        assert place != step.next, "a step that does not move is the last one"
        place = step.next
    return taken


def left(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    sql = (
        "SELECT c.name, s.start_ns, s.joined FROM segment s JOIN camera c ON c.id = s.camera"
        " ORDER BY c.name, s.start_ns, s.volume"
    )
    return db.execute(sql).fetchall()


def sound(db: sqlite3.Connection) -> None:
    """V4 and V5, counted anew."""
    assert (
        db.execute(
            "SELECT volume, camera, sum(segments), sum(bytes) FROM folder WHERE segments > 0"
            " GROUP BY volume, camera ORDER BY volume, camera"
        ).fetchall()
        == db.execute(
            "SELECT volume, camera, count(*), sum(size_bytes) FROM segment"
            " GROUP BY volume, camera ORDER BY volume, camera"
        ).fetchall()
    )
    before = left(db)
    with transaction(db):
        keys = db.execute("SELECT camera, start_ns, volume FROM segment").fetchall()
        for key in keys:
            index.rejoin(db, key)
    assert left(db) == before
    lost = "SELECT count(*) FROM doubtful d LEFT JOIN segment s USING (camera, start_ns, volume)"
    assert db.execute(f"{lost} WHERE s.camera IS NULL").fetchone()[0] == 0


def test_whatever_the_clock_does_each_step_moves_and_the_pass_takes_all(
    db: sqlite3.Connection,
) -> None:
    """A machine so slow that every look at the clock finds the step's time over."""
    for camera in ("cam-a", "cam-b", "cam-c"):
        for minute in range(aging.ROWS + 7):
            add(db, camera, LIMIT - DAY + minute * MINUTE)
    slow = count(0, 2 * aging.BUDGET_NS)
    taken = steps(db, lambda: next(slow))
    assert [len(rows) for rows in taken] == [aging.ROWS, 7] * 3 + [0]
    assert left(db) == []
    sound(db)


def test_what_is_held_is_walked_over_and_what_lies_between_goes(db: sqlite3.Connection) -> None:
    first = LIMIT - DAY
    for minute in range(10):
        add(db, "cam-a", first + minute * MINUTE)
    hold(db, "cam-a", first + 2 * MINUTE - 1, first + 2 * MINUTE + 1)  # two by a nanosecond each
    hold(db, "cam-a", first + 6 * MINUTE, first + 7 * MINUTE)  # one exactly
    hold(db, "cam-b", first, LIMIT)
    assert sum(len(rows) for rows in steps(db)) == 7
    kept = [("cam-a", first + at * MINUTE, joined) for at, joined in ((1, 0), (2, 1), (6, 0))]
    assert left(db) == kept
    sound(db)


def test_a_thousand_holds_of_a_camera_do_not_make_a_step_long(db: sqlite3.Connection) -> None:
    """Each was looked at for each segment once; now what a step reads grows with neither."""
    with transaction(db):
        for minute in range(2000):
            hold(
                db,
                "cam-a",
                LIMIT - 30 * DAY + minute * MINUTE,
                LIMIT - 30 * DAY + minute * MINUTE + 1,
            )
    for minute in range(aging.ROWS):
        add(db, "cam-a", LIMIT - DAY + minute * MINUTE)
    done = 0

    def counted() -> int:
        nonlocal done
        done += 1
        return 0

    db.set_progress_handler(counted, 1000)  # called each thousand steps of SQLite's machine
    assert sum(len(rows) for rows in steps(db)) == aging.ROWS
    db.set_progress_handler(None, 0)
    assert done < 200, "a tenth of what looking at each hold for each segment would take"


def test_a_segment_that_only_seems_old_stays_and_one_from_the_future_goes(
    db: sqlite3.Connection,
) -> None:
    add(db, "cam-a", 1000 * SECOND, aged_ns=LIMIT)  # a clock of 1970
    add(db, "cam-a", 2000 * SECOND, aged_ns=LIMIT - MINUTE - 1)
    add(db, "cam-a", LIMIT + 500 * DAY, aged_ns=LIMIT - DAY)
    add(db, "cam-a", LIMIT + 501 * DAY, aged_ns=LIMIT)
    add(db, "cam-a", LIMIT - MINUTE)  # ends at the limit: not before it
    taken = [row[1] for rows in steps(db) for row in rows]
    assert sorted(taken) == [2000 * SECOND, LIMIT + 500 * DAY]
    sound(db)


def test_segments_of_two_volumes_that_begin_together_both_go(db: sqlite3.Connection) -> None:
    for minute in range(aging.ROWS):  # the border of what is looked at lies between the two
        for volume in ("one", "two"):
            add(db, "cam-a", LIMIT - DAY + (2 * minute + 1) * SECOND, volume=volume)
    add(db, "cam-a", LIMIT - DAY, volume="one")
    assert sum(len(rows) for rows in steps(db)) == 2 * aging.ROWS + 1
    sound(db)


def test_a_run_that_is_not_all_there_is_refused_and_nothing_goes(db: sqlite3.Connection) -> None:
    for minute in range(3):
        add(db, "cam-a", LIMIT + minute * MINUTE)
    keys = [(1, LIMIT + minute * MINUTE, 1) for minute in (0, 2)]
    with pytest.raises(StoreError, match="3 rows instead of 2"), transaction(db):
        index.delete_run(db, [(key, 1000) for key in keys])
    assert len(left(db)) == 3
    sound(db)


@pytest.mark.parametrize("seed", range(8))
def test_a_pass_takes_what_looking_at_each_one_by_itself_would(
    db: sqlite3.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    expected = set()
    spans = []
    for _ in range(dice.randrange(12)):
        from_ns = LIMIT - dice.randrange(600) * MINUTE
        spans.append((from_ns, from_ns + dice.choice([1, MINUTE, 90 * SECOND, 2 * DAY])))
        if len({span[0] for span in spans}) == len(spans):
            hold(db, "cam-a", *spans[-1])
        else:
            spans.pop()
    starts = {
        LIMIT - dice.randrange(-30, 600) * MINUTE + dice.choice([0, SECOND]) for _ in range(400)
    }
    for start_ns in starts:
        aged_ns = dice.choice([None] * 9 + [LIMIT - dice.randrange(-5, 5) * MINUTE])
        volume = dice.choice(["one", "one", "two"])
        add(db, "cam-a", start_ns, volume=volume, aged_ns=aged_ns)
        is_held = any(a < start_ns + MINUTE and b > start_ns for a, b in spans)
        since_ns = start_ns if aged_ns is None else aged_ns
        if since_ns + MINUTE < LIMIT and not is_held:
            expected.add(start_ns)
        assert Held(spans).has(start_ns, start_ns + MINUTE) == is_held
    ticks = count(0, dice.choice([0, aging.BUDGET_NS // 2, aging.BUDGET_NS]))
    assert {row[1] for rows in steps(db, lambda: next(ticks)) for row in rows} == expected
    assert {start_ns for _, start_ns, _ in left(db)} == starts - expected
    sound(db)


def test_gaps_go_with_what_was_around_them_and_one_that_reaches_beyond_stays(
    db: sqlite3.Connection,
) -> None:
    add(db, "cam-a", LIMIT)
    for from_ns, to_ns in ((LIMIT - DAY, LIMIT - 1), (LIMIT - SECOND, LIMIT + SECOND)):
        index.add_gap(db, "cam-a", from_ns, to_ns, "no_power")
    steps(db)
    kept = db.execute("SELECT from_ns FROM gap").fetchall()
    assert kept == [(LIMIT - SECOND,)]
