"""Readings in cells: what was stored, and nothing between."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store import opening, readings

S = 10**9


def stored(folder: Path, rows: list[tuple[int, str, str, object]]) -> Path:
    with closing(sqlite3.connect(folder / readings.FILE)) as db:
        for script in opening.migrations():
            db.executescript(script)
        db.executemany(
            "INSERT INTO reading (at_ns, device, point, value) VALUES (?, ?, ?, ?)", rows
        )
        db.commit()
    return folder


def test_a_cell_has_lowest_highest_and_mean_of_its_readings(tmp_path: Path) -> None:
    folder = stored(
        tmp_path,
        [(1 * S, "gas", "level", 2.0), (5 * S, "gas", "level", 12), (9 * S, "gas", "level", 4.0)],
    )
    [one] = readings.history(folder, "gas", "level", 0, 10 * S, 1)
    assert one == readings.Cell(1 * S, 9 * S, 2.0, 12, 6.0, 3)


def test_a_time_without_readings_has_no_cell(tmp_path: Path) -> None:
    folder = stored(tmp_path, [(1 * S, "gas", "level", 2.0), (95 * S, "gas", "level", 3.0)])
    found = readings.history(folder, "gas", "level", 0, 100 * S, 10)
    assert [(cell.first_ns, cell.count) for cell in found] == [(1 * S, 1), (95 * S, 1)]


def test_only_this_point_this_time_and_numbers_count(tmp_path: Path) -> None:
    folder = stored(
        tmp_path,
        [
            (1 * S, "gas", "other", 1),
            (1 * S, "smoke", "level", 1),
            (2 * S, "gas", "level", "text"),
            (3 * S, "gas", "level", None),
            (10 * S, "gas", "level", 7),
        ],
    )
    assert readings.history(folder, "gas", "level", 0, 10 * S) == []
    assert len(readings.history(folder, "gas", "level", 0, 10 * S + 1)) == 1


def test_three_months_of_minutes_come_in_two_thousand_cells_at_most(tmp_path: Path) -> None:
    minutes = 90 * 24 * 60
    folder = stored(tmp_path, [(at * 60 * S, "gas", "level", at % 7) for at in range(minutes)])
    found = readings.history(folder, "gas", "level", 0, minutes * 60 * S)
    assert 1_900 < len(found) <= readings.BINS_MOST
    assert sum(cell.count for cell in found) == minutes


def test_a_store_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        readings.history(tmp_path, "gas", "level", 0, 10 * S)


def test_a_question_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored(tmp_path, [(at * S, "gas", "level", at) for at in range(20_000)])
    monkeypatch.setattr(readings, "QUERY_S", -1.0)
    with pytest.raises(StoreError, match="interrupted"):
        readings.history(folder, "gas", "level", 0, 20_000 * S)
