"""`campus-gateway video …`: what an installer types about disks, and what he is told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway import requests
from gateway.cli import app
from gateway.errors import GatewayError
from gateway.store.video.volumes import MARKER

SITE = """[site]
id = "s"
name = "校"
[store]
path = "data"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
[[video.volume]]
path = "disk"
[[camera]]
id = "gate"
url = "rtsp://192.0.2.5/1"
"""
BUTTON = """[[device]]
id = "b"
profile = "generic/json_button"
link = "field"
address = { topic = "b" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "devices.toml").write_text(BUTTON, encoding="utf-8")
    (tmp_path / "disk").mkdir()
    return tmp_path


def typed(*words: object, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["video", *map(str, words)], input=answer)


def test_without_a_folder_it_is_used_wrongly() -> None:
    done = typed()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--config" in done.stderr


def test_help_teaches_in_chinese_before_english_with_an_example() -> None:
    for words in ((), ("adopt",)):
        done = typed(*words, "--help")
        assert done.exit_code == 0
        body = done.stdout.split("\n\n", 1)[1].strip()
        assert "\u4e00" <= body[0] <= "\u9fff"
        assert " ".join(("campus-gateway video", *words)) in body


def test_a_path_that_is_no_volume_is_refused_and_those_there_are_are_named(folder: Path) -> None:
    done = typed("adopt", "--config", folder, folder)
    assert done.exit_code == 1
    assert str(folder / "disk") in done.stderr


def test_a_volume_is_known_however_its_path_is_written(folder: Path) -> None:
    requests.prepare(folder / "data", "video")
    around = folder / "data" / ".." / "disk"
    assert f"{folder / 'disk'}: " in typed("adopt", "--config", folder, around, answer="n\n").stdout


def test_what_is_on_the_disk_is_shown_and_without_a_yes_nothing_happens(folder: Path) -> None:
    marker = '{"uuid": "u-1", "site": "another\\u001b[2J school", "created": "then"}'
    (folder / "disk" / MARKER).write_text(marker, encoding="utf-8")
    (folder / "disk" / "yard" / "20260101").mkdir(parents=True)
    (folder / "disk" / "yard" / "20260103").mkdir()
    requests.prepare(folder / "data", "video")
    done = typed("adopt", "--config", folder, folder / "disk", answer="n\n")
    assert done.exit_code == 1
    assert "u-1" in done.stdout
    assert "another [2J school" in done.stdout
    assert "\x1b" not in done.stdout
    assert "yard: 2026-01-01 – 2026-01-03, 2 天 days" in done.stdout
    assert list((folder / "data" / "requests" / "video").iterdir()) == []


def test_a_disk_that_is_not_there_is_told(folder: Path) -> None:
    (folder / "disk").rmdir()
    done = typed("adopt", "--config", folder, folder / "disk", "--yes")
    assert done.exit_code == 1
    assert isinstance(done.exception, GatewayError)
    assert "nothing was changed" in str(done.exception)


def test_a_recorder_that_does_not_run_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "FRESH_S", 0.3)
    requests.prepare(folder / "data", "video")
    done = typed("adopt", "--config", folder, folder / "disk", answer="y\n")
    assert isinstance(done.exception, GatewayError)
    assert "start it and try again" in str(done.exception)
    assert not (folder / "disk" / MARKER).exists(), "nothing was done behind its back"
