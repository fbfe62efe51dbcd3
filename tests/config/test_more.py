"""Tables that the console adds beside gateway.toml: where they go, and what is never taken."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.config import blocks
from gateway.config.edit import Change, Editor, Stale
from gateway.errors import ConfigError
from tests.config.conftest import Installation
from tests.config.test_edit import BUTTON, apply, editor, text_of

BUS: dict[str, Any] = {"name": "canteen", "kind": "modbus", "url": "tcp://192.0.2.20:502"}
CAMERA: dict[str, Any] = {"id": "cam-1", "address": "192.0.2.30", "username": "onvif"}
OWN = "gateway.d/console.toml"


def add(made: Editor, kind: str, table: dict[str, Any], secret: str | None = None) -> Any:
    name = str(table.get("id", table.get("name", "")))
    return apply(made, Change(device=name, table=table, kind=kind, secret=secret, new=True))


def faults_of(made: Editor, change: Change) -> set[str]:
    return {fault.key for fault in made.propose(change).faults}


def test_links_cameras_and_numbers_go_beside_gateway_toml_which_stays_as_it_is(
    installation: Installation,
) -> None:
    made, before = editor(installation), text_of(installation, "gateway.toml")
    add(made, "link", BUS)
    add(made, "contact", {"name": "城关派出所", "number": "110"})
    _, kept = add(made, "camera", CAMERA, "pass word")
    config = installation.load()
    assert [link.name for link in config.links] == ["field", "canteen"]
    assert [contact.number for contact in config.contacts] == ["110"]
    [camera] = config.cameras
    assert camera.onvif is not None
    assert camera.onvif.settings.password == "pass word"
    assert text_of(installation, "gateway.toml") == before
    assert "pass word" not in text_of(installation, OWN)
    # Undone, and with the last copy that names it the password is gone, too.
    made.undo(kept.number, version=made.current().version, who="王", why="错了")
    assert installation.load().cameras == ()


def test_a_fault_names_the_file_it_is_in_and_a_name_is_given_once(
    installation: Installation,
) -> None:
    made = editor(installation)
    proposal = made.propose(Change(device="field", table=BUS | {"name": "field"}, kind="link"))
    assert proposal.file == "gateway.toml"  # it is there: it is changed where it stands
    installation.write(OWN, '[[link]]\nname = "field"\nkind = "modbus"\nurl = "tcp://192.0.2.9"\n')
    with pytest.raises(ConfigError) as caught:
        installation.load()
    assert {Path(fault.file).name for fault in caught.value.faults} == {"console.toml"}
    installation.write(OWN, '[[uplink]]\nname = "spy"\n[console]\nlisten = "0.0.0.0:1"\n')
    with pytest.raises(ConfigError) as caught:
        installation.load()
    assert {fault.key for fault in caught.value.faults} == {"uplink", "console.listen"}


def test_a_secret_is_named_by_nobody_and_never_follows_an_address(
    installation: Installation,
) -> None:
    installation.write("secrets/police", "whsec_x\n").chmod(0o600)
    made = editor(installation)
    spy = BUS | {"url": "mqtt://192.0.2.66", "kind": "mqtt", "username": "x"}
    named = spy | {"password_file": "secrets/police"}
    key = 'link["canteen"].password_file'
    assert key in faults_of(made, Change(device="canteen", table=named, kind="link"))
    add(made, "link", spy, "of the broker")
    found = made.table("link", "canteen")
    assert found is not None
    moved = found[1] | {"url": "mqtt://192.0.2.67"}
    assert key in faults_of(made, Change(device="canteen", table=moved, kind="link"))
    again = Change(device="canteen", table=moved, kind="link", secret="typed again")
    assert made.propose(again).faults == ()
    renamed = found[1] | {"username": "y"}
    assert faults_of(made, Change(device="canteen", table=renamed, kind="link")) == set()
    with pytest.raises(blocks.CannotEdit):
        made.propose(Change(device="x", table=BUS | {"name": "x"}, kind="link", secret="a\nb"))


@pytest.mark.parametrize(
    "player",
    [["sh", "-c", "id"], ["/usr/bin/aplay"], ["aplay", "-D", "file:'|id'"], ["aplay", "--help"]],
)
def test_a_player_is_no_way_to_run_a_program(installation: Installation, player: list[str]) -> None:
    change = Change(kind="console", table={"player": player})
    assert any(key.startswith("console.player[") for key in faults_of(editor(installation), change))


def test_only_what_sounds_can_be_changed_of_the_console(installation: Installation) -> None:
    made = editor(installation)
    for table in ({"listen": "0.0.0.0:80"}, {"behind_proxy": True}):
        with pytest.raises(blocks.CannotEdit):
            made.propose(Change(kind="console", table=table))
    with pytest.raises(blocks.CannotEdit):
        made.propose(Change(kind="uplink", device="spy", table={"name": "spy"}))
    with pytest.raises(blocks.CannotEdit):
        made.propose(Change(device="x", table=BUTTON, file="gateway.toml"))
    with pytest.raises(blocks.CannotEdit):
        made.propose(Change(file="gateway.toml", text=""))


def test_a_table_of_gateway_toml_is_changed_alone_and_put_back_only_while_nobody_else_was_there(
    installation: Installation,
) -> None:
    path = installation.folder / "gateway.toml"
    before = path.read_text("utf-8").replace(
        'name = "field"\n', 'name = "field"            # 代理 / the broker\n'
    )
    path.write_text(before, "utf-8")
    made = editor(installation)
    found = made.table("link", "field")
    assert found is not None
    change = Change(device="field", table=found[1] | {"url": "mqtt://192.0.2.5:1883"}, kind="link")
    _, kept = apply(made, change)
    assert text_of(installation, "gateway.toml") == before.replace(
        "127.0.0.1:1883", "192.0.2.5:1883"
    )
    installation.change("gateway.toml", "127.0.0.1:9000", "127.0.0.1:9001")  # by root, meanwhile
    with pytest.raises(blocks.CannotEdit, match="at the machine"):
        made.undoing(kept.number)


def test_a_sites_plan_is_saved_as_a_whole_and_undone_to_the_one_that_was_shipped(
    installation: Installation,
) -> None:
    made = editor(installation)
    shipped = installation.load().plans
    text = 'title = "本校"\ntitle_en = "ours"\n[[step]]\nzh = "看画面"\nen = "look"\n'
    _, kept = apply(made, Change(file="plans/panic.toml", text=text))
    plans = {str(kind): plan.zh for kind, plan in installation.load().plans.items()}
    assert plans["panic"] == "本校"
    assert made.propose(Change(file="plans/panik.toml", text=text)).faults
    made.undo(kept.number, version=made.current().version, who="王", why="错了")
    assert installation.load().plans == shipped


def test_who_is_second_is_told_who_was_first_and_what_he_did(installation: Installation) -> None:
    made = editor(installation)
    seen = made.current().version
    made.apply(
        Change(device="canteen", table=BUS, kind="link"), version=seen, who="王师傅", why="总线"
    )
    made.apply(
        Change(device="btn-2", table=BUTTON),
        version=made.current().version, who="赵师傅", why="加装",
    )  # fmt: skip
    with pytest.raises(Stale, match="王师傅、赵师傅") as caught:
        made.apply(Change(device="btn-2", table=BUTTON), version=seen, who="李师傅", why="加装")
    (first, how), (second, what) = caught.value.since
    assert (first.who, second.who) == ("王师傅", "赵师傅")
    assert "+url = " in how
    assert '+id = "btn-2"' in what


_KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from gateway import crash
from gateway.clock import SystemClock
from gateway.config.edit import Change, Editor
change = Change(device="cam-1", table={"address": "192.0.2.30", "username": "u", "id": "cam-1"},
                kind="camera", secret="x")
for point in sys.argv[2:]:
    folder = Path(sys.argv[1]) / point
    shutil.copytree(Path(sys.argv[1]) / "sound", folder)
    child = os.fork()
    if child == 0:
        crash.here = crash.armed(point)
        made = Editor(folder, folder / "data", SystemClock())
        made.apply(change, version=made.current().version, who="a", why="b")
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, point
"""
POINTS = {
    "config.beside:1": 0, "config.kept": 0, "config.beside:2": 0, "config.secret": 0,
    "config.beside:3": 0, "config.renamed:3": 1, "config.written": 1,
}  # fmt: skip
"""Where a save is killed, and how many cameras there are then: what was, or what was meant."""


def test_a_kill_at_any_point_leaves_what_was_or_what_is_meant_and_the_next_change_goes_through(
    installation: Installation, tmp_path: Path
) -> None:
    shutil.copytree(installation.folder, tmp_path / "kills" / "sound")
    # One process is the parent of all that die: to begin Python anew takes longer than to save.
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "kills"), *POINTS],
        cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for point, cameras in POINTS.items():
        found = Installation(tmp_path / "kills" / point)
        assert len(found.load().cameras) == cameras, point
        made = editor(found)
        add(made, "camera", CAMERA | {"id": "cam-2", "address": "192.0.2.31"}, "y")
        assert len(found.load().cameras) == cameras + 1, point
