"""Stills of alarms: whole or not there, never too many, gone only when nobody needs them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreError, StoreFull
from gateway.store.video.stills import (
    FOLDER,
    Shelf,
    note_of,
    path_of,
    read_still,
    stills_of,
    write_still,
)
from tests.clocks import NOON, SECOND

ALARM = "01a1fdfa-4600-73ab-8eda-b14000000001"
JPEG = b"\xff\xd8 a picture \xff\xd9"


def put(shelf: Shelf, alarm_id: str, camera: str = "gate", jpeg: bytes = JPEG) -> None:
    shelf.put(alarm_id, camera, jpeg, wanted_ns=NOON, at_ns=NOON - SECOND)


def test_a_still_comes_back_with_what_is_known_of_it(tmp_path: Path) -> None:
    note = write_still(tmp_path, ALARM, "gate", JPEG, wanted_ns=NOON, at_ns=NOON - 5)
    assert read_still(tmp_path, ALARM, "gate") == (JPEG, note)
    assert stills_of(tmp_path, ALARM) == [note]
    assert (note.wanted_ns, note.at_ns, note.size_bytes) == (NOON, NOON - 5, len(JPEG))
    assert read_still(tmp_path, ALARM, "yard") is None
    assert stills_of(tmp_path, "none-such") == []


def test_a_picture_without_its_note_is_no_still_yet(tmp_path: Path) -> None:
    write_still(tmp_path, ALARM, "gate", JPEG, wanted_ns=NOON, at_ns=NOON)
    path_of(tmp_path, ALARM, "gate").with_suffix(".json").unlink()
    assert note_of(tmp_path, ALARM, "gate") is None
    assert read_still(tmp_path, ALARM, "gate") is None
    assert stills_of(tmp_path, ALARM) == []


def test_a_picture_that_was_changed_is_not_shown_as_the_one_that_was_kept(tmp_path: Path) -> None:
    write_still(tmp_path, ALARM, "gate", JPEG, wanted_ns=NOON, at_ns=NOON)
    path_of(tmp_path, ALARM, "gate").write_bytes(JPEG + b"x")
    with pytest.raises(StoreError, match="do not match"):
        read_still(tmp_path, ALARM, "gate")


def test_names_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    for alarm_id, camera in (("..", "gate"), (ALARM, "../../x"), ("a/b", "gate"), ("", "gate")):
        with pytest.raises(ValueError, match=r"gate|x"):
            write_still(tmp_path, alarm_id, camera, JPEG, wanted_ns=NOON, at_ns=NOON)
        assert read_still(tmp_path, alarm_id, camera) is None
    assert not (tmp_path / FOLDER).exists()


@given(st.binary(max_size=300))
def test_any_note_reads_as_none_or_as_one(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("stills")
    write_still(root, ALARM, "gate", JPEG, wanted_ns=NOON, at_ns=NOON)
    path_of(root, ALARM, "gate").with_suffix(".json").write_bytes(content)
    assert note_of(root, ALARM, "gate") is None
    assert stills_of(root, ALARM) == []


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    write_still(tmp_path, ALARM, "gate", JPEG, wanted_ns=NOON, at_ns=NOON)
    path = path_of(tmp_path, ALARM, "gate")
    path.unlink()
    os.mkfifo(path)
    assert read_still(tmp_path, ALARM, "gate") is None


def test_a_full_shelf_gives_up_what_nobody_holds_and_never_what_is_held(tmp_path: Path) -> None:
    held = {"a1"}
    shelf = Shelf(tmp_path, lambda: held, stills_most=3)
    for alarm_id in ("a1", "a2", "a3", "a4"):
        put(shelf, alarm_id)
    assert stills_of(tmp_path, "a1"), "held"
    assert not stills_of(tmp_path, "a2"), "the oldest that is not held went"
    assert stills_of(tmp_path, "a4")
    held |= {"a3", "a4"}
    with pytest.raises(StoreFull):
        put(shelf, "a5")
    assert stills_of(tmp_path, "a3")
    held.discard("a3")
    put(shelf, "a5")
    assert [bool(stills_of(tmp_path, f"a{n}")) for n in range(1, 6)] == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_a_shelf_is_full_by_its_bytes_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, lambda: {"a1", "a2"}, bytes_most=2 * len(JPEG))
    put(shelf, "a1")
    put(shelf, "a2")
    with pytest.raises(StoreFull):
        put(shelf, "a3")
    again = Shelf(tmp_path, lambda: {"a1", "a2"}, bytes_most=2 * len(JPEG))
    with pytest.raises(StoreFull):
        put(again, "a3")


def test_what_is_old_and_released_goes_and_what_is_young_or_held_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, lambda: {"held"})
    for alarm_id in ("held", "old", "young"):
        put(shelf, alarm_id)
        put(shelf, alarm_id, "yard")
    for alarm_id in ("held", "old"):
        for path in (tmp_path / FOLDER / alarm_id).iterdir():
            os.utime(path, ns=(NOON - 100 * SECOND, NOON - 100 * SECOND))
    for path in (tmp_path / FOLDER / "young").iterdir():
        os.utime(path, ns=(NOON, NOON))
    assert shelf.remove(1000, older_than_ns=NOON - 50 * SECOND) == 2
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == ["held", "young"]


def test_a_disk_that_takes_nothing_is_told_and_nothing_half_is_shown(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, set)
    (tmp_path / FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="tried again"):
        put(shelf, "a1")
    (tmp_path / FOLDER).unlink()
    put(shelf, "a1")
    assert stills_of(tmp_path, "a1")
