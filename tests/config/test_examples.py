"""The example files: an installer who only fills in the secrets has a sound configuration."""

import os
import shutil
from pathlib import Path

import pytest

from gateway.config import advice, load_config
from gateway.errors import ConfigError
from gateway.events import Kind

EXAMPLES = Path(__file__).parent.parent.parent / "config"
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1wb2xpY2UtbGluZQ=="


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLES / "gateway.example.toml", tmp_path / "gateway.toml")
    shutil.copy(EXAMPLES / "devices.example.toml", tmp_path / "devices.toml")
    return tmp_path


def write_secrets(folder: Path) -> None:
    (folder / "secrets").mkdir(mode=0o750)
    for name in ("mqtt", "police"):
        file = folder / "secrets" / name
        file.write_text(f"{SECRET}\n", encoding="utf-8")
        file.chmod(0o640)


def test_the_examples_are_sound_once_their_secrets_are_there(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secrets(copied)
    monkeypatch.setenv("CAMPUS_BUREAU_PASSWORD", "example")
    config = load_config(copied)
    assert advice(config) == []
    assert [device.id for device in config.devices] == [
        "btn-gate-west",
        "btn-office",
        "door-dorm-3",
    ]
    assert config.receivers_of(Kind.PANIC) == ("police", "bureau")
    assert config.receivers_of(Kind.GAS) == ("bureau",)
    assert config.links[0].password == SECRET
    assert config.links[0].client_id == "campus-320612-0001-gw-1-field"


def test_without_the_secrets_every_missing_one_is_named(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAMPUS_BUREAU_PASSWORD", raising=False)
    with pytest.raises(ConfigError) as caught:
        load_config(copied)
    assert [fault.key for fault in caught.value.faults] == [
        'link["field"].password_file',
        'uplink["police"].secret_file',
        'uplink["bureau"].password_env',
    ]


def test_no_secret_shows_when_the_configuration_is_printed(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_secrets(copied)
    monkeypatch.setenv("CAMPUS_BUREAU_PASSWORD", "example-of-a-password")
    printed = repr(load_config(copied))
    assert SECRET not in printed
    assert "example-of-a-password" not in printed
    assert os.environ["CAMPUS_BUREAU_PASSWORD"] == "example-of-a-password"
