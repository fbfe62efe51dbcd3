"""Every kind of fault an installer can make, and the exact line he reads (cases in faults.toml)."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.config.conftest import DEVICES, GATEWAY, Installation

CASES = tomllib.loads((Path(__file__).parent / "faults.toml").read_text(encoding="utf-8"))["case"]


def apply(change: dict[str, Any], installation: Installation) -> None:
    """Change one file as a case says."""
    name = change["file"]
    if "old" in change:
        installation.change(name, change["old"], change["new"])
    elif "add" in change:
        installation.add(name, change["add"])
    elif "write" in change:
        installation.write(name, change["write"])
    else:
        assert change["remove"]
        (installation.folder / name).unlink()


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_a_fault_is_told_with_file_key_problem_and_what_was_expected(
    case: dict[str, Any], installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAMPUS_NOT_SET", raising=False)
    for change in case["change"]:
        apply(change, installation)
    assert installation.faults() == case["lines"]


def test_the_installation_the_cases_start_from_is_sound(installation: Installation) -> None:
    config = installation.load()
    assert [device.id for device in config.devices] == ["btn-1"]


def test_all_faults_of_all_files_are_told_at_once(installation: Installation) -> None:
    installation.gateway(
        GATEWAY.replace('id = "320612-0001"', 'id = "320612 0001"')
        .replace("1883", "70000")
        .replace('kind = "http"', 'kind = "https"')
        + '[[route]]\nuplink = "bureau"\nkinds = ["pannic"]\n[console]\nlisten = "0.0.0.0"\n'
    )
    installation.devices(DEVICES.replace("json_button", "json_buton"))
    installation.write("devices.d/dorm.toml", DEVICES.replace('link = "field"', 'link = "dorm"'))
    installation.write("devices.d/gym.toml", "[[device]\n")
    installation.write("profiles/own/thing.toml", "= 1\n")
    places = [line.split(": ")[:2] for line in installation.faults()]
    assert places == [
        ["profiles/own/thing.toml", "(file)"],
        ["gateway.toml", "site.id"],
        ["gateway.toml", 'link["field"].url'],
        ["gateway.toml", 'uplink["police"].kind'],
        ["gateway.toml", "route[0].uplink"],
        ["gateway.toml", "route[0].kinds[0]"],
        ["gateway.toml", "console.listen"],
        ["devices.toml", 'device["btn-1"].profile'],
        ["devices.d/dorm.toml", "device[0].id"],
        ["devices.d/dorm.toml", "device[0].link"],
        ["devices.d/gym.toml", "(file)"],
    ]


@pytest.mark.parametrize(
    "line",
    [
        'address = ""',
        'address = "a\\u202eb"',
        f'address = "{"长" * 101}"',
        'phone = "call me"',
        "phone = 110",
    ],
)
def test_what_somebody_reads_out_to_119_can_be_read_out(
    installation: Installation, line: str
) -> None:
    installation.change("gateway.toml", 'name = "示范小学"', f'name = "示范小学"\n{line}')
    (told,) = installation.faults()
    assert told.startswith(f"gateway.toml: site.{line.split(maxsplit=1)[0]}: ")


def test_a_broken_link_is_one_fault_and_not_one_more_for_each_device(
    installation: Installation,
) -> None:
    installation.change("gateway.toml", "mqtt://127.0.0.1:1883", "http://127.0.0.1")
    assert len(installation.faults()) == 1


def test_devices_are_looked_at_even_when_gateway_toml_cannot_be_read(
    installation: Installation,
) -> None:
    installation.gateway("[site\n")
    installation.change("devices.toml", "json_button", "json_buton")
    assert [line.split(": ")[0] for line in installation.faults()] == [
        "gateway.toml",
        "devices.toml",
    ]


def test_a_user_and_password_in_a_url_are_never_repeated(installation: Installation) -> None:
    for url in ("mqtt://me:hunter2@host:99999", "ftp://me:hunter2@host", "mqtt://me:hunter2@"):
        installation.gateway(GATEWAY.replace("mqtt://127.0.0.1:1883", url))
        assert "hunter2" not in "\n".join(installation.faults())
        installation.gateway(GATEWAY.replace("http://127.0.0.1:9000/alarms", url))
        assert "hunter2" not in "\n".join(installation.faults())


def test_an_inline_secret_is_never_repeated(installation: Installation) -> None:
    for key in ("password", "secret", "token"):
        installation.gateway(GATEWAY.replace("url = ", f'{key} = "hunter2"\nurl = '))
        lines = installation.faults()
        assert len(lines) == 2
        assert "hunter2" not in "\n".join(lines)
