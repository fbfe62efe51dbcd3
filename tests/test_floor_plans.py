"""The book of plans: whole after every change, one change at a time, and each can be undone."""

from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.floor_plans import (
    PLANS_MOST,
    UNDO_MOST,
    Conflict,
    FloorPlans,
    Near,
    NoRoom,
    NoSuchPlan,
    Place,
    StillUsed,
    nearest,
)
from gateway.plan_pictures import BadPicture
from tests.test_plan_pictures import png, svg


def at(plan: str, x: float, y: float, name: str = "btn-1") -> Place:
    return Place(kind="device", id=name, plan=plan, x=x, y=y)


def camera(name: str, x: float, y: float, direction: float | None = None) -> Place:
    return Place(kind="camera", id=name, plan="p", x=x, y=y, direction=direction, angle=60)


def test_a_plan_and_what_stands_on_it_are_there_after_a_restart(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path / "plans")
    book, plan = plans.add("一楼", svg(""), 0)
    book = plans.put(at(plan.id, 10, 20), book.version)
    again = FloorPlans(tmp_path / "plans")
    assert again.book() == book
    assert again.picture(plan.id) == (plan, svg(""))
    assert (plan.name, plan.kind, plan.width, plan.height) == ("一楼", "svg", 800, 600)


def test_of_two_who_change_the_same_version_the_second_is_told(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    book, plan = plans.add("a", png(), 0)
    plans.put(at(plan.id, 1, 1), book.version)
    with pytest.raises(Conflict) as told:
        plans.put(at(plan.id, 2, 2), book.version)
    assert told.value.version == book.version + 1
    assert plans.book().places["device", "btn-1"].x == 1


def test_every_change_of_a_place_can_be_undone_also_after_a_restart(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    book, plan = plans.add("a", png(), 0)
    book = plans.put(at(plan.id, 1, 1), book.version)
    book = plans.put(at(plan.id, 2, 2), book.version)
    book = plans.take(("device", "btn-1"), book.version)
    plans = FloorPlans(tmp_path)
    seen = []
    for _ in range(3):
        book, step = plans.undo(book.version)
        assert step is not None
        seen.append([place.x for place in book.places.values()])
    assert seen == [[2], [1], []]
    same, step = plans.undo(book.version)
    assert (same, step) == (book, None)


def test_a_plan_on_which_something_stands_is_not_taken_away(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    book, plan = plans.add("a", png(), 0)
    book = plans.put(at(plan.id, 1, 1), book.version)
    with pytest.raises(StillUsed):
        plans.drop(plan.id, book.version)
    book = plans.take(("device", "btn-1"), book.version)
    book = plans.drop(plan.id, book.version)
    assert [path.name for path in tmp_path.iterdir()] == ["book.json"]
    book, step = plans.undo(book.version)
    assert step is None or step.before is None, "nothing comes back onto a plan that is gone"


def test_nothing_stands_beside_its_plan_or_on_none(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    book, plan = plans.add("a", png(), 0)
    for x, y in ((-1, 0), (41, 0), (0, 31), (float("nan"), 0)):
        with pytest.raises(ValueError, match="beside"):
            plans.put(at(plan.id, x, y), book.version)
    with pytest.raises(NoSuchPlan):
        plans.put(at("0" * 16, 0, 0), book.version)


def test_a_file_that_is_no_plan_leaves_nothing(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path / "plans")
    with pytest.raises(BadPicture):
        plans.add("a", b"<svg", 0)
    assert not (tmp_path / "plans").exists()


def test_plans_and_steps_back_are_bounded(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    book = plans.book()
    for _ in range(PLANS_MOST):
        book, plan = plans.add("a", png(), book.version)
    with pytest.raises(NoRoom):
        plans.add("a", png(), book.version)
    for x in range(UNDO_MOST + 5):
        book = plans.put(at(plan.id, x % 40, 1), book.version)
    assert len(book.steps) == UNDO_MOST


def test_what_a_crash_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    plans = FloorPlans(tmp_path)
    _, plan = plans.add("a", png(), 0)
    for name in ("0123456789abcdef.svg", "0123456789abcdef.png.tmp", "book.json.tmp", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    FloorPlans(tmp_path).book()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["book.json", f"{plan.id}.png", "notes.txt"])


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "version": 1}',
        b'{"format": 1, "version": 1, "plans": [{"id": "../../x"}], "places": [], "steps": []}',
        b'{"format": 1, "version": 1, "places": [], "steps": [], "plans": [{"id": "../book",'
        b' "name": "", "kind": "svg", "width": 1, "height": 1, "size_bytes": 1}]}',
    ],
)  # fmt: skip
def test_a_damaged_book_is_told_and_never_written_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "book.json").write_bytes(content)
    plans = FloorPlans(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError):
            plans.add("a", png(), 0)
    assert (tmp_path / "book.json").read_bytes() == content


def test_a_camera_that_looks_there_comes_before_one_that_only_hangs_near() -> None:
    button = Place(kind="device", id="b", plan="p", x=100, y=100)
    found = nearest(
        [
            camera("back-turned", 100, 101, direction=180),
            camera("looking", 100, 300, direction=0),
            camera("nobody-knows", 100, 110),
            camera("looking-nearer", 20, 100, direction=95),
            camera("a-little-beside", 300, 100, direction=230),
        ],
        button,
    )
    assert [(near.camera, near.sees) for near in found] == [
        ("looking-nearer", True),
        ("looking", True),
        ("nobody-knows", None),
        ("a-little-beside", False),
        ("back-turned", False),
    ]


def test_directions_are_clockwise_from_the_top_and_go_round() -> None:
    button = Place(kind="device", id="b", plan="p", x=0, y=0)
    for x, y, direction in ((0, 9, 0), (-9, 0, 90), (0, -9, 180), (9, 0, 270), (0, 9, 359)):
        assert nearest([camera("c", x, y, direction)], button) == [Near("c", 9, True)]
        assert not nearest([camera("c", x, y, (direction + 180) % 360)], button)[0].sees


def test_cameras_of_other_plans_and_devices_are_no_neighbours() -> None:
    button = Place(kind="device", id="b", plan="p", x=0, y=0)
    other = Place(kind="camera", id="c", plan="q", x=0, y=0)
    assert nearest([button, other], button) == []
