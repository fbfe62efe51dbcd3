"""Accounts, files and bounds of the embedded broker, and where its program is found."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.links.broker import BrokerSettings, BrokerUser
from gateway.links.broker import settings as module
from gateway.links.broker.settings import (
    check_users,
    find_server,
    own_password,
    render,
    to_subject,
    write_private,
)

BUTTON = BrokerUser(name="btn", password="pressed", topics=("buttons/+/press", "a/#"))


def made(folder: Path, **changes: object) -> BrokerSettings:
    return replace(BrokerSettings(folder=folder, devices=(BUTTON,)), **changes)


def config_of(settings: BrokerSettings, *, admit: bool = True) -> dict[str, object]:
    text = render(settings, password="own", warden="warden", admit=admit)
    found: dict[str, object] = json.loads(text)
    return found


def test_every_write_is_synced_and_every_size_is_bounded(tmp_path: Path) -> None:
    config = config_of(made(tmp_path))
    store = config["jetstream"]
    assert isinstance(store, dict)
    assert store["sync_interval"] == "always"
    assert config["max_payload"] == 256 * 1024
    assert config["max_connections"] == 4096
    # Room for sessions beyond what messages and retained messages may take.
    assert store["max_file_store"] - (1024 + 32) * 1024 * 1024 >= 32 * 1024 * 1024


def test_devices_have_no_account_before_they_are_admitted(tmp_path: Path) -> None:
    def names(*, admit: bool) -> list[str]:
        users = config_of(made(tmp_path), admit=admit)["authorization"]["users"]  # type: ignore[index]
        return [user["user"] for user in users]

    assert names(admit=False) == ["gateway", "campus-warden"]
    assert names(admit=True) == ["gateway", "btn", "campus-warden"]


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("a/b", "a.b"),
        ("a/+/c", "a.*.c"),
        ("a/#", "a.>"),
        ("#", ">"),
        ("/a", "/.a"),
        ("a//b", "a./.b"),
        ("v1.2/up", "v1//2.up"),
    ],
)
def test_a_topic_becomes_the_subject_nats_makes_of_it(topic: str, subject: str) -> None:
    assert to_subject(topic) == subject


def test_all_wrong_accounts_are_told_at_once(tmp_path: Path) -> None:
    users = (
        BrokerUser(name="a b", password="x"),
        BrokerUser(name="gateway", password="x"),
        BrokerUser(name="c", password=""),
        BrokerUser(name="d", password="$2a$10$looks-like-a-hash"),
        BrokerUser(name="e", password="x", topics=("a b",)),
    )
    with pytest.raises(ConfigError) as caught:
        check_users(made(tmp_path, devices=users))
    problems = [fault.problem for fault in caught.value.faults]
    assert len(problems) == 5
    words = ["user name", "twice", "no usable password", "$2", "topic filter"]
    assert [word for word, problem in zip(words, problems, strict=True) if word in problem] == words


def test_a_made_password_is_kept_private_and_the_same_next_time(tmp_path: Path) -> None:
    settings = made(tmp_path)
    first = own_password(settings)
    assert own_password(settings) == first
    assert len(first) >= 40
    assert stat.S_IMODE((tmp_path / "gateway.secret").stat().st_mode) == 0o600
    assert own_password(made(tmp_path, password="given")) == "given"


def test_a_file_that_was_open_to_all_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "nats.conf"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_without_the_program_both_ways_to_install_it_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(module.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match=r"campus-gateway\[broker\].*system's package"):
        find_server()


def test_the_program_beside_this_python_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    beside = tmp_path / "nats-server"
    beside.touch(mode=0o755)
    assert find_server() == beside


@given(st.text(min_size=1, max_size=64))
def test_any_password_either_is_a_fault_or_reaches_the_file_as_it_is(password: str) -> None:
    settings = BrokerSettings(folder=Path("unused"), password=password)
    try:
        check_users(settings)
    except ConfigError:
        return
    text = render(settings, password=password, warden="w", admit=False)
    assert json.loads(text)["authorization"]["users"][0]["password"] == password
