"""Changing device files: what was judged is written, comments stay, nobody is overwritten."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.config import blocks
from gateway.config.edit import CannotWrite, Change, Editor, NothingToDo, Stale
from gateway.config.kept import KEPT_MOST
from gateway.errors import ConfigError
from tests.config.conftest import Installation

BUTTON: dict[str, Any] = {
    "id": "btn-2",
    "profile": "generic/json_button",
    "link": "field",
    "name": "东门按钮",
    "place": "东门",
    "address": {"topic": "site/btn-2"},
}
WRITTEN = """\
# 本校设备 / our devices

# 西门的 / at the west gate
[[device]]
id = "btn-1"            # 不要改 / keep
profile = "generic/json_button"
link = "field"
name = "西门按钮"        # 门卫看到的 / what the guard reads
address = { topic = "site/btn-1" }

# 食堂的 / the canteen's
[[device]]
id = "btn-3"
profile = "generic/json_button"
link = "field"
[device.address]
topic = "site/btn-3"    # 老主题 / the old topic
"""


def editor(installation: Installation) -> Editor:
    return Editor(installation.folder, installation.folder / "data", SystemClock())


def apply(made: Editor, change: Change, why: str = "加装") -> Any:
    return made.apply(change, version=made.current().version, who="李师傅", why=why)


def text_of(installation: Installation, name: str = "devices.toml") -> str:
    return (installation.folder / name).read_text(encoding="utf-8")


def test_a_new_device_is_shown_as_a_difference_before_anything_is_written(
    installation: Installation,
) -> None:
    before = text_of(installation)
    proposal = editor(installation).propose(Change(device="btn-2", table=BUTTON, new=True))
    assert proposal.faults == ()
    assert '+name = "东门按钮"' in proposal.diff
    assert not [line for line in proposal.diff.splitlines()[2:] if line.startswith("-")]
    assert text_of(installation) == before


def test_what_is_applied_is_what_check_takes_and_can_be_undone_and_that_undone_too(
    installation: Installation,
) -> None:
    made, before = editor(installation), text_of(installation)
    _, kept = apply(made, Change(device="btn-2", table=BUTTON, new=True))
    assert [each.id for each in installation.load().devices] == ["btn-1", "btn-2"]
    assert [(one.who, one.why, one.what) for one in made.history()] == [
        ("李师傅", "加装", "add btn-2")
    ]
    after = text_of(installation)
    _, undone = made.undo(kept.number, version=made.current().version, who="王", why="错了")
    assert text_of(installation) == before
    made.undo(undone.number, version=made.current().version, who="王", why="没错")
    assert text_of(installation) == after


def test_every_fault_is_told_with_file_and_key_and_nothing_is_written(
    installation: Installation,
) -> None:
    made, before = editor(installation), text_of(installation)
    wrong = BUTTON | {"link": "feild", "address": {"topic": "a/#"}, "colour": "red"}
    change = Change(device="btn-2", table=wrong, new=True)
    with pytest.raises(ConfigError) as caught:
        apply(made, change)
    keys = {fault.key for fault in caught.value.faults}
    assert {'device["btn-2"].link', 'device["btn-2"].colour'} <= keys
    assert made.propose(change).faults == tuple(caught.value.faults)
    assert text_of(installation) == before
    assert made.history() == []


def test_comments_and_the_other_tables_stay_as_they_were_to_the_letter(
    installation: Installation,
) -> None:
    installation.devices(WRITTEN)
    made = editor(installation)
    found = made.device("btn-3")
    assert found is not None
    name, table = found
    assert name == "devices.toml"
    apply(made, Change(device="btn-3", table=table | {"name": "食堂"}))
    table["address"] = {"topic": "site/canteen"}
    apply(made, Change(device="btn-3", table=table | {"name": "食堂"}))
    first, second = text_of(installation).split("# 食堂的")
    assert first == WRITTEN.split("# 食堂的", maxsplit=1)[0]
    assert "# 老主题 / the old topic" in second
    assert [device.name for device in installation.load().devices] == ["西门按钮", "食堂"]


def test_a_device_that_goes_takes_the_comment_above_it_along_and_no_other(
    installation: Installation,
) -> None:
    installation.devices(WRITTEN)
    made = editor(installation)
    apply(made, Change(device="btn-3"))
    assert "食堂的" not in text_of(installation)
    assert "西门的" in text_of(installation)
    assert text_of(installation).startswith("# 本校设备 / our devices\n")


def test_whoever_saw_an_older_version_changes_nothing(installation: Installation) -> None:
    made = editor(installation)
    seen = made.current().version
    installation.change("devices.toml", "西门按钮", "西门新按钮")  # by hand, meanwhile
    with pytest.raises(Stale):
        made.apply(Change(device="btn-2", table=BUTTON), version=seen, who="a", why="b")
    assert "btn-2" not in text_of(installation)
    assert made.history() == []


def test_a_hand_that_saves_in_the_last_moment_has_the_last_word(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = editor(installation)
    real = made.propose

    def propose(change: Change) -> Any:
        proposal = real(change)
        installation.change("devices.toml", "西门按钮", "刚改的")
        return proposal

    monkeypatch.setattr(made, "propose", propose)
    with pytest.raises(Stale):
        apply(made, Change(device="btn-2", table=BUTTON))
    assert "刚改的" in text_of(installation)
    assert made.history() == []


def test_a_new_device_goes_into_devices_d_where_there_is_such_a_folder(
    installation: Installation,
) -> None:
    (installation.folder / "devices.d").mkdir()
    apply(editor(installation), Change(device="btn-2", table=BUTTON))
    assert "btn-2" in text_of(installation, "devices.d/console.toml")
    assert [each.id for each in installation.load().devices] == ["btn-1", "btn-2"]


@pytest.mark.parametrize("file", ["gateway.toml", "../x.toml", "devices.d/../gateway.toml", "/e"])
def test_no_other_file_can_be_written(installation: Installation, file: str) -> None:
    with pytest.raises(blocks.CannotEdit):
        apply(editor(installation), Change(file=file, text=""))


def test_twenty_copies_are_kept_and_the_newest_are_those(installation: Installation) -> None:
    made = editor(installation)
    for number in range(KEPT_MOST + 5):
        table = BUTTON | {
            "id": "btn-1",
            "name": f"第{number}次",
            "address": {"topic": "site/btn-1"},
        }
        apply(made, Change(device="btn-1", table=table), why=f"第{number}次")
    assert [one.why for one in made.history()] == [
        f"第{number}次" for number in reversed(range(5, KEPT_MOST + 5))
    ]


def test_nothing_to_do_is_said_and_not_written(installation: Installation) -> None:
    made = editor(installation)
    found = made.device("btn-1")
    assert found is not None
    with pytest.raises(NothingToDo):
        apply(made, Change(device="btn-1", table=found[1]))


def test_marks_of_other_systems_and_the_mode_of_the_file_are_kept(
    installation: Installation,
) -> None:
    path = installation.folder / "devices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    path.chmod(0o664)
    apply(editor(installation), Change(device="btn-2", table=BUTTON))
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert path.stat().st_mode & 0o777 == 0o664
    assert len(installation.load().devices) == 2


@pytest.mark.parametrize(
    "text",
    [
        'device = [{ id = "btn-1", profile = "generic/json_button", link = "field" }]\n',
        '[["device"]]\nid = "btn-1"\n',
        '[[device]]\nid = "btn-1"\nname = """\n[[device]]\n"""\n',
    ],
)
def test_a_file_that_is_written_otherwise_is_left_to_a_person(text: str) -> None:
    with pytest.raises(blocks.CannotEdit, match="check"):
        blocks.added(text, BUTTON)


def test_what_toml_cannot_say_is_refused() -> None:
    for odd in (None, {"a": {"b": 1}}, [[1]], {"a": None}):
        with pytest.raises(blocks.CannotEdit):
            blocks.added("", {"id": "x", "address": odd})


_VALUE = st.one_of(
    st.text(max_size=12), st.integers(-(2**62), 2**62), st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
_TABLE = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(_VALUE, st.lists(_VALUE, max_size=3), st.dictionaries(st.text(max_size=6), _VALUE)),
    max_size=5,
)


@given(tables=st.lists(_TABLE, min_size=1, max_size=4), other=_TABLE, lead=st.text(max_size=20))
def test_any_tables_come_out_as_they_went_in_or_are_refused(
    tables: list[dict[str, Any]], other: dict[str, Any], lead: str
) -> None:
    named = [table | {"id": f"d{index}"} for index, table in enumerate(tables)]
    text = "".join(f"# {char}\n" for char in lead if char.isprintable())
    try:
        for table in named:
            text = blocks.added(text, table)
        text = blocks.changed(text, "d0", other | {"id": "d0"})
        text = blocks.removed(text, f"d{len(named) - 1}") if len(named) > 1 else text
    except blocks.CannotEdit:
        return
    kept = [other | {"id": "d0"}, *named[1:]]
    assert tomllib.loads(text)["device"] == (kept[:-1] if len(named) > 1 else kept)


_KILLED = """
import sys
from pathlib import Path
from gateway.clock import SystemClock
from gateway.config.edit import Change, Editor
made = Editor(Path(sys.argv[1]), Path(sys.argv[1]) / "data", SystemClock())
table = {"id": "btn-2", "profile": "generic/json_button", "link": "field",
         "address": {"topic": "site/btn-2"}}
made.apply(Change(device="btn-2", table=table), version=made.current().version, who="a", why="b")
"""


@pytest.mark.parametrize(
    ("point", "devices"), [("config.kept", 1), ("config.written", 2)]
)  # fmt: skip
def test_a_kill_amid_a_change_leaves_the_old_file_or_the_new_one_and_the_lock_free(
    installation: Installation, point: str, devices: int
) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(installation.folder)],
        cwd=root, env=os.environ | {"CAMPUS_CRASH_AT": point}, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    assert len(installation.load().devices) == devices
    made = editor(installation)
    assert [one.what for one in made.history()] == ["add btn-2"]
    apply(made, Change(device="btn-4", table=BUTTON | {"id": "btn-4", "address": {"topic": "x"}}))
    assert len(installation.load().devices) == devices + 1


def test_a_folder_that_may_not_be_written_is_said_with_what_to_do(
    installation: Installation,
) -> None:
    if os.geteuid() == 0:
        (installation.folder / "devices.toml").unlink()
        (installation.folder / "devices.d").mkdir()
        installation.write("devices.d/a.toml", "")
        (installation.folder / "devices.d" / ".console.toml.new").mkdir()  # root may do anything
    else:
        installation.folder.chmod(0o500)
    try:
        with pytest.raises(CannotWrite, match="write there"):
            apply(editor(installation), Change(device="btn-2", table=BUTTON))
    finally:
        installation.folder.chmod(0o700)
    assert editor(installation).history() == []
