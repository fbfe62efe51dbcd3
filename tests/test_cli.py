"""The command line as people and scripts meet it: real processes, their output and exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
[store]
path = "data"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1883"
[[uplink]]
name = "police"
kind = "http"
url = "http://127.0.0.1:9000/alarms"
[[uplink]]
name = "bureau"
kind = "http"
url = "http://127.0.0.1:9001/alarms"
[[route]]
uplink = "police"
kinds = ["fire", "intrusion"]
[[route]]
uplink = "bureau"
kinds = ["access"]
"""

DEVICES = """\
[[device]]
id = "btn-1"
profile = "generic/json_button"
link = "field"
name = "西门按钮"
place = "西门"
address = { topic = "site/btn-1" }
"""


def gateway(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `campus-gateway` as a process of its own and wait for it, 30 s at most."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    (made / "gateway.toml").write_text(GATEWAY, encoding="utf-8")
    (made / "devices.toml").write_text(DEVICES, encoding="utf-8")
    return made


def test_a_sound_configuration_is_summed_up_and_ends_with_0(folder: Path) -> None:
    done = gateway("check", "--config", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "320612-0001 示范小学, gw-1: 没有错误 / no fault",
        "设备 / devices: 1",
        "      1  generic/json_button",
        "链路 / links: 1",
        "  field: mqtt mqtt://127.0.0.1:1883, 1 devices",
        "接收方 / receivers: 2",
        "  police: http, fire, intrusion",
        "  bureau: http, access",
        "控制台 / console: http://127.0.0.1:8800",
        "警告 / warning: 现有设备会报 panic，但没有路由发给任何接收方 / "
        "configured devices raise panic, which no route sends to anybody",
        "警告 / warning: 没有去处的种类：duress, smoke, gas, patrol, water, electrical, "
        "temperature, power, equipment, video, tamper, fault, offline, test / kinds that go "
        "nowhere: duress, smoke, gas, patrol, water, electrical, temperature, power, equipment, "
        "video, tamper, fault, offline, test",
    ]


def test_faults_are_printed_one_a_line_on_stdout_and_the_exit_code_is_78(folder: Path) -> None:
    text = (folder / "devices.toml").read_text(encoding="utf-8")
    (folder / "devices.toml").write_text(
        text.replace('link = "field"', 'link = "feild"').replace("name =", "nmae ="),
        encoding="utf-8",
    )
    done = gateway("check", "--config", str(folder))
    assert done.returncode == 78
    file = folder / "devices.toml"
    assert done.stdout.splitlines() == [
        f'{file}: device["btn-1"].nmae: 不认识的键 `nmae`，是不是 `name` / unknown key `nmae`, '
        "did you mean `name`, expected one of: `accept_unverified`, `address`, `cameras`, `id`, "
        "`link`, `name`, `place`, `priority`, `profile`, `silence_seconds`",
        f'{file}: device["btn-1"].link: 没有链路 `feild`，是不是 `field` / there is no link '
        "`feild`, did you mean `field`, expected one of: `field`",
    ]
    assert "2 faults" in done.stderr


@pytest.mark.parametrize("command", ["run", "verify", "check"])
def test_no_command_starts_with_a_wrong_configuration(folder: Path, command: str) -> None:
    (folder / "gateway.toml").write_text("[site\n", encoding="utf-8")
    done = gateway(command, "--config", str(folder))
    assert done.returncode == 78
    assert done.stdout.splitlines() == [
        f"{folder / 'gateway.toml'}: (file): 第 1 行第 6 列语法错误 / line 1, column 6: Expected "
        "']' at the end of a table declaration, expected TOML 语法 / TOML syntax"
    ]
    assert not (folder / "data").exists()


def test_a_folder_that_is_not_there_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    done = gateway("check", "--config", str(tmp_path / "nowhere"))
    assert done.returncode == 78
    assert done.stdout == (
        f"{tmp_path / 'nowhere'}: (file): 没有这个目录 / there is no such folder, expected "
        "放有 gateway.toml 的目录 / a folder with gateway.toml\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("frobnicate",),
        ("demo", "--port", "0"),
        ("token", "--config", "x"),
        ("token", "--config", "x", "--role", "king"),
        ("token", "--config", "x", "--role", "guard", "--list"),
        ("profile", "decode", "generic/no_such_thing", "--json", "{}"),
        ("profile", "decode", "generic/json_button", "--json", "no-such-file.json"),
        ("simulate", "press", "--count", "0"),
    ],
)
def test_a_wrong_use_ends_with_2(words: tuple[str, ...]) -> None:
    done = gateway(*words)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert "Usage" in done.stderr


@pytest.mark.parametrize(
    "words", [(), ("check",), ("token",), ("profile", "decode"), ("simulate", "press")]
)
def test_help_teaches_in_chinese_before_english_with_an_example(words: tuple[str, ...]) -> None:
    done = gateway(*words, "--help")
    assert done.returncode == 0
    body = done.stdout.split("\n\n", 1)[1]
    assert "\u4e00" <= body.strip()[0] <= "\u9fff"
    assert " ".join(("campus-gateway", *words)) in body


def test_help_does_not_wait_for_heavy_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway.cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"pydantic", "aiohttp", "fastapi", "paho.mqtt.client", "gateway.app"})


def test_version_says_which_one() -> None:
    done = gateway("version")
    assert done.returncode == 0
    assert done.stdout.strip()
