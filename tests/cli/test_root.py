"""The command line as people and scripts meet it: real processes, their output and exit codes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.store import Store
from simulators.brokers import Mosquitto, MosquittoSettings, free_port

ROOT = Path(__file__).parent.parent.parent

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
    """Run `campus-gateway` as a process of its own and wait for it, 90 s at most."""
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run the entry point in this process, where a process of its own would prove no more."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["campus-gateway", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


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
        "警号 / siren: 没有，只靠值班屏 / none, consoles only",
        "语音 / speech: 只有提示音:campus-gateway speech / tones only: run campus-gateway speech",
        "预案 / response plans: access, duress, electrical, equipment, fire, gas, intrusion, "
        "panic, power, smoke, tamper, temperature, video, water",
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
        "did you mean `name`, expected one of: `accept_unverified`, `address`, `cameras`, "
        "`commands`, `id`, `link`, `name`, `place`, `priority`, `profile`, `silence_seconds`",
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


USED_WRONGLY = [
    ("check",),
    ("frobnicate",),
    ("demo", "--port", "0"),
    ("token", "--config", "x"),
    ("token", "--config", "x", "--role", "king"),
    ("token", "--config", "x", "--role", "guard", "--list"),
    ("profile", "decode", "generic/no_such_thing", "--json", "{}"),
    ("profile", "decode", "generic/json_button", "--json", "no-such-file.json"),
    ("simulate", "press", "--count", "0"),
    ("simulate", "press", "--data", "no-such-folder"),
]


@pytest.mark.parametrize("words", USED_WRONGLY, ids=" ".join)
def test_a_wrong_use_ends_with_2(words: tuple[str, ...], here: Here) -> None:
    code, out, err = here(*words)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_a_wrong_use_ends_with_2_as_a_process_too() -> None:
    assert gateway("check").returncode == 2


@pytest.mark.parametrize(
    "words", [(), ("check",), ("token",), ("profile", "decode"), ("simulate", "press")]
)
def test_help_teaches_in_chinese_before_english_with_an_example(
    words: tuple[str, ...], here: Here
) -> None:
    code, out, _ = here(*words, "--help")
    assert code == 0
    body = out.split("\n\n", 1)[1]
    assert "\u4e00" <= body.strip()[0] <= "\u9fff"
    assert " ".join(("campus-gateway", *words)) in body


@pytest.mark.parametrize("command", ["video", "export"])
def test_commands_of_later_are_not_promised(command: str, here: Here) -> None:
    assert here(command)[0] == 2


def test_help_does_not_wait_for_heavy_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway.cli", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"pydantic", "aiohttp", "fastapi", "paho.mqtt.client", "gateway.app"})


def test_version_says_which_one() -> None:
    done = gateway("version")
    assert done.returncode == 0
    assert done.stdout.strip()


def test_a_token_is_the_only_thing_on_stdout_and_is_listed_and_revoked_by_id(
    folder: Path, here: Here
) -> None:
    code, token, advice = here(
        "token", "--config", str(folder), "--role", "guard", "--name", "西门"
    )
    assert code == 0
    assert token.startswith("cg_")
    assert token.count("\n") == 1
    assert token.strip() not in advice
    assert "never shown again" in advice
    code, listed, _ = here("token", "--config", str(folder), "--list")
    assert code == 0
    token_id, role, _, name = listed.rstrip("\n").split("\t")
    assert (role, name) == ("guard", "西门")
    assert token.strip() not in listed
    assert here("token", "--config", str(folder), "--revoke", token_id)[0] == 0
    assert here("token", "--config", str(folder), "--list")[1] == ""
    assert here("token", "--config", str(folder), "--revoke", token_id)[0] == 1


def test_verify_of_a_store_that_is_not_there_fails_and_says_so(folder: Path, here: Here) -> None:
    code, out, _ = here("verify", "--config", str(folder))
    assert code == 1
    assert "events.db" in out


async def test_verify_of_a_fresh_store_is_sound_and_of_a_damaged_one_is_not(folder: Path) -> None:
    store, start = await Store.open(folder / "data", reserve_mib=16, receivers=[])
    await store.close(start.seq, start.floor_ns)
    done = await asyncio.to_thread(gateway, "verify", "--config", str(folder))
    assert (done.returncode, done.stdout) == (0, "完好 / sound\n")
    (folder / "data" / "events.db").write_bytes(b"no database at all" * 1000)
    done = await asyncio.to_thread(gateway, "verify", "--config", str(folder))
    assert done.returncode == 1
    assert "events.db" in done.stdout


def test_profiles_are_listed_with_their_proof(here: Here) -> None:
    code, out, _ = here("profile", "list")
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t")[3] for line in out.splitlines()}
    assert rows["generic/json_button"] == "verified"


def test_a_shipped_profile_checks_clean_and_a_broken_one_names_its_faults(
    tmp_path: Path, here: Here
) -> None:
    shipped = ROOT / "config" / "profiles" / "generic" / "json_button.toml"
    assert here("profile", "check", str(shipped))[0] == 0
    broken = tmp_path / "broken.toml"
    broken.write_text(
        shipped.read_text(encoding="utf-8").replace('kind = "panic"', 'kind = "pannic"'),
        encoding="utf-8",
    )
    code, out, _ = here("profile", "check", str(broken))
    assert code == 78
    assert out.startswith(f"{broken}: point[0].kind: ")


def test_a_sample_is_decoded_as_the_gateway_would(tmp_path: Path, here: Here) -> None:
    code, out, _ = here("profile", "decode", "generic/json_button", "--json", '{"floor": 3}')
    assert code == 0
    (reading,) = json.loads(out)["readings"]
    assert (reading["kind"], reading["attributes"]) == ("panic", {"floor": 3})
    sample = tmp_path / "sample.json"
    sample.write_bytes(b'{"floor": ')
    code, out, err = here("profile", "decode", "generic/json_button", "--json", str(sample))
    assert code == 1
    assert json.loads(out)["readings"] == []
    assert "garbled" in err


def test_a_press_with_no_broker_there_fails_and_asks_whether_it_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, here: Here
) -> None:
    monkeypatch.setattr("gateway.press.CONNECT_S", 0.2)
    text = (folder / "gateway.toml").read_text(encoding="utf-8").replace("1883", str(free_port()))
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    code, out, err = here("simulate", "press", "--config", str(folder))
    assert (code, out) == (1, "")
    assert "Is it running?" in err


def test_a_press_reaches_the_broker_of_the_configuration(folder: Path, tmp_path: Path) -> None:
    async def press_once() -> subprocess.CompletedProcess[str]:
        async with Mosquitto(tmp_path / "broker", MosquittoSettings()) as broker:
            text = (folder / "gateway.toml").read_text(encoding="utf-8")
            text = text.replace("1883", str(broker.port))
            (folder / "gateway.toml").write_text(text, encoding="utf-8")
            return await asyncio.to_thread(
                gateway, "simulate", "press", "--config", str(folder), "--count", "2"
            )

    done = asyncio.run(press_once())
    assert done.returncode == 0, done.stderr
    assert done.stdout == "btn-1 西门按钮: site/btn-1 × 2\n"
