"""scan, probe, import and profile list as people and scripts meet them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from simulators.modbus import Line, Unit
from simulators.modbus.model import Model

ROOT = Path(__file__).parent.parent.parent
UPS = ROOT / "config" / "profiles" / "power" / "kstar_ups.toml"

GATEWAY = """\
[site]
id = "320612-0001"
name = "示范小学"
[store]
path = "data"
[[link]]
name = "plant"
kind = "modbus"
url = "{url}"
[[link]]
name = "field"
kind = "mqtt"
url = "mqtt://127.0.0.1:1883"
"""

DEVICES = """\
[[device]]
id = "ups"
profile = "power/kstar_ups"
link = "plant"
place = "机房"
address = { unit = 3 }
accept_unverified = true
[[device]]
id = "btn-1"
profile = "generic/json_button"
link = "field"
place = "西门"
address = { topic = "site/btn-1" }
"""

Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run the entry point in this process, where a process of its own would prove no more."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["campus-gateway", *words])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    (made / "gateway.toml").write_text(GATEWAY.format(url="tcp://127.0.0.1:9"), encoding="utf-8")
    (made / "devices.toml").write_text(DEVICES, encoding="utf-8")
    return made


async def gateway(*words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway.cli", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def ups_line() -> Line:
    return Line([Model.from_file(UPS, {"unit": 3}).unit])


# --- scan ----------------------------------------------------------------------------------------


async def test_a_scan_that_finds_somebody_ends_with_0_and_talks_on_two_channels() -> None:
    async with ups_line().tcp() as served:
        done = await gateway("scan", "modbus", served.url, "--units", "2-3", "--rate", "500")
    assert done.returncode == 0, done.stderr
    assert "unit 3 is there" in done.stdout
    assert "power/kstar_ups" in done.stdout
    assert "round 1, function 3" in done.stderr, "progress is no part of the result"


async def test_a_scan_for_programs_prints_one_json_document(here: Here) -> None:
    words = ("--units", "3", "--rate", "500", "--no-ranges", "--json")
    async with ups_line().tcp() as served:
        _, out, _ = await asyncio.to_thread(here, "scan", "modbus", served.url, *words)
    document = json.loads(out)
    assert [unit["unit"] for unit in document["units"]] == [3]
    assert document["units"][0]["functions"] == {}


async def test_a_scan_that_finds_nobody_ends_with_1_and_a_next_step(here: Here) -> None:
    words = ("--units", "1", "--rate", "500", "--timeout", "0.05")
    async with Line([]).tcp() as served:
        code, out, _ = await asyncio.to_thread(here, "scan", "modbus", served.url, *words)
    assert code == 1
    assert "scan modbus rtu-over-tcp://" in out


async def test_a_scan_that_is_interrupted_prints_what_it_has(tmp_path: Path) -> None:
    line = ups_line()
    out = tmp_path / "out"

    def start(url: str) -> "subprocess.Popen[bytes]":
        with out.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "gateway.cli", "scan", "modbus", url,
                 "--units", "3", "--rate", "20"],
                cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    async with line.tcp() as served:
        process = await asyncio.to_thread(start, served.url)
        await line[3].asked(function=3, address=110, timeout_s=60)
        process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(process.wait, 30)
    assert code == 130
    said = out.read_text("utf-8")
    assert "unit 3 is there" in said
    assert "Ctrl-C" in said
    assert "Traceback" not in said


async def test_a_bus_that_this_machine_uses_is_not_disturbed_unless_told_so() -> None:
    line = ups_line()
    words = ("--units", "3", "--rate", "500", "--no-ranges")
    async with line.tcp() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        refused = await gateway("scan", "modbus", served.url, *words)
        assert len(line.requests) == 0
        anyway = await gateway("scan", "modbus", served.url, *words, "--anyway")
        writer.close()
        await writer.wait_closed()
        del reader
    assert refused.returncode == 1
    assert "nothing was sent" in refused.stderr
    assert anyway.returncode == 0


USED_WRONGLY = [
    ("scan", "modbus"),
    ("scan", "modbus", "http://192.0.2.1"),
    ("scan", "modbus", "tcp://192.0.2.1", "--units", "0-300"),
    ("scan", "modbus", "tcp://192.0.2.1", "--units", "5-1"),
    ("scan", "modbus", "serial:/dev/x", "--units", "248"),
    ("scan", "modbus", "tcp://192.0.2.1", "--serial-guess"),
    ("scan", "modbus", "tcp://192.0.2.1", "--rate", "0"),
    ("profile", "list", "--driver", "profibus"),
    ("profile", "list", "--family", "nonsense"),
]


@pytest.mark.parametrize("words", USED_WRONGLY, ids=" ".join)
def test_a_wrong_use_ends_with_2(words: tuple[str, ...], here: Here) -> None:
    code, out, err = here(*words)
    assert (code, out) == (2, "")
    assert "Usage" in err


def test_a_port_that_does_not_open_ends_with_1_and_says_what_to_try(here: Here) -> None:
    code, out, err = here("scan", "modbus", "serial:/dev/no-such-port")
    assert (code, out) == (1, "")
    assert "/dev/serial/by-id" in err


@pytest.mark.parametrize(
    "words", [("scan",), ("scan", "modbus"), ("probe",), ("import",), ("profile", "list")]
)
def test_help_teaches_in_chinese_before_english(words: tuple[str, ...], here: Here) -> None:
    code, out, _ = here(*words, "--help")
    assert code == 0
    body = out.split("\n\n", 1)[1]
    assert "\u4e00" <= body.strip()[0] <= "\u9fff"
    if words != ("scan",):
        assert " ".join(("campus-gateway", *words)) in body


# --- probe ---------------------------------------------------------------------------------------


async def test_a_probe_prints_what_it_read_and_ends_with_0(folder: Path, here: Here) -> None:
    line = ups_line()
    async with line.tcp() as served:
        (folder / "gateway.toml").write_text(GATEWAY.format(url=served.url), encoding="utf-8")
        words = ("probe", "--config", str(folder), "--device", "ups")
        code, out, err = await asyncio.to_thread(here, *words)
        _, shown, _ = await asyncio.to_thread(here, *words, "--json")
    assert code == 0, err
    assert "220.3 V" in out
    assert "power/kstar_ups.toml" in out
    document = json.loads(shown)
    assert {value["quality"] for value in document["values"]} == {"good"}
    assert len(line.writes) == 0


async def test_a_probe_that_repeats_sees_what_changes(folder: Path) -> None:
    model = Model.from_file(UPS, {"unit": 3})
    line = Line([model.unit])

    async with line.tcp() as served:
        (folder / "gateway.toml").write_text(GATEWAY.format(url=served.url), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "probe", "--config", str(folder),
            "--device", "ups", "--every", "0.2", "--json",
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, limit=1 << 20,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(90):
            first = json.loads(await process.stdout.readline())
            model.set("input_v1", 0)
            while True:
                later = json.loads(await process.stdout.readline())
                mains = next(each for each in later["points"] if each["name"] == "mains")
                if mains["active"]:
                    break
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    assert not next(each for each in first["points"] if each["name"] == "mains")["active"]


@pytest.mark.parametrize("device", ["btn-1", "upss"])
def test_a_device_that_cannot_be_probed_is_a_wrong_use(
    folder: Path, device: str, here: Here
) -> None:
    code, out, err = here("probe", "--config", str(folder), "--device", device)
    assert (code, out) == (2, "")
    assert "mqtt" in err or "ups" in err


# --- import --------------------------------------------------------------------------------------


def listed(folder: Path, text: str) -> Path:
    file = folder / "points.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_list_becomes_devices_and_check_accepts_them(folder: Path, here: Here) -> None:
    file = listed(folder, "回路,编号,类型,位置\n1,1,手报,门厅\n1,2,烟感,走廊\n")
    words = ("import", str(file), "--config", str(folder), "--profile", "fire/jbf_point",
             "--link", "plant", "--set", "unit=9", "--accept-unverified")  # fmt: skip
    code, out, err = here(*words)
    assert code == 0, out + err
    assert "2 devices imported" in out
    assert (folder / "devices.d" / "points.toml").is_file()
    assert here("check", "--config", str(folder))[0] == 0
    before = (folder / "devices.d" / "points.toml").read_bytes()
    code, out, _ = here(*words)
    assert code == 1, "a list that was imported is not imported a second time by accident"
    assert "devices.d/points.toml" in out
    assert (folder / "devices.d" / "points.toml").read_bytes() == before
    assert here(*words, "--replace")[0] == 0


def test_a_row_that_does_not_fit_is_told_and_the_exit_code_is_1(folder: Path, here: Here) -> None:
    file = listed(folder, "回路,编号,类型,位置\n1,1,手报,门厅\n1,x,烟感,走廊\n")
    code, out, _ = here(
        "import", str(file), "--config", str(folder), "--profile", "fire/jbf_point",
        "--link", "plant", "--set", "unit=9", "--dry-run",
    )  # fmt: skip
    assert code == 1
    assert "第 3 行" in out
    assert "[[device]]" in out, "a dry run shows what would be written"
    assert not (folder / "devices.d").exists()


def test_a_header_of_ones_own_is_mapped(folder: Path, here: Here) -> None:
    file = listed(folder, "Schleife,Melder,类型,位置\n1,1,手报,门厅\n")
    code, out, err = here(
        "import", str(file), "--config", str(folder), "--profile", "fire/jbf_point",
        "--link", "plant", "--set", "unit=9", "--map", "loop=Schleife", "--map", "device=Melder",
        "--out", "hall",
    )  # fmt: skip
    assert code == 0, out + err
    assert "loop = 1" in (folder / "devices.d" / "hall.toml").read_text("utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("--profile", "fire/jbf_pointt", "--link", "plant"),
        ("--profile", "fire/jbf_point", "--link", "plnat"),
        ("--profile", "fire/jbf_point", "--link", "plant", "--map", "loop"),
        ("--profile", "fire/jbf_point", "--link", "plant", "--out", "a/b"),
    ],
    ids=" ".join,
)
def test_an_import_that_is_asked_for_wrongly_ends_with_2(
    folder: Path, words: tuple[str, ...], here: Here
) -> None:
    file = listed(folder, "回路,编号\n1,1\n")
    code, out, err = here("import", str(file), "--config", str(folder), *words)
    assert (code, out) == (2, "")
    assert "Usage" in err


# --- profile list and check ----------------------------------------------------------------------


def test_profiles_are_listed_with_family_driver_and_confidence(here: Here) -> None:
    _, out, _ = here("profile", "list", "--driver", "modbus", "--family", "power")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows
    assert {tuple(row[4:6]) for row in rows} == {("power", "modbus")}
    assert {row[6] for row in rows} <= {"A+", "A", "B", "C", "D"}


def test_check_shows_the_time_of_each_bus_and_warns_of_what_is_wrong(
    folder: Path, here: Here
) -> None:
    text = GATEWAY.format(url="serial:/dev/ttyUSB0?baud=1200")
    (folder / "gateway.toml").write_text(text, encoding="utf-8")
    code, out, _ = here("check", "--config", str(folder))
    assert code == 0, "advice is no fault"
    assert "the worst time of a new alarm on each Modbus bus" in out
    assert 'gateway.toml: link["plant"]' in out


def test_an_installation_without_modbus_is_not_told_about_it(folder: Path, here: Here) -> None:
    text = GATEWAY.format(url="tcp://127.0.0.1:9")
    plant = text.index("[[link]]")
    field = text.index("[[link]]", plant + 1)
    (folder / "gateway.toml").write_text(text[:plant] + text[field:], encoding="utf-8")
    devices = DEVICES[DEVICES.index('[[device]]\nid = "btn-1"') :]
    (folder / "devices.toml").write_text(devices, encoding="utf-8")
    code, out, _ = here("check", "--config", str(folder))
    assert code == 0
    assert "Modbus" not in out


async def test_a_unit_without_registers_is_still_found() -> None:
    async with Line([Unit(7)]).rtu_over_tcp() as served:
        done = await gateway(
            "scan", "modbus", served.url, "--units", "7", "--rate", "500", "--no-ranges"
        )
    assert done.returncode == 0
    assert "unit 7 is there (exception 2)" in done.stdout
