"""A camera's scene on disk: what is read is what was kept, or it is learned again."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.pictures.judge_look import look_at
from gateway.pictures.scene import HOUR_NS, Scene, edges_of
from gateway.pictures.scene_file import FILE_MOST_BYTES, SceneUnreadable, load, save
from tests.pictures.stories import DAY, NOON, learned
from tests.pictures.world import Coder, World


def test_a_scene_that_was_kept_judges_as_before(tmp_path: Path) -> None:
    scene = learned(0, night=True)
    scene.still_s = 12.5
    scene.was_dark(NOON * 10**9, NOON * 10**9 + 3 * HOUR_NS)
    save(tmp_path / "gate.npz", scene)
    again = load(tmp_path / "gate.npz")
    assert again is not None
    assert (again.still_s, list(again.lights)) == (12.5, ["day", "night"])
    assert again.is_usually_dark(NOON * 10**9 + HOUR_NS)
    edges = edges_of(look_at(Coder().through(World(0).picture(DAY, 500.0), 1)))
    was, now = scene.lights["day"].match(edges), again.lights["day"].match(edges)
    assert now.seen == pytest.approx(was.seen, abs=0.02)
    assert now.sharp == pytest.approx(was.sharp, abs=0.02)
    assert again.lights["day"].is_learned
    assert (tmp_path / "gate.npz").stat().st_size < FILE_MOST_BYTES
    assert list(tmp_path.iterdir()) == [tmp_path / "gate.npz"]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert load(tmp_path / "gate.npz") is None


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_damage_is_told_as_such(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "gate.npz"
    save(path, learned(1))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    path.write_bytes(content)
    with suppress(SceneUnreadable):
        assert isinstance(load(path), Scene)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_no_scene(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gate.npz"
    path.write_bytes(content)
    with pytest.raises(SceneUnreadable):
        load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "gate.npz"
    path.write_bytes(bytes(FILE_MOST_BYTES + 1))
    with pytest.raises(SceneUnreadable, match="larger"):
        load(path)
